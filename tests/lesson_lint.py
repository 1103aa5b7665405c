"""The form of a lesson: questions, exercises, minutes, names. `problems` says what breaks it.

Beside `notebook_lint`, which knows what any notebook has to keep. Terms are in `test_glossary`.
"""

import ast
import math
import re
from collections import Counter

import nbformat
from notebook_lint import COLAB, tags

QUESTION = "question"
WORDS_A_MINUTE, SECONDS_A_LINE, SECONDS_A_FIGURE, SECONDS_A_QUESTION = 180, 4, 30, 30
MINUTES_A_SOLUTION_LINE = 2
NOT_OBSERVABLE = ("see", "know", "understand", "learn", "use", "be ", "get to know")
FOLDED = re.compile(r"<details><summary>(.*?)</summary>(.*?)</details>", re.DOTALL)
TASK = re.compile(r"^\*\*(\d\d\.\d) · ([^*]+)\*\* \((\d+) minutes\)\.?(.*?)(?=^#|\Z)", re.M | re.S)
TIME = re.compile(r"\*\*Time:\*\* (\d+) minutes to read, (\d+) more with the exercises")


def problems(path):
    """Return the list of what breaks the form of a lesson in one notebook file."""
    notebook = nbformat.read(path, as_version=4)
    return [*_questions(notebook), *_objectives(notebook), *_exercises(notebook),
            *_minutes(notebook), *_names(notebook)]


def prose(notebook):
    """Return what is read of the Markdown cells: nothing folded, no exercise, no address."""
    cells = (c.source for c in notebook.cells if c.cell_type == "markdown")
    text = "\n\n".join(TASK.sub("", FOLDED.sub("", source)) for source in cells)
    text = re.sub(r"<small>.*?</small>", "", text)  # when it was last verified
    return re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", text)


def lesson_code(notebook):
    """Return the code cells of the lesson: without Colab's and the stubs of exercises."""
    return [c for c in notebook.cells if c.cell_type == "code" and COLAB not in tags(c)
            and not _is_stub(c)]


def _is_stub(cell):
    return all(re.search(line, cell.source, re.M) for line in (r"^ {4,8}\.\.\.$", r"^check\("))


def reading_minutes(notebook):
    """Count the minutes that a notebook takes to read."""
    code = lesson_code(notebook)
    lines = sum(bool(line.strip()) for cell in code for line in cell.source.splitlines())
    figures = sum("image/png" in o.get("data", {}) for cell in code for o in cell.outputs)
    words = sum(bool(re.search(r"\w", word)) for word in prose(notebook).split())
    asked = len(questions(notebook))
    return (words / WORDS_A_MINUTE + lines * SECONDS_A_LINE / 60
            + figures * SECONDS_A_FIGURE / 60 + asked * SECONDS_A_QUESTION / 60)


def questions(notebook):
    """Return the sources of the cells that ask a question with answers to choose from."""
    return [c.source for c in notebook.cells if QUESTION in tags(c)]


def tasks(notebook):
    """Return {exercise: (minutes announced, minutes counted)}."""
    markdown = [c.source for c in notebook.cells if c.cell_type == "markdown"]
    solutions = [body for source in markdown for title, body in FOLDED.findall(source)
                 if title == "Solution"]
    found = [m for source in markdown for m in TASK.findall(FOLDED.sub("", source))]
    counted = {}
    for (number, _, minutes, text), solution in zip(found, solutions, strict=True):
        code = re.search(r"```python\n(.*?)```", solution, re.S)[1]
        lines = sum(bool(line.strip()) and not re.match(r"def |class |import |from ", line)
                    for line in code.splitlines())
        exact = len(text.split()) / WORDS_A_MINUTE + MINUTES_A_SOLUTION_LINE * lines
        counted[number] = int(minutes), 5 * math.ceil(exact / 5)
    return counted


