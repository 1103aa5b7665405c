"""The training loop of notebook 03, and evaluation, prediction and saving around it."""

import math
from dataclasses import dataclass

import torch

from helpers import batching, paths
from helpers.curves import LossCurve
from helpers.errors import LearnerError

# Settings of BERT's config that make a training the same on every machine (notebook 03).
NO_DROPOUT = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
UNKNOWN_LENGTH = 512  # tokens, where neither tokenizer nor model says where a text ends
# The kinds of models whose first position is the one after that of padding.
COUNTED_FROM_PADDING = {
    "camembert", "data2vec-text", "ibert", "lilt", "longformer", "luke", "mpnet", "roberta",
    "roberta-prelayernorm", "xlm-roberta", "xlm-roberta-xl", "xmod",
}


@dataclass(frozen=True)
class Evaluation:
    """The figures of one split: mean loss in nats, texts right, texts seen, and predictions.

    `predictions` and `labels` have the shape (texts,).
    """

    loss: float
    correct: int
    n: int
    predictions: torch.Tensor
    labels: torch.Tensor

    @property
    def accuracy(self):
        """The share of texts that are right."""
        return self.correct / self.n

    @property
    def interval(self):
        """The 95 % interval of the accuracy (`interval`)."""
        return interval(self.correct, self.n)

    def __str__(self):
        low, high = self.interval
        return f"accuracy {self.accuracy:.3f} (95 %: {low:.2f} to {high:.2f}, n = {self.n})"


def parameter_groups(model, weight_decay=0.01, learning_rate=None, head_rate=1.0):
    """Return the groups of what is trained for AdamW: matrices decay, vectors do not.

    The vectors, parameters of one dimension, are the biases and what belongs to LayerNorms. With
    a `head_rate` the `head` has groups of its own, whose rate is `head_rate` · `learning_rate`.
    """
    trained = [p for p in model.parameters() if p.requires_grad]
    new = {id(p) for p in head(model)} if head_rate != 1 else set()
    groups = [
        {"params": [p for p in trained if (id(p) in new) == is_new and (p.ndim > 1) == decays],
         "weight_decay": weight_decay if decays else 0.0,
         **({"lr": head_rate * learning_rate} if is_new else {})}
        for is_new in sorted({False, bool(new)}) for decays in (True, False)
    ]
    return [group for group in groups if group["params"]]


def head(model):
    """Return the parameters above the encoder: those of the pooler, where there is one, and the
    classification head. They are the ones that pretraining has prepared least, or not at all.
    """
    inside = {id(p) for name, p in model.base_model.named_parameters()
              if not name.startswith("pooler.")}
    return [p for p in model.parameters() if id(p) not in inside]


def train(model, train_loader, *, epochs=3, learning_rate=5e-5, head_rate=1.0, weight_decay=0.01,
          validation_loader=None, device="cpu", settings=None, on_step=None):
    """Fine-tune `model` in place and return its `LossCurve`: the loop of notebook 03.

    AdamW with `parameter_groups`, a linear schedule with a tenth of the steps as warm-up,
    gradients clipped to a norm of 1. The head learns at `head_rate` times the learning rate.
    `on_step(curve)` is called after every step. Seed before the model is built, and build the
    loader afresh for each run, or a second run sees another order of the data.
    """
    model.to(device)
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer, scheduler = new_optimizer(model, epochs * len(train_loader), learning_rate,
                                         head_rate, weight_decay)
    curve = LossCurve(settings=dict(settings or {}))
    for _ in range(epochs):
        model.train()
        for batch in train_loader:
            batch = batch.to(device)
            optimizer.zero_grad()
            output = model(**batch)
            output.loss.backward()
            torch.nn.utils.clip_grad_norm_(trained, 1.0)
            optimizer.step()
            right = (output.logits.argmax(-1) == batch["labels"]).float().mean()
            curve.record(output.loss.item(), scheduler.get_last_lr()[0], right)
            scheduler.step()
            if on_step is not None:
                on_step(curve)
        if validation_loader is not None:
            result = evaluate(model, validation_loader)
            curve.record_validation(result.loss, result.accuracy)
    return curve


