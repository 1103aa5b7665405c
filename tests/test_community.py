"""What GitHub reads of the project, and what runs before a commit, agree with the project."""

import copy
import re

import pytest
import yaml

from helpers import paths, requirements
from tools import run, stamp

FORMS = [path for path in sorted((paths.ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml"))
         if path.name != "config.yml"]
TYPES = {"markdown", "input", "textarea", "dropdown", "checkboxes"}


def loaded(path):
    return yaml.safe_load((paths.ROOT / path).read_text(encoding="utf-8"))


def test_the_citation_says_what_the_project_says_of_itself():
    citation, project = loaded("CITATION.cff"), requirements.pyproject()["project"]
    assert citation["cff-version"] == "1.2.0"
    assert citation["message"] and citation["authors"]
    assert (citation["version"], citation["license"]) == (project["version"], project["license"])
    assert citation["repository-code"] == stamp.address().repository
    readme = (paths.ROOT / "README.md").read_text(encoding="utf-8")
    assert readme.startswith(f"# {citation['title']}\n")


def test_the_changelog_begins_with_this_version():
    changelog = (paths.ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    version = requirements.pyproject()["project"]["version"]
    assert re.search(r"^## (\S+)", changelog, re.M)[1] == version
    pin = requirements.pinned()["transformers"]
    assert f"Pins: transformers {pin} (was " in changelog


def problems(form):
    """Return what GitHub would not take of an issue form, and what nobody could fill in."""
    found = [f"no {key}" for key in ("name", "description", "body")
             if not isinstance(form.get(key), (list if key == "body" else str))]
    fields = [field for field in form.get("body", []) if field["type"] != "markdown"]
    ids = [field.get("id", "") for field in fields]
    labels = [field["attributes"].get("label") for field in fields]
    found += [f"unknown type {field['type']}" for field in fields if field["type"] not in TYPES]
    found += ["ids are missing, twice, or no words"] * (
        len(set(ids)) < len(ids) or not all(re.fullmatch(r"[\w-]+", name) for name in ids))
    found += ["labels are missing or twice"] * (None in labels or len(set(labels)) < len(labels))
    found += ["nothing to fill in"] * (not fields)
    for field in form.get("body", []):
        attributes = field["attributes"]
        if field["type"] == "markdown" and not attributes.get("value"):
            found.append("an empty text")
        if field["type"] in ("dropdown", "checkboxes"):
            options = [option["label"] if isinstance(option, dict) else option
                       for option in attributes.get("options", [])]
            found += ["options are missing, twice, no text, or None"] * (
                not options or len(set(options)) < len(options) or "None" in options
                or not all(isinstance(option, str) for option in options))
    return found


@pytest.mark.parametrize("path", FORMS, ids=lambda path: path.stem)
def test_a_form_is_as_github_wants_it_and_lists_the_notebooks_that_are_there(path):
    form = loaded(path)
    assert problems(form) == []
    [options] = [field["attributes"]["options"] for field in form["body"]
                 if field.get("id") == "notebook"]
    assert [o for o in options if o != "another page"] == [p.stem for p in run.chosen()], (
        f"write the notebooks into the options of {path.name}")


@pytest.mark.parametrize("plant", [
    lambda form: form.pop("description"),
    lambda form: form.update(name=True),
    lambda form: form.update(body=[]),
    lambda form: form["body"][1].update(type="text"),
    lambda form: form["body"][1].update(id=form["body"][0]["id"]),
    lambda form: form["body"][1].update(id="which cell"),
    lambda form: form["body"][1]["attributes"].pop("label"),
    lambda form: form["body"][0]["attributes"]["options"].append("None"),
    lambda form: form["body"][0]["attributes"]["options"].append(True),
    lambda form: form["body"][0]["attributes"].update(options=["a", "a"]),
])
def test_a_form_that_github_would_not_take_is_found(plant):
    form = copy.deepcopy(loaded(".github/ISSUE_TEMPLATE/cell_fails.yml"))
    plant(form)
    assert problems(form)


def test_a_number_that_differs_and_a_cell_that_fails_come_with_what_is_needed():
    for name in ("number_differs", "cell_fails"):
        form = loaded(f".github/ISSUE_TEMPLATE/{name}.yml")
        wanted = {field.get("id") for field in form["body"]
                  if field.get("validations", {}).get("required")}
        assert {"notebook", "cell", "printed", "preflight"} <= wanted
        [machine] = [field for field in form["body"] if field.get("id") == "preflight"]
        assert "`python -m helpers.preflight --json`" in machine["attributes"]["description"]
    assert {path.stem for path in FORMS} == {
        "number_differs", "cell_fails", "text_error", "translation"}


def test_the_page_of_forms_leads_to_pages_of_this_repository():
    config = loaded(".github/ISSUE_TEMPLATE/config.yml")
    assert config["blank_issues_enabled"] is True
    for link in config["contact_links"]:
        assert set(link) == {"name", "url", "about"}
        repository, _, page = link["url"].partition("/blob/HEAD/")
        assert repository == stamp.address().repository
        assert (paths.ROOT / page).is_file(), page


def test_before_a_commit_the_installed_ruff_the_lint_and_the_links_are_run():
    [repo] = loaded(".pre-commit-config.yaml")["repos"]
    assert repo["repo"] == "local"  # so ruff is the one of requirements.txt
    assert "ruff" in requirements.pinned()
    hooks = {hook["id"]: hook for hook in repo["hooks"]}
    assert all(hook["language"] == "system" for hook in hooks.values())
    modules = {re.match(r"python -m (\S+)", hook["entry"])[1] for hook in hooks.values()}
    assert modules == {"ruff", "tests.notebook_lint", "tools.links"}
    matched = re.compile(hooks["notebooks"]["files"])
    for path in run.chosen():
        assert matched.search(path.relative_to(paths.ROOT).as_posix())


def test_links_to_other_sites_are_tried_weekly():
    workflow = loaded(".github/workflows/links.yml")
    assert workflow[True]["schedule"]  # YAML reads "on" as a truth value
    [job] = workflow["jobs"].values()
    [lychee] = [step for step in job["steps"] if "lychee" in step.get("uses", "")]
    assert lychee["with"]["fail"] is True
    for name in ("*.md", "build/links/*.md"):
        assert name in lychee["with"]["args"].split()
    assert any("--output-dir build/links notebooks/*.ipynb" in s.get("run", "")
               for s in job["steps"])
