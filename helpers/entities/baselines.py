"""Simple ways to find entities, for a model to be compared with: a list of names, and features.

The list knows the names of the training sentences and nothing else. The logistic regression
looks at each word, its shape and its neighbours, and sees capitals.
"""

from collections import Counter, defaultdict

from helpers.entities import spans


def names(sentences):
    """Return the names of some sentences, as words: {words: its most frequent type}."""
    found = defaultdict(Counter)
    for sentence in sentences:
        for entity, name in zip(sentence.entities, sentence.names(), strict=True):
            found[words_of(name)][entity.type] += 1
    return {words: kinds.most_common(1)[0][0] for words, kinds in found.items() if words}


def words_of(text):
    """Return the words of a text, as `spans.words` cuts them, a tuple of strings."""
    return tuple(text[start:end] for start, end in spans.words(text))


def find_names(known, text):
    """Return the entities of a text that are among `known` names, the longest where several are.

    `known` is what `names` returns; capitals count.
    """
    places = spans.words(text)
    words = [text[start:end] for start, end in places]
    longest = max(map(len, known), default=0)
    found, i = [], 0
    while i < len(words):
        length = next((n for n in range(min(longest, len(words) - i), 0, -1)
                       if tuple(words[i : i + n]) in known), 0)
        if length:
            found.append(spans.Entity(places[i][0], places[i + length - 1][1],
                                      known[tuple(words[i : i + length])]))
        i += length or 1
    return tuple(found)


def shape(word):
    """Return the shape of a word: X for capitals, x for small letters, 0 for digits, once each.

    "McAllister-7" has the shape XxXx-0.
    """
    kinds = ["X" if c.isupper() else "x" if c.isalpha() else "0" if c.isdigit() else c
             for c in word]
    return "".join(c for c, before in zip(kinds, ["", *kinds], strict=False) if c != before)


def features(words, i):
    """Return the features of word `i` of a sentence, {name: value}, with two on each side."""
    found = {"begins": i == 0}
    for step in range(-2, 3):
        if not 0 <= i + step < len(words):
            found[f"{step} shape"] = "none"
            continue
        word = words[i + step]
        found |= {f"{step} word": word.lower(), f"{step} shape": shape(word)}
        if step == 0:
            found |= {f"begins with {word[:n].lower()}": True for n in (2, 3)}
            found |= {f"ends with {word[-n:].lower()}": True for n in (2, 3)}
    return found


def train_features(sentences):
    """Return a logistic regression over the `features` of words, trained on some sentences.

    Raises LearnerError for an entity that ends within a word.
    """
    from sklearn.feature_extraction import DictVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    rows, tags = [], []
    for sentence in sentences:
        words = words_of(sentence.text)
        rows += [features(words, i) for i in range(len(words))]
        tags += spans.tags(sentence)
    return make_pipeline(DictVectorizer(), LogisticRegression(C=10, max_iter=300)).fit(rows, tags)


def find_by_features(model, text):
    """Return the entities that a model of `train_features` finds in a text."""
    places = spans.words(text)
    words = [text[start:end] for start, end in places]
    if not words:
        return ()
    tags = model.predict([features(words, i) for i in range(len(words))])
    return spans.entities_of(places, tags)
