"""Which column of a table holds the texts and which the labels: by name, then by what is in it."""

import difflib
import re

from helpers import tables
from helpers.errors import LearnerError

# As people call them, in several languages; compared without capitals, digits at the end and
# everything that is no letter. What stands under "unsure" often holds something else.
NAMES = {
    "text": {
        "sure": """text texts review reviews sentence sentences comment comments content contents
            message messages body tweet tweets post posts document documents utterance sms email
            mail phrase statement opinion article complaint transcript passage selftext
            texte avis commentaire commentaires critique contenu
            texto textos reseña reseñas comentario comentarios comentário comentários mensaje
            mensagem frase opinión opinião contenido conteúdo
            testo testi recensione recensioni commento commenti messaggio contenuto
            kommentar kommentare rezension rezensionen nachricht satz inhalt meinung tekst bericht
            recensie komentarz recenzja metin yorum görüş mesaj cümle
            текст тексты отзыв отзывы комментарий сообщение
            文本 评论 评价 内容 句子 テキスト レビュー
            نص النص تعليق التعليق مراجعة""",
        "unsure": """title titles headline headlines summary description question questions subject
            abstract feedback titre titel título titolo beschreibung descripción""",
    },
    "label": {
        "sure": """label labels class classes category categories sentiment sentiments target
            polarity verdict intent emotion stance topic
            étiquette étiquettes classe classes catégorie thème
            etiqueta etiquetas clase clases categoría categoria sentimiento sentimento
            etichetta etichette klasse klassen kategorie stimmung
            etiket kategori duygu durum etykieta kategoria метка метки класс категория тональность
            标签 类别 情感 ラベル カテゴリ التصنيف تصنيف المشاعر""",
        "unsure": """rating ratings score scores star stars type tag group grade outcome answer
            result status recommended liked toxic spam y
            bewertung sterne note étoiles estrellas puntuación nota
            puan оценка 评分""",
    },
}
# Two columns that are read together: the names of the first and of the second.
_PAIRS = [("premise", "hypothesis"), ("question", "answer"), ("question", "sentence"),
          ("question", "passage"), ("query", "passage"), ("query", "document"),
          ("query", "title"), ("text", "text pair"), ("context", "response"),
          ("claim", "evidence")]
_LOOKED_AT = 2_000  # rows, evenly spread, by which it is judged what a column holds
_MOST_CLASSES = 100


def find(name, cells, header=True, text=None, label=None):
    """Return the names of the columns of text and label, as asked for or as recognised.

    Raises LearnerError, with the candidates, where there is any doubt.
    """
    twice = set(cells.columns[cells.columns.duplicated()])
    cells = cells.loc[:, ~cells.columns.duplicated()]
    facts = None if text is not None and label is not None else _facts(cells)
    found_text = _named(name, cells, header, "text", text)
    found_label = _named(name, cells, header, "label", label)
    for option, found, other in (("text", found_text, found_label),
                                 ("label", found_label, found_text)):
        if found and other is None and _belongs_to_the_other(facts, found, option):
            right = "label" if option == "text" else "text"
            raise LearnerError(
                f"{name}: the column {tables.short(found)!r} holds "
                f"{'few different values, as labels do' if right == 'label' else 'texts'}. Did "
                f"you mean {right}={tables.short(found)!r}?")
    if text is None:
        found_text = _recognised(name, cells, facts, "text", found_label)
    if label is None:
        found_label = _recognised(name, cells, facts, "label", found_text)
    for column in sorted({found_text, found_label} & twice):
        raise LearnerError(f"{name} has several columns called {tables.short(column)!r}. Rename "
                           "all but one in the file's first row.")
    if found_text == found_label:
        raise LearnerError(f"{name}: text and label are both the column "
                           f"{tables.short(found_text)!r}. Name two different ones.")
    return found_text, found_label


def find_text(name, cells, header=True, text=None):
    """Return the name of the column of texts in a table whose labels do not matter."""
    if text is not None:
        return _named(name, cells, header, "text", text)
    if len(cells.columns) == 1:
        return cells.columns[0]
    cells = cells.loc[:, ~cells.columns.duplicated()]
    return _recognised(name, cells, _facts(cells), "text", None)


def check_header(name, cells, header=True):
    """Raise LearnerError if the first row of a file is a text, or with header=False is none."""
    known = {word for option in NAMES.values() for words in option.values()
             for word in words.split()}
    if not header:
        first = [str(value) for value in cells.iloc[0] if str(value).strip()]
        if first and all(plain(value) in known for value in first):
            raise LearnerError(f"{name}: the first row looks like the names of columns: "
                               f"{tables.listed(first)}. Leave header=False out.")
        return
    alike = [_looks_like_its_cells(cells.iloc[:, i], column) for i, column in enumerate(cells)]
    if any(alike) and not any(plain(column) in known and not same
                              for column, same in zip(cells, alike, strict=True)):
        raise LearnerError(f"{name}: the first row looks like a text, not like the names of "
                           "columns. If it is one, say header=False; else name the columns: "
                           "text='…', label='…'.")


