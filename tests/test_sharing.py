"""A model goes to a Hub on this machine and comes back; what is refused on the way, and how."""

import json
import os
import shutil
import subprocess
import sys

import pytest
import torch
from hub import Fault, LocalHub, closed_port
from hub_api import Repository
from huggingface_hub import constants
from transformers import BertConfig, BertForSequenceClassification

from helpers import paths, predict, sharing, training
from helpers.errors import LearnerError

CARD = "---\nlibrary_name: transformers\ntags:\n- text-classification\n---\n\n# A classifier\n"
SENT = {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json",
        "README.md", "metrics.json", "curve.json"}
TEXTS = ["Lovely place.", "Awful.", "word " * 50]


@pytest.fixture(scope="module")
def finished(tokenizer, tmp_path_factory):
    """A folder as helpers.finetune leaves it, with things in it that are nobody else's concern."""
    folder = tmp_path_factory.mktemp("finished") / "model"
    torch.manual_seed(0)
    training.save(BertForSequenceClassification(BertConfig(
        vocab_size=len(tokenizer), hidden_size=16, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=16, initializer_range=0.5, id2label={0: "ham", 1: "spam"},
    )), tokenizer, folder)
    (folder / "README.md").write_text(CARD)
    (folder / "metrics.json").write_text("{}")
    (folder / "curve.json").write_text("{}")
    for name in ("checkpoint.pt", ".checkpoint.pt-x", "diary.txt", ".env", "mine.csv"):
        (folder / name).write_text("not for others")
    (folder / "model_old").mkdir()
    (folder / "model_old" / "x.safetensors").write_text("not for others")
    return folder


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A Hub on this machine, to which the client is logged in; others have a model there, too."""
    others = tmp_path / "others"
    others.mkdir()
    (others / "config.json").write_text("{}")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "no token"))
    monkeypatch.setenv("HF_TOKEN", "hf_write")
    monkeypatch.setenv("NO_PROXY", "*")
    there = {"other/model": Repository("a" * 40, others)}
    with LocalHub(there, uploads=tmp_path / "uploads") as server:
        monkeypatch.setattr(constants, "ENDPOINT", server.endpoint)
        yield server


def sent(hub):
    """Return the requests that would have changed something."""
    return [path for method, path, _ in hub.log if method in ("POST", "PUT")]


def test_what_belongs_to_the_model_is_sent_and_nothing_else(hub, finished):
    assert sharing.push(finished, "me/spam-filter") == f"{hub.endpoint}/me/spam-filter"
    came = hub.repositories["me/spam-filter"]
    assert set(came.files()) == SENT
    assert all(file.read_bytes() == (finished / name).read_bytes()
               for name, file in came.files().items())
    assert any(path.startswith("/lfs/") for path in sent(hub)), "weights go by way of LFS"


def test_it_is_private_unless_said_otherwise(hub, finished):
    sharing.push(finished, "me/mine")
    sharing.push(finished, "me/everybodys", private=False)
    assert [hub.repositories[f"me/{name}"].private for name in ("mine", "everybodys")] == [
        True, False]


def test_a_name_alone_is_one_under_the_own_account(hub, finished):
    assert sharing.push(finished, "spam-filter") == f"{hub.endpoint}/me/spam-filter"


def test_what_was_pushed_predicts_the_same_when_it_comes_back(hub, finished, tmp_path):
    sharing.push(finished, "me/spam-filter")
    program = ("import sys, json; from helpers import predict\n"
               "table = predict.predictions('me/spam-filter', json.loads(sys.argv[1]))\n"
               "print(table.to_json(orient='records', double_precision=15))")
    settings = {"HF_ENDPOINT": hub.endpoint, "HF_HOME": str(tmp_path / "home"),
                "HF_HUB_OFFLINE": "0", "HF_TOKEN": "hf_write"}
    done = subprocess.run([sys.executable, "-c", program, json.dumps(TEXTS)], text=True,
                          env=os.environ | settings, cwd=paths.ROOT, capture_output=True,
                          check=False)
    assert done.returncode == 0, done.stderr
    here = predict.predictions(finished, TEXTS)
    assert json.loads(done.stdout) == here.to_dict(orient="records")
    assert set(here["label"]) <= {"ham", "spam"}


def test_a_second_push_replaces_what_changed(hub, finished, tmp_path):
    sharing.push(finished, "me/spam-filter")
    again = shutil.copytree(finished, tmp_path / "again")
    (again / "metrics.json").write_text('{"accuracy": 1}')
    sharing.push(again, "me/spam-filter")
    came = hub.repositories["me/spam-filter"].files()
    assert came["metrics.json"].read_text() == '{"accuracy": 1}'
    assert set(came) == SENT


def test_a_model_that_everybody_sees_gets_nothing_that_was_meant_to_be_private(hub, finished):
    sharing.push(finished, "me/open", private=False)
    revision = hub.repositories["me/open"].revision
    with pytest.raises(LearnerError, match="everybody can see it"):
        sharing.push(finished, "me/open")
    assert hub.repositories["me/open"].revision == revision


def refused(finished, name="me/spam-filter"):
    with pytest.raises(LearnerError) as said:
        sharing.push(finished, name)
    message = str(said.value)
    assert len(message) <= 400
    assert "\n" not in message
    return message


def test_without_a_token_nothing_is_sent(hub, finished, monkeypatch):
    monkeypatch.delenv("HF_TOKEN")
    assert "hf auth login" in refused(finished)
    assert hub.log == []


@pytest.mark.parametrize(("token", "name", "said"), [
    ("hf_read", "me/spam-filter", "may read, but not write"),
    ("hf_gone", "me/spam-filter", "does not accept the token"),
    ("hf_write", "other/mine", "other is somebody else's account. Yours is me"),
    ("hf_write", "other/model", "somebody else's|everybody can see it"),
])
def test_a_token_that_may_not_is_said_with_what_to_do(
    token, name, said, hub, finished, monkeypatch
):
    monkeypatch.setenv("HF_TOKEN", token)
    message = refused(finished, name)
    assert any(part in message for part in said.split("|"))
    assert set(hub.repositories) == {"other/model"}


@pytest.mark.parametrize("name", [
    "a/b/c", "me/my model", "https://huggingface.co/me/x", "", "x" * 97, "me/a--b",
])
def test_a_name_that_cannot_be_is_refused_before_anything_is_sent(name, hub, finished):
    assert "owner/name" in refused(finished, name)
    assert hub.log == []


@pytest.mark.parametrize("file", ["create", "batch", "main"])
@pytest.mark.parametrize("status", [500, 429, 403])
def test_a_hub_that_fails_in_the_middle_is_said(file, status, hub, finished, monkeypatch):
    from huggingface_hub.utils import _http

    monkeypatch.setattr(_http.time, "sleep", lambda seconds: None)  # between two tries
    hub.faults.append(Fault("error", file, "POST", times=None, status=status))
    message = refused(finished)
    assert ("Wait some minutes" if status != 403 else "not write") in message


def test_a_hub_out_of_reach_is_said_and_the_model_stays(hub, finished, monkeypatch):
    monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{closed_port()}")
    message = refused(finished)
    assert "could not be uploaded" in message
    assert str(finished) in message
    assert (finished / "model.safetensors").is_file()


def test_an_upload_that_breaks_off_is_said(hub, finished, monkeypatch):
    from huggingface_hub.utils import _http

    monkeypatch.setattr(_http.time, "sleep", lambda seconds: None)
    hub.faults.append(Fault("gone", "", "PUT", times=None))
    assert "could not be uploaded" in refused(finished)
    hub.faults[:] = [Fault("error", "", "PUT", times=None, status=503)]
    assert "Wait some minutes" in refused(finished)
    hub.faults.clear()
    assert sharing.push(finished, "me/spam-filter")


def test_offline_is_respected(hub, finished, monkeypatch):
    from huggingface_hub.utils import _http

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    _http.close_session()
    try:
        assert "HF_HUB_OFFLINE" in refused(finished)
    finally:
        _http.close_session()
    assert hub.log == []


@pytest.mark.parametrize("missing", ["model.safetensors", "config.json", "tokenizer_config.json"])
def test_a_folder_without_a_finished_model_is_refused(missing, hub, finished, tmp_path):
    copy = shutil.copytree(finished, tmp_path / "copy")
    (copy / missing).unlink()
    assert f"no finished model: {missing} is missing" in refused(copy)
    assert "no finished model" in refused(tmp_path / "nothing")
    assert hub.log == []
