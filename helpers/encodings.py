"""The encoding of a text file, found out by the whole of it: UTF-8, cp1252, or another, with care.

UTF-8 cannot be mistaken. Of encodings with a byte a letter, the one is taken whose letters a
language has; charset-normalizer is asked for other scripts only, which it tells apart well.
"""

import codecs
import contextlib
import re
from collections import Counter

from helpers import files
from helpers.errors import LearnerError, short

_WESTERN = ("àâæçéèêëîïôœùûü", "äöüß", "áéíñóúü", "áâãàçéêíóôõúü", "àèéìíîòóùú", "åäöæøé",
            "áðéíóúýþæö", "éèëïóöüê", "äöõüšž", "àçéèíïóòúü")
_CENTRAL = ("ąćęłńóśźż", "áčďéěíňóřšťúůýž", "áäčďéíĺľňóôŕšťúýž", "áéíóöőúüű", "ăâîşţ", "čćđšž")
_ALPHABETS = {
    "iso8859_15": _WESTERN, "cp1250": _CENTRAL, "iso8859_2": _CENTRAL, "cp1254": ("çğıöşüâîûİ",),
    "cp1257": ("ąčęėįšųūž", "āčēģīķļņšūž"), "mac_roman": _WESTERN, "cp850": _WESTERN,
}
_CALLED = {"cp1252": "Western European", "iso8859_15": "Western European",
           "cp1250": "Central European", "iso8859_2": "Central European", "cp1254": "Turkish",
           "cp1257": "Baltic", "mac_roman": "of old Macs", "cp850": "of DOS"}
# Signs that may follow a letter, and others that hardly do.
_AFTER_LETTERS = set("’‘“”„–—…»«°®™©\xa0\xad•€·†")
_SIGNS = _AFTER_LETTERS | set("‚£¥¢§±²³µ¹º¼½¾¿¡´¨‡‰‹›×÷¬¦¶ª")
_SCRIPTS = {name: "".join(map(chr, range(*letters))) for letters, names in (
    ((0x400, 0x460), ("cp1251", "koi8_r", "cp866", "mac_cyrillic")),
    ((0x386, 0x3CF), ("cp1253", "iso8859_7")), ((0x5D0, 0x5EB), ("cp1255",)),
    ((0x60C, 0x653), ("cp1256", "iso8859_6")),
) for name in names}
_OTHERS = ["cp932", "euc_jp", "gb18030", "big5", "cp949", "euc_kr", "iso8859_5", "tis_620"]
_MARKS = [(codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF32_LE, "utf-32"),
          (codecs.BOM_UTF32_BE, "utf-32"), (codecs.BOM_UTF16_LE, "utf-16"),
          (codecs.BOM_UTF16_BE, "utf-16")]

ESCAPED = re.compile("[\udc80-\udcff]")  # bytes that are not UTF-8, read by "surrogateescape"
_BEYOND_ASCII = re.compile("[^\0-\x7f\udc80-\udcff]")


def find(file, encoding=None):
    """Return the encoding of a text file, how errors in it are met, and notes: by the whole file.

    As told, by its mark, UTF-8, UTF-16 without a mark, cp1252 or another of one byte a letter; a
    detector is asked only where letters would stand where they hardly can. Errors are
    "surrogateescape" where some lines are UTF-8 and others are not. Raises LearnerError where
    nothing fits.
    """
    mark = next((name for mark, name in _MARKS if file.head.startswith(mark)), None)
    if encoding:
        return _as_told(file, encoding, mark), "strict", []
    wide = mark or _wide(file.head)
    if not wide and _is_binary(file.head):
        raise LearnerError(f"{file.name} is not text but a binary file. Save its table as CSV "
                           "(UTF-8), JSON, Parquet or .xlsx.")
    is_utf8 = wide in (None, "utf-8-sig")
    if _fits(file, wide or "utf-8"):
        return wide or "utf-8", "strict", [] if is_utf8 else [
            f"{file.name}: read as {wide.upper()}."]
    if not is_utf8:
        raise _no_text(file, wide, "name its encoding: encoding='…'.")
    whole, broken, sample = _lines_of(file)
    if whole >= 0.2 * (whole + broken):
        return wide or "utf-8", "surrogateescape", []
    found, is_guess = _one_byte(sample)
    fits = found and _fits(file, found)
    if not fits and (is_guess or not found):
        raise _no_text(file, "UTF-8, nor in another encoding that can be told",
                       "name its encoding: encoding='…'.")
    called = f" ({_CALLED[found]})" if found in _CALLED else ""
    return found, "strict" if fits else "replace", [
        f"{file.name}: not UTF-8, so it is read as {found}{called}, as far as can be told. If "
        "letters look wrong, name the encoding: encoding='…'."]


def _as_told(file, encoding, mark):
    """Return an encoding that a person names, if the file can be decoded so."""
    try:
        "".encode(encoding)
    except (LookupError, TypeError):
        raise LearnerError(
            f"{file.name} is not text in {short(encoding)}, because no encoding has that name. "
            "Usual ones are encoding='utf-8', 'cp1252', 'utf-16', 'cp1251'."
        ) from None
    if mark == "utf-8-sig" and codecs.lookup(encoding).name == "utf-8":
        encoding = mark
    if not _fits(file, encoding):
        raise _no_text(file, encoding, "leave encoding='…' out: it is found out then.")
    return encoding


def _no_text(file, encoding, remedy):
    return LearnerError(f"{file.name} is not text in {encoding}. Save it again with the encoding "
                        f"UTF-8 (in a spreadsheet: 'CSV UTF-8'), or {remedy}")


