"""Reads a traceback, and says what caused it, how to repair it and where that is taught.

    from helpers import doctor
    doctor.explain()             # after an exception in a cell above, or in an except block
    %load_ext helpers.doctor     # then %doctor does the same

    python -m helpers.doctor < traceback.txt
    python -m helpers.doctor train.log

The failures that it knows are data, in `helpers.ailments`. A text may be a log of any size (its
last traceback counts), coloured, with something before each line, HTML, or of IPython or pytest.
The exit status is 0 for a failure that it knows, 1 for another, and 2 where there is no traceback.
"""

import argparse
import codecs
import html
import io
import re
import sys
import traceback
from collections import defaultdict, deque
from dataclasses import dataclass
from pathlib import Path

from helpers import ailments

CHUNK = 1 << 19  # characters that are read at a time
LONGEST_LINE, MOST_LINES, MOST_MESSAGE_LINES = 4_000, 6_000, 60
QUIET_LINES = 80  # so far apart, two tracebacks have nothing to do with each other

COLOUR = re.compile(r"(?:\x1b|\^\[|␛)\[[0-9;?]*[A-Za-z]")
COLOUR_LEFT = re.compile(r"\[(?:\d{1,3}(?:;\d{1,3})*)?m(?!\w*\])")  # where the escape was lost
TAG = re.compile(r"</(?:pre|span|div|code|td|p|body|html|font|b)>", re.I)
# What a line of a traceback holds and few others do, in any language: words that are quickly
# found, and, for those that others hold, too, how it goes on.
ANCHORS = {"Traceback": "", "&quot;, ": "", "<ipython-input": "", "In [": r"In \[\d+\]",
           "In[": r"In\[\d+\]", ".py:": r"\.py:\d+(?:, in|:)", ".py in ": "", ".py</": "",
           "E   ": r"(?m)^E   ", **dict.fromkeys(
               ['",', '"，', "”,", "”，", "»,"], r"[\"”»][,，]\s*[^\W\d]{1,9}\s?\d")}
ANCHORS = {word: re.compile(pattern) for word, pattern in ANCHORS.items()}
HEADER = re.compile(r"Traceback \(most recent call (?:last|first)\)")
FRAME = re.compile(
    r"(?P<before>.*?)(?:"
    r"\b\w+ [\"“”„«](?P<file>[^\"“”»«]+)[\"“”»][,，、]\s*\D{1,12}?(?P<line>\d+)(?P<rest>.*)"
    r"|\s*(?:File )?(?P<path>(?:~|[A-Za-z]:)?[^\s:\"'()]*[^\s:\"']\.pyx?|<[\w-]+>)"
    r"(?::(?P<at>\d+)(?:, in|:)| in)(?: (?P<call>.*))?"
    r"|\s*(?:Cell |Input )?(?P<cell>In ?\[\d+\]|<ipython-input[^>]*>)"
    r"(?:,? (?:line (?P<row>\d+)|in .*))?)\s*$")
CODE = re.compile(r"\s*-+> ?\d+\s(?P<code>.*)")
ERROR = re.compile(r"(?:E\s+)?(?P<type>(?:[A-Za-z_]\w*\.)*[A-Z]\w*)(?::\s?(?P<message>.*)|\s*)$")
PYTEST_END = re.compile(r"\S+\.py:\d+: \w+$|[=_]{3,}.*[=_]{3,}$")
PYTEST_FRAME = re.compile(r"(\S+\.py):(\d+): \w+$")
NAMED = re.compile(r"(?:\w+\.)*[A-Z]\w*(?:Error|Exception|Interrupt|Exit|NotFound)\s{2,}$")
INSTALLED = re.compile(r"/(?:site|dist)-packages/|/lib/python3|^<frozen|\.pyx$|/Lib/\w+\.py")
ENDINGS = ("Error", "Exception", "Interrupt", "Exit", "Expired", "NotFound", "Invalid",
           "Enabled", "Full", "Empty", "Traceback", "StopIteration", "Timeout", "Refused", "Group")


@dataclass(frozen=True)
class Frame:
    """A line of a traceback: a file (with / in its path), the function there, the code."""

    file: str
    function: str = ""
    code: str = ""
    line: int = 0

    def __str__(self):
        return f"{self.file} {self.function} {self.code}"


