"""What a file is, told by its content first, and the encoding that fits the whole of it."""

import bz2
import codecs
import contextlib
import difflib
import gzip
import lzma
import re
import shlex
import zipfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit
from urllib.request import url2pathname

import psutil

from helpers.errors import LearnerError, listed, short

MIB = 2**20
HEAD = 64 * 1024  # bytes by which a kind is told
# Bytes of memory for each byte of a file, about twice what reading 60 MB of texts took.
FACTORS = {"text": 4, "json": 8, "parquet": 12, "workbook": 40}
_AS_CSV = "Open it in its program and save the table as CSV (UTF-8)"
_REFUSED = [  # how the content begins, what it is, what to do
    (rb"\xd0\xcf\x11\xe0", "an old Excel workbook (.xls) or one with a password",
     "Open it and save it as .xlsx, or as CSV UTF-8, without a password"),
    (rb"%PDF", "a PDF", "Copy its table into a spreadsheet and save that as CSV (UTF-8)"),
    (rb"\x89PNG|\xff\xd8\xff|GIF8|RIFF....WEBP|BM....\0\0\0\0|II\*\0|MM\0\*", "an image",
     "Give the file that holds the texts"),
    (rb"version https://git-lfs", "a pointer of Git LFS, not the file itself",
     "Run `git lfs pull` in its repository"),
    (rb"\{\\rtf", "a document (RTF)", _AS_CSV),
    (rb"(?i)\s*(<!doctype html|<html|<head|<!--)", "an HTML page, not a table",
     "Where you found it, choose the download, often called 'raw'"),
    (rb"\s*<\?xml", "XML", "Bring it into rows and columns, and save them as CSV (UTF-8)"),
    (rb"SQLite format 3|ARROW1|FEA1|\x89HDF|Obj\x01|ORC", "a database or a table of another kind",
     "Save its table as CSV or Parquet"),
    (rb"7z\xbc\xaf|Rar!|\x28\xb5\x2f\xfd", "an archive", "Unpack it first"),
    (rb"\x80[\x02-\x05]|\x93NUMPY|\x7fELF|MZ.\0|ID3|OggS|\0\0\0.ftyp", "a binary file",
     "Give the file that holds the texts, as CSV, JSON, Parquet or .xlsx"),
]
_PACKED = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ\0": lzma.open}
_DAMAGED = (OSError, EOFError, zipfile.BadZipFile, lzma.LZMAError, RuntimeError)


@dataclass
class File:
    """A file to read: `open()` gives its bytes, unpacked; `size` is how many there are, about."""

    name: str
    kind: str  # text, parquet, workbook
    size: int
    open: Callable
    head: bytes
    notes: list = field(default_factory=list)


def find(source):
    """Return the `File` that a path leads to. Raises LearnerError where it holds no table."""
    if re.match(r"(?i)file:/", str(source)):
        source = url2pathname(unquote(urlsplit(str(source)).path))
    elif re.match(r"(?i)[a-z][a-z0-9+.-]+:/", str(source)):
        raise LearnerError(_is_url(str(source)))
    try:
        path = Path(source).expanduser()
        name = short(path.name or path)
        if path.is_dir():
            inside = sorted(p.name for p in path.iterdir() if p.is_file())
            raise LearnerError(f"{name} cannot be read, because it is a folder. Name the file in "
                               f"it{': ' + listed(inside) if inside else ', which is empty'}.")
        if not path.exists():
            raise LearnerError(_is_missing(path))
        if not path.is_file():
            raise LearnerError(f"{name} is not an ordinary file. Save the table to one first.")
        file = File(name, "text", path.stat().st_size, lambda: path.open("rb"), b"")
        with file.open() as stream:
            file.head = stream.read(HEAD)
        _unpack(file, path)
    except LearnerError:
        raise
    except ValueError:  # a NUL in the path
        raise LearnerError(f"{short(source)!r} is not a path. Check the name.") from None
    except _DAMAGED as error:
        reason = getattr(error, "strerror", None) or f"it is damaged ({short(error, 80)})"
        raise LearnerError(f"{name} cannot be read: {reason}.") from error
    if not file.head.strip(b"\0 \t\r\n\xef\xbb\xbf") and file.size <= HEAD:
        raise LearnerError(f"{name} is empty. It needs a header and a row for each text.")
    for beginning, what, remedy in _REFUSED:
        if re.match(beginning, file.head, re.DOTALL):
            raise LearnerError(f"{name} is {what}. {remedy}.")
    if file.head.startswith(b"PAR1"):
        file.kind = "parquet"
    return file


