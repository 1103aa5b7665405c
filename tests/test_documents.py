"""What README, SETUP and INSTRUCTORS tell people to type is understood by what they type it to."""

import ast
import json
import os
import re
import shlex
import shutil
import stat
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

import helpers.__main__ as commands
from helpers import environment, finetune, paths, predict, preflight, requirements
from tools import install, lock, pack, run, stamp
from tools.site import __main__ as site

DOCUMENTS = ("README.md", "SETUP.md", "INSTRUCTORS.md")
REPOSITORY = stamp.address().repository
PYTHON = re.compile(r"(python3\.|py -3\.)(?P<minor>\d+)|python3?|py|\.venv\\Scripts\\python|"
                    r"\.venv/bin/python")
# What the fenced blocks and the code in the text are made of, besides Python.
PROGRAMS = {
    "git": r"clone \S+|pull", "winget": r"install [\w.+-]+", "brew": r"install [\w@.]+",
    "conda": r"create (-y )?-n bert python=[\d.]+|activate bert", "wsl": r"--install",
    "sudo": r"(apt|dnf) install [\w. -]+", "xcode-select": r"--install", "cd": r"\S+",
    "curl": r'-LO "https://\S.*\.sh"', "bash": r'".+\.sh" -b -p "\S+"',
    "source": r"\S+/bin/activate\"?",
    "export": r"(\w+=\S+ ?)+", "unset": r"[A-Z_]+", "echo": r"\$[A-Z_]+", "rm": r"-r \.venv",
}
VARIABLE = re.compile(r'\$env:\w+ = "[^"]*"(; \$env:\w+ = "[^"]*")*')  # in PowerShell
ACTING = re.compile(r"\s(-\w|--\w|install\b)")  # in code that starts something


def text_of(name):
    return (paths.ROOT / name).read_text(encoding="utf-8")


def blocks(name):
    """Return the fenced blocks of a document: (language, text)."""
    return re.findall(r"^```(\w*)\n(.*?)^```$", text_of(name), re.M | re.S)


def messages(name="SETUP.md"):
    """Return the messages in the first column of the tables: {title: [message, ...]}."""
    found = {}
    for title, section in re.findall(r"^### (Said by .*)\n((?:(?!^#).*\n)*)", text_of(name), re.M):
        found[title] = re.findall(r"^\| `([^`]+)` \|", section, re.M)
        assert len(found[title]) == section.count("\n|") - 2, f"a row of {title} has no message"
    return found


def typed(name):
    """Return all that a document tells people to type, line by line."""
    text = re.sub(r"^```.*?^```$", "", text_of(name), flags=re.M | re.S)
    said = {message for found in messages().values() for message in found}
    for code in re.findall(r"`([^`\n]+)`", text):
        first = code.split()[0]
        known = first in PROGRAMS or PYTHON.fullmatch(first) or VARIABLE.fullmatch(code)
        if code not in said and ((known and " " in code) or ACTING.search(code)):
            yield code
    for _, block in blocks(name):
        yield from (line for line in block.splitlines() if line and not line.startswith("#"))


EVERYTHING = sorted({(name, command) for name in DOCUMENTS for command in typed(name)})


@pytest.fixture
def idle(monkeypatch):
    """The programs read their command lines, and do nothing."""
    for holder, work in ((run, "run"), (install, "install"), (preflight, "as_json"),
                         (preflight, "report")):
        monkeypatch.setattr(holder, work, lambda *_, **__: {"ready": True})
    monkeypatch.setattr(stamp, "stamp", lambda address: [])
    monkeypatch.setattr(site.build, "build", lambda *_, **__: None)
    monkeypatch.setattr(site.build, "fetch", lambda: 0)
    monkeypatch.setattr(pack, "pack", lambda folder, *names, gpu: pack.targets_named(*names, gpu))
    monkeypatch.setattr(environment, "other", lambda make: None)
    monkeypatch.setattr(requirements, "missing", list)
    return monkeypatch


