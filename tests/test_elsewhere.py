"""The files for GitHub Actions, Binder, JupyterHub and dev containers agree with the project."""

import json
import os
import re
import subprocess
import sys

import pytest
import yaml

from helpers import paths, requirements

TEST = "python -m helpers test"


def text_of(name):
    return (paths.ROOT / name).read_text(encoding="utf-8")


@pytest.fixture
def jobs():
    return yaml.safe_load(text_of(".github/workflows/test.yml"))["jobs"]


def commands_of(job):
    return [step["run"] for step in job["steps"] if "run" in step]


def test_the_command_of_the_readme_is_run_on_three_systems_and_with_other_versions(jobs):
    assert TEST in text_of("README.md")
    systems = jobs["pinned"]["strategy"]["matrix"]["os"]
    assert {system.partition("-")[0] for system in systems} == {"ubuntu", "macos", "windows"}
    for job in jobs.values():
        assert any(command.startswith(TEST) for command in commands_of(job))
        for step in job["steps"]:
            assert re.fullmatch(r"[\w-]+/[\w-]+@v\d+", step.get("uses", "a/b@v1"))


def test_the_jobs_on_other_versions_use_them_as_they_are_installed(jobs):
    for name in ("lowest", "newest"):
        assert jobs[name]["env"]["VERSIONS"] == "installed"
    # What the file of the lowest versions says about installing them is what is done.
    lowest = text_of("constraints-lowest.txt").splitlines()[1].removeprefix("# ")
    assert lowest in commands_of(jobs["lowest"])


def test_binder_and_the_dev_container_install_the_requirements_and_a_torch_without_cuda():
    text = text_of(".binder/requirements.txt")
    assert "--extra-index-url https://download.pytorch.org/whl/cpu" in text
    assert "-r ../requirements.txt" in text
    extra = requirements.pinned(paths.ROOT / ".binder" / "requirements.txt")
    assert "nbgitpuller" in extra and not set(extra) & set(requirements.pinned())
    container = json.loads(text_of(".devcontainer/devcontainer.json"))
    assert container["postCreateCommand"].endswith("pip install -r .binder/requirements.txt")


bash = pytest.mark.skipif(os.name == "nt", reason="these scripts run on Linux")


@bash
def test_the_script_after_the_build_finds_the_small_bert():
    script = paths.ROOT / ".binder" / "postBuild"
    path = f"{os.path.dirname(sys.executable)}:{os.environ['PATH']}"
    done = subprocess.run([script], cwd=paths.ROOT, capture_output=True, text=True, check=True,
                          env={**os.environ, "PATH": path})
    assert "bert, small" in done.stdout


@bash
@pytest.mark.parametrize(("given", "threads"), [
    ({}, "2"), ({"CPU_LIMIT": "4.0"}, "4"), ({"CPU_LIMIT": "0.5"}, "1"),
    ({"CPU_LIMIT": "8", "OMP_NUM_THREADS": "3"}, "3"),
])
def test_a_server_starts_with_as_many_threads_as_it_has_cores(given, threads):
    left = {k: v for k, v in os.environ.items() if k not in ("OMP_NUM_THREADS", "CPU_LIMIT")}
    done = subprocess.run(
        [paths.ROOT / ".binder" / "start", "sh", "-c", "echo $OMP_NUM_THREADS"],
        capture_output=True, text=True, check=True, env=left | given,
    )
    assert done.stdout.strip() == threads