def _unpack(file, path):
    """Look into what is packed: a workbook, an archive of one file, or a compressed file."""
    if file.head.startswith(b"PK\x03\x04"):
        with zipfile.ZipFile(path) as archive:
            members = [m for m in archive.infolist() if not m.is_dir()
                       and not re.search(r"(^|/)(\.|__MACOSX/)", m.filename)]
        names = [m.filename for m in members]
        if "xl/workbook.xml" in names:
            file.kind = "workbook"
            return
        if {"xl/workbook.bin", "content.xml"} & set(names):
            raise LearnerError(f"{file.name} is a spreadsheet of another kind. Save it as .xlsx, "
                               "or as CSV UTF-8.")
        if {"word/document.xml", "ppt/presentation.xml"} & set(names):
            raise LearnerError(f"{file.name} is a document of Word or PowerPoint. Copy its table "
                               "into a spreadsheet and save that as .xlsx.")
        if len(members) != 1:
            raise LearnerError(f"{file.name} is an archive of {len(members)} files. Unpack it and "
                               f"name the one you want: {listed(names)}.")
        file.size = members[0].file_size
        file.open = lambda: _member(path, names[0])
    else:
        opener = next((o for magic, o in _PACKED.items() if file.head.startswith(magic)), None)
        if opener is None:
            return
        file.size *= 5  # about; only reading tells
        file.open = lambda: opener(path, "rb")
    with file.open() as stream:
        file.head = stream.read(HEAD)
    if file.head[257:262] == b"ustar" or file.head.startswith((b"PK\x03\x04", b"PAR1")):
        raise LearnerError(f"{file.name} holds another archive or table. Unpack it and name the "
                           "file that you want.")


def _member(path, name):
    archive = zipfile.ZipFile(path)  # the stream that it gives closes it
    return archive.open(name)


def _is_url(url):
    url = re.sub(r"^(\w+:/)(?=[^/])", r"\1/", url)  # a Path has one slash less
    if not re.match(r"(?i)(https?|ftp)://", url):
        return f"{short(url, 100)} is an address, not a file. Download the file and give its path."
    if "//github.com/" in url:
        url = url.replace("/blob/", "/raw/")
    name = unquote(urlsplit(url).path.rpartition("/")[2]) or "texts.csv"
    command = f"curl -L -o {shlex.quote(short(name, 60))} {shlex.quote(url)}"
    if len(command) > 300:
        command = f"curl -L -o {shlex.quote(short(name, 60))} 'THE ADDRESS'"
    return f"This is an address, not a file. Fetch it first, then give the path: {command}"


def _is_missing(path):
    place = short(path if path.is_absolute() else f"{path} (looked for in {Path.cwd()})", 250)
    with contextlib.suppress(OSError):
        near = difflib.get_close_matches(path.name, [p.name for p in path.parent.iterdir()], 1)
        if near:
            return f"There is no file {place}. Did you mean {short(near[0], 60)}?"
    return f"There is no file {place}. Check the name and the folder."


def check_size(file, share):
    """Raise LearnerError if the file, or the share of it, would take more memory than is free."""
    room = free_memory() / 2  # the other half is for what comes after reading
    factor = FACTORS[file.kind]
    most = room / factor
    if file.size * share <= most:
        return
    part = 0.1
    while file.size * part > most:
        part /= 10
    raise LearnerError(
        f"{file.name} has {_gigabytes(file.size)}; with the memory that is free here, at most "
        f"{_gigabytes(most)} of such a file can be read. Take a share of its rows, drawn at "
        f"random: share={part:g}."
    )


def free_memory():
    """Return the bytes of memory that are free, to the machine and to the container it may be."""
    free = psutil.virtual_memory().available
    with contextlib.suppress(OSError, ValueError):  # "max" is no number
        group = Path("/sys/fs/cgroup")
        limit = int((group / "memory.max").read_text()) - int(
            (group / "memory.current").read_text())
        free = min(free, max(limit, 0))
    return free


