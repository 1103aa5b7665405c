"""Can one epoch do what three do? Ideas for a faster recipe, each tried alone.

python -m making.one_epoch

Every one of IDEAS changes the first, the recipe fast cut to one epoch, in one point, unless it
says more. Three seeds each
fine-tune on all training reviews and are counted on the validation reviews and extra.csv
together; the test reviews are not looked at. What data/reference/one_epoch.json holds already is
not trained again.
"""

import itertools
import json
from dataclasses import dataclass, field

import torch
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_predict
from torch.nn.functional import cross_entropy, kl_div, normalize
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from transformers import AutoModel, get_linear_schedule_with_warmup

from helpers import batching, frozen, paths, training
from helpers.one_epoch import FILE
from making.learning_curve import given, network
from making.sweep import unused

SEEDS = (100, 101, 102)


@dataclass(frozen=True)
class Idea:
    """How a network is trained; the defaults are the recipe fast for one epoch.

    `pooling` is what the head reads: the first token, the mean of all, or the mean through the
    pooler. `averaged` is the weight of the old in a running mean of the weights, from half of the
    steps on; `contrast` that of a supervised contrastive loss of the texts' means (Khosla et al.
    2020). `halves` says which texts come first. `probed` starts the head from a regression on the
    pretrained pooler's outputs. `distilled` learns half from the logits of TEACHER.
    """

    what: str = field(compare=False)
    epochs: int = 1
    batch_size: int = 16
    rate: float = 1e-4
    head_rate: float = 10.0
    layer_decay: float = 1.0
    beta2: float = 0.999
    frozen: int = 0
    dropout: float = 0.0
    pooling: str = "first"
    smoothing: float = 0.0
    averaged: float = 0.0
    contrast: float = 0.0
    halves: str = ""
    probed: bool = False
    distilled: bool = False


IDEAS = {
    "one epoch": Idea("one epoch at 1e-4, the head at ten times the rate"),
    "three epochs": Idea("three epochs, one rate: the loop of notebook 03", epochs=3,
                         head_rate=1.0),
    "three, × 10": Idea("three epochs, the head at ten times the rate", epochs=3),
    "two epochs": Idea("two epochs", epochs=2),
    "one rate": Idea("the head at the rate of the rest", head_rate=1.0),
    "head × 30": Idea("the head at thirty times the rate", head_rate=30.0),
    "2e-4": Idea("all rates doubled", rate=2e-4),
    "layer-wise": Idea("3e-4 at the top, each layer below at 0.8 of it", rate=3e-4,
                       layer_decay=0.8),
    "two frozen": Idea("the lower two layers frozen", frozen=2),
    "batches of 8": Idea("batches of 8", batch_size=8),
    "batches of 32": Idea("batches of 32, all rates doubled", batch_size=32, rate=2e-4),
    "growing": Idea("batches of 8 for half of the texts, then of 32", halves="growing"),
    "hard first": Idea("the texts that a frozen encoder gets wrong come first", halves="hard"),
    "mean": Idea("the head reads the mean of all tokens", pooling="mean"),
    "mean, pooler": Idea("the mean of all tokens goes through the pooler", pooling="pooled mean"),
    "smoothing": Idea("labels smoothed by 0.1", smoothing=0.1),
    "averaged": Idea("all rates doubled, the weights of the last half averaged", rate=2e-4,
                     averaged=0.9),
    "contrast": Idea("a contrastive loss beside, half as much", contrast=0.5),
    "probed": Idea("the head starts from a regression on the frozen encoder", probed=True),
    "beta 0.98": Idea("AdamW's second mean over 50 steps, not 1,000", beta2=0.98),
    "dropout": Idea("with dropout of 0.1 where BERT has it", dropout=0.1),
    "distilled": Idea("learns from a run of three epochs as well", distilled=True),
}
TEACHER = "three, × 10"


def trained(idea, checkpoint, tokenizer, encoded, seed, teacher=None, steps=None):
    """Return a network trained by an idea on tokenized texts; see `Idea`.

    `teacher`, for one that is distilled, is the network to learn from. With `steps` it stops
    early, at the same rates.
    """
    model = network("fine-tuned", checkpoint, seed, idea.dropout)
    frozen.freeze(model, idea.frozen)
    if idea.probed:
        _probe(model, tokenizer, encoded)
    optimizer = torch.optim.AdamW(groups(model, idea), fused=True, betas=(0.9, idea.beta2))
    batches = _batches(idea, checkpoint, tokenizer, encoded, seed)
    total = idea.epochs * len(batches)
    schedule = get_linear_schedule_with_warmup(optimizer, total // 10, total)
    learnt = [p for p in model.parameters() if p.requires_grad]
    mean = (AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(idea.averaged))
            if idea.averaged else None)
    model.train()
    passes = itertools.chain.from_iterable(batches for _ in range(idea.epochs))
    for step, batch in enumerate(itertools.islice(passes, steps), start=1):
        optimizer.zero_grad()
        _loss(model, batch, idea, teacher).backward()
        torch.nn.utils.clip_grad_norm_(learnt, 1.0)
        optimizer.step()
        schedule.step()
        if mean is not None and step >= total / 2:
            mean.update_parameters(model)
    return (model if mean is None else mean.module).eval()


def groups(model, idea):
    """Return a group for AdamW for each trained parameter, with its rate and weight decay."""
    layers = model.config.num_hidden_layers
    head = {id(p) for p in training.head(model)}
    found = []
    for name, weights in model.named_parameters():
        if weights.requires_grad:
            factor = idea.head_rate if id(weights) in head else (
                idea.layer_decay ** (layers - 1 - int(name.split("layer.")[1].split(".")[0])))
            found.append({"params": [weights], "lr": idea.rate * factor,
                          "weight_decay": 0.01 if weights.ndim > 1 else 0.0})
    return found


