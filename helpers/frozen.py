"""A BERT whose lower layers are frozen: their outputs computed once, the rest trained on them.

Frozen layers give the same output for the same text, every epoch. So they run once, without
gradients, and training starts from what they gave (notebook 09).
"""

import hashlib
from pathlib import Path

import torch
from torch.nn.functional import cross_entropy, scaled_dot_product_attention
from torch.utils.data import DataLoader, Dataset

from helpers import batching, paths
from helpers.errors import LearnerError


def freeze(model, layers):
    """Freeze the embeddings and the lowest `layers` layers of a BERT classifier, in place.

    Raises LearnerError for another kind of model, or if no layer would be left to train.
    """
    encoder = _encoder(model)
    if not 0 <= layers < len(encoder.layer):
        raise LearnerError(
            f"{layers} layers to freeze, of {len(encoder.layer)}: choose 0 to "
            f"{len(encoder.layer) - 1}, so that one is left to train."
        )
    for part in (model.bert.embeddings, *encoder.layer[:layers]):
        part.requires_grad_(False)


class UpperLayers(torch.nn.Module):
    """The layers of a BERT classifier above the frozen ones, and its head. Shares its weights.

    The last layer is computed for the first token alone: the head reads no other. The logits are
    those of the whole model.
    """

    def __init__(self, model, frozen):
        super().__init__()
        *layers, self.last = _encoder(model).layer[frozen:]
        self.layers = torch.nn.ModuleList(layers)
        self.pooler, self.dropout, self.classifier = (
            model.bert.pooler, model.dropout, model.classifier
        )

    @property
    def device(self):
        """Where the weights are."""
        return self.classifier.weight.device

    def forward(self, hidden, attention_mask=None, labels=None):
        """Return loss and logits, (batch, classes), for hidden states (batch, tokens, size)."""
        from transformers.modeling_outputs import SequenceClassifierOutput

        # The same keys for every head and query: (batch, 1, 1, tokens).
        mask = None if attention_mask is None else attention_mask[:, None, None, :].bool()
        for layer in self.layers:
            hidden = layer(hidden, mask)
        first = first_token(self.last, hidden, mask)
        logits = self.classifier(self.dropout(self.pooler(first)))
        loss = None if labels is None else cross_entropy(logits, labels)
        return SequenceClassifierOutput(loss=loss, logits=logits)


@torch.no_grad()
def lower(model, layers, batch):
    """Return the hidden states above the embeddings and the lowest `layers` layers of a BERT.

    `batch` is one of `batching.loader`; the shape is (batch, tokens, size). No gradients.
    """
    inputs = {k: v for k, v in batch.items() if k not in ("attention_mask", "labels")}
    hidden = model.bert.embeddings(**inputs)
    for layer in _encoder(model).layer[:layers]:
        hidden = layer(hidden, batch["attention_mask"][:, None, None, :].bool())
    return hidden


def first_token(layer, hidden, mask):
    """Return what a BERT layer makes of the first token alone, shape (batch, 1, size).

    Every token is a key and a value, only the first one a query; `mask` is (batch, 1, 1, tokens).
    """
    attention = layer.attention.self
    heads = (*hidden.shape[:1], -1, attention.num_attention_heads, attention.attention_head_size)

    def split(projection, tokens):  # (batch, heads, tokens, size of a head)
        return projection(tokens).view(heads).transpose(1, 2)

    start = hidden[:, :1]
    mixed = scaled_dot_product_attention(
        split(attention.query, start), split(attention.key, hidden),
        split(attention.value, hidden), attn_mask=mask,
        dropout_p=attention.dropout.p if layer.training else 0.0,
    )
    mixed = mixed.transpose(1, 2).reshape(start.shape)
    return layer.feed_forward_chunk(layer.attention.output(mixed, start))


class FrozenOutputs(Dataset):
    """What the frozen layers made of each text: `hidden` (tokens, size) and its label.

    All texts lie behind each other in one tensor, `hidden` (tokens of all texts, size).
    """

    def __init__(self, hidden, lengths, labels):
        self.hidden, self.lengths, self.labels = hidden, list(lengths), list(labels)
        self.ends = torch.tensor(self.lengths).cumsum(0).tolist()

    def __len__(self):
        return len(self.lengths)

    def __getitem__(self, row):
        end = self.ends[row]
        return self.hidden[end - self.lengths[row] : end], self.labels[row]


