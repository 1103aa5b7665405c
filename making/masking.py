"""Teach the small BERT to fill masks: masked-language modelling, and how well it guesses.

python -m making.masking --corpus FOLDER
python -m making.masking --dataset Salesforce/wikitext --config wikitext-2-raw-v1 \
    --revision COMMIT

Text files in, a folder of half-precision layers out, which `checkpoints.find("bert-mlm")` joins
with the bundled weights. The training may be interrupted at any moment: the same command goes on
from the last complete checkpoint.

The task is that of Devlin et al. (2019), "BERT: pre-training of deep bidirectional transformers".
The bundled BERT was distilled and then trained on pairs of sentences, so that it has no head to
guess pieces with. Here it gets one, new, and its six layers are trained along; the word table,
which the head reads its guesses from, stays as it is.
"""

import argparse
import itertools
import random
import re
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import torch
import transformers
from safetensors.torch import save_file
from transformers import (
    AutoModelForMaskedLM,
    AutoTokenizer,
    PrinterCallback,
    Trainer,
    TrainerCallback,
    TrainingArguments,
    pipeline,
)

from helpers import checkpoints, paths, trainers, training
from making import command, corpus
from making.progress import ProgressBar

LONGEST = 64  # pieces of a text at most, [CLS] and [SEP] counted
EVERY = 200  # steps between two checkpoints
SHARE = 0.15  # of the pieces of held-out texts are masked, as in BERT's paper
ROUNDS = 4  # times that each held-out review is masked, other pieces each time
PROSE = 600  # held-out parts of the prose that are measured
MILESTONES = (0, 10, 30, 100, 300, 1000, 3000, 10_000)  # steps at which its guesses are recorded
SENTENCES = (
    "The food was [MASK].",
    "The hotel room was small but very [MASK].",
    "The film was so [MASK] that I fell asleep.",
    "The battery lasts only two [MASK].",
    "I would not [MASK] it to anyone.",
    "Paris is the capital of [MASK].",
    "She put on her coat and [MASK] out into the rain.",
    "Two and two make [MASK].",
)
PEOPLE = ("nurse", "doctor", "teacher", "captain")  # who is "he", and who "she"?
WEIGHTS = "layers.safetensors"


@dataclass(frozen=True)
class Recipe:
    """What decides a training, apart from its text."""

    steps: int = 3000
    tokens: int = 1024  # of a batch, padding counted
    share: float = 0.25  # of the pieces are masked
    reviews_share: float = 0.25  # of the batches are reviews; the others are prose
    learning_rate: float = 4e-4
    head_learning_rate: float = 2e-3
    warmup: float = 0.06  # share of the steps
    seed: int = 0


# Text and masks

def cut(paragraphs, tokenizer, shortest=6):
    """Return texts as lists of pieces: whole sentences or clauses, at most LONGEST - 2 pieces.

    Those of fewer than `shortest` pieces are left out.
    """
    sentences = [re.split(r"(?<=[.!?;:,])\s+", paragraph) for paragraph in paragraphs]
    flat = list(itertools.chain.from_iterable(sentences))
    pieces = iter(tokenizer(flat, add_special_tokens=False, verbose=False)["input_ids"])
    rows = []
    for parts in sentences:
        row = []
        for _ in parts:
            part = next(pieces)
            if row and len(row) + len(part) > LONGEST - 2:
                rows.append(row)
                row = []
            row = row + part
        rows.append(row)
    return [row[: LONGEST - 2] for row in rows if len(row) >= shortest]


def batches(rows, tokens, rng):
    """Yield batches of rows of similar length for ever, each row once before any comes again."""
    while True:
        order = rng.sample(rows, len(rows))
        order.sort(key=len)
        found, batch = [], []
        for row in order:
            if batch and (len(batch) + 1) * (len(row) + 2) > tokens:
                found.append(batch)
                batch = []
            batch.append(row)
        found.append(batch)
        rng.shuffle(found)
        yield from found


def masked(rows, tokenizer, share, generator):
    """Return a batch whose texts have a share of their pieces masked, as the model reads it.

    `input_ids` and `labels` have the shape (texts, pieces). A label is the piece under a mask,
    elsewhere -100. Neither [CLS], [SEP] nor padding is masked; some piece always is.
    """
    texts = [[tokenizer.cls_token_id, *row, tokenizer.sep_token_id] for row in rows]
    batch = tokenizer.pad({"input_ids": texts}, return_tensors="pt")
    ids = batch["input_ids"]
    special = torch.tensor(tokenizer.all_special_ids)
    chance = torch.rand(ids.shape, generator=generator)
    chance[torch.isin(ids, special)] = 1
    chosen = chance < max(share, chance.min() + 1e-6)
    return {
        "input_ids": ids.masked_fill(chosen, tokenizer.mask_token_id),
        "attention_mask": batch["attention_mask"],
        "labels": ids.masked_fill(~chosen, -100),
    }


