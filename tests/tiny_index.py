"""A package index and a repository so small that packing and installing them takes seconds.

Its wheels are real ones: built here, read and installed by pip.
"""

import subprocess
import zipfile
from importlib import metadata


def wheel(folder, name, version="1.0", *, files=None, requires=(), tag="py3-none-any"):
    """Write a wheel; `files` maps paths to text or bytes. Returns its path."""
    module = name.replace("-", "_")
    information = f"{module}-{version}.dist-info"
    required = "".join(f"Requires-Dist: {line}\n" for line in requires)
    files = {
        **(files or {f"{module}.py": f"version = {version!r}\n"}),
        f"{information}/METADATA":
            f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{required}",
        f"{information}/WHEEL":
            f"Wheel-Version: 1.0\nGenerator: tiny\nRoot-Is-Purelib: true\nTag: {tag}\n",
    }
    files[f"{information}/RECORD"] = "".join(f"{file},,\n" for file in files)
    path = folder / f"{module}-{version}-{tag}.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for file, content in files.items():
            archive.writestr(file, content)
    return path


def pip_wheel(folder):
    """Write the pip of this environment as a wheel, as an index would serve it."""
    installed = metadata.distribution("pip")
    files = {
        str(file): file.read_binary() for file in installed.files
        if file.parts[0] == "pip" and file.suffix != ".pyc"
    }
    return wheel(folder, "pip", installed.version, files=files)


def require(folder, required, brought=()):
    """Let a repository, new or not, require packages that bring others along; commits that.

    Each is a line such as "name==1.0". The repository's preflight imports what it requires.
    """
    names = [line.partition("==")[0] for line in required]
    locked = [*required, *brought, f"pip=={metadata.version('pip')}"]
    for name, lines in {
        "requirements.txt": ["-c constraints.txt", *required],
        "constraints.txt": [line for line in brought if ";" not in line],
        "pyproject.toml": ["[build-system]", "requires = []"],
        "tools/lock.txt": ["# made by hand", *locked],
        "helpers/preflight.py": [*(f"import {name}" for name in names), "print('Ready.')"],
    }.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    git(folder, "init", "--quiet")
    commit(folder)


def commit(folder):
    """Commit everything in a repository."""
    git(folder, "add", "--all")
    git(folder, "-c", "user.name=Test", "-c", "user.email=test@example.org", "commit", "--quiet",
        "--allow-empty", "--message", "State")


def git(folder, *arguments):
    """Run git in a repository."""
    subprocess.run(["git", "-C", str(folder), *arguments], check=True)