@dataclass(frozen=True)
class Raised:
    """One exception of a chain: its type without modules, its message, its frames inwards."""

    type: str
    message: str
    frames: tuple

    def __str__(self):
        first = next((line for line in self.message.splitlines() if line.strip()), "").strip()
        said = first if len(first) <= 160 else first[:159] + "…"
        return f"{self.type}: {said}" if said else self.type


@dataclass(frozen=True)
class Diagnosis:
    """What is known of a failure: `ailment` is None if nothing is; printed, it has three lines."""

    ailment: ailments.Ailment | None
    raised: Raised
    lines: tuple

    def __str__(self):
        return "\n".join(self.lines)


def explain(error=None):
    """Print three lines on an exception: its cause, its repair, where that is taught.

    Without an argument it takes the exception that is being handled, or else the last one that a
    cell ended with. A text is read as a traceback.
    """
    error = error or sys.exc_info()[1] or getattr(sys, "last_exc", None) or getattr(
        sys, "last_value", None)
    if error is None:
        print("No exception has been raised here yet: run the cell that fails, then ask again.")
        return
    print(diagnose(error) or "There is no traceback in this text.")


def diagnose(error):
    """Return the `Diagnosis` of an exception, or of a text or file object that holds a traceback.

    None where a text holds no traceback.
    """
    if isinstance(error, BaseException):
        chain = chain_of(error)
    else:
        chain = last_chain(io.StringIO(error) if isinstance(error, str) else error)
    return diagnosis(chain) if chain else None


def diagnosis(chain):
    """Return the `Diagnosis` of the exceptions of a chain, the first one raised first."""
    for raised in chain:
        for ailment in ailments.ALL:
            for sign in ailment.signs:
                found = fits(sign, raised)
                if found is not None:
                    return Diagnosis(ailment, raised, said(ailment, found, raised, chain[-1]))
    raised = chain[-1]
    return Diagnosis(None, raised, unknown(raised, chain[0]))


def fits(sign, raised):
    """Return the named groups of a message if a sign fits an exception, else None."""
    if raised.type not in sign.types.split():
        return None
    message = re.search(sign.says, raised.message, re.S)
    frames = [str(frame) for frame in raised.frames]
    if (message is None
            or (sign.unless and re.search(sign.unless, raised.message, re.S))
            or (sign.where and not any(re.search(sign.where, one) for one in frames))
            or (sign.ends and not re.search(sign.ends, (frames or [""])[-1]))
            or (sign.outside and any(re.search(sign.outside, one) for one in frames))):
        return None
    return {name: value for name, value in message.groupdict().items() if value}


def said(ailment, groups, raised, last):
    """Return the three lines on a failure that is known."""
    words = {"message": str(raised).partition(": ")[2], **groups}
    if ailment.instead:
        words["instead"] = ailment.instead.get(groups.get("name"), ailment.instead[""])
    cause, repair = (_filled(text, words) for text in (ailment.cause, ailment.repair))
    if raised is not last:
        cause += f" (This is the {raised.type} further up; the last line followed from it.)"
    number = ailment.notebook
    return (f"Cause:  {cause}", f"Repair: {repair}",
            f"Taught: notebook {number} ({ailments.TITLES[number]})")


def _filled(text, words):
    text = re.sub(r" \((?=[^()]*(?<!\{)\{(\w+)\})[^()]*\)",
                  lambda part: part[0] if part[1] in words else "", text)
    return text.format_map(defaultdict(lambda: "that", words))


def unknown(raised, first):
    """Return the three lines on a failure that is not known."""
    own = next((f for f in reversed(raised.frames) if not INSTALLED.search(f.file)), None)
    place = (f"{own.file.rpartition('/')[2]}, line {own.line}" + (f": {own.code}" if own.code
             else "") if own else "no line of your own is in this traceback")
    began = "" if first is raised else f" (It began with {first}.)"
    return (f"Unknown: I do not know this one. {raised}{began}",
            f"Where:   {place}",
            "Try:     print type, shape, dtype and device of what goes into that line; then look "
            "for others with this message.")


def chain_of(error):
    """Return the `Raised` of an exception and of those it came from, the first one first."""
    chain, seen = [], set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        frames = tuple(
            Frame(f.filename.replace("\\", "/"), f.name, f.line or "", f.lineno or 0)
            for f in traceback.extract_tb(error.__traceback__))
        chain.append(Raised(type(error).__name__, _message(error), frames))
        # A message may itself hold the traceback of a worker.
        inner = last_chain(io.StringIO(chain[-1].message)) if HEADER.search(
            chain[-1].message) else ()
        chain += reversed(inner)
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return tuple(reversed(chain))