def new_optimizer(model, steps, learning_rate, head_rate=1.0, weight_decay=0.01):
    """Return AdamW with `parameter_groups`, and its linear schedule; a tenth of it is warm-up.

    Raises LearnerError if every parameter is frozen.
    """
    from transformers import get_linear_schedule_with_warmup

    groups = parameter_groups(model, weight_decay, learning_rate, head_rate)
    if not groups:
        raise LearnerError("Every parameter is frozen, so there is nothing to train. Unfreeze at "
                           "least the head: model.classifier.requires_grad_(True).")
    optimizer = torch.optim.AdamW(groups, lr=learning_rate, fused=True)
    return optimizer, get_linear_schedule_with_warmup(optimizer, steps // 10, steps)


@torch.inference_mode()
def evaluate(model, loader):
    """Return the `Evaluation` of a model over a loader, in evaluation mode, on its own device."""
    model.eval()
    total, predictions, labels = 0.0, [], []
    for batch in loader:
        output = model(**batch.to(model.device))
        total += output.loss.item() * len(batch["labels"])
        predictions.append(output.logits.argmax(-1).cpu())
        labels.append(batch["labels"].cpu())
    predictions, labels = torch.cat(predictions), torch.cat(labels)
    correct = int((predictions == labels).sum())
    return Evaluation(total / len(labels), correct, len(labels), predictions, labels)


@torch.inference_mode()
def predict(model, tokenizer, texts, batch_size=32, max_length=None):
    """Return the probabilities of each text's classes, shape (texts, classes), on the CPU.

    Texts are cut at `max_length` tokens, at most; without it, where tokenizer and model end
    (`most_tokens`).
    """
    model.eval()
    batches = _tokenized(texts, tokenizer, batch_size, most_tokens(model, tokenizer, max_length))
    return torch.cat([model(**b.to(model.device)).logits.softmax(-1).cpu() for b in batches])


@torch.inference_mode()
def logits(model, tokenizer, texts, pairs=None, *, batch_size=32, max_length=None, keep="head"):
    """Return the logits of what is read of each text, (rows, outputs), and each row's text.

    That is a row a text, or several where `keep` is "windows" (`batching.encode`); `pairs` are
    the second texts, where there are any.
    """
    from transformers.data.data_collator import pad_without_fast_tokenizer_warning as pad

    model.eval()
    batching.check_pad_token(tokenizer)
    length = most_tokens(model, tokenizer, max_length)
    encoded, owners = batching.encode(tokenizer, list(texts), pairs, length, keep)
    found = []
    for start in range(0, len(owners), batch_size):
        part = {name: rows[start : start + batch_size] for name, rows in encoded.items()}
        batch = pad(tokenizer, part, return_tensors="pt").to(model.device)
        found.append(model(**batch).logits.float().cpu())
    return torch.cat(found), list(owners)


def means(answers, owners):
    """Return the mean answers of each text, (texts, outputs); row i is one of text owners[i]."""
    owners = torch.as_tensor(owners)
    counts = torch.bincount(owners)
    summed = torch.zeros(len(counts), answers.shape[1]).index_add_(0, owners, answers.float())
    return summed / counts[:, None]


@torch.inference_mode()
def embed(encoder, tokenizer, texts, batch_size=64, max_length=None):
    """Return one unit vector a text, shape (texts, hidden size): the mean of its hidden states.

    Padding does not count. Reimers and Gurevych (2019), "Sentence-BERT", call this mean pooling.
    Texts are cut as by `predict`.
    """
    encoder.eval()
    rows = []
    length = most_tokens(encoder, tokenizer, max_length)
    for batch in _tokenized(texts, tokenizer, batch_size, length):
        hidden = encoder(**batch.to(encoder.device)).last_hidden_state
        mean = mean_pooled(hidden, batch["attention_mask"])
        rows.append(torch.nn.functional.normalize(mean, dim=-1).cpu())
    return torch.cat(rows)


def mean_pooled(hidden, attention_mask):
    """Return the mean of the hidden states of each text, (texts, size), without its padding."""
    mask = attention_mask.unsqueeze(-1)
    return (hidden * mask).sum(1) / mask.sum(1)


def _tokenized(texts, tokenizer, batch_size, max_length):
    """Yield padded batches of texts, in their order."""
    if isinstance(texts, str) or not len(texts):
        raise LearnerError("Give a list of at least one text, such as ['Lovely place.'].")
    batching.check_pad_token(tokenizer)
    for start in range(0, len(texts), batch_size):
        batch = list(texts[start : start + batch_size])
        yield tokenizer(batch, padding=True, truncation=True, max_length=max_length,
                        return_tensors="pt")


def most_tokens(model, tokenizer, asked=None):
    """Return the number of tokens of a text that are read: where tokenizer and model end.

    The smallest of `asked`, the tokenizer's `model_max_length` and the model's `positions`; 512
    where none of them says anything.
    """
    ends = [asked or math.inf, tokenizer.model_max_length, positions(model.config)]
    smallest = min(ends)
    return int(smallest) if smallest < 1e20 else UNKNOWN_LENGTH  # 1e30 is a tokenizer's "no end"


def positions(config):
    """Return how many tokens a model with this config has positions for; infinity for any number.

    RoBERTa and its kin count positions from the one after that of padding.
    """
    most = getattr(config, "max_position_embeddings", None) or -1  # XLNet, without end, says -1
    if config.model_type in COUNTED_FROM_PADDING:
        most -= config.pad_token_id + 1
    return most if most > 0 else math.inf


def interval(correct, n):
    """Return the 95 % Wilson score interval of a share, as (low, high).

    Wilson, E. B. (1927), "Probable inference, the law of succession, and statistical
    inference", Journal of the American Statistical Association 22.
    """
    from scipy.stats import binomtest

    bounds = binomtest(correct, n).proportion_ci(0.95, method="wilson")
    return float(bounds.low), float(bounds.high)


def save(model, tokenizer, folder):
    """Save model and tokenizer in `folder`, whole or not at all.

    An earlier save in `folder` is replaced. Raises LearnerError if the folder holds anything else,
    which is named, and if the disk is full or read-only: then what was there stays.
    """
    with paths.replacing_folder(folder) as fresh:
        model.save_pretrained(fresh)
        tokenizer.save_pretrained(fresh)