def plain(name):
    """Return a column's name as NAMES has them: "Airline_Sentiment" is "airline sentiment"."""
    words = re.sub(r"(?<=[a-zß-ÿ])(?=[A-Z])", " ", str(name))
    return " ".join(re.sub(r"[\W_]+", " ", words).casefold().split())


def _named(name, cells, header, option, wanted):
    """Return the column that is asked for by name, None if none is."""
    if wanted is None:
        return None
    several = [str(part).strip() for part in (
        wanted if isinstance(wanted, list | tuple) else str(wanted).split(","))]
    if len(several) > 1 and set(several) <= set(cells):
        what = "Pairs of texts" if option == "text" else "Several labels a text"
        raise LearnerError(f"{name}: {option} names {len(several)} columns. {what} cannot be "
                           f"trained on yet; name one: {option}={tables.short(several[0])!r}.")
    wanted = several[0] if len(several) == 1 else str(wanted).strip()
    same = [column for column in cells if column == wanted] or [
        column for column in cells if column.casefold() == wanted.casefold()]
    if len(same) == 1:
        return same[0]
    if same:
        raise LearnerError(f"{name} has {len(same)} columns that {option}={tables.short(wanted)!r}"
                           " may mean. Rename all but one.")
    close = difflib.get_close_matches(wanted.casefold(), [c.casefold() for c in cells], n=1)
    close = [column for column in cells if close and column.casefold() == close[0]][:1]
    hint = (f"Did you mean {option}={tables.short(close[0])!r}?" if close
            else f"Name the right one with {option}='…'.")
    if not header:
        hint = f"Without a header columns go by number, such as {option}='1'."
    raise LearnerError(f"{name} has no column {tables.short(wanted)!r}, only: "
                       f"{tables.listed(cells)}. {hint}")


def _looks_like_its_cells(cells, column):
    """Say whether a column's name is one of its few values, or as long as its texts."""
    values = _sample(cells)
    seen = values.value_counts()
    if len(seen) <= max(2, len(values) / 5):
        return column.casefold() in {value.casefold() for value in seen.index} or (
            _is_number(column) and all(map(_is_number, seen.index)))
    is_question = re.search(r"[?？]|:[….\s]*$", column)
    return len(column.split()) >= 8 and not is_question


def _recognised(name, cells, facts, option, other):
    """Return the one column that can only be meant, or raise LearnerError with the candidates."""
    columns = [column for column in cells if column != other]
    fitting = [column for column in columns if facts[column][option]]
    if option == "text":
        _refuse_pairs(name, columns, facts)
    ranks = {column: _rank(column, option) for column in columns}
    best = min(ranks.values(), default=4)
    named = [column for column in columns if ranks[column] == best] if best < 4 else []
    if len(named) > 1 or (best == 3 and fitting):
        named = [column for column in named if column in fitting] or named * (best < 3)
    if len(named) == 1 and (best < 3 or set(fitting) <= set(named)):
        return named[0]
    if not named and len(fitting) == 1:
        return fitting[0]
    if option == "label":
        _refuse_without_label(name, cells, columns, named or fitting)
        _refuse_several_labels(name, cells, facts, fitting)
    candidates = list(dict.fromkeys([*named, *fitting])) or columns
    what = "texts" if option == "text" else "labels"
    shown = tables.listed(map(repr, map(tables.short, candidates)))
    if not (named or fitting):
        _refuse_nested(name, cells)
        if option == "text" and all(str(c) == str(i) for i, c in enumerate(cells, start=1)):
            shown += " (by number)"
        raise LearnerError(f"{name}: no column is called text or looks like texts. Which is it? "
                           f"Say {option}='…' with one of: {shown}.")
    raise LearnerError(f"{name}: which column has the {what}? {shown} may. Say "
                       f"{option}={tables.short(candidates[0])!r}, or another.")


def _rank(column, option):
    """Return how sure a name is: from -1, the option itself, to 3, unsure, and 4, not known."""
    words = plain(column)
    if words == option:
        return -1 if column == option else 0
    bare = re.sub(r"[ \d]+$", "", words) or words
    sure, unsure = (NAMES[option][kind].split() for kind in ("sure", "unsure"))
    last = bare.rpartition(" ")[2]
    if bare in sure:
        return 1
    if last in sure:
        return 2
    return 3 if last in unsure else 4


