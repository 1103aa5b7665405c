"""From texts to padded batches: what notebook 02 does by hand, for the notebooks after it."""

import math

import torch
from torch.utils.data import DataLoader, Sampler

from helpers.errors import LearnerError

MAX_TOKENS = 128
KEEP = ("head", "tail", "ends", "windows")  # what is read of a text that is longer


def tokenize(dataset, tokenizer, max_length=MAX_TOKENS, keep="head", targets=None, first=0):
    """Return a `Dataset` of what the model reads: token ids, mask and labels, not yet padded.

    Pairs of texts, in the columns text and text_pair, are read together. Of a text that is longer
    than `max_length` tokens the "head" is kept, the "tail", or both "ends", as many tokens of
    each; or it is cut into overlapping "windows", a row each, whose text is told by its number in
    the column `owner`, counted from `first`. `targets` are labels to take the place of those in
    the column label.
    """
    if targets is not None:
        dataset = dataset.remove_columns("label").add_column("label", targets)
    of_texts = [name for name in dataset.column_names if name != "label" or keep == "windows"]

    def encode_rows(rows, numbers):
        encoded, owners = encode(tokenizer, rows["text"], rows.get("text_pair"), max_length, keep)
        if keep != "windows":
            return encoded
        return dict(encoded) | {"label": [rows["label"][owner] for owner in owners],
                                "owner": [first + numbers[owner] for owner in owners]}

    encoded = dataset.map(encode_rows, batched=True, with_indices=True, keep_in_memory=True,
                          remove_columns=of_texts)
    return encoded.rename_column("label", "labels")


def encode(tokenizer, texts, pairs=None, max_length=MAX_TOKENS, keep="head"):
    """Return what a model reads of some texts, lists by name, and each row's text, its number.

    `pairs` are the second texts, where there are any; `keep` is that of `tokenize`. Raises
    LearnerError for windows of pairs.
    """
    both = sides(tokenizer, texts, pairs)
    if keep == "windows":
        return _windows(tokenizer, both, max_length)
    if keep == "ends":
        return _ends(tokenizer, both, max_length), range(len(texts))
    side, tokenizer.truncation_side = (tokenizer.truncation_side,
                                       {"head": "right", "tail": "left"}[keep])
    try:
        return tokenizer(*both, truncation=True, max_length=max_length), range(len(texts))
    finally:
        tokenizer.truncation_side = side


def sides(tokenizer, texts, pairs=None):
    """Return what a tokenizer is called with: texts, or first and second ones."""
    if pairs is None:
        return (texts,)
    if not tokenizer.num_special_tokens_to_add(pair=True):
        pairs = [f"\n{second}" for second in pairs]  # GPT-2 puts nothing between them
    return texts, pairs


def _windows(tokenizer, both, max_length):
    if len(both) > 1:
        raise LearnerError("Windows are for single texts. For pairs choose to keep the head, the "
                           "tail or both ends.")
    found = tokenizer(*both, truncation=True, max_length=max_length, stride=max_length // 4,
                      return_overflowing_tokens=True)
    return found, found.pop("overflow_to_sample_mapping")


def _ends(tokenizer, both, max_length):
    """Return what is read if the middle is left out, of pairs that of the longer text first."""
    found = tokenizer(*both, truncation=False, verbose=False)
    for row, ids in enumerate(found["input_ids"]):
        over = len(ids) - max_length
        if over <= 0:
            continue
        side_of = found.sequence_ids(row)
        left = {side: [i for i, each in enumerate(side_of) if each == side] for side in (0, 1)}
        for _ in range(over):
            longer = max(left.values(), key=len)
            del longer[len(longer) // 2]
        kept = sorted([*left[0], *left[1],
                       *(i for i, each in enumerate(side_of) if each is None)])
        for column in found.values():
            column[row] = [column[row][i] for i in kept]
    return found


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
