"""What a file is, told by its content first not its name, and whether it fits the memory."""

import bz2
import contextlib
import difflib
import gzip
import lzma
import os
import re
import shlex
import unicodedata
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit
from urllib.request import url2pathname

import psutil

from helpers.errors import LearnerError, listed, short

HEAD = 64 * 1024  # bytes by which a kind is told
# Bytes of memory for each byte of a file. Measured: 1.6 for text, 4.2 where each text has an
# emoji; 4 for JSON, 5 for Parquet, 7 for a workbook, and others are compressed more tightly.
FACTORS = {"text": 5, "json": 8, "parquet": 12, "workbook": 16}
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
    (rb"(?i)(%[^\n]*\n|\s)*@relation\s", "a file of Weka (ARFF)", "Save it as CSV there"),
    (rb"\$FL[23]|<stata_dta>|RDX[23]\n|X\n\0\0\0", "a data file of SPSS, Stata or R",
     "Save its table as CSV (UTF-8) there"),
    (rb"\xff{4}...\0", "an Arrow stream, as `save_to_disk` writes it",
     "Give the folder to datasets.load_from_disk, and what that returns to texts.load"),
    (rb"SQLite format 3|ARROW1|FEA1|\x89HDF|Obj\x01|ORC", "a database or a table of another kind",
     "Save its table as CSV or Parquet"),
    (rb"7z\xbc\xaf|Rar!|\x28\xb5\x2f\xfd", "an archive", "Unpack it first"),
    (rb"\x80[\x02-\x05]|\x93NUMPY|\x7fELF|MZ.\0|ID3|OggS|\0\0\0.ftyp", "a binary file",
     "Give the file that holds the texts, as CSV, JSON, Parquet or .xlsx"),
]
_PAGES = {  # addresses of pages, and of the files that they show
    r"([?&])dl=0": r"\1dl=1",
    r"(//github\.com/[^?#]*?)/blob/": r"\1/raw/",
    r"(//huggingface\.co/datasets/[^?#]*?)/blob/": r"\1/resolve/",
    r"(//docs\.google\.com/spreadsheets/d/[\w-]+)/[^#]*(?:#(gid=\d+))?.*":
        r"\1/export?format=csv&\2",
    r"//drive\.google\.com/(?:file/d/|open\?id=)([\w-]+).*":
        r"//drive.google.com/uc?export=download&id=\1",
}
_PACKED = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ\0": lzma.open}
DAMAGED = (OSError, EOFError, zipfile.BadZipFile, lzma.LZMAError, zlib.error, RuntimeError)


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
    name = short(Path(source).name or source)
    try:
        file = _opened(_path(str(source)))
    except LearnerError:
        raise
    except ValueError:  # a NUL in the path
        raise LearnerError(f"{short(source)!r} is not a path. Check the name.") from None
    except DAMAGED as error:
        reason = getattr(error, "strerror", None) or f"it is damaged ({short(error, 80)})"
        raise LearnerError(f"{name} cannot be read: {reason}.") from error
    if not file.head.strip(b"\0 \t\r\n\xef\xbb\xbf") and file.size <= HEAD:
        raise empty(file.name)
    for beginning, what, remedy in _REFUSED:
        if re.match(beginning, file.head, re.DOTALL):
            raise LearnerError(f"{file.name} is {what}. {remedy}.")
    if file.head.startswith(b"PAR1"):
        file.kind = "parquet"
    return file


def empty(name):
    """Return the LearnerError for a file without rows."""
    return LearnerError(f"{name} is empty. It needs a header and a row for each text.")


def _opened(path):
    """Return the `File` of a path, unpacked, or raise LearnerError if it is no file."""
    name = short(path.name or path)
    if path.is_dir():
        raise LearnerError(_is_folder(path, name))
    if not path.exists():
        raise LearnerError(_is_missing(path))
    if not path.is_file():
        raise LearnerError(f"{name} is not an ordinary file. Save the table to one first.")
    file = File(name, "text", path.stat().st_size, lambda: path.open("rb"), b"")
    with file.open() as stream:
        file.head = stream.read(HEAD)
    _unpack(file, path)
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