def understood(command, patch):
    """Fail where a command is not understood, by raising or by exiting."""
    match = re.match(rf"(?:{PYTHON.pattern})(?=\s)", command)
    if VARIABLE.fullmatch(command):
        return
    if match is None:
        program, *rest = command.split(maxsplit=1)
        assert program in PROGRAMS, f"is {program} a program?"
        assert re.fullmatch(PROGRAMS[program], " ".join(rest)), command
        shlex.split(command)
        return
    if match["minor"]:
        assert f"3.{match['minor']}" in requirements.PYTHONS
    arguments = shlex.split(command[match.end():])
    if arguments[0] == "-m":
        module(*arguments[1:], patch=patch)
    else:
        assert arguments[0] == Path(install.__file__).name
        assert install.main(arguments[1:]) is not None


def module(name, *arguments, patch):
    """Let the parser of a module read arguments."""
    if name == "helpers":
        calls = []
        patch.setattr(commands, "start", lambda *a, **_: calls.append(a) or 0)
        assert commands.main(arguments) == 0, f"no command is called {arguments}"
        if "--help" not in arguments:
            (program,) = calls
            started(*program)
    elif name == "pip":
        from pip._internal.commands import create_command

        create_command(arguments[0]).parser.parse_args(list(arguments[1:]))
        if "-r" in arguments:
            assert (paths.ROOT / arguments[arguments.index("-r") + 1]).is_file()
    elif name == "venv":
        assert len(arguments) == 1 and not arguments[0].startswith("-")
    else:
        assert find_spec(name), f"there is no module {name}"
        assert not arguments


def started(program, *arguments):
    """Let the program that a command starts read its arguments."""
    if program == "jupyter":
        from jupyterlab.labapp import LabApp

        LabApp.clear_instance()
        lab = LabApp()
        lab.parse_command_line(arguments[1:])
        unknown = [name for name in lab.cli_config if not name[0].isupper()]
        LabApp.clear_instance()
        assert not unknown, f"JupyterLab has no option {unknown}"
    elif program == "pytest":
        for word in arguments[len(commands.PROGRAMS["test"]) - 1 :]:
            assert (paths.ROOT / word).exists()
    elif program in ("helpers.finetune", "helpers.predict"):
        {"helpers.finetune": finetune, "helpers.predict": predict}[program].parser().parse_args(
            arguments)
    else:
        programs = {"tools.run": run, "tools.stamp": stamp, "tools.pack": pack,
                    "tools.site": site, "helpers.preflight": preflight}
        assert programs[program].main(list(arguments)) != 2


def test_many_commands_are_found():
    assert len(EVERYTHING) > 50
    assert {command.split()[0] for _, command in EVERYTHING} >= {
        "python", "python3", "py", "git", "conda", "sudo", "winget", "brew", "source"}


@pytest.mark.parametrize(("name", "command"), EVERYTHING, ids=lambda value: value)
def test_what_one_is_told_to_type_is_understood(name, command, idle):
    understood(command, idle)


@pytest.mark.parametrize("command", [
    "python3 -m helpers lap", "python3 -m helpers run --svae", "pyton3 -m helpers lab",
    "python -m helper lab", "py -m helpers preflight --jsn", "py -3.9 -m helpers lab",
    "python -m helpers lab --no-browsr", "python -m helpers lab --prot 3",
    "python -m helpers pack FOLDER --platfrom x", "python -m helpers pack FOLDER --python 3.10",
    "python -m helpers finetune --date mine.csv", "python -m helpers predict --date mine.csv",
    "python -m helpers test tests/test_nothing.py", "python -m pip install -q --cert",
    "python -m pip cach purge", "conda create -n bert pyton=3.14", "git clon x", "apt install x",
    "python instal.py", "python install.py a b", "python -m pip install -r requirement.txt",
])
def test_what_would_not_be_understood_is_noticed(command, idle):
    with pytest.raises((AssertionError, SystemExit, KeyError)):
        understood(command, idle)