def steps(prose, reviews, tokenizer, recipe):
    """Return the batches of a training, one a step, from lists of pieces."""
    rng = random.Random(recipe.seed)
    generator = torch.Generator().manual_seed(recipe.seed)
    sources = [batches(rows, recipe.tokens, rng) for rows in (prose, reviews)]
    chosen = (sources[rng.random() < recipe.reviews_share] for _ in range(recipe.steps))
    return [masked(next(source), tokenizer, recipe.share, generator) for source in chosen]


def held_out_steps(rows, tokenizer, rounds=1):
    """Return batches of held-out texts, in each of which SHARE of the pieces are masked."""
    generator = torch.Generator().manual_seed(1)
    rows = sorted(rows, key=len)
    return [masked(rows[i : i + 32], tokenizer, SHARE, generator)
            for _ in range(rounds) for i in range(0, len(rows), 32)]


def review_texts(*splits):
    """Return the texts of splits of the reviews, without their labels."""
    return [text for split in splits
            for text in pd.read_csv(paths.data_file("reviews", f"{split}.csv"))["text"]]


# Model and training

def new_model(seed=0):
    """Return the bundled BERT with a new head over its word table, which is frozen."""
    transformers.set_seed(seed)
    model = AutoModelForMaskedLM.from_pretrained(
        checkpoints.find("bert", "small").path, dtype=torch.float32, **training.NO_DROPOUT
    )
    model.bert.embeddings.requires_grad_(False)  # the head's decoder is tied to its word table
    return model


def scores_and_labels(model, batch):
    """Return the logits at the masks, (masks, vocabulary), and the pieces there, (masks,)."""
    batch = {name: tensor.to(model.device) for name, tensor in batch.items()}
    at = batch["labels"] != -100
    hidden = model.bert(batch["input_ids"], batch["attention_mask"]).last_hidden_state
    return model.cls(hidden[at]), batch["labels"][at]  # the head is most of the work


class Masking(Trainer):
    """Prediction of the masked pieces; layers and head have a learning rate each."""

    def compute_loss(self, model, inputs, return_outputs=False, **_):
        """Return the mean cross-entropy at the masks, in nats."""
        scores, labels = scores_and_labels(model, inputs)
        loss = torch.nn.functional.cross_entropy(scores, labels)
        return (loss, {"logits": scores}) if return_outputs else loss


class Milestones(TrainerCallback):
    """Records what the model guesses, and how well, at MILESTONES and at the end.

    The records are among the Trainer's logs, so that a resumed run has the earlier ones, too.
    """

    def __init__(self, tokenizer, held_out, say):
        self.tokenizer, self.held_out, self.say = tokenizer, held_out, say

    def on_train_begin(self, args, state, control, model=None, **kwargs):
        """Record an untrained head."""
        if state.global_step == 0:
            self._record(model, state)

    def on_step_end(self, args, state, control, model=None, **kwargs):
        """Record, if this is a milestone."""
        if state.global_step in (*MILESTONES, state.max_steps):
            self._record(model, state)

    def _record(self, model, state):
        found = {name: measure(model, rows) for name, rows in self.held_out.items()}
        state.log_history.append({
            "step": state.global_step, **found, "guesses": guesses(model, self.tokenizer)
        })
        if self.say:
            print(f"step {state.global_step}: " + ", ".join(
                f"{name} top 5 {figures['top5']:.3f}" for name, figures in found.items()
            ), flush=True)


