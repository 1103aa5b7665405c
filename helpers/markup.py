"""What stands around the words of a text: spaces, capitals, HTML and links."""

import html
import re

_TAG = re.compile(r"<!--.*?-->|</?[a-z][^<>]*>", re.IGNORECASE | re.DOTALL)
_ENTITY = re.compile(r"&(?:[a-z][a-z0-9]{1,30}|#[0-9]{1,7}|#x[0-9a-f]{1,6});", re.IGNORECASE)
_LINK = re.compile(r"https?://|\bwww\.", re.IGNORECASE)


def folded(text):
    """Return a text without what copies of it may differ in: capitals and the kind of spaces."""
    return " ".join(text.split()).casefold()


def has_html(text):
    """Say whether there is a tag, a comment or an entity in a text."""
    return ("<" in text and _TAG.search(text) is not None) or (
        "&" in text and _ENTITY.search(text) is not None)


def has_link(text):
    """Say whether there is the address of a web page in a text."""
    return ("://" in text or "www." in text.lower()) and _LINK.search(text) is not None


def cleaned(text):
    """Return a text without tags, entities and NUL characters; as it is, if it has none."""
    if not ("<" in text or "&" in text or "\0" in text):
        return text
    plain = html.unescape(_TAG.sub(" ", text)).replace("\0", "")
    return text if plain == text else " ".join(plain.split())
