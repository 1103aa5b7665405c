"""The pages on `helpers`, made from its docstrings; nothing of it is imported.

What stands there is Markdown already, so Sphinx's own autodoc, which reads reStructuredText and
imports torch, is of no use here.
"""

import ast

from helpers import paths

WITHOUT = ("helpers.__main__", "helpers.checks.nb")  # the door, and the answers to exercises


def modules():
    """Return {module: its syntax tree} for what is public in `helpers`, in order."""
    found = {}
    for path in sorted((paths.ROOT / "helpers").rglob("*.py")):
        parts = path.relative_to(paths.ROOT).with_suffix("").parts
        name = ".".join(part for part in parts if part != "__init__")
        if not name.startswith(WITHOUT) and not parts[-1].startswith("__main"):
            found[name] = ast.parse(path.read_text(encoding="utf-8"))
    return found


def pages():
    """Return {page: Markdown}: one page a module, and one that lists them."""
    trees = modules()
    made = {f"api/{name}": page(name, tree) for name, tree in trees.items()}
    rows = [f"| [`{name}`]({name}.md) | {summary(tree)} |" for name, tree in trees.items()]
    made["api/index"] = (
        "# The package `helpers`\n\nWhat the cells import, a page a module, from its "
        "docstrings.\n\n| | |\n| --- | --- |\n" + "\n".join(rows)
        + "\n\n```{toctree}\n:hidden:\n\n" + "\n".join(trees) + "\n```\n")
    return made


def summary(tree):
    """Return the first sentence of a docstring, as it may stand in a table."""
    first = (ast.get_docstring(tree) or "").partition("\n\n")[0]
    return " ".join(first.split()).replace("|", "\\|")


def page(name, tree):
    """Return the Markdown of a module: its docstring, and what is public in it."""
    parts = [f"# `{name}`", f"```{{py:module}} {name}\n```", ast.get_docstring(tree) or ""]
    for node in tree.body:
        if is_public(node):
            parts.append(entry(node))
    return "\n\n".join(part for part in parts if part) + "\n"


def is_public(node):
    """Say whether a node defines a function or a class for others."""
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    return isinstance(node, kinds) and not node.name.startswith("_")


def entry(node, fence=":::::"):
    """Return the Markdown of a function or a class, with the public methods of the latter."""
    said = ast.get_docstring(node) or ""
    if isinstance(node, ast.ClassDef):
        methods = [entry(inner, fence[1:]) for inner in node.body if is_public(inner)]
        bases = " ".join(ast.unparse(base) for base in node.bases)
        shown = f"({fields(node)})" if is_record(node, bases) else ""
        return directive("py:class", node.name + shown, [said, *methods], fence)
    decorators = {ast.unparse(decorator) for decorator in node.decorator_list}
    inside = len(fence) < 5
    if "property" in decorators:
        return directive("py:property", node.name, [said], fence)
    arguments = ast.unparse(node.args)
    if inside and "staticmethod" not in decorators:
        arguments = arguments.partition(",")[2].strip()  # without self or cls
    kind = "py:method" if inside else "py:function"
    return directive(kind, f"{node.name}({arguments})", [said], fence)


def directive(kind, signature, parts, fence):
    """Return a directive of MyST with its contents."""
    body = "\n\n".join(part for part in parts if part)
    return f"{fence}{{{kind}}} {signature}\n\n{body}\n{fence}"


def is_record(node, bases):
    """Say whether a class lists its fields: a dataclass or a named tuple."""
    decorators = " ".join(ast.unparse(decorator) for decorator in node.decorator_list)
    return "dataclass" in decorators or "NamedTuple" in bases


def fields(node):
    """Return the fields of such a class, as its call takes them."""
    found = []
    for inner in node.body:
        if isinstance(inner, ast.AnnAssign) and not inner.target.id.startswith("_"):
            default = f"={ast.unparse(inner.value)}" if inner.value else ""
            found.append(inner.target.id + (default if "field(" not in default else "=..."))
    return ", ".join(found)
