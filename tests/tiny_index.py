"""A package index and a repository so small that packing and installing them takes seconds.

Its wheels are real ones: built here, read and installed by pip.
"""

import io
import subprocess
import tarfile
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


# Builds the wheel of a source package, with no other package at hand.
BACKEND = """
import zipfile

def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    information = "{name}-1.0.dist-info"
    with zipfile.ZipFile(f"{{wheel_directory}}/{name}-1.0-{tag}.whl", "w") as archive:
        archive.writestr("{name}.py", "version = '1.0'")
        archive.writestr(f"{{information}}/METADATA",
                         "Metadata-Version: 2.1\\nName: {name}\\nVersion: 1.0\\n")
        archive.writestr(f"{{information}}/WHEEL",
                         "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: {tag}\\n")
        archive.writestr(f"{{information}}/RECORD", "")
    return "{name}-1.0-{tag}.whl"
"""


def source(folder, name, tag="py3-none-any"):
    """Write a package that is there as source alone; its wheel will have this tag."""
    with tarfile.open(folder / f"{name}-1.0.tar.gz", "w:gz") as archive:
        for file, content in {
            "PKG-INFO": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n",
            "backend.py": BACKEND.format(name=name, tag=tag),
            "pyproject.toml": "[build-system]\nrequires = []\nbuild-backend = 'backend'\n"
                              "backend-path = ['.']\n",
        }.items():
            entry = tarfile.TarInfo(f"{name}-1.0/{file}")
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content.encode()))


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
