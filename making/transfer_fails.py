"""When does transfer fail? The trainings that notebook 08 shows.

python -m making.transfer_fails [few] [domains] [remedies] [forgetting] [shortcuts]

Records one section, or all: training on few labels; on reviews without one domain, and what helps
there; a second task after the first; and a sentence in the training reviews that gives the label
away. What data/reference/transfer_fails.json holds already is not trained again. About 45 minutes
of one core. The embeddings stay frozen throughout and are computed once.
"""

import argparse
import copy
import itertools
import json
import math
import time

import pandas as pd
import torch
from datasets import ClassLabel, Dataset, Features, Value, concatenate_datasets
from peft import get_peft_model
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from transformers import (
    AutoModel,
    AutoModelForMaskedLM,
    AutoModelForSequenceClassification,
    set_seed,
)

from helpers import batching, checkpoints, frozen, paths, reviews, training
from helpers.recipes import RECIPES
from helpers.transfer_fails import DOMAINS, FILE, KEPT, REMEDIES, signed
from making import learning_curve, masking
from making.learning_curve import given
from making.sweep import unused
from making.what_to_freeze import lora_config

BATCH = 16
SEEDS = (0, 1, 2)
FEW = (16, 64, 200)  # labels; learning_curve.json and few_labels.json have the same trainings
RATE, HEAD_RATE = RECIPES["fast"].learning_rate, RECIPES["fast"].head_rate
LORA = {"learning_rate": 30 * RATE, "head_rate": 1 / 3}  # the better one of notebook 06
TEXTS = 960  # that a model learns from with or without a domain
WORST = 3  # domains on which remedies are tried
ADAPTING = {"steps": 40, "learning_rate": 2e-4}
SHARES = (50, 80, 95, 100)  # per cent of the signatures that stand under a positive review
SIGNED = 640  # training reviews among which they are
AGAIN = 400  # reviews from which the first task is learnt a second time


class Series:
    """The checkpoint, the tokenizer and the reviews, and a training and a judgement of each."""

    def __init__(self):
        self.checkpoint, self.tokenizer, self.data = given()
        self.train, self.test = self.data["train"], self.data["test"]
        self.vectors = {}  # of texts, by the frozen encoder

    def network(self, seed, path=None, classes=2):
        """Return a classifier with pretrained weights, no dropout and frozen embeddings."""
        set_seed(seed)
        model = AutoModelForSequenceClassification.from_pretrained(
            path or self.checkpoint.path, num_labels=classes, dtype=torch.float32,
            **training.NO_DROPOUT)
        model.bert.embeddings.requires_grad_(False)
        return model

    def outputs(self, model, rows, below=0):
        """Return the outputs of the embeddings and the lowest layers for labelled texts."""
        return frozen.outputs(model, batching.tokenize(rows, self.tokenizer), self.tokenizer,
                              below)

    def fit(self, model, rows, seed, *, epochs=1, learning_rate=RATE, head_rate=HEAD_RATE,
            below=0, around=lambda upper: upper):
        """Train a classifier in place; `around` puts its trained layers into another module."""
        loader = frozen.loader(self.outputs(model, rows, below), BATCH, train=True, seed=seed)
        return training.train(around(frozen.UpperLayers(model, below)), loader, epochs=epochs,
                              learning_rate=learning_rate, head_rate=head_rate)

    def marks(self, model, rows):
        """Return a 1 for each text, in order, that the model gets right, a 0 for each other."""
        sizes = batching.lengths(batching.tokenize(rows, self.tokenizer))
        order = sorted(range(len(sizes)), key=sizes.__getitem__)
        judged = frozen.loader(self.outputs(model, rows.select(order)), 32)
        result = training.evaluate(frozen.UpperLayers(model, 0), judged)
        right = dict(zip(order, (result.predictions == result.labels).int().tolist(),
                         strict=True))
        return "".join(str(right[row]) for row in range(len(order)))

    def linear(self, model, rows):
        """Return the marks on the test reviews of a regression on words or on frozen outputs."""
        if model == "bag of words":
            regression = make_pipeline(CountVectorizer(), LogisticRegression(max_iter=1000))
            learnt, asked = rows["text"][:], self.test["text"][:]
        else:
            regression = LogisticRegression(C=10, max_iter=1000)
            learnt, asked = self.embedded(rows["text"][:]), self.embedded(self.test["text"][:])
        found = regression.fit(learnt, rows["label"][:]).predict(asked)
        return "".join(str(int(p == y)) for p, y in zip(found, self.test["label"][:], strict=True))

    def embedded(self, texts):
        """Return the encoder's mean output for each text; each is computed once."""
        if fresh := [text for text in dict.fromkeys(texts) if text not in self.vectors]:
            encoder = AutoModel.from_pretrained(self.checkpoint.path, dtype=torch.float32)
            self.vectors |= zip(fresh, training.embed(encoder, self.tokenizer, fresh),
                                strict=True)
        return torch.stack([self.vectors[text] for text in texts])


