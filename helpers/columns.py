"""Which column of a table holds the texts and which the labels: by name, then by what is in it.

A pair of texts has two columns, several labels a text may have a column each: `together`.
"""

import difflib
import re

from helpers import tables, together
from helpers.errors import LearnerError
from helpers.together import plain

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
_ALL_NAMES = {word for kinds in NAMES.values() for words in kinds.values()
              for word in words.split()}
_NUMBER = re.compile(r"\s*[+-]?\d+(?:\.\d+)?\s*")
_LOOKED_AT = 2_000  # rows, evenly spread, by which it is judged what a column holds
_MOST_CLASSES = 100


def find(name, cells, header=True, text=None, label=None):
    """Return the names of the columns of text and label, as asked for or as recognised.

    A pair of texts has a tuple of two, several labels in columns of their own one of all.
    Raises LearnerError, with the candidates, where there is any doubt.
    """
    twice = set(cells.columns[cells.columns.duplicated()])
    cells = cells.loc[:, ~cells.columns.duplicated()]
    facts = _facts(cells) if text is None or label is None else {}
    found = {"text": named(name, cells, header, "text", text),
             "label": named(name, cells, header, "label", label)}
    for option, other in (("text", "label"), ("label", "text")):
        if isinstance(found[option], str) and found[other] is None:
            _refuse_misnamed(name, facts, found[option], option, other)
    for option, other in (("text", "label"), ("label", "text")):
        if found[option] is None:
            found[option] = _recognised(name, cells, facts, option, found[other])
    texts, labels = map(each, found.values())
    for column in sorted({*texts, *labels} & twice):
        raise LearnerError(f"{name} has several columns called {tables.short(column)!r}. Rename "
                           "all but one in the file's first row.")
    if both := sorted({*texts} & {*labels}):
        raise LearnerError(f"{name}: text and label are both the column "
                           f"{tables.short(both[0])!r}. Name two different ones.")
    return found["text"], found["label"]


def each(found):
    """Return the columns that were found for one option as a tuple, of one or several."""
    return (found,) if isinstance(found, str) else tuple(found)


def find_text(name, cells, header=True, text=None):
    """Return the column of texts in a table whose labels do not matter; of pairs, two."""
    if text is not None:
        return named(name, cells, header, "text", text)
    if len(cells.columns) == 1:
        return cells.columns[0]
    cells = cells.loc[:, ~cells.columns.duplicated()]
    return _recognised(name, cells, _facts(cells), "text", None)


def check_header(name, cells, header=True):
    """Raise LearnerError if the first row of a file is a text, or with header=False is none."""
    if not header:
        first = [str(value) for value in cells.iloc[0] if str(value).strip()]
        if first and all(plain(value) in _ALL_NAMES for value in first):
            raise LearnerError(f"{name}: the first row looks like the names of columns: "
                               f"{tables.listed(first)}. Leave header=False out.")
        return
    alike = [_looks_like_its_cells(cells.iloc[:, i], column) for i, column in enumerate(cells)]
    if any(alike) and not any(plain(column) in _ALL_NAMES and not same
                              for column, same in zip(cells, alike, strict=True)):
        raise LearnerError(f"{name}: the first row looks like a text, not like the names of "
                           "columns. If it is one, say header=False; else name the columns: "
                           "text='…', label='…'.")


def judged(cells):
    """Return whether a column can be the texts, whether the labels, and if it has two values."""
    cells = _spread(cells)
    values = _sample(cells)
    are_lists = cells.map(lambda value: isinstance(value, list | tuple | dict))
    single = cells.map(lambda value: isinstance(value, list) and len(value) == 1).mean()
    if len(values) < max(1, 0.1 * len(cells)) or are_lists.mean() - single > 0.5:
        return {"text": False, "label": False, "binary": False}
    different, length = values.nunique(), values.str.len().mean()
    many = different > 0.5 * len(values) or (different >= 20 and length > 40)  # or copied often
    text = many and not are_lists.any() and _reads_like_texts(values.str.slice(0, 300), length)
    few = 2 <= different <= max(2, min(_MOST_CLASSES, len(values) / 5))
    return {"text": text, "label": few and not text and length <= 40, "binary": different == 2}


def _reads_like_texts(values, length):
    together = "".join(values[:200])
    letters = sum(map(str.isalpha, together)) > 0.5 * len("".join(together.split()))
    spaced = values.str.contains(r"\s").mean() > 0.5 and length >= 12
    wide = sum(letter > "\u2e80" for letter in together) > len(together) / 2 and length >= 6
    links = values.str.match(r"(?:https?://|www\.)\S+$").mean() > 0.5
    return letters and (spaced or wide) and not links


def _facts(cells):
    """Return for each column whether it can be the texts and whether the labels."""
    return {column: judged(cells[column]) for column in cells}