def _message(error):
    try:
        return str(error)
    except Exception:  # a class of somebody's, whose __str__ fails, too
        return ""


# Texts


def last_chain(file):
    """Return the `Raised` of the last traceback in a text file, the first one raised first.

    The file is read once, from where it is, in pieces; of what was read, no more is kept than a
    traceback may be long. Empty if there is none.
    """
    last = ()
    for block in _blocks(file):
        last = _chain_in(block) or last
    return last


def _blocks(file):
    """Yield lists of lines around each place that looks like a traceback."""
    block, quiet, rest = deque(maxlen=MOST_LINES), 0, ""
    for piece in iter(lambda: file.read(CHUNK), ""):
        # A piece without an anchor, after none, need not be cut into lines.
        if not block and not _anchored(rest + piece):
            rest = piece[-LONGEST_LINE:]
            continue
        text = _plain(rest + piece)
        body, newline, rest = text.rpartition("\n")
        if not newline:
            body, rest = rest, ""
        rest = rest[-CHUNK:]
        for line in body.split("\n"):
            if _anchored(line[:LONGEST_LINE]):
                quiet = 0
            elif block:
                quiet += 1
            else:
                continue
            block.append(line[:LONGEST_LINE])
            if quiet > QUIET_LINES:
                yield list(block)
                block.clear()
                quiet = 0
    block.extend(line[:LONGEST_LINE] for line in _plain(rest).split("\n"))
    yield list(block)


def _anchored(text):
    return any(word in text and pattern.search(text) for word, pattern in ANCHORS.items())


def _plain(text):
    """Return a text without colours and HTML, and with the line ends that JSON has hidden."""
    for escape in ("\\u001b[", "\\x1b[", "\\033[", "\\e["):
        text = text.replace(escape, "\x1b[")
    if "\x1b[" in text or "^[[" in text or "␛[" in text:
        text = COLOUR.sub("", text)
    if "[0m" in text or "[m" in text:
        text = COLOUR_LEFT.sub("", text)
    if "</" in text and TAG.search(text):
        text = re.sub(r"<br\s*/?>|</(?:div|p|tr|li|pre)>", "\n", text, flags=re.I)
        text = re.sub(r"</?[a-z][a-z0-9]*(?:\s[^<>]*)?/?>(?<!<module>)", "", text, flags=re.I)
    if "&quot;" in text or "&#" in text or "&lt;" in text:
        text = html.unescape(text)
    if "\\n" in text and re.search(r"call last\)\S{0,3}?:?\\n|\\n *-+> ?\d", text):
        text = re.sub(r"\\n(?=\s|\\n|\w|\")", "\n", text).replace('\\"', '"')
    return text.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "")


def _chain_in(lines):
    """Return the exceptions of the last traceback in some lines."""
    chains, frames, prefix, at = [], [], None, 0
    between, alone, pointed = [], (), ""  # since the last exception; without frames; pytest's ">"
    while at < len(lines):
        header = HEADER.search(lines[at])
        if header:
            frames, prefix = [], _prefix(lines[at][: header.start()])
        line = _without(prefix, lines[at])
        at += 1
        frame, error = (None, None) if header else (FRAME.match(line), ERROR.match(line))
        if frame:
            if prefix is None and frame["before"].strip():
                prefix = _prefix(frame["before"].removesuffix("  "))
            frames.append(_frame(frame, [_without(prefix, one) for one in lines[at: at + 12]],
                                 pointed))
        elif error and _is_error(error, frames):
            pytest = line.startswith("E ")
            message, at = _message_at(error, lines, at, prefix)
            if pytest:
                frames += _innermost(lines[at: at + 4], pointed)
            raised = Raised(error["type"].rpartition(".")[2], message, tuple(frames))
            if frames or pytest:
                if not (chains and _chained(between)):
                    chains.append([])
                chains[-1].append(raised)
                frames, between, pointed = [], [], ""
                continue
            alone = (raised,)
        pointed = line[1:].strip() if line.startswith(">") else pointed
        if line.strip() and not frames:
            between.append(line)
    return tuple(chains[-1]) if chains else alone


def _prefix(text):
    """Return a pattern of what stands before each line, any digits for its digits; or None."""
    text = NAMED.sub("", text)  # IPython has the exception's name before "Traceback"
    start = text.rstrip()
    if not text:
        return None
    spaces = len(text) - len(start)
    return re.compile(re.sub(r"\d+", r"\\d+", re.escape(start)) + f" {{0,{spaces}}}")