def _path(source):
    """Return the path as it is given, or else as it was meant: without quotes, with $HOME."""
    if not source.strip():
        raise LearnerError("The path is empty. Give the one of a file with texts and labels.")
    bare = os.path.expandvars(source.strip().strip("\"'"))
    paths = [Path(form).expanduser() for form in (
        source, bare, *(unicodedata.normalize(form, bare) for form in ("NFC", "NFD")))]
    return next((path for path in paths if path.exists()), paths[0])


def _is_folder(path, name):
    inside = sorted(path.iterdir())
    files, folders = ([short(p.name) for p in inside if is_kind(p)]
                      for is_kind in (Path.is_file, Path.is_dir))
    said = f"{name} cannot be read, because it is a folder"
    if {"state.json", "dataset_info.json", "dataset_dict.json"} & set(files):
        return f"{said}. Open it with datasets.load_from_disk, and give what that returns."
    if files and not all(file.endswith(".txt") for file in files[:100]):
        return f"{said}. Name the file in it: {listed(files)}."
    if not inside:
        return f"{said}, and an empty one. Name a file."
    return (f"{said} of {'files' if files else 'folders'}: {listed(files or folders)}. With a "
            "text a file and a folder a class, make a table: pd.DataFrame([{'text': "
            "p.read_text('utf-8'), 'label': p.parent.name} for p in "
            "Path('THE FOLDER').rglob('*.txt')]). Then texts.load(table), or table.to_csv(…).")


def _is_url(url):
    """Return what to say of an address: the command that fetches its file, or another way."""
    url = re.sub(r"^(\w+:/)(?=[^/])", r"\1/", url)  # a Path has one slash less
    if not re.match(r"(?i)(https?|ftp)://", url):
        return f"{short(url, 100)} is an address, not a file. Download the file and give its path."
    hub = re.match(r"https?://huggingface\.co/datasets/([\w.-]+/[\w.-]+)/?($|[?#]|viewer)", url)
    if hub:
        return ("This is a data set of the Hub, not a file. Load it with "
                f"texts.from_hub({short(hub[1], 100)!r}, revision='main').")
    if re.match(r"https?://(www\.)?kaggle\.com/", url):
        return ("This is a page of Kaggle, not a file. Download the data there, signed in, and "
                "give the path of its file.")
    for page, its_file in _PAGES.items():
        url = re.sub(page, its_file, url)
    url = url.removesuffix("&")
    last = "" if "google.com/" in url else unquote(urlsplit(url).path.rpartition("/")[2])
    fetch = f"curl -L -o {shlex.quote(short(last or 'texts.csv', 60))} "
    address = shlex.quote(url) if len(fetch + shlex.quote(url)) <= 300 else "'THE ADDRESS'"
    return f"This is an address, not a file. Fetch it first, then give the path: {fetch}{address}"


def _is_missing(path):
    if path.is_symlink():
        return f"{short(path, 250)} is a link to a file that is not there. Check the name."
    place = short(path if path.is_absolute() else f"{path} (looked for in {Path.cwd()})", 250)
    with contextlib.suppress(OSError):
        near = difflib.get_close_matches(path.name, [p.name for p in path.parent.iterdir()], 1)
        if near:
            return f"There is no file {place}. Did you mean {short(near[0], 60)}?"
    hub = " A data set of the Hub loads with texts.from_hub." * bool(
        re.fullmatch(r"[\w-]+/[\w-]+", str(path)))
    return f"There is no file {place}. Check the name and the folder.{hub}"


def check_size(file, share):
    """Raise LearnerError if the file, or the share of it, would take more memory than is free."""
    room = free_memory() / 2  # the other half is for what comes after reading
    factor = FACTORS[file.kind]
    most = room / factor
    if file.size * share <= most:
        return
    shares = (digit / 10**place for place in range(2, 12) for digit in (10, 5, 2))
    part = next(part for part in shares if file.size * part <= most)
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
