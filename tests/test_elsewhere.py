"""The files for GitHub Actions, Binder, JupyterHub and dev containers agree with the project."""

import json
import os
import re
import subprocess
import sys

import pytest
import yaml

from helpers import paths, requirements

WORKFLOW = ".github/workflows/test.yml"


def text_of(name):
    return (paths.ROOT / name).read_text(encoding="utf-8")


@pytest.fixture
def workflow():
    return yaml.safe_load(text_of(WORKFLOW))


def commands_of(job):
    return [step["run"] for step in job["steps"] if "run" in step]


def test_the_workflow_runs_the_test_command_of_the_readme_everywhere(workflow):
    command = re.search(r"## Test\n\n```\n(.+)\n```", text_of("README.md"))[1]
    for name in ("pinned", "newest"):
        assert command in commands_of(workflow["jobs"][name])
    # The lowest versions print some things in other words: the notebooks are run, not compared.
    lowest = commands_of(workflow["jobs"]["lowest"])
    assert lowest[1:] == [f"{command} tests", "python -m helpers run"]
    matrix = workflow["jobs"]["pinned"]["strategy"]["matrix"]
    assert {system.partition("-")[0] for system in matrix["os"]} == {"ubuntu", "macos", "windows"}
    oldest = re.search(r'requires-python = ">=(.+)"', text_of("pyproject.toml"))[1]
    assert matrix["python"][0] == oldest
    assert f"on Python {oldest} to {matrix['python'][-1]}" in text_of("README.md")


def test_the_workflow_runs_on_changes_and_weekly(workflow):
    on = workflow[True]  # YAML 1.1 reads `on` as a truth value
    assert {"push", "pull_request", "schedule"} <= set(on)
    minute, hour, day, month, weekday = on["schedule"][0]["cron"].split()
    assert (day, month) == ("*", "*") and weekday.isdigit() and minute.isdigit() and hour.isdigit()
    assert "schedule" in workflow["jobs"]["newest"]["if"]


def test_the_jobs_on_other_versions_use_them_as_they_are_installed(workflow):
    for name in ("lowest", "newest"):
        job = workflow["jobs"][name]
        assert job["env"][requirements.VERSIONS_VARIABLE] == "installed"
        assert commands_of(job)[0].startswith("python -m pip install")
    lowest = text_of("constraints-lowest.txt").splitlines()[1].removeprefix("# ")
    assert commands_of(workflow["jobs"]["lowest"])[0] == lowest


def test_the_actions_are_pinned_by_major_version(workflow):
    for job in workflow["jobs"].values():
        for step in job["steps"]:
            assert re.fullmatch(r"[\w-]+/[\w-]+@v\d+", step.get("uses", "a/b@v1"))


def test_a_command_of_the_workflow_means_the_same_in_every_shell(workflow):
    # bash on Linux and macOS, PowerShell on Windows: no variables, pipes, quotes within words.
    for command in commands_of(workflow["jobs"]["pinned"]):
        assert re.fullmatch(r"[\w ./-]+", command)


def test_binder_installs_the_requirements_and_a_torch_without_cuda():
    lines = [line for line in text_of(".binder/requirements.txt").splitlines()
             if line and not line.startswith("#")]
    assert lines[0] == "--extra-index-url https://download.pytorch.org/whl/cpu"
    included = lines[1].removeprefix("-r ")
    assert (paths.ROOT / ".binder" / included).samefile(paths.ROOT / "requirements.txt")
    # Later lines pin what is not in the requirements.
    for line in lines[2:]:
        name, _, version = line.partition("==")
        assert version and name not in requirements.pinned()
    assert any(line.startswith("nbgitpuller==") for line in lines)


def test_binder_and_the_dev_container_have_the_python_of_the_tests(workflow):
    tested = workflow["jobs"]["pinned"]["strategy"]["matrix"]["python"]
    assert text_of(".binder/runtime.txt").strip().removeprefix("python-") in tested
    container = json.loads(text_of(".devcontainer/devcontainer.json"))
    assert container["image"].rpartition(":")[2] in tested


def test_the_dev_container_installs_what_binder_does_and_forwards_jupyter():
    container = json.loads(text_of(".devcontainer/devcontainer.json"))
    command = container["postCreateCommand"]
    assert command == "python -m pip install -r .binder/requirements.txt"
    assert (paths.ROOT / command.rpartition(" ")[2]).is_file()
    assert container["forwardPorts"] == [8888]
    extensions = container["customizations"]["vscode"]["extensions"]
    assert {"ms-python.python", "ms-toolsai.jupyter"} <= set(extensions)


bash = pytest.mark.skipif(os.name == "nt", reason="these scripts run on Linux")


@bash
def test_the_script_after_the_build_finds_the_small_bert():
    done = subprocess.run(
        ["bash", ".binder/postBuild"], cwd=paths.ROOT, capture_output=True, text=True, check=True,
        env={**os.environ, "PATH": f"{os.path.dirname(sys.executable)}:{os.environ['PATH']}"},
    )
    assert "bert, small" in done.stdout


@bash
@pytest.mark.parametrize(("given", "threads"), [
    ({}, "2"), ({"CPU_LIMIT": "4.0"}, "4"), ({"CPU_LIMIT": "0.5"}, "1"),
    ({"CPU_LIMIT": "8", "OMP_NUM_THREADS": "3"}, "3"),
])
def test_a_server_starts_with_as_many_threads_as_it_has_cores(given, threads):
    left = {k: v for k, v in os.environ.items() if k not in ("OMP_NUM_THREADS", "CPU_LIMIT")}
    done = subprocess.run(
        ["bash", paths.ROOT / ".binder/start", "sh", "-c", "echo $OMP_NUM_THREADS"],
        capture_output=True, text=True, check=True, env=left | given,
    )
    assert done.stdout.strip() == threads


@bash
@pytest.mark.parametrize("script", ["postBuild", "start"])
def test_the_scripts_can_be_executed(script):
    path = paths.ROOT / ".binder" / script
    assert os.access(path, os.X_OK)
    subprocess.run(["bash", "-n", path], check=True)