def _spread(cells):
    return cells.iloc[::max(1, len(cells) // _LOOKED_AT)]


def _sample(cells):
    values = _spread(cells).dropna().astype(str).str.strip()
    return values[values != ""]


def _looks_like_its_cells(cells, column):
    """Say whether a column's name is one of its few values, or as long as its texts."""
    values = _sample(cells)
    seen = set(values)
    if len(seen) <= max(2, len(values) / 5):
        return column.casefold() in map(str.casefold, seen) or all(
            map(_NUMBER.fullmatch, [column, *seen]))
    is_question = re.search(r"[?？]|:[….\s]*$", column)
    return len(column.split()) >= 8 and not is_question


def named(name, cells, header, option, wanted):
    """Return the column that is asked for by name, None if none is."""
    if wanted is None:
        return None
    several = [str(part).strip() for part in (
        wanted if isinstance(wanted, list | tuple) else str(wanted).split(","))]
    if len(several) > 1 and (isinstance(wanted, list | tuple) or {*several} <= {*cells}):
        if option == "text" and len(several) > 2:
            raise LearnerError(f"{name}: text names {len(several)} columns. A pair has two, such "
                               f"as text={tables.short(','.join(several[:2]))!r}.")
        return tuple(named(name, cells, header, option, [one]) for one in several)
    wanted = several[0] if len(several) == 1 else str(wanted).strip()
    same = [column for column in cells if column == wanted] or [
        column for column in cells if column.casefold() == wanted.casefold()]
    if len(same) == 1:
        return same[0]
    if same:
        raise LearnerError(f"{name} has {len(same)} columns that {option}={tables.short(wanted)!r}"
                           " may mean. Rename all but one.")
    by_small = {column.casefold(): column for column in reversed(list(cells))}
    close = difflib.get_close_matches(wanted.casefold(), by_small, n=1)
    hint = (f"Without a header columns go by number, such as {option}='1'." if not header else
            f"Did you mean {option}={tables.short(by_small[close[0]])!r}?" if close else
            f"Name the right one with {option}='…'.")
    raise LearnerError(f"{name} has no column {tables.short(wanted)!r}, only: "
                       f"{tables.listed(cells)}. {hint}")


def _rank(column, option):
    """Return how sure a name is: from -1, the option itself, to 3, unsure, and 4, not known."""
    words = plain(column)
    bare = re.sub(r"[ \d]+$", "", words) or words
    sure, unsure = (NAMES[option][kind].split() for kind in ("sure", "unsure"))
    last = bare.rpartition(" ")[2]
    ranks = column == option, words == option, bare in sure, last in sure, last in unsure, True
    return ranks.index(True) - 1


def _recognised(name, cells, facts, option, other):
    """Return the one column that can only be meant, or raise LearnerError with the candidates."""
    columns = [column for column in cells if column not in each(other or ())]
    fitting = [column for column in columns if facts[column][option]]
    if option == "text" and (pair := together.pair(
            name, [column for column in columns if facts[column]["text"]])):
        return pair
    ranks = {column: _rank(column, option) for column in columns}
    best = min(ranks.values(), default=4)
    called = [column for column in columns if ranks[column] == best < 4]
    if len(called) > 1 or (best == 3 and fitting):
        called = [column for column in called if column in fitting] or called * (best < 3)
    if len(called) == 1 and (best < 3 or set(fitting) <= set(called)):
        return called[0]
    if not called and len(fitting) == 1:
        return fitting[0]
    if option == "label" and (several := together.several_labels(
            cells, [c for c in fitting if facts[c]["binary"]], fitting)):
        return several
    raise _doubt(name, cells, option, list(dict.fromkeys([*called, *fitting])), columns)


def _doubt(name, cells, option, candidates, columns):
    """Return the LearnerError for a column that cannot be told, with those that it may be."""
    shown = tables.listed(map(repr, map(tables.short, candidates or columns)))
    if candidates:
        return LearnerError(f"{name}: which column has the {option}s? {shown} may. Say "
                            f"{option}={tables.short(candidates[0])!r}, or another.")
    _refuse_nested(name, cells)
    if option == "label":
        return LearnerError(
            f"{name} has no labels: no column is called label or holds a few values again and "
            f"again (columns: {tables.listed(cells)}). If one does, say label='…'; to predict "
            "labels with a trained model: python -m helpers.predict.")
    if list(cells) == [str(i) for i in range(1, len(cells.columns) + 1)]:
        shown += " (by number)"
    return LearnerError(f"{name}: no column is called text or looks like texts. Which is it? Say "
                        f"text='…' with one of: {shown}.")


def _refuse_misnamed(name, facts, found, option, other):
    """Raise LearnerError if a column named as the texts holds labels while another has texts."""
    if facts[found][other] and not facts[found][option] and any(
            fact[option] for column, fact in facts.items() if column != found):
        holds = "texts" if other == "text" else "few different values, as labels do"
        raise LearnerError(f"{name}: the column {tables.short(found)!r} holds {holds}. Did you "
                           f"mean {other}={tables.short(found)!r}?")


def _refuse_nested(name, cells):
    """Raise LearnerError if what is missing may be further inside, in objects within objects."""
    first = {column: next(iter(cells[column].dropna()), None) for column in cells}
    nested = [column for column, value in first.items() if isinstance(
        value[0] if isinstance(value, list) and value else value, dict)]
    if nested:
        raise LearnerError(
            f"{name} has objects within its objects: {tables.listed(nested)}. It needs text and "
            "label side by side: export it as CSV, or as JSON with fewer levels (JSON-MIN).")