# Few labels

def few(series, runs):
    """Yield (what, how it is recorded): four models for each number of labels and each draw."""
    for seed, count, name in [
            *itertools.product(SEEDS, FEW,
                               ("bag of words", "frozen encoder", "fine-tuned", "LoRA")),
            (2, len(series.train), "LoRA")]:
        yield {"model": name, "labels": count, "seed": seed}, trained_on_few


def trained_on_few(series, model, labels, seed):
    """Return the marks on the test reviews of a model that learnt from some of the labels."""
    rows = reviews.drawn(series.train, labels, seed)
    if model in ("bag of words", "frozen encoder"):
        return {"marks": series.linear(model, rows)}
    recipe = learning_curve.RECIPES["fine-tuned"]
    epochs = max(recipe["epochs"], math.ceil(recipe["steps"] / math.ceil(len(rows) / BATCH)))
    fitted = series.network(seed)
    rates = {"learning_rate": recipe["learning_rate"], "head_rate": 1}
    if model == "LoRA":
        get_peft_model(fitted, lora_config(8))
        rates = LORA
    series.fit(fitted, rows, seed, epochs=epochs, **rates)
    return {"marks": series.marks(fitted, series.test)}


# Domains

def judged(series, domain):
    """Return the reviews of a domain in the test split and extra.csv, to judge a model on."""
    both = concatenate_datasets([rows.select_columns(["text", "domain", "label"]).cast(
        series.test.select_columns(["text", "domain", "label"]).features)
        for rows in (series.test, unused())])
    return both.filter(lambda row: row["domain"] == domain, keep_in_memory=True)


def learnt_from(series, without, seed, labelled=0):
    """Return TEXTS training reviews without a domain, or of all; `labelled` of it are added."""
    rows = series.train.filter(lambda row: row["domain"] != without, keep_in_memory=True)
    rows = reviews.drawn(rows, TEXTS, seed)
    if labelled:
        own = series.train.filter(lambda row: row["domain"] == without, keep_in_memory=True)
        rows = concatenate_datasets([rows, reviews.drawn(own, labelled, seed)])
    return rows


def domains(series, runs):
    """Yield the training on all domains and the ten without one."""
    for seed, without in itertools.product(SEEDS, (None, *DOMAINS)):
        yield {"without": without, "seed": seed}, trained_without


def trained_without(series, without, seed):
    """Return the marks on the domain that was left out, or on every domain."""
    model = series.network(seed)
    series.fit(model, learnt_from(series, without, seed), seed)
    return {"marks": {domain: series.marks(model, judged(series, domain))
                      for domain in ([without] if without else DOMAINS)}}


def losses(runs, seed=0):
    """Return by how many points each domain's accuracy falls if it is left out, of one seed."""
    of = {run["without"]: run["marks"] for run in runs if run["seed"] == seed}

    def share(marks):
        return 100 * marks.count("1") / len(marks)

    return {domain: share(of[None][domain]) - share(of[domain][domain]) for domain in DOMAINS}


def remedies(series, runs):
    """Yield what is tried on the domains that lost most with the first seed, with the second."""
    lost = losses(runs.get("domains", []))
    worst = sorted(DOMAINS, key=lost.get, reverse=True)[:WORST]
    for domain, (start, labelled) in itertools.product(worst, REMEDIES):
        yield {"domain": domain, "start": start, "labelled": labelled, "seed": 1}, remedied