def mended(row, errors):
    """Return cells in which bytes that are not UTF-8 are read as cp1252."""
    if errors != "surrogateescape":
        return row
    # Of a cell that has letters of UTF-8 too, only the other bytes; else the whole cell.
    return [ESCAPED.sub(lambda found: _cp1252(found[0]), cell) if _BEYOND_ASCII.search(cell)
            else _cp1252(cell) if ESCAPED.search(cell) else cell for cell in row]


def _cp1252(text):
    return text.encode("utf-8", "surrogateescape").decode("cp1252", "replace")


def _wide(head):
    """Return UTF-16 or UTF-32 where zeros stand at every second place or at three of four."""
    head = head[: len(head) // 4 * 4]
    if head.count(0) < 8 or head.count(0) < len(head) / 50:
        return None
    zeros = [head[place::4].count(0) for place in range(4)]
    for places, name in (((1, 2, 3), "utf-32-le"), ((0, 1, 2), "utf-32-be"),
                         ((1, 3), "utf-16-le"), ((0, 2), "utf-16-be")):
        # All zeros are there, in each of these places about as many.
        inside = [zeros[place] for place in places]
        if sum(inside) == sum(zeros) and min(inside) > 0.6 * max(inside):
            return name
    return None


def _is_binary(head):
    odd = sum(count for byte, count in Counter(head).items()
              if byte < 32 and byte not in b"\t\n\r\f\v\x01\x1c\x1d\x1e\x1f")
    return odd > 0.05 * len(head)


def _chunks(file):
    with file.open() as stream:
        try:
            while chunk := stream.read(2**20):
                yield chunk
        except files.DAMAGED as error:
            raise LearnerError(f"{file.name} cannot be read to its end: "
                               f"{short(error, 100)}. Download or copy it again.") from error


def _fits(file, encoding):
    """Say whether the whole file can be decoded so."""
    try:
        decoder = codecs.getincrementaldecoder(encoding)()
        for chunk in _chunks(file):
            decoder.decode(chunk)
        decoder.decode(b"", final=True)
    except UnicodeError:
        return False
    return True


def _lines_of(file):
    """Count lines beyond ASCII that are UTF-8 and that are not; return some of the latter, too."""
    whole = broken = 0
    sample = bytearray()
    with file.open() as stream:
        for long_line in stream:
            for line in () if long_line.isascii() else long_line.splitlines():
                if line.isascii():
                    continue
                try:
                    line.decode()
                    whole += 1
                except UnicodeDecodeError:
                    broken += 1
                    if len(sample) < 200_000:
                        sample += line[:20_000] + b"\n"
    return whole, broken, bytes(sample)


def _one_byte(sample):
    """Return the likely encoding of bytes that are not UTF-8, and whether it is a guess."""
    import charset_normalizer

    western = _covered(sample, "cp1252", _WESTERN)
    others = {name: _covered(sample, name, letters) for name, letters in _ALPHABETS.items()}
    best = max(others, key=others.get)
    currency_sign = b"\xa4" in sample and not re.search(rb"[\x80-\x9f]", sample)
    usual = "iso8859_15" if currency_sign else "cp1252"
    if western >= 0.95 and western >= others[best] - 0.03:
        return usual, False
    if others[best] >= 0.95 and (sample.isupper() or not _shouts(sample, best)):
        return best, False
    # Texts in several languages: accents stand alone, where letters of other scripts do not.
    text = sample.decode("cp1252", "replace")
    beyond = len(re.findall(r"[^\x00-\x7f]", text))
    in_pairs = len(re.findall(r"[^\x00-\x7f](?=[^\x00-\x7f])", text))
    if (beyond < 0.1 * len(text) and in_pairs < 0.6 * beyond) or (
            _covered(sample, "cp1252", ["".join(_WESTERN)]) >= 0.9 and in_pairs < 0.3 * beyond):
        return usual, False
    for name in ("cp932", "euc_jp"):
        with contextlib.suppress(UnicodeDecodeError):
            text = sample.decode(name)
            if len(re.findall("[぀-ヿ]", text)) > 0.3 * len(re.findall("[^\x00-\x7f]", text)):
                return name, True
    scripts = [name for name, letters in _SCRIPTS.items()
               if _covered(sample, name, [letters]) > 0.97 and not _shouts(sample, name)]
    found = charset_normalizer.from_bytes(sample, cp_isolation=scripts or _OTHERS).best()
    return found and found.encoding, True


def _shouts(sample, encoding):
    """Say whether most letters beyond ASCII would be capitals."""
    letters = [letter for letter in sample.decode(encoding, "replace") if letter > "\x7f"]
    return sum(map(str.isupper, letters)) > sum(map(str.islower, letters))


def _covered(sample, encoding, alphabets):
    """Return the share of characters beyond ASCII that texts in the likeliest alphabet have."""
    text = re.sub(r"[£€¥](?=\d)|(?<=\d)[£€¥]", "", sample.decode(encoding, "replace"))
    signs = Counter(re.findall("[^\x00-\x7f]", text))
    after = Counter(re.findall(r"(?<=[^\W\d_])[^\x00-\x7f]", text))
    after_small = Counter(re.findall("(?<=[a-z])[^\x00-\x7f]", text))
    fine = sum(signs[sign] for sign in _SIGNS) - sum(
        after[sign] for sign in _SIGNS - _AFTER_LETTERS)
    letters = max(sum(signs[letter] for letter in {*alphabet, *alphabet.upper()} - _SIGNS)
                  - sum(after_small[letter] for letter in {*alphabet.upper()} - {*alphabet})
                  for alphabet in alphabets)
    return (fine + letters) / signs.total() if signs else 1