def train(works, output, recipe=None, *, work_folder=None, progress=True):
    """Train on `works` ({name: paragraphs}) and the reviews; save what was trained in `output`.

    `work_folder` holds the checkpoints; with the same recipe and text, an interrupted run goes on
    from there. Returns the recipe and what was measured, which `masking.json` holds too.

    Raises LearnerError for an output folder that holds anything but an earlier training's, before
    it starts, for a disk that fills up and for a work folder of another run.
    """
    recipe = recipe or Recipe()
    output = Path(output).resolve()
    paths.check_replaceable(output)
    work_folder = Path(work_folder or output.with_name(f"{output.name}-training"))
    tokenizer = AutoTokenizer.from_pretrained(checkpoints.find("bert", "small").path)
    clean, left_out = corpus.without_excluded(works)
    train_texts, held_out_texts = corpus.split(clean)
    clean, reviews_left_out = corpus.without_excluded({"": review_texts("train", "extra")})
    prose, reviews = cut(train_texts, tokenizer), cut(clean[""], tokenizer, shortest=1)
    watched = cut(review_texts("validation"), tokenizer, shortest=1)
    held_out = {
        "reviews": held_out_steps(watched, tokenizer, ROUNDS),
        "prose": held_out_steps(spread(cut(held_out_texts, tokenizer), PROSE), tokenizer),
    }
    model = new_model(recipe.seed)
    arguments = TrainingArguments(
        str(work_folder), seed=recipe.seed, num_train_epochs=1, per_device_train_batch_size=1,
        learning_rate=recipe.learning_rate, lr_scheduler_type="linear", warmup_steps=recipe.warmup,
        weight_decay=0.01, max_grad_norm=1.0, logging_steps=1, logging_nan_inf_filter=False,
        save_steps=EVERY, save_total_limit=2, disable_tqdm=True, remove_unused_columns=False,
        dataloader_pin_memory=torch.cuda.is_available(),
    )
    optimizer = torch.optim.AdamW([
        {"params": model.bert.encoder.parameters()},
        {"params": [p for p in model.cls.parameters() if p.requires_grad],
         "lr": recipe.head_learning_rate},
    ], lr=recipe.learning_rate, weight_decay=arguments.weight_decay, fused=True)
    record = trainers.RecordCurve()
    trainer = Masking(
        model, arguments, train_dataset=steps(prose, reviews, tokenizer, recipe),
        data_collator=lambda rows: rows[0], optimizers=(optimizer, None),
        callbacks=[record, Milestones(tokenizer, held_out, progress),
                   *([ProgressBar()] if progress else [])],
    )
    trainer.remove_callback(PrinterCallback)
    start = time.process_time()
    trainers.train(trainer, resume=True)
    seconds = time.process_time() - start
    model = rounded(trainer.model.cpu())
    measured = {name: measure(model, rows) for name, rows in held_out.items()}
    figures = {
        **vars(recipe), "trained_parameters": sum(t.numel() for t in trained(model).values()),
        "paragraphs_left_out": left_out + reviews_left_out, "works": sorted(works),
        "prose_pieces": sum(map(len, prose)), "review_pieces": sum(map(len, reviews)),
        "read_pieces": sum(int(step["attention_mask"].sum()) for step in trainer.train_dataset),
        "cpu_seconds_since_last_start": round(seconds), "threads": torch.get_num_threads(),
        **measured,
        "most_frequent": {"reviews": most_frequent(reviews, held_out["reviews"]),
                          "prose": most_frequent(prose, held_out["prose"])},
        "frequent_pieces": {name: tokenizer.convert_ids_to_tokens(frequent(texts))
                            for name, texts in {"reviews": reviews, "prose": prose}.items()},
        "untrained_head": {name: measure(new_model(recipe.seed), rows)
                           for name, rows in held_out.items()},
        "guesses": guesses(model, tokenizer), "pronouns": pronouns(model, tokenizer),
        **examples(model, tokenizer, held_out["reviews"]),
    }
    history = {
        "loss": thinned(record.curve.loss),
        "milestones": [{name: entry[name] for name in ("step", *held_out, "guesses")}
                       for entry in trainer.state.log_history if "guesses" in entry],
    }
    save(model, output, figures, history)
    return figures