@torch.no_grad()
def outputs(model, encoded, tokenizer, layers, *, file=None, batch_size=64):
    """Return the `FrozenOutputs` of the embeddings and the lowest `layers` layers of a BERT.

    With `file` they are kept there (safetensors) and read again if they were made from the same
    weights, the same tokens and in the same number format; otherwise they are made anew.
    """
    sizes, labels = batching.lengths(encoded), encoded["labels"][:]
    if file is None:
        hidden = _compute(model, encoded, tokenizer, layers, sizes, batch_size)
        return FrozenOutputs(hidden, sizes, labels)
    made_from = _fingerprint(model, encoded, layers)
    hidden = _read(file, made_from)
    if hidden is None:
        hidden = _compute(model, encoded, tokenizer, layers, sizes, batch_size)
        _write(file, hidden, made_from)
    return FrozenOutputs(hidden, sizes, labels)


def loader(frozen_outputs, batch_size=16, *, train=False, seed=0):
    """Return a `DataLoader` of padded batches of hidden states, as `batching.loader` of tokens.

    The batches have `hidden` (batch, tokens, size), `attention_mask` and `labels`.
    """
    batching.check_batch_size(batch_size)
    options = {"collate_fn": _collate, "generator": torch.Generator().manual_seed(seed)}
    if not train:
        return DataLoader(frozen_outputs, batch_size=batch_size, **options)
    sampler = batching.LengthGroupedBatches(frozen_outputs.lengths, batch_size, seed)
    return DataLoader(frozen_outputs, batch_sampler=sampler, **options)


def _collate(rows):
    from transformers import BatchEncoding

    hidden, labels = zip(*rows, strict=True)
    return BatchEncoding({
        "hidden": torch.nn.utils.rnn.pad_sequence(hidden, batch_first=True),
        "attention_mask": torch.nn.utils.rnn.pad_sequence(
            [torch.ones(len(h), dtype=torch.long) for h in hidden], batch_first=True),
        "labels": torch.tensor(labels),
    })


def _compute(model, encoded, tokenizer, layers, sizes, batch_size):
    """Run the frozen layers over the texts, sorted by length, and put the results in order."""
    model.eval()
    order = sorted(range(len(sizes)), key=sizes.__getitem__)
    hidden = [None] * len(sizes)
    batches = batching.loader(encoded.select(order), tokenizer, batch_size)
    rows = iter(order)
    for batch in batches:
        states = lower(model, layers, batch.to(model.device))
        for state, size in zip(states, batch["attention_mask"].sum(-1).tolist(), strict=True):
            hidden[next(rows)] = state[:size]
    return torch.cat(hidden)


def _fingerprint(model, encoded, layers):
    """Return a checksum of all that the outputs follow from: weights, tokens, number format."""
    digest = hashlib.sha256()
    for part in (model.bert.embeddings, *_encoder(model).layer[:layers]):
        for name, weights in part.state_dict().items():
            digest.update(name.encode())
            digest.update(weights.detach().cpu().contiguous().view(torch.uint8).numpy().tobytes())
    for column in batching.MODEL_INPUTS:
        if column in encoded.column_names:
            digest.update(repr(encoded[column][:]).encode())
    digest.update(f"{layers} {_number_format(model)}".encode())
    return digest.hexdigest()


def _number_format(model):
    kind = model.device.type
    return torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else model.dtype


def _read(file, made_from):
    """Return the hidden states in a file if they were made from this, else None."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(file, framework="pt") as stored:
            if (stored.metadata() or {}).get("made_from") == made_from:
                return stored.get_tensor("hidden")
    except (OSError, SafetensorError):  # none there, or a broken one
        pass
    return None


def _write(file, hidden, made_from):
    from safetensors.torch import save_file

    with paths.replacing(Path(file)) as fresh:
        save_file({"hidden": hidden.cpu().contiguous()}, fresh, metadata={"made_from": made_from})


def _encoder(model):
    """Return the encoder of a BERT classifier; raise LearnerError for anything else."""
    encoder = getattr(getattr(model, "bert", None), "encoder", None)
    if encoder is None or not hasattr(model, "classifier"):
        raise LearnerError(
            f"{type(model).__name__} is no BERT classifier. Frozen layers are computed once for "
            "BertForSequenceClassification only; train another model without."
        )
    if model.config._attn_implementation != "sdpa":  # another one reads the masks differently
        raise LearnerError(
            "Frozen layers are computed with PyTorch's own attention: load the model with "
            "attn_implementation='sdpa'."
        )
    return encoder