def _gigabytes(size):
    return f"{size / 1e9:,.1f} GB" if size >= 1e8 else f"{size / 1e6:,.1f} MB"


# ---- encodings ----

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


def encoding_of(file, encoding=None):
    """Return the encoding of a text file, how errors in it are met, and notes: by the whole file.

    As told, by its mark, UTF-8, UTF-16 without a mark, cp1252 or another of one byte a letter; a
    detector is asked only where letters would stand where they hardly can. Errors are
    "surrogateescape" where some lines are UTF-8 and others are not. Raises LearnerError where
    nothing fits.
    """
    mark = next((name for mark, name in _MARKS if file.head.startswith(mark)), None)
    wide = mark or _wide(file.head)
    try:
        "".encode(encoding or "utf-8")
    except LookupError:
        raise LearnerError(
            f"{file.name} is not text in {short(encoding)}, because no encoding has that name. "
            "Usual ones are encoding='utf-8', 'cp1252', 'utf-16', 'cp1251'."
        ) from None
    told = [encoding] if encoding else [wide] if wide else ["utf-8"]
    if mark == "utf-8-sig" and told[0].lower().replace("_", "-") in ("utf-8", "utf8"):
        told = ["utf-8-sig"]
    if not encoding and not wide and _is_binary(file.head):
        raise LearnerError(f"{file.name} is not text but a binary file. Save its table as CSV "
                           "(UTF-8), JSON, Parquet or .xlsx.")
    if _fits(file, told[0]):
        said = wide and wide != "utf-8-sig" and not encoding
        return told[0], "strict", [f"{file.name}: read as {wide.upper()}."] if said else []
    if encoding or (wide and wide != "utf-8-sig"):
        raise LearnerError(
            f"{file.name} is not text in {encoding or wide}. Save it again with the encoding "
            "UTF-8 (in a spreadsheet: 'CSV UTF-8'), or name its encoding: encoding='…'."
        )
    whole, broken, sample = _lines_of(file)
    if whole >= 0.2 * (whole + broken):
        return wide or "utf-8", "surrogateescape", []
    found, is_guess = _one_byte(sample)
    if found and _fits(file, found):
        errors = "strict"
    elif found and not is_guess:
        errors = "replace"
    else:
        raise LearnerError(
            f"{file.name} is not text in UTF-8, nor in another encoding that can be told. Save it "
            "again with the encoding UTF-8 (in a spreadsheet: 'CSV UTF-8'), or name its encoding: "
            "encoding='…'."
        )
    called = f" ({_CALLED[found]})" if found in _CALLED else ""
    likely = "so it is" if found == "cp1252" else "and seems to be"
    return found, errors, [f"{file.name}: not UTF-8, {likely} read as {found}{called}. If letters "
                           "look wrong, name the encoding: encoding='…'."]


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
            while chunk := stream.read(MIB):
                yield chunk
        except _DAMAGED as error:
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
    if others[best] >= 0.95:
        return best, False
    # Texts in several languages: accents stand alone, where letters of other scripts do not.
    text = sample.decode("cp1252", "replace")
    in_pairs = len(re.findall(r"[^\x00-\x7f](?=[^\x00-\x7f])", text))
    if _covered(sample, "cp1252", ["".join(_WESTERN)]) >= 0.9 and (
            in_pairs < 0.3 * len(re.findall(r"[^\x00-\x7f]", text))):
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
    text = sample.decode(encoding, "replace")
    signs = Counter(re.findall("[^\x00-\x7f]", text))
    after = Counter(re.findall(r"(?<=[^\W\d_])[^\x00-\x7f]", text))
    after_small = Counter(re.findall("(?<=[a-z])[^\x00-\x7f]", text))
    fine = sum(signs[sign] for sign in _SIGNS) - sum(
        after[sign] for sign in _SIGNS - _AFTER_LETTERS)
    letters = max(sum(signs[letter] for letter in {*alphabet, *alphabet.upper()} - _SIGNS)
                  - sum(after_small[letter] for letter in {*alphabet.upper()} - {*alphabet})
                  for alphabet in alphabets)
    return (fine + letters) / max(1, signs.total())
