"""Pretrain a small GPT-2: its tokenizer, its weights, and how well it predicts held-out text.

python -m helpers.pretraining --corpus FOLDER
python -m helpers.pretraining --dataset Salesforce/wikitext --config wikitext-2-raw-v1 \
    --revision COMMIT

Text files in, a folder for `from_pretrained` out. The training may be interrupted at any moment:
the same command goes on from the last complete checkpoint.

The architecture and the byte-level BPE are those of Radford et al. (2019), "Language models are
unsupervised multitask learners", at a size for two CPU cores. The embedding table may start from
BERT's (`--start bert`), in the manner of Rothe et al. (2020), "Leveraging pre-trained checkpoints
for sequence generation tasks".
"""

import argparse
import functools
import gzip
import hashlib
import itertools
import json
import math
import re
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import torch

from helpers import checkpoints, paths, trainers
from helpers.errors import LearnerError

END = "<|endoftext|>"
CONTEXT = 256  # tokens that the model sees at once
HELD_OUT = 0.02  # share of each work, its end, that the model never trains on
EVERY = 250  # steps between two checkpoints, and between two looks at the held-out text
INITIAL_STD = 0.02  # standard deviation of GPT-2's initial weights
_EXCLUDED = Path(__file__).with_name("excluded_words.txt")


@dataclass(frozen=True)
class Recipe:
    """What decides a pretraining, apart from its text."""

    vocab_size: int = 8192
    width: int = 320
    layers: int = 4
    heads: int = 5
    start: str = "bert"
    epochs: float = 3.0
    batch_size: int = 8
    learning_rate: float = 1e-3
    seed: int = 0
    max_steps: int = -1


# Text

