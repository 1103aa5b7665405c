"""The prose of notebook 05: public-domain paragraphs, those held out apart from those read."""

import re

from helpers import checkpoints, generation, paths, prose
from making.prose import LENGTH


def test_each_paragraph_stands_in_one_part_and_once():
    parts = prose.load()
    every = [text for part in prose.PARTS for text in parts[part]]
    assert len(set(every)) == len(every)
    assert all(LENGTH[0] <= len(text) <= LENGTH[1] for text in every)


def test_the_page_says_how_many_paragraphs_there_are():
    page = (paths.DATA / "prose" / "README.md").read_text(encoding="utf-8")
    stated = dict(re.findall(r"\| `(\w+)\.txt` \| (\d+) \|", page))
    assert stated == {part: str(len(texts)) for part, texts in prose.load().items()}


def test_the_small_gpt2_predicts_what_it_has_read_better():
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder, parts = checkpoints.find("gpt2", "small").path, prose.load()
    model = AutoModelForCausalLM.from_pretrained(folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    read, held_out = (generation.predicted(model, tokenizer, parts[part][:36]).bits_per_byte
                      for part in prose.PARTS)
    assert read < held_out