def test_versions_of_python_and_the_address_are_those_of_the_project():
    for name in DOCUMENTS:
        for _, command in ((n, c) for n, c in EVERYTHING if n == name):
            for version in re.findall(r"(?:Python\.|python[@=]?|py -)(3\.\d+)", command):
                assert version in requirements.PYTHONS, command
            for version in re.findall(r"torch==(\S+)", command):
                assert version == requirements.pinned()["torch"]
            if command.startswith("git clone"):
                assert command == f"git clone {REPOSITORY}"
    assert ", ".join(requirements.PYTHONS[:-1]) + f" or {requirements.PYTHONS[-1]}" in text_of(
        "SETUP.md")
    assert f"torch {requirements.pinned()['torch']} has no wheel" in text_of("SETUP.md")
    assert f"macOS {lock.MACOS} or newer" in text_of("SETUP.md")
    assert f"glibc 2.{lock.GLIBC}" in text_of("SETUP.md")


def test_the_room_that_it_takes_is_said_as_it_was_measured():
    rows = re.findall(r"^\| (.+) \| ([\d.]+) GB \| ([\d.]+) GB \|$", text_of("SETUP.md"), re.M)
    kinds = {"Windows, macOS": ("windows", "macos"), "Linux": ("linux",),
             "Linux with an NVIDIA card": ("linux with CUDA",)}
    assert [row[0] for row in rows] == list(kinds)
    for title, download, disk in rows:
        for kind in kinds[title]:
            size = requirements.SIZES[kind]
            assert (download, disk) == (f"{size.download}", f"{size.disk:.1f}")
    small = max(size.disk for kind, size in requirements.SIZES.items() if "CUDA" not in kind)
    large = requirements.SIZES["linux with CUDA"]
    assert f"about {small:.0f} GB of disk ({large.disk:.0f} GB on Linux" in text_of("README.md")
    downloads = sorted({t.size.download for t in lock.PLATFORMS.values()})
    assert (f"{downloads[0]} to {downloads[-1]} GB, with `--gpu` {large.download} GB"
            in text_of("README.md"))


# Messages


def texts_of(*folders):
    """Return every text in the code of folders, with \\0 for what is filled in."""
    for folder in folders:
        for file in Path(folder).rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    yield re.sub(r"\{[^}]*\}", "\0", node.value)
                elif isinstance(node, ast.JoinedStr):
                    yield "".join(part.value if isinstance(part, ast.Constant) else "\0"
                                  for part in node.values)


def pattern_of(message):
    """Return a pattern that finds a message in the code: … stands for anything filled in."""
    parts = [re.escape(part) for part in message.split("…")]
    return re.compile("[^\\n]*\0[^\\n]*".join(parts).replace("^[^", "[^"))


def sources():
    import jupyter_server
    import pip

    return {
        "Said by the commands": [paths.ROOT / "helpers"],
        "Said by pip": [Path(pip.__file__).parent],
        "Said by JupyterLab": [Path(jupyter_server.__file__).parent],
    }


ELSEWHERE = {  # said by Python or by the system while pip runs; and part of what we print
    "CERTIFICATE_VERIFY_FAILED", "No space left on device",
}


@pytest.mark.parametrize("title", ["Said by the commands", "Said by pip", "Said by JupyterLab"])
def test_messages_are_quoted_as_they_are_said(title):
    said = [text.replace("%i", "\0").replace("%s", "\0") for text in texts_of(*sources()[title])]
    for message in messages()[title]:
        if message in ELSEWHERE:
            continue
        pattern = pattern_of(message)
        assert any(pattern.search(text) for text in said), f"nothing says: {message}"


def test_every_message_that_stops_an_installation_is_in_the_table():
    table = [pattern_of(message) for message in messages()["Said by the commands"]]
    source = ast.parse(text_of("helpers/environment.py"))
    for node in ast.walk(source):
        if isinstance(node, ast.Raise):
            (argument,) = node.exc.args
            if isinstance(argument, ast.JoinedStr | ast.Constant):
                text = "".join(getattr(part, "value", "\0") if isinstance(part, ast.Constant)
                               else "\0" for part in getattr(argument, "values", [argument]))
                assert any(pattern.search(text) for pattern in table), text