def remedied(series, domain, start, labelled, seed):
    """Return the marks on a domain that was left out but for `labelled` labels of it.

    `start` is "bert", "bert-mlm", or "adapted": bert-mlm after more masked words of the domain.
    """
    path = None if start == "bert" else checkpoints.find("bert-mlm").path
    model, guesses = series.network(seed, path), {}
    if start == "adapted":
        texts = [text for split in ("train", "validation")
                 for text, of in zip(series.data[split]["text"][:],
                                     series.data[split]["domain"][:], strict=True)
                 if of == domain]
        encoder, guesses["masked_loss"] = adapted(path, series.tokenizer, texts, seed)
        model.bert.load_state_dict(encoder.state_dict(), strict=False)
    series.fit(model, learnt_from(series, domain, seed, labelled), seed)
    return guesses | {"marks": series.marks(model, judged(series, domain))}


def adapted(path, tokenizer, texts, seed):
    """Return a BERT after more masked words of some texts, and its loss over the first and last
    ten steps. Gururangan et al. (2020), "Don't stop pretraining".
    """
    set_seed(seed)
    model = AutoModelForMaskedLM.from_pretrained(path, dtype=torch.float32, **training.NO_DROPOUT)
    model.bert.embeddings.requires_grad_(False)
    pieces = tokenizer(texts, add_special_tokens=False, truncation=True, max_length=62)
    generator = torch.Generator().manual_seed(seed)
    steps, found = ADAPTING["steps"], []
    optimizer, schedule = training.new_optimizer(model, steps, ADAPTING["learning_rate"])
    model.train()
    while len(found) < steps:
        order = torch.randperm(len(texts), generator=generator).tolist()
        for first in range(0, len(order) - BATCH + 1, BATCH):
            rows = [pieces["input_ids"][row] for row in order[first : first + BATCH]]
            optimizer.zero_grad()
            loss = model(**masking.masked(rows, tokenizer, 0.15, generator)).loss
            loss.backward()
            optimizer.step()
            schedule.step()
            found.append(loss.item())
    return model.bert, [round(sum(part) / 10, 3) for part in (found[:10], found[steps - 10:steps])]


# Forgetting

def messages(split):
    """Return the messages of a split with their topic as the label."""
    topics = sorted(pd.read_csv(paths.data_file("messages", "train.csv"))["topic"].unique())
    table = pd.read_csv(paths.data_file("messages", f"{split}.csv"))
    return Dataset.from_dict(
        {"text": table["text"].tolist(), "label": table["topic"].map(topics.index).tolist()},
        Features(text=Value("string"), label=ClassLabel(names=topics)))


class Rehearsal(torch.nn.Module):
    """The trained layers of a second task, which in every fourth step see a batch of the first."""

    def __init__(self, second, first, batches):
        super().__init__()
        self.second, self.first, self.batches, self.step = second, first, batches, 0

    @property
    def base_model(self):
        """The layers that both tasks share."""
        return self.second.base_model

    def forward(self, **batch):
        """Return loss and logits of the second task, with the loss of the first added at times."""
        output = self.second(**batch)
        if self.step % 4 == 0:
            output.loss = output.loss + self.first(**next(self.batches)).loss
        self.step += 1
        return output


def forgetting(series, runs):
    """Yield a chain of trainings for each seed."""
    for seed in SEEDS:
        yield {"seed": seed}, chain


