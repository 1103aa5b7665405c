"""A BERT whose lower layers are frozen: their outputs computed once, the rest trained on them.

Frozen layers give the same output for the same text, every epoch. So they run once, without
gradients, and training starts from what they gave (notebook 10).
"""

import contextlib
import hashlib
import itertools
import json
import math
import os
import shutil
from pathlib import Path
from types import SimpleNamespace

import torch
from torch.nn.functional import scaled_dot_product_attention
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import DataLoader, Dataset
from tqdm.auto import tqdm

from helpers import batching, paths, runs, tasks
from helpers.errors import LearnerError

GB = 1e9
LIMIT = 2 * GB  # of outputs that a command keeps
ALONE = SimpleNamespace(process_index=0, num_processes=1, is_main_process=True,
                        wait_for_everyone=lambda: None)  # an Accelerator of one process


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

    @property
    def base_model(self):
        """The layers, without the head, as transformers calls it."""
        return torch.nn.ModuleList([*self.layers, self.last])

    def forward(self, hidden, attention_mask=None, labels=None):
        """Return loss and logits, (batch, classes), for hidden states (batch, tokens, size)."""
        from transformers.modeling_outputs import SequenceClassifierOutput

        # The same keys for every head and query: (batch, 1, 1, tokens).
        mask = None if attention_mask is None else attention_mask[:, None, None, :].bool()
        for layer in self.layers:
            hidden = layer(hidden, mask)
        first = first_token(self.last, hidden, mask)
        logits = self.classifier(self.dropout(self.pooler(first)))
        loss = None
        if labels is not None:
            summed, weight = tasks.loss(logits, labels)
            loss = summed / weight
        return SequenceClassifierOutput(loss=loss, logits=logits)


class ComputedAnew(UpperLayers):
    """The same for texts as they are: the frozen layers are computed for each batch, every epoch.

    For texts whose outputs would take too much room. Nothing of the frozen layers is kept for
    the backward pass. The parameters are called as those of `UpperLayers`.
    """

    def __init__(self, model, frozen):
        super().__init__(model, frozen)
        self._lower = lambda batch: lower(model, frozen, batch)

    def forward(self, labels=None, **batch):
        """Return loss and logits, (batch, classes), for a batch of `batching.loader`."""
        return super().forward(self._lower(batch), batch["attention_mask"], labels)


def size(shape):
    """Return the bytes that outputs of a shape (tokens, size) take in float32."""
    return 4 * math.prod(shape)


def fits(shape, folder):
    """Say whether outputs of a shape (tokens, size) are small enough to be kept in a folder.

    At most `LIMIT`, which is mapped into memory as it is read, and half of what is free there.
    """
    there = next(place for place in (folder, *folder.parents) if place.exists())
    return size(shape) <= min(LIMIT, shutil.disk_usage(there).free / 2)


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

    def parts(self, sizes):
        """Yield the first so many texts as a data set of their own, the next so many, …"""
        starts, first = [0, *self.ends], 0
        for last in itertools.accumulate(sizes):
            yield FrozenOutputs(self.hidden[starts[first] : starts[last]],
                                self.lengths[first:last], self.labels[first:last])
            first = last


def outputs(model, encoded, tokenizer, layers, *, file=None, batch_size=64, processes=ALONE,
            progress=False):
    """Return the `FrozenOutputs` of the embeddings and the lowest `layers` layers of a BERT.

    With `file` they are kept there (safetensors), mapped into memory rather than held in it, and
    read again if they were made from the same weights, the same tokens and in the same number
    format; otherwise they are made anew. Several processes give their Accelerator as `processes`,
    and each computes its share.

    Raises LearnerError if the file cannot be written, or the disk has no room for it.
    """
    sizes, labels = batching.lengths(encoded), encoded["labels"][:]
    shape = sum(sizes), model.config.hidden_size
    computed = _compute(model, encoded, tokenizer, layers, batch_size, processes, progress)
    if file is None:
        hidden = torch.empty(shape, dtype=model.dtype, device=model.device)
        for start, states in computed:
            hidden[start : start + len(states)] = states
        return FrozenOutputs(hidden, sizes, labels)
    weights = checksum(model.bert.embeddings, *_encoder(model).layer[:layers])
    kind = model.device.type
    number_format = (torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind)
                     else model.dtype)
    made_from = f"{weights} {number_format} {runs.fingerprint(encoded)}"
    hidden = _read(file, made_from)
    if hidden is None:
        _write(Path(file), shape, model.dtype, made_from, computed, processes, progress)
        hidden = _read(file, made_from)
    return FrozenOutputs(hidden, sizes, labels)