def _questions(notebook):
    if len(questions(notebook)) != 3:
        yield f"it asks {len(questions(notebook))} questions with answers instead of three"
    for source in questions(notebook):
        name = re.match(r"\*\*Question (\d\d\.[a-z])\*\* · \S", source)
        if not name:
            yield f"a question does not begin with its number: {source[:40]!r}"
            continue
        answers = FOLDED.findall(source)
        if not 3 <= len(answers) <= 4:
            yield f"question {name[1]} has {len(answers)} answers; three or four are wanted"
        verdicts = [re.match(r"\s*\*\*(Right|No)\.\*\*(.*)", body, re.S) for _, body in answers]
        if not all(verdicts) or [v[1] for v in verdicts if v].count("Right") != 1:
            yield f"question {name[1]} does not have exactly one right answer"
        if any(v and len(v[2].split()) < 6 for v in verdicts):
            yield f"question {name[1]} has an answer that is not explained"
        if any(re.search(r"[*`]", title) for title, _ in answers):
            yield f"question {name[1]} has Markdown in a <summary>, which shows it as it is"
        letters = [title[:3] for title, _ in answers]
        if letters != [f"{letter}. " for letter in "ABCD"[: len(answers)]]:
            yield f"the answers of question {name[1]} are not lettered in order"


def _objectives(notebook):
    known = set(tasks(notebook))
    known |= {m for s in questions(notebook) for m in re.findall(r"\*\*Question (\S+)\*\*", s)}
    tested = set()
    first = notebook.cells[0].source.partition("**You will be able to**\n")[2].partition("\n\n")[0]
    for line in first.splitlines():
        objective, _, named = line.removeprefix("- ").partition(" *(")
        names = named.removesuffix(")*").split(", ")
        tested |= set(names)
        if not set(names) <= known:
            yield f"the objective {objective!r} names no question or exercise that tests it"
        if objective.startswith(NOT_OBSERVABLE):
            yield f"the objective {objective!r} cannot be observed"
    if known - tested:
        yield f"tested, but in no objective: {', '.join(sorted(known - tested))}"


def _exercises(notebook):
    stubs = [i for i, cell in enumerate(notebook.cells)
             if cell.cell_type == "code" and _is_stub(cell)]
    if len(stubs) < 4:
        yield f"it has {len(stubs)} exercises; four are wanted"
    if not stubs or stubs[0] > 2 / 3 * len(notebook.cells):
        yield "no exercise stands in mid-lesson"


def _minutes(notebook):
    read, more = map(int, TIME.search(notebook.cells[0].source).groups())
    counted = reading_minutes(notebook)
    if abs(read - counted) > 1:
        yield f"it announces {read} minutes to read; {counted:.1f} are counted"
    for number, (announced, rule) in tasks(notebook).items():
        if announced != rule:
            yield f"exercise {number} announces {announced} minutes; {rule} are counted"
    total = sum(announced for announced, _ in tasks(notebook).values())
    if more != total:
        yield f"it announces {more} minutes for exercises; together they announce {total}"
    number = len(lesson_code(notebook))
    if not 20 <= number <= 45:
        yield f"it has {number} code cells without the exercises; 20 to 45 are wanted"


def _names(notebook):
    """A cell that is run again, or out of order, must not meet another thing by the same name."""
    bound = Counter()
    for cell in lesson_code(notebook):
        names = bound_names(cell.source)
        bound.update(names)
        for name in names:
            if _rebinds(cell.source, name):
                yield f"the name {name} is made from itself, so its cell cannot be run twice"
    for name, times in bound.items():
        if times > 1:
            yield f"the name {name} is given in {times} cells"


def bound_names(source):
    """Return the names that a cell gives to something at its top level; imports do not count."""
    names = set()
    for node in _top_level(ast.parse(source).body):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            names.add(node.name)
        elif isinstance(node, (ast.Assign, ast.AugAssign, ast.AnnAssign)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names |= {n.id for t in targets for n in ast.walk(t)
                      if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
        elif isinstance(node, ast.With):
            names |= {n.id for item in node.items if item.optional_vars
                      for n in ast.walk(item.optional_vars) if isinstance(n, ast.Name)}
    return names


def _top_level(body):
    """Yield statements, those inside loops, branches and blocks included."""
    for node in body:
        yield node
        if not isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            for field in ("body", "orelse", "finalbody", "handlers"):
                yield from _top_level(getattr(node, field, []))


def _rebinds(source, name):
    """Say whether a cell's first statement about a name reads the name that it gives."""
    for node in _top_level(ast.parse(source).body):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and node.name == name:
            return False
        used = [n.ctx for n in ast.walk(node) if isinstance(n, ast.Name) and n.id == name]
        if used:
            return isinstance(node, ast.AugAssign) or (
                isinstance(node, ast.Assign) and any(isinstance(c, ast.Load) for c in used))
    return False
