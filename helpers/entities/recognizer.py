"""A model that finds entities: an encoder with a head that labels each token.

`load` makes one, `train` trains it as notebook 09 does, `find` lets it read texts of any length.
"""

import contextlib
import math

import torch

from helpers import batching, classifiers, training
from helpers.entities import alignment, spans
from helpers.errors import LearnerError

OVERLAP = 4  # windows of a long text have one token in so many in common with the next


def load(asked, config, types, *, max_length, seed=0):
    """Return model and tokenizer, without dropout and with a new head for the tags of types.

    `config` is what `classifiers.find` returned; the head is drawn from `seed`.

    Raises LearnerError if they cannot be loaded, or read fewer than `max_length` tokens.
    """
    from transformers import AutoModelForTokenClassification, AutoTokenizer, set_seed

    classifiers.check_length(asked, config, max_length)
    names = spans.tag_names(types)
    with classifiers.loading(asked):
        tokenizer = AutoTokenizer.from_pretrained(config.name_or_path)
        tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token
        tokenizer.padding_side, tokenizer.model_max_length = "right", max_length
        config.update({
            "pad_token_id": tokenizer.pad_token_id,
            "id2label": dict(enumerate(names)), "label2id": {n: i for i, n in enumerate(names)},
            **{name: 0.0 for name in classifiers.DROPOUTS if hasattr(config, name)},
        })
        set_seed(seed)
        model = AutoModelForTokenClassification.from_pretrained(
            config.name_or_path, config=config, dtype=torch.float32, ignore_mismatched_sizes=True)
    return model, tokenizer


def tags_of(config):
    """Return the tags that a model with this config gives, in the order of its outputs.

    Raises LearnerError if they are not O and tags that name types, in one of the schemes of
    `spans`.
    """
    names = [str(config.id2label[i]) for i in range(config.num_labels)]
    if spans.OUTSIDE not in names or len(names) < 2:
        raise LearnerError(f"The labels of the model are {', '.join(names[:4])}, …, and O for "
                           "what is no entity is not among them, so it cannot be told what it "
                           "finds.")
    return names


def types_of(config):
    """Return the types that a model with this config finds, in the order of its labels."""
    kinds = [spans.parted(tag)[1] for tag in tags_of(config)]
    return tuple(dict.fromkeys(kind for kind in kinds if kind is not None))


def loader(encoded, tokenizer, batch_size=16, *, train=False, seed=0):
    """Return a `DataLoader` of padded batches of `alignment.Encoded` sentences.

    Its tensors have the shape (batch, tokens), labels among them, which are -100 where padding
    is. Order and batches are those of `batching.loader`.
    """
    from transformers import DataCollatorForTokenClassification

    batching.check_batch_size(batch_size)
    batching.check_pad_token(tokenizer)
    options = {"collate_fn": DataCollatorForTokenClassification(tokenizer),
               "generator": torch.Generator().manual_seed(seed)}
    if not train:
        return torch.utils.data.DataLoader(encoded.dataset, batch_size=batch_size, **options)
    batches = batching.LengthGroupedBatches(batching.lengths(encoded.dataset), batch_size, seed)
    return torch.utils.data.DataLoader(encoded.dataset, batch_sampler=batches, **options)


def train(model, loader, *, epochs, learning_rate, head_rate=1.0, device="cpu", on_step=None):
    """Fine-tune a token classifier in place and return its `LossCurve`, by `training.train`.

    Raises LearnerError as soon as the loss is not finite.
    """
    def check(curve):
        if not math.isfinite(curve.loss[-1]):
            raise LearnerError(f"The loss of step {len(curve.loss)} is {curve.loss[-1]}: the "
                               "training has diverged, so nothing is saved. Choose a lower "
                               f"--learning-rate than {learning_rate:g}.")
        if on_step is not None:
            on_step(curve)

    curve = training.train(model, loader, epochs=epochs, learning_rate=learning_rate,
                           head_rate=head_rate, device=device, on_step=check)
    curve.accuracy.clear()  # it counts padding
    return curve


