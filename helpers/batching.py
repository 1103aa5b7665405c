"""From texts to padded batches: what notebook 02 does by hand, for the notebooks after it."""

import math

import torch
from torch.utils.data import DataLoader, Sampler

from helpers.errors import LearnerError

MAX_TOKENS = 128


def tokenize(dataset, tokenizer, max_length=MAX_TOKENS):
    """Return a `Dataset` of what the model reads: token ids, mask and labels, not yet padded.

    Texts of more than `max_length` tokens are cut at the end.
    """

    def encode(rows):
        return tokenizer(rows["text"], truncation=True, max_length=max_length)

    others = [name for name in dataset.column_names if name != "label"]
    encoded = dataset.map(encode, batched=True, keep_in_memory=True, remove_columns=others)
    return encoded.rename_column("label", "labels")


def lengths(encoded):
    """Return the number of tokens of each text of a tokenized data set."""
    import pyarrow.compute

    column = encoded.select_columns("input_ids").with_format("arrow")[:]["input_ids"]
    return pyarrow.compute.list_value_length(column).to_pylist()


def by_length(encoded):
    """Return a tokenized data set sorted by length, so that an evaluation pads little."""
    sizes = lengths(encoded)
    return encoded.select(sorted(range(len(sizes)), key=sizes.__getitem__))


def loader(encoded, tokenizer, batch_size=16, *, train=False, seed=0):
    """Return a `DataLoader` of padded batches: tensors of shape (batch, tokens), labels (batch,).

    For training the batches hold texts of similar length in an order drawn from `seed`; for
    evaluation the rows come as they are. Each batch is padded to its own longest text.

    Raises LearnerError for a batch size below 1, a data set without rows or a tokenizer without
    pad token.
    """
    from transformers import DataCollatorWithPadding

    check_batch_size(batch_size)
    check_pad_token(tokenizer)
    if len(encoded) == 0:
        raise LearnerError("The data set has no rows, so there is nothing to put in a batch.")
    # A generator of its own, or each pass would draw from the one that dropout uses.
    options = {
        "collate_fn": DataCollatorWithPadding(tokenizer),
        "generator": torch.Generator().manual_seed(seed),
    }
    if not train:
        return DataLoader(encoded, batch_size=batch_size, **options)
    sampler = LengthGroupedBatches(lengths(encoded), batch_size, seed)
    return DataLoader(encoded, batch_sampler=sampler, **options)


class LengthGroupedBatches(Sampler):
    """Batches of row numbers whose texts are of similar length, new ones each epoch.

    The rows are shuffled, sorted by length (rows of equal length stay shuffled), cut into
    batches, and the batches are shuffled. `seed` fixes the order of every epoch.
    """

    def __init__(self, lengths, batch_size, seed=0):
        self.lengths = lengths
        self.batch_size = batch_size
        self.seed = seed
        self.generator = torch.Generator().manual_seed(seed)

    @property
    def sampler(self):
        """These batches: the name under which accelerate looks for who wants to know the epoch.

        It finds `set_epoch` under it also where a resumed run skips the batches that it has had.
        """
        return self

    def set_epoch(self, epoch):
        """Go to the start of an epoch, counted from 0, as a resumed run has to."""
        self.generator.manual_seed(self.seed)
        for _ in range(epoch):
            iter(self)  # draws the batches of an epoch

    def __len__(self):
        return math.ceil(len(self.lengths) / self.batch_size)

    def __iter__(self):
        order = torch.randperm(len(self.lengths), generator=self.generator).tolist()
        order.sort(key=self.lengths.__getitem__)
        batches = [order[i : i + self.batch_size] for i in range(0, len(order), self.batch_size)]
        shuffled = torch.randperm(len(batches), generator=self.generator).tolist()
        return iter([batches[i] for i in shuffled])


def check_pad_token(tokenizer):
    """Raise LearnerError if a tokenizer cannot pad, as GPT-2's at first."""
    if tokenizer.pad_token_id is None:
        raise LearnerError(
            "The tokenizer has no pad token, so texts of different lengths make no batch. Set "
            "tokenizer.pad_token = tokenizer.eos_token, and tell the model: "
            "model.config.pad_token_id = tokenizer.pad_token_id."
        )


def padding_share(batches):
    """Return the share of positions that hold padding, 0 to 1, over batches with a mask."""
    real = total = 0
    for batch in batches:
        real += int(batch["attention_mask"].sum())
        total += batch["attention_mask"].numel()
    return 1 - real / total


def check_batch_size(batch_size):
    """Raise LearnerError for a batch size that is no whole number from 1 up."""
    if not isinstance(batch_size, int) or batch_size < 1:
        raise LearnerError(
            f"The batch size is {batch_size!r}. It has to be a whole number from 1 up; "
            "16 is a good start."
        )