def logits(model, batch, pooling):
    """Return a network's logits, (batch, classes), for what its head is to read."""
    return _read(model, batch, pooling)[0]


def _read(model, batch, pooling):
    """Return logits, (batch, classes), and the mean of each text's tokens, (batch, size)."""
    hidden = model.bert(**{k: v for k, v in batch.items() if k != "labels"}).last_hidden_state
    mean = training.mean_pooled(hidden, batch["attention_mask"])
    read = {"first": lambda: model.bert.pooler(hidden), "mean": lambda: mean,
            "pooled mean": lambda: model.bert.pooler(mean.unsqueeze(1))}[pooling]()
    return model.classifier(model.dropout(read)), mean


def _loss(model, batch, idea, teacher):
    answers, mean = _read(model, batch, idea.pooling)
    loss = cross_entropy(answers, batch["labels"], label_smoothing=idea.smoothing)
    if idea.contrast:
        loss = loss + idea.contrast * _contrastive(mean, batch["labels"])
    if idea.distilled:
        with torch.no_grad():
            soft = (logits(teacher, batch, "first") / 2).softmax(-1)
        loss = loss / 2 + kl_div(answers.log_softmax(-1), soft, reduction="batchmean") / 2
    return loss


def _contrastive(vectors, labels, temperature=0.2):
    """Return the loss by which texts of a class are drawn together, the others apart."""
    vectors = normalize(vectors, dim=-1)
    itself = torch.eye(len(vectors), dtype=torch.bool)
    similar = (vectors @ vectors.T / temperature).masked_fill(itself, -1e9)
    shares = similar - similar.logsumexp(1, keepdim=True)
    partners = (labels[:, None] == labels) & ~itself
    number = partners.sum(1)
    each = -(shares * partners).sum(1)[number > 0] / number[number > 0]
    return each.mean() if len(each) else torch.tensor(0.0)


@torch.inference_mode()
def _probe(model, tokenizer, encoded):
    """Start the classifier from a logistic regression on the pooler's outputs, in place."""
    model.eval()
    read, labels = [], []
    for batch in batching.loader(batching.by_length(encoded), tokenizer, 32):
        labels.append(batch.pop("labels"))
        read.append(model.bert(**batch).pooler_output)
    fitted = LogisticRegression(C=0.1, max_iter=500).fit(torch.cat(read), torch.cat(labels))
    weights = torch.tensor(fitted.coef_[0], dtype=torch.float32) / 2
    bias = float(fitted.intercept_[0]) / 2
    model.classifier.weight.data.copy_(torch.stack([-weights, weights]))
    model.classifier.bias.data.copy_(torch.tensor([-bias, bias]))


def _batches(idea, checkpoint, tokenizer, encoded, seed):
    """Return the batches of an epoch: a loader, or a list where the halves differ."""
    if not idea.halves:
        return batching.loader(encoded, tokenizer, idea.batch_size, train=True, seed=seed)
    sizes = (8, 32) if idea.halves == "growing" else (idea.batch_size, idea.batch_size)
    order = (torch.randperm(len(encoded), generator=torch.Generator().manual_seed(seed)).tolist()
             if idea.halves == "growing" else _hardest_first(checkpoint, tokenizer, encoded))
    half = len(order) // 2
    return [batch for rows, size in zip((order[:half], order[half:]), sizes, strict=True)
            for batch in batching.loader(encoded.select(rows), tokenizer, size, train=True,
                                         seed=seed)]


def _hardest_first(checkpoint, tokenizer, encoded):
    """Return the row numbers by how sure a regression on a frozen encoder is of the right label.

    Each text is judged by a regression that has not seen it, one of five.
    """
    encoder = AutoModel.from_pretrained(checkpoint.path, dtype=torch.float32)
    texts = tokenizer.batch_decode(encoded["input_ids"][:], skip_special_tokens=True)
    labels = encoded["labels"][:]
    sure = cross_val_predict(LogisticRegression(C=10, max_iter=1000),
                             training.embed(encoder, tokenizer, texts), labels, cv=5,
                             method="predict_proba")
    return sorted(range(len(labels)), key=lambda row: sure[row][labels[row]])


@torch.inference_mode()
def correct(model, tokenizer, encoded, pooling):
    """Return how many tokenized texts a network gets right."""
    loader = batching.loader(batching.by_length(encoded), tokenizer, 64)
    return sum(int((logits(model, batch, pooling).argmax(-1) == batch["labels"]).sum())
               for batch in loader)


def record(seeds=SEEDS):
    """Train what is not recorded yet, and record it, run by run."""
    checkpoint, tokenizer, data = given()
    encoded = batching.tokenize(data["train"], tokenizer)
    tested = [batching.tokenize(rows, tokenizer) for rows in (data["validation"], unused())]
    known = json.loads(FILE.read_text(encoding="utf-8")) if FILE.is_file() else {"ideas": {}}
    known |= {"seeds": list(seeds), "texts": sum(map(len, tested))}
    for name, idea in IDEAS.items():
        row = known["ideas"].setdefault(name, {"what": idea.what, "correct": []})
        for seed in seeds[len(row["correct"]):]:
            teacher = (trained(IDEAS[TEACHER], checkpoint, tokenizer, encoded, seed)
                       if idea.distilled else None)
            model = trained(idea, checkpoint, tokenizer, encoded, seed, teacher)
            row["correct"].append(sum(correct(model, tokenizer, rows, idea.pooling)
                                      for rows in tested))
            print(f"{name:<16} seed {seed}  {row['correct'][-1]}", flush=True)
            with paths.replacing(FILE) as fresh:
                fresh.write_text(json.dumps(known, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    record()