# Shell


bash = pytest.mark.skipif(shutil.which("bash") is None or os.name == "nt", reason="needs bash")
SHELL = [text for name in DOCUMENTS for language, text in blocks(name) if language == "bash"]
STUB = """#!{python}
import json, os, sys
name = os.path.basename(sys.argv[0])
with open({log!r}, "a") as log:
    log.write(json.dumps([name, *sys.argv[1:], os.getcwd()]) + "\\n")
if name == "git":
    os.mkdir(sys.argv[2].rpartition("/")[2])
if sys.argv[1:3] == ["-m", "venv"]:
    os.execv({python!r}, [{python!r}, "-m", "venv", "--without-pip", *sys.argv[3:]])
if name == "curl":
    open(sys.argv[2].rpartition("/")[2], "w").write(
        'mkdir -p "$HOME/miniforge3/bin"; touch "$HOME/miniforge3/bin/activate"')
"""


@bash
@pytest.mark.parametrize("block", SHELL)
def test_blocks_for_a_shell_run_and_start_the_commands_in_the_projects_folder(
    block, tmp_path
):
    home, programs, log = tmp_path / "home", tmp_path / "programs", tmp_path / "log"
    large = tmp_path / "large"
    folder = REPOSITORY.rpartition("/")[2]
    downloaded = home / "Downloads" / f"{folder}-{stamp.address().branch}"
    for path in (downloaded, programs, large):
        path.mkdir(parents=True)
    text = STUB.format(python=sys.executable, log=str(log))
    for name in ("sudo", "git", "curl", "conda", "python", "python3"):
        (programs / name).write_text(text)
        (programs / name).chmod(stat.S_IRWXU)
    block = block.replace("/media/large", str(large))
    # In an environment, its own python3 would come before the one that only takes notes.
    block = block.replace("\npython3 -m helpers", f"\n{programs}/python3 -m helpers")
    subprocess.run(["bash", "-euo", "pipefail", "-c", block], cwd=home, check=True,
                   env={"HOME": str(home), "PATH": f"{programs}:/usr/bin:/bin"})
    calls = [json.loads(line) for line in log.read_text().splitlines()]
    assert calls[-1][1:-1] == ["-m", "helpers", "lab"]
    if "cd " in block:
        assert Path(calls[-1][-1]) in (home / folder, downloaded)


def test_links_within_and_between_the_documents_lead_somewhere():
    for name in DOCUMENTS:
        for file, anchor in re.findall(r"\]\((?!https?:)([\w./-]*)#([\w-]+)\)", text_of(name)):
            titles = re.findall(r"^#+ (.*)$", text_of(file or name), re.M)
            anchors = {re.sub(r"[^\w -]", "", t.lower()).replace(" ", "-") for t in titles}
            assert anchor in anchors, f"{name}: #{anchor}"
        for file in re.findall(r"\]\((?!https?:|#)([\w./-]+)", text_of(name)):
            assert (paths.ROOT / file).exists(), f"{name}: {file}"


def test_setup_has_one_table_of_words_and_the_others_use_its_commands():
    row = r"^\| (.*) \| `(.*)` \| `(.*)` \| `(.*)` \|$"
    table = re.findall(row, text_of("SETUP.md"), re.M)
    assert [word for _, word, _, _ in table] == ["py", "python3", "python"]
    for _, word, lab, look in table:
        assert (lab, look) == (f"{word} -m helpers lab", f"{word} -m helpers preflight")
    assert {"py -m helpers lab", "python3 -m helpers lab"} <= {
        command for name, command in EVERYTHING if name == "README.md"}
    for name in ("README.md", "INSTRUCTORS.md"):
        words = {command.split()[0] for n, command in EVERYTHING if n == name}
        assert words <= ({"python", "py", "python3"} if name == "README.md" else {"python"}), words