def loader(frozen_outputs, batch_size=16, *, train=False, seed=0):
    """Return a `DataLoader` of padded batches of hidden states, as `batching.loader` of tokens.

    The batches have `hidden` (batch, tokens, size), `attention_mask` and `labels`.
    """
    batching.check_batch_size(batch_size)
    batches = {"batch_size": batch_size}
    if train:
        batches = {"batch_sampler": batching.LengthGroupedBatches(frozen_outputs.lengths,
                                                                  batch_size, seed)}
    return DataLoader(frozen_outputs, collate_fn=_collate,
                      generator=torch.Generator().manual_seed(seed), **batches)


def _collate(rows):
    from transformers import BatchEncoding

    hidden, labels = zip(*rows, strict=True)
    mask = [torch.ones(len(states), dtype=torch.long) for states in hidden]
    return BatchEncoding({"hidden": pad_sequence(hidden, batch_first=True),
                          "attention_mask": pad_sequence(mask, batch_first=True),
                          "labels": torch.tensor(labels)})


def _compute(model, encoded, tokenizer, layers, batch_size, processes, progress):
    """Yield (place of the first token, hidden states) of each text in this process's batches.

    The batches, of texts sorted by length, are the same for any number of processes.
    """
    model.eval()
    sizes = batching.lengths(encoded)
    starts = [0, *itertools.accumulate(sizes)]
    order = sorted(range(len(sizes)), key=sizes.__getitem__)
    batches = [order[i : i + batch_size] for i in range(0, len(order), batch_size)]
    rows = [*itertools.chain(*batches[processes.process_index :: processes.num_processes])]
    if not rows:  # fewer batches than processes
        return
    batches = batching.loader(encoded.select(rows), tokenizer, batch_size)
    rows = iter(rows)
    for batch in tqdm(batches, "frozen layers", unit="batch", leave=False,
                      disable=not (progress and processes.is_main_process)):
        for states in lower(model, layers, batch.to(model.device)):
            row = next(rows)
            yield starts[row], states[: sizes[row]]


def checksum(*modules):
    """Return the SHA-256 of the weights of some modules and of their names, as hexadecimals."""
    digest = hashlib.sha256()
    for module in modules:
        for name, weights in module.state_dict().items():
            digest.update(name.encode())
            digest.update(_bytes(weights))
    return digest.hexdigest()


def _bytes(tensor):
    return tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy()


def _read(file, made_from):
    """Return the hidden states in a file if they were made from this, else None."""
    from safetensors import SafetensorError, safe_open

    with (contextlib.suppress(OSError, SafetensorError),  # none there, or a broken one
          safe_open(file, framework="pt") as stored):
        if (stored.metadata() or {}).get("made_from") == made_from:
            return stored.get_tensor("hidden")
    return None


def _write(file, shape, dtype, made_from, computed, processes, progress):
    """Write a safetensors file of hidden states, each process its own; whole or not at all."""
    row = shape[1] * dtype.itemsize
    size = shape[0] * row
    name = {torch.float32: "F32", torch.bfloat16: "BF16", torch.float16: "F16"}[dtype]
    header = json.dumps({"__metadata__": {"made_from": made_from}, "hidden": {
        "dtype": name, "shape": shape, "data_offsets": [0, size]}}).encode()
    header += b" " * (-len(header) % 8)
    part = file.with_name(f".{file.name}.part")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(file.parent).free
        needed = f"The outputs of the frozen layers take {size / GB:.1f} GB of disk"
        if size > free:
            raise LearnerError(f"{needed}, and {file.parent} has {free / GB:.1f} GB left. Choose "
                               "a place with more, or train all layers (--recipe full).")
        if size > GB and progress:
            print(f"{needed}.")
        if processes.is_main_process:
            part.write_bytes(len(header).to_bytes(8, "little") + header)
        processes.wait_for_everyone()
        with part.open("r+b") as opened:
            for start, states in computed:
                opened.seek(8 + len(header) + start * row)
                opened.write(_bytes(states.to(dtype)))
        processes.wait_for_everyone()
        if processes.is_main_process:
            os.replace(part, file)
        processes.wait_for_everyone()
    except OSError as error:
        with contextlib.suppress(OSError):
            part.unlink()
        raise LearnerError(
            f"The outputs of the frozen layers could not be written to {file}: "
            f"{paths.reason(error)}. Free some space, or choose another folder."
        ) from error


def _encoder(model):
    """Return the encoder of a BERT classifier; raise LearnerError for anything else."""
    encoder = getattr(getattr(model, "bert", None), "encoder", None)
    if encoder is None or not hasattr(model, "classifier"):
        raise LearnerError(
            f"{type(model).__name__} is not a BERT classifier. Only the frozen layers of a "
            "BertForSequenceClassification can be computed once; train other models whole."
        )
    if model.config._attn_implementation != "sdpa":  # another one reads the masks differently
        raise LearnerError(
            "Frozen layers are computed with PyTorch's own attention: load the model with "
            "attn_implementation='sdpa'."
        )
    return encoder