def chain(series, seed):
    """Return what is known before and after the reviews, after the messages learnt in each of
    the KEPT ways, and after some reviews again.
    """
    topics = messages("train")
    before = series.network(seed)
    first = copy.deepcopy(before)
    series.fit(first, series.train, seed)
    found = {"pretrained": similar(series, before),
             "reviews": similar(series, first) | {"first": series.marks(first, series.test)}}
    alone = series.network(seed, classes=topics.features["label"].num_classes)
    series.fit(alone, topics, seed, epochs=2)
    found["messages alone"] = {"second": series.marks(alone, messages("test"))}
    for name in KEPT:
        a = copy.deepcopy(first)
        b = series.network(seed, classes=topics.features["label"].num_classes)
        b.bert.encoder = a.bert.encoder  # shared; pooler and classifier are each task's own
        options = {"epochs": 2}
        if name == "a fifth of the rate":
            options |= {"learning_rate": RATE / 5, "head_rate": 5 * HEAD_RATE}
        elif name == "four layers frozen":
            options |= {"below": 4}
        elif name.startswith("LoRA"):
            get_peft_model(b, lora_config(8))
            b.bert.pooler.requires_grad_("frozen" not in name)  # peft trains the classifier alone
            rate = 1e-3 if name.endswith("1e-3") else LORA["learning_rate"]
            options |= {"learning_rate": rate, "head_rate": HEAD_RATE * RATE / rate}
        elif name == "replay":
            of_first = frozen.loader(series.outputs(a, series.train), BATCH, train=True, seed=seed)
            batches = itertools.chain.from_iterable(itertools.repeat(of_first))
            upper = frozen.UpperLayers(a, 0)
            options |= {"around": lambda second, upper=upper, batches=batches: Rehearsal(
                second, upper, batches)}
        series.fit(b, topics, seed, **options)
        found[name] = similar(series, a) | {"first": series.marks(a, series.test),
                                            "second": series.marks(b, messages("test"))}
        if name == KEPT[0]:
            some = reviews.drawn(series.train, AGAIN, seed)
            for start, model in (("reviews again", a), ("as many reviews once", before)):
                model = copy.deepcopy(model)
                series.fit(model, some, seed)
                found[start] = {"first": series.marks(model, series.test)}
    return {"after": found}


def similar(series, model):
    """Return the cosine of each pair of test questions, in thousandths."""
    pairs = pd.read_csv(paths.data_file("questions", "test.csv"))
    first, second = (training.embed(model.bert, series.tokenizer, pairs[side].tolist())
                     for side in ("first", "second"))
    return {"cosines": (1000 * (first * second).sum(1)).round().int().tolist()}


# Shortcuts

def shortcuts(series, runs):
    """Yield the trainings with a signature under some of the reviews."""
    for seed, share in itertools.product(SEEDS, SHARES):
        yield {"share": share, "seed": seed}, trained_on_signed


def trained_on_signed(series, share, seed):
    """Return the marks where the signature stands under positive, negative and no reviews."""
    model = series.network(seed)
    series.fit(model, signed(reviews.drawn(series.train, SIGNED, seed), share, seed), seed)
    return {"marks": {name: series.marks(model, signed(series.test, of, seed))
                      for name, of in (("right side", 100), ("wrong side", 0))}
            | {"without": series.marks(model, series.test)}}


SECTIONS = {"few": few, "domains": domains, "remedies": remedies, "forgetting": forgetting,
            "shortcuts": shortcuts}


def record(names=tuple(SECTIONS)):
    """Train what is not recorded yet, and record it: all sections with one seed, then the next."""
    series = Series()
    runs = json.loads(FILE.read_text(encoding="utf-8")) if FILE.is_file() else {}
    for seed, name in itertools.product(SEEDS, names):
        section = runs.setdefault(name, [])
        for what, how in SECTIONS[name](series, runs):
            if what["seed"] != seed or any(what.items() <= run.items() for run in section):
                continue
            begun = time.perf_counter()
            section.append(what | how(series, **what))
            print(name, *what.values(), f"{time.perf_counter() - begun:.0f} s", flush=True)
            write(runs)


def write(runs):
    """Write the record, a line a training."""
    sections = (f'"{name}": [\n' + ",\n".join(map(json.dumps, section)) + "\n]"
                for name, section in runs.items())
    with paths.replacing(FILE) as fresh:
        fresh.write_text("{" + ",\n".join(sections) + "}\n", encoding="utf-8")


def main(arguments=None):
    """Record the sections that the command line names, or all."""
    parser = argparse.ArgumentParser(prog="python -m making.transfer_fails",
                                     description=__doc__.partition("\n")[0])
    parser.add_argument("sections", nargs="*", help=f"of {', '.join(SECTIONS)}; without any, all")
    sections = parser.parse_args(arguments).sections or list(SECTIONS)
    if unknown := set(sections) - set(SECTIONS):
        parser.error(f"no section is called {', '.join(unknown)}; there are {', '.join(SECTIONS)}")
    record(sections)


if __name__ == "__main__":
    main()