def _without(prefix, line):
    found = prefix and prefix.match(line)
    return line[found.end():] if found else line


def _frame(match, after, pointed):
    """Return the `Frame` of a line; its code stands after it, or, `pointed` at, before it."""
    file = match["file"] or match["path"] or match["cell"]
    rest = re.sub(r"^\D*?[,，]\s*\S+\s*", "", match["rest"] or "") or match["call"] or ""
    code = pointed
    if match["file"]:
        code = after[0].strip() if after and after[0][:1] in (" ", "\t") else ""
    else:
        for line in after:
            marked = CODE.match(line)
            if marked or FRAME.match(line):
                code = marked["code"].strip() if marked else code
                break
    return Frame(file.replace("\\\\", "/").replace("\\", "/"), rest.strip(), code,
                 int(match["line"] or match["at"] or match["row"] or 0))


def _innermost(after, pointed):
    """Return the innermost frame as pytest writes it, below the message, in a list; or none."""
    for line in after:
        found = PYTEST_FRAME.match(line)
        if found:
            return [Frame(found[1].replace("\\", "/"), "", pointed, int(found[2]))]
    return []


def _is_error(error, frames):
    """Say whether a line that looks like "Type: message" is one; after frames it may be any."""
    name = error["type"].rpartition(".")[2]
    return bool(frames) or name.endswith(ENDINGS)


def _message_at(error, lines, at, prefix):
    """Return the message that begins in a match, and the number of the line after it."""
    said, pytest = [error["message"] or ""], error[0].startswith("E ")
    while at < len(lines) and len(said) < MOST_MESSAGE_LINES:
        line = _without(prefix, lines[at])
        if pytest and not re.match(r"E(?:\s|$)", line):
            break
        line = re.sub(r"^E(?:   )?", "", line) if pytest else line
        ended = not line.strip() and any(part.strip() for part in said) and not pytest
        if ended or HEADER.search(line) or FRAME.match(line) or PYTEST_END.match(line) or set(
                line.strip()) == {"-"}:
            break
        if prefix and not pytest and not prefix.match(lines[at]):
            break
        said.append(line)
        at += 1
    return "\n".join(said).strip(), at


def _chained(between):
    """Say whether what stands between two exceptions is the sentence of a chain, in any language.

    It is one line, or two with a header that is translated, and ends in a colon.
    """
    sentences = [line.strip() for line in between if not set(line.strip()) <= set("-_ ")]
    return 1 <= len(sentences) <= 3 and sentences[0].endswith((":", "：")) and not re.search(
        r"\d\d:\d\d", sentences[0])


# Command line and IPython


def load_ipython_extension(shell):
    """Give IPython the magic %doctor."""
    shell.register_magic_function(lambda line: explain(), "line", "doctor")


def main(arguments=None):
    """Read a traceback from a file or from what is typed or piped in; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m helpers.doctor", description=(
        "Say what caused the last traceback in a file, how to repair it, and where it is taught."))
    parser.add_argument("file", nargs="?", help="a file that holds a traceback, such as a log; "
                        "without it, what is piped in is read")
    name = parser.parse_args(arguments).file
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="replace")  # a console that lacks some letters
    try:
        stream = Path(name).open("rb") if name else sys.stdin.buffer  # noqa: SIM115
    except OSError as error:
        print(f"{name} cannot be read: {error.strerror}.", file=sys.stderr)
        return 2
    if not name and sys.stdin.isatty():
        print("Paste the traceback, then end with Ctrl+D (Windows: Ctrl+Z and Enter).")
    with stream:
        found = diagnose(_decoded(stream))
    if found is None:
        print("There is no traceback in this text. Copy it whole, from the line \"Traceback\" to "
              "the message at its end.")
        return 2
    print(found)
    return 0 if found.ailment else 1


def _decoded(stream):
    """Return a text file over bytes: UTF-8, or the UTF-16 that PowerShell writes."""
    start = stream.peek(64)[:64]
    encoding = "utf-8-sig"
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        encoding = "utf-16"
    elif start[1::2].count(0) > len(start) // 3:
        encoding = "utf-16-le"
    return io.TextIOWrapper(stream, encoding=encoding, errors="replace")


if __name__ == "__main__":
    sys.exit(main())