def find(model, tokenizer, texts, *, batch_size=32, max_length=None, progress=False):
    """Return the entities of each text, a tuple each.

    Texts longer than `max_length` tokens, by default what tokenizer and model read, are read in
    overlapping windows, and each word where most is around it.
    """
    return [tuple(entity for entity, _ in found) for found in find_probable(
        model, tokenizer, texts, batch_size=batch_size, max_length=max_length, progress=progress)]


def find_probable(model, tokenizer, texts, *, batch_size=32, max_length=None, progress=False):
    """Return the entities of each text as a list of (`Entity`, probability).

    The probability is that of the type, the mean over the entity's words. Otherwise as `find`.
    """
    names = tags_of(model.config)
    kinds = [spans.parted(tag)[1] for tag in names]
    found = []
    for words, answers in answers_to_words(model, tokenizer, texts, batch_size, max_length,
                                           progress):
        there = [i for i in range(len(words)) if not answers[i].isnan().any()]
        tags = [names[answers[i].argmax()] for i in there]
        entities = spans.entities_of([words[i] for i in there], tags)
        found.append([(entity, _probability(entity, kinds, words, there, answers))
                      for entity in entities])
    return found


def _probability(entity, kinds, words, there, answers):
    inside = [i for i in there if entity.start <= words[i][0] and words[i][1] <= entity.end]
    tags = [i for i, kind in enumerate(kinds) if kind == entity.type]
    return float(answers[inside][:, tags].sum(1).mean())


@torch.inference_mode()
def answers_to_words(model, tokenizer, texts, batch_size=32, max_length=None, progress=False):
    """Return the words of each text, and the probabilities of their tags, (words, tags).

    They are those of each word's first token, and nan for a word that has none.
    """
    from tqdm.auto import tqdm

    model.eval()
    batching.check_pad_token(tokenizer)
    length = training.most_tokens(model, tokenizer, max_length)
    tokens, owners, offsets = _windows(tokenizer, texts, length)
    words = [spans.words(text) for text in texts]
    answers = [torch.full((len(each), model.config.num_labels), math.nan) for each in words]
    # Whether it was a word's first token, and how many tokens are on the nearer side of it.
    best = [[(False, -1)] * len(each) for each in words]
    order = sorted(range(len(owners)), key=lambda row: -len(tokens["input_ids"][row]))
    for start in tqdm(range(0, len(order), batch_size), unit="batch", disable=not progress):
        rows = order[start : start + batch_size]
        batch = tokenizer.pad({name: [each[row] for row in rows] for name, each in tokens.items()},
                              return_tensors="pt").to(model.device)
        shares = model(**batch).logits.float().softmax(-1).cpu()
        for place, row in enumerate(rows):
            text, last = owners[row], None
            for token, word in enumerate(alignment.owners_of(words[text], offsets[row])):
                if word is None or word == last:
                    continue
                last = word
                rank = (offsets[row][token][0] <= words[text][word][0],
                        min(token, len(offsets[row]) - 1 - token))
                if rank > best[text][word]:
                    best[text][word], answers[text][word] = rank, shares[place, token]
    return list(zip(words, answers, strict=True))


def _windows(tokenizer, texts, length):
    """Return what a model reads of texts in windows, each window's text, and its offsets."""
    if not len(texts):
        return {}, [], []
    clean = [text.encode("utf-8", "replace").decode() for text in texts]
    with _right_truncation(tokenizer):
        tokens = dict(tokenizer(clean, truncation=True, max_length=length,
                                stride=length // OVERLAP, return_overflowing_tokens=True,
                                return_offsets_mapping=True))
    owners, offsets = tokens.pop("overflow_to_sample_mapping"), tokens.pop("offset_mapping")
    return tokens, owners, offsets


@contextlib.contextmanager
def _right_truncation(tokenizer):
    side, tokenizer.truncation_side = tokenizer.truncation_side, "right"
    try:
        yield
    finally:
        tokenizer.truncation_side = side