def read_folder(folder):
    """Return the works in a folder of `.txt` files: {name: list of paragraphs}, a line each.

    Raises LearnerError if the folder is missing, holds no text files or one that is not UTF-8
    text, or too little text to train on.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise LearnerError(f"There is no folder {folder}. --corpus wants one with .txt files.")
    works = {}
    for path in sorted(folder.glob("*.txt")):
        content = path.read_bytes()
        try:
            text = content.decode("utf-8")
        except UnicodeDecodeError as error:
            raise LearnerError(
                f"{path.name} is not UTF-8 text (byte {error.start}). Save it as UTF-8, or take "
                "it out of the folder."
            ) from None
        if "\0" in text:
            raise LearnerError(f"{path.name} holds zero bytes, so it is no text. Take it out.")
        works[path.stem] = _paragraphs(text.splitlines())
    if not works:
        raise LearnerError(f"{folder} holds no .txt files. One work a file, a paragraph a line.")
    return _enough(works, folder)


def read_dataset(name, config=None, *, revision=None, column="text"):
    """Return the train split of a Hub data set as one work, a paragraph a row.

    Raises LearnerError if it cannot be loaded or lacks the column.
    """
    from datasets import load_dataset

    try:
        rows = load_dataset(name, config, revision=revision, split="train")
    except Exception as error:  # the Hub's client raises errors of several libraries
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise LearnerError(
            f"The data set {name!r} could not be loaded: {reason} A folder of text files needs "
            "no network: --corpus FOLDER."
        ) from error
    if column not in rows.column_names:
        known = ", ".join(rows.column_names)
        raise LearnerError(f"{name} has no column {column!r}, only {known}.")
    return _enough({name: _paragraphs(rows[column][:])}, name)


def _paragraphs(lines):
    return [" ".join(line.split()) for line in lines if line.strip()]


def _enough(works, source):
    letters = sum(len(p) for work in works.values() for p in work)
    if letters < 100_000:
        raise LearnerError(
            f"{source} holds {letters:,} characters of text. A language model needs more: at "
            "least 100,000 to learn anything, and millions to be of use."
        )
    return works


def without_excluded(works):
    """Return the works without paragraphs that hold a slur, and how many were left out.

    The words are kept as hashes, so that nobody has to read them.
    """
    excluded = set(_EXCLUDED.read_text(encoding="utf-8").split())

    @functools.cache
    def is_excluded(word):
        return hashlib.sha256(word.encode()).hexdigest()[:12] in excluded

    def is_clean(paragraph):
        lower = paragraph.lower()
        words = re.findall(r"[a-z]+(?:-[a-z]+)*", lower) + re.findall(r"[a-z]+", lower)
        return not any(map(is_excluded, words))

    kept = {name: [p for p in work if is_clean(p)] for name, work in works.items()}
    return kept, sum(map(len, works.values())) - sum(map(len, kept.values()))


def split(works):
    """Return the paragraphs for training and those held out: the last of every work."""
    train, held_out = [], []
    for work in works.values():
        cut = len(work) - max(1, round(HELD_OUT * len(work)))
        train += work[:cut]
        held_out += work[cut:]
    return train, held_out


# Tokenizer and model

def train_tokenizer(paragraphs, vocab_size):
    """Return a byte-level BPE tokenizer as GPT-2's, without a pad token."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from tokenizers.trainers import BpeTrainer
    from transformers import GPT2TokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = BpeTrainer(
        vocab_size=vocab_size, special_tokens=[END], show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    tokenizer.train_from_iterator(paragraphs, trainer)
    return GPT2TokenizerFast(
        tokenizer_object=tokenizer, bos_token=END, eos_token=END, unk_token=END,
        model_max_length=CONTEXT,
    )


def new_model(tokenizer, recipe):
    """Return a GPT-2 of the recipe's size, with random weights or BERT's word vectors."""
    from transformers import GPT2Config, GPT2LMHeadModel, set_seed

    set_seed(recipe.seed)
    model = GPT2LMHeadModel(GPT2Config(
        vocab_size=len(tokenizer), n_positions=CONTEXT, n_embd=recipe.width,
        n_layer=recipe.layers, n_head=recipe.heads, resid_pdrop=0.0, embd_pdrop=0.0,
        attn_pdrop=0.0, bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id,
        dtype="float32",
    ))
    if recipe.start == "bert":
        table = bert_vectors(tokenizer, recipe.width)
        with torch.no_grad():
            model.get_input_embeddings().weight.copy_(table)
    return model


@torch.inference_mode()
def bert_vectors(tokenizer, width):
    """Return a table (vocabulary, width) that carries over the word vectors of the small BERT.

    A token takes the mean of the vectors of the word pieces that its letters make; principal
    components bring them to `width`. Tokens that are no letters keep random vectors.
    """
    from transformers import AutoModel, AutoTokenizer

    path = checkpoints.find("bert", "small").path
    pieces = AutoTokenizer.from_pretrained(path)
    vectors = AutoModel.from_pretrained(path, dtype=torch.float32).get_input_embeddings().weight
    rows = torch.zeros(len(tokenizer), vectors.shape[1])
    known = torch.zeros(len(tokenizer), dtype=torch.bool)
    for number in range(len(tokenizer)):
        text = tokenizer.decode([number])
        ids = [] if "\ufffd" in text or text == END else pieces.encode(
            text, add_special_tokens=False
        )
        ids = [i for i in ids if i != pieces.unk_token_id]
        if ids:
            rows[number], known[number] = vectors[ids].mean(0), True
    centred = rows[known] - rows[known].mean(0)
    _, _, directions = torch.linalg.svd(centred, full_matrices=False)
    reduced = centred @ directions[:width].T
    table = torch.randn(len(tokenizer), width, generator=torch.Generator().manual_seed(0))
    table[known] = reduced / reduced.std()
    return INITIAL_STD * table


def blocks(paragraphs, tokenizer):
    """Return a data set of blocks of CONTEXT tokens, each paragraph closed by END."""
    from datasets import Dataset

    encoded = tokenizer(paragraphs)["input_ids"]
    stream = list(itertools.chain.from_iterable(
        [*ids, tokenizer.eos_token_id] for ids in encoded
    ))
    cut = [stream[i : i + CONTEXT] for i in range(0, len(stream) - CONTEXT + 1, CONTEXT)]
    return Dataset.from_dict({"input_ids": cut, "labels": cut})


# Training

def pretrain(works, output, recipe=None, *, work_folder=None, progress=True):
    """Pretrain a model on `works` ({name: paragraphs}) and save it in `output`.

    `work_folder` holds the checkpoints; with the same recipe and text, an interrupted run goes on
    from there. Returns the recipe and what was measured, which `pretraining.json` holds too.

    Raises LearnerError for a disk that fills up and for a work folder of another run.
    """
    from transformers import (
        PrinterCallback,
        Trainer,
        TrainingArguments,
        default_data_collator,
    )

    recipe = recipe or Recipe()
    output = Path(output)
    work_folder = Path(work_folder or output.with_name(f"{output.name}-pretraining"))
    clean, left_out = without_excluded(works)
    train_texts, held_out_texts = split(clean)
    tokenizer = train_tokenizer(train_texts, recipe.vocab_size)
    train_blocks = blocks(train_texts, tokenizer)
    arguments = TrainingArguments(
        str(work_folder), seed=recipe.seed, num_train_epochs=recipe.epochs,
        max_steps=recipe.max_steps, per_device_train_batch_size=recipe.batch_size,
        per_device_eval_batch_size=recipe.batch_size, learning_rate=recipe.learning_rate,
        lr_scheduler_type="cosine", warmup_steps=0.03, weight_decay=0.1, adam_beta2=0.95,
        max_grad_norm=1.0, logging_steps=1, logging_nan_inf_filter=False, eval_strategy="steps",
        eval_steps=EVERY, save_steps=EVERY, save_total_limit=2, disable_tqdm=True,
        dataloader_pin_memory=torch.cuda.is_available(),
    )
    record = trainers.RecordCurve()
    trainer = Trainer(
        new_model(tokenizer, recipe), arguments, train_dataset=train_blocks,
        eval_dataset=blocks(held_out_texts, tokenizer), data_collator=default_data_collator,
        callbacks=[record, *([trainers.ProgressBar()] if progress else [])],
    )
    trainer.remove_callback(PrinterCallback)
    start = time.perf_counter()
    trainers.train(trainer, resume=True)
    seconds = time.perf_counter() - start
    model = trainer.model.cpu().eval()
    figures = {
        **vars(recipe), "parameters": model.num_parameters(), "paragraphs_left_out": left_out,
        "train_tokens": len(train_blocks) * CONTEXT, "steps": trainer.state.global_step,
        "seconds_since_last_start": round(seconds),
        **measured(model, tokenizer, train_texts, held_out_texts),
    }
    record.curve.save(work_folder / "curve.json")
    save(model, tokenizer, output, figures)
    return figures


@torch.inference_mode()
def bits_per_byte(model, tokenizer, texts):
    """Return how many bits the model needs for a byte of these texts, each read on its own.

    Every token counts, the END that closes a text too; what exceeds the context starts afresh.
    """
    model.eval()
    nats = size = 0
    for text in texts:
        ids = [tokenizer.bos_token_id, *tokenizer(text)["input_ids"], tokenizer.eos_token_id]
        size += len(text.encode())
        for i in range(0, len(ids) - 1, CONTEXT - 1):
            part = torch.tensor([ids[i : i + CONTEXT]], device=model.device)
            loss = model(input_ids=part, labels=part).loss
            nats += loss.item() * (part.shape[1] - 1)
    return nats / math.log(2) / size


def bigram_bits_per_byte(train_texts, texts):
    """Return the bits per byte of a byte-level bigram model with add-one smoothing."""
    pairs, firsts = Counter(), Counter()
    for text in train_texts:
        content = b"\0" + text.encode() + b"\0"
        pairs.update(itertools.pairwise(content))
        firsts.update(content[:-1])
    bits = size = 0
    for text in texts:
        content = b"\0" + text.encode() + b"\0"
        size += len(content) - 2
        for a, b in itertools.pairwise(content):
            bits -= math.log2((pairs[a, b] + 1) / (firsts[a] + 256))
    return bits / size


def gzip_bits_per_byte(texts):
    """Return the bits per byte after gzip, at its best, of the texts as one file."""
    content = "\n".join(texts).encode()
    return 8 * len(gzip.compress(content, 9)) / len(content)


def measured(model, tokenizer, train_texts, held_out_texts):
    """Return what is measured on the held-out texts: this model beside a bigram and gzip."""
    own = bits_per_byte(model, tokenizer, held_out_texts)
    return {
        "held_out_bytes": sum(len(text.encode()) for text in held_out_texts),
        "bits_per_byte": round(own, 3),
        "perplexity_per_byte": round(2**own, 3),
        "bigram_bits_per_byte": round(bigram_bits_per_byte(train_texts, held_out_texts), 3),
        "gzip_bits_per_byte": round(gzip_bits_per_byte(held_out_texts), 3),
    }


def save(model, tokenizer, output, figures):
    """Save model, tokenizer and figures in `output`, whole or not at all.

    The weights are stored in 16 bits, and the config says that they are to be loaded in 32.
    """
    half = type(model)(model.config).half()
    half.load_state_dict(model.state_dict())
    with paths.replacing(output, folder=True) as fresh:
        half.save_pretrained(fresh)
        tokenizer.save_pretrained(fresh)
        config = json.loads((fresh / "config.json").read_text(encoding="utf-8"))
        config["dtype"] = "float32"
        (fresh / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
        (fresh / "pretraining.json").write_text(
            json.dumps(figures, indent=1) + "\n", encoding="utf-8"
        )


def main(arguments=None):
    """Run the command line; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m helpers.pretraining", description=__doc__.partition("\n\n")[0],
    )
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--corpus", help="a folder of .txt files, a paragraph a line")
    source.add_argument("--dataset", help="a data set of the Hub, such as Salesforce/wikitext")
    parser.add_argument("--config", help="the configuration of the data set")
    parser.add_argument("--revision", help="the commit of the data set")
    parser.add_argument("--output", default="gpt2-mini", help="where the model goes")
    parser.add_argument("--start", choices=("bert", "random"), default=Recipe.start,
                        help="where the word vectors come from (default: %(default)s)")
    parser.add_argument("--epochs", type=float, default=Recipe.epochs)
    parser.add_argument("--max-steps", type=int, default=Recipe.max_steps)
    options = parser.parse_args(arguments)
    recipe = Recipe(start=options.start, epochs=options.epochs, max_steps=options.max_steps)
    try:
        works = (
            read_folder(options.corpus) if options.corpus
            else read_dataset(options.dataset, options.config, revision=options.revision)
        )
        figures = pretrain(works, options.output, recipe)
    except LearnerError as error:
        print(error, file=sys.stderr)
        return 1
    for name in ("bits_per_byte", "bigram_bits_per_byte", "gzip_bits_per_byte"):
        print(f"{name:<24}{figures[name]:.3f}")
    print(f"Saved in {options.output}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