def spread(rows, count):
    """Return at most `count` rows, taken at equal distances."""
    return rows[:: max(1, -(-len(rows) // count))]


def thinned(losses):
    """Return points [step, mean loss since the point before], a twentieth of the way apart."""
    points, start = [], 0
    while start < len(losses):
        part = losses[start : start + max(1, start // 20)]
        start += len(part)
        points.append([start, round(sum(part) / len(part), 4)])
    return points


# How well it guesses

@torch.inference_mode()
def measure(model, rows):
    """Return the nats per masked piece of batches, and how often it is the first or among five."""
    model.eval()
    masks = nats = first = five = 0
    for batch in rows:
        scores, labels = scores_and_labels(model, batch)
        nats += torch.nn.functional.cross_entropy(scores, labels, reduction="sum").item()
        is_label = scores.topk(5).indices == labels[:, None]
        masks += len(labels)
        first += int(is_label[:, 0].sum())
        five += int(is_label.sum())
    return _figures(masks, nats, first, five)


def frequent(texts):
    """Return the five pieces that are most frequent in texts, the first of them first."""
    counts = Counter(itertools.chain.from_iterable(texts))
    return [piece for piece, _ in counts.most_common(5)]


def most_frequent(texts, rows):
    """Return the same figures of guessing those pieces, wherever the mask is."""
    counts, top = Counter(itertools.chain.from_iterable(texts)), frequent(texts)
    labels = torch.cat([batch["labels"][batch["labels"] != -100] for batch in rows]).tolist()
    share = torch.tensor([counts[label] + 1 for label in labels]) / (counts.total() + 30_522)
    return _figures(len(labels), -float(share.log().sum()), labels.count(top[0]),
                    sum(label in top for label in labels))


def _figures(masks, nats, first, five):
    return {"masks": masks, "nats": round(nats / masks, 3), "top1": round(first / masks, 3),
            "top5": round(five / masks, 3)}


def guesses(model, tokenizer):
    """Return {sentence: five pairs of a piece and its probability} for SENTENCES."""
    model.eval()
    fill = pipeline("fill-mask", model=model, tokenizer=tokenizer, device=model.device, top_k=5)
    return {sentence: [[guess["token_str"], round(guess["score"], 4)] for guess in fill(sentence)]
            for sentence in SENTENCES}


def pronouns(model, tokenizer):
    """Return the probability of "he" and of "she" for each of PEOPLE."""
    fill = pipeline("fill-mask", model=model, tokenizer=tokenizer, device=model.device)
    return {
        who: {guess["token_str"]: round(guess["score"], 4) for guess in
              fill(f"The {who} said that [MASK] was tired.", targets=["he", "she"])}
        for who in PEOPLE
    }


@torch.inference_mode()
def examples(model, tokenizer, rows, count=6):
    """Return the guesses on reviews that it was surest of, right ones and wrong ones.

    Each is the review with one mask, the piece that was there, the guess and its probability.
    Only words of four letters or more count as right, so that it is not all commas.
    """
    found = {"right": {}, "wrong": {}}
    for batch in rows:
        scores, labels = scores_and_labels(model, batch)
        chances, first = scores.softmax(-1).max(-1)
        whole = torch.where(batch["labels"] == -100, batch["input_ids"], batch["labels"])
        for (row, place), label, guess, chance in zip(
            (batch["labels"] != -100).nonzero().tolist(), labels.tolist(), first.tolist(),
            chances.tolist(), strict=True,
        ):
            text = tokenizer.decode(whole[row], skip_special_tokens=True)
            kind = found["right" if label == guess else "wrong"]
            piece, guessed = tokenizer.convert_ids_to_tokens([label, guess])
            is_word = re.fullmatch("[a-z]{4,}", piece)
            if (label == guess and not is_word) or chance < kind.get(text, [0])[-1]:
                continue
            shown = whole[row].clone()
            shown[place] = tokenizer.mask_token_id
            shown = tokenizer.decode(shown[batch["attention_mask"][row].bool()][1:-1],
                                     clean_up_tokenization_spaces=True)
            kind[text] = [shown, piece, guessed, round(chance, 3)]
    return {
        name: sorted(kind.values(), key=lambda example: -example[-1])[:count]
        for name, kind in found.items()
    }


# What is kept

def trained(model):
    """Return the tensors that were trained, by name: the layers and the head, not its decoder."""
    return {name: tensor for name, tensor in model.state_dict().items()
            if name.startswith(("bert.encoder.", "cls.")) and ".decoder." not in name}


def rounded(model):
    """Return the model with its trained weights rounded to 16 bits, as they are stored."""
    for tensor in trained(model).values():
        tensor.copy_(tensor.half())
    return model


def card(figures, starts=None):
    """Return the model card, in Markdown, from what `masking.json` holds.

    `starts` are the rows of `making.starts.summary`, where they have been measured.
    """
    return command.render("masking_card.md", figures, share_held_out=SHARE, longest=LONGEST,
                          held_out=corpus.HELD_OUT, starts=starts)


def save(model, output, figures, history):
    """Save trained weights, figures and history in `output`, whole or not at all."""
    with paths.replacing_folder(output) as fresh:
        tensors = {name: tensor.half().contiguous() for name, tensor in trained(model).items()}
        save_file(tensors, fresh / WEIGHTS, metadata={"format": "pt"})
        command.write_json(figures, fresh / "masking.json")
        command.write_json(history, fresh / "history.json")
        (fresh / "README.md").write_text(card(figures), encoding="utf-8")


def main(arguments=None):
    """Run the command line; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m making.masking", description=__doc__.partition("\n\n")[0],
    )
    command.add_corpus(parser)
    parser.add_argument("--output", default="bert-mini-mlm",
                        help="where the layers go, a new folder or an earlier training's")
    parser.add_argument("--steps", type=int, default=Recipe.steps)
    options = parser.parse_args(arguments)

    def work():
        recipe = Recipe(steps=options.steps)
        figures = train(command.read_corpus(options), options.output, recipe)
        for name in ("reviews", "prose"):
            print(f"{name}: top 1 {figures[name]['top1']:.3f}, top 5 {figures[name]['top5']:.3f}, "
                  f"{figures[name]['nats']:.3f} nats")
        print(f"Saved in {options.output}.")

    return command.run(work)


if __name__ == "__main__":
    sys.exit(main())