def _facts(cells):
    """Return for each column whether it can be the texts and whether the labels."""
    return {column: judged(cells.iloc[:, i]) for i, column in enumerate(cells.columns)}


def _spread(cells):
    return cells.iloc[::max(1, len(cells) // _LOOKED_AT)]


def _sample(cells):
    values = _spread(cells)
    values = values[values.notna()].astype(str).str.strip()
    return values[values != ""]


def judged(cells):
    """Return whether a column can be the texts, whether the labels, and if it has two values."""
    cells = _spread(cells)
    values = _sample(cells)
    lists = cells.map(lambda value: isinstance(value, list | tuple | dict)).mean()
    single = cells.map(lambda value: isinstance(value, list) and len(value) == 1).mean()
    if values.empty or len(values) < 0.1 * len(cells) or lists - single > 0.5:
        return {"text": False, "label": False, "binary": False}
    different = values.nunique()
    length = values.str.len().mean()
    values = values.str.slice(0, 300)
    together = "".join(values[:200])
    letters = sum(map(str.isalpha, together)) / max(1, len("".join(together.split())))
    spaced = values.str.contains(r"\s").mean() > 0.5
    wide = sum(ord(letter) > 0x2E80 for letter in together) > len(together) / 2
    links = values.str.match(r"(?:https?://|www\.)\S+$").mean() > 0.5
    many = different > 0.5 * len(values) or (different >= 20 and length > 40)  # or copied often
    text = (many and not lists and letters > 0.5 and not links
            and ((spaced and length >= 12) or (wide and length >= 6)))
    few = 2 <= different <= max(2, min(_MOST_CLASSES, len(values) / 5))
    return {"text": text, "label": few and not text and length <= 40,
            "binary": different == 2}


def _refuse_pairs(name, columns, facts):
    """Raise LearnerError if two columns are texts that are read together."""
    texts = [column for column in columns if facts[column]["text"]]
    for i, first in enumerate(texts):
        for second in texts[i + 1:]:
            a, b = sorted((plain(first), plain(second)))
            alike = _without_number(a) == _without_number(b) != ""
            if alike or (a, b) in _PAIRS or (b, a) in _PAIRS:
                raise LearnerError(
                    f"{name} looks like pairs of texts, {tables.short(first)!r} and "
                    f"{tables.short(second)!r}, with one label for both. Pairs cannot be trained "
                    f"on yet; if one text is enough, say text={tables.short(first)!r}.")


def _belongs_to_the_other(facts, found, option):
    """Say whether a column named as the texts holds labels while another has texts, or so on."""
    other = "label" if option == "text" else "text"
    return facts[found][other] and not facts[found][option] and any(
        facts[column][option] for column in facts if column != found)


def _without_number(name):
    return re.sub(r"^\d | ?(?:\d|\b[ab])$", "", name)


def _refuse_several_labels(name, cells, facts, fitting):
    """Raise LearnerError if several columns say yes or no to a label each."""
    alike = {}
    for column in fitting:
        if facts[column]["binary"]:
            values = frozenset(_sample(cells[column]).str.casefold())
            alike.setdefault(values, []).append(column)
    most = max(alike.values(), key=len, default=[])
    if len(most) >= 3 or 1 < len(most) == len(fitting):
        raise LearnerError(
            f"{name} looks like several labels a text, one column each: "
            f"{tables.listed(most)}. Only one label a text can be trained on yet: say "
            f"label={tables.short(most[0])!r}, or another.")


def _refuse_without_label(name, cells, columns, candidates):
    """Raise LearnerError for texts to predict: a table in which no column can be the labels."""
    if candidates:
        return
    _refuse_nested(name, cells)
    raise LearnerError(
        f"{name} has no labels: no column is called label or holds a few values again and again "
        f"(columns: {tables.listed(cells)}). If one does, say label='…'; to predict labels with a "
        "trained model: python -m helpers.predict.")


def _refuse_nested(name, cells):
    """Raise LearnerError if what is missing may be further inside, in objects within objects."""
    first = {column: next(iter(cells[column].dropna()), None) for column in cells}
    nested = [column for column, value in first.items() if isinstance(
        value[0] if isinstance(value, list) and value else value, dict)]
    if nested:
        raise LearnerError(
            f"{name} has objects within its objects: {tables.listed(nested)}. It needs text and "
            "label side by side: export it as CSV, or as JSON with fewer levels (JSON-MIN).")


def _is_number(value):
    return re.fullmatch(r"[+-]?\d+(?:\.\d+)?", value.strip()) is not None
