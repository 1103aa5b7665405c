"""What a small GPT-2 takes over from the bundled BERT: words, layers, and how it reads.

A decoder may start from an encoder's weights (Rothe et al., 2020, "Leveraging pre-trained
checkpoints for sequence generation tasks"). `fill` gives a GPT-2 BERT's word vectors and lower
layers; `Teacher` gives the hidden states that it should agree with while it learns to
write (Jiao et al., 2020, "TinyBERT: distilling BERT for natural language understanding").
"""

import random
import re

import torch

from helpers import checkpoints

# BERT has a start token at position 0 that GPT-2 has not.
FIRST_POSITION = 1


def _load():
    from transformers import AutoModel, AutoTokenizer

    path = checkpoints.find("bert", "small").path
    bert = AutoModel.from_pretrained(path, dtype=torch.float32).eval().requires_grad_(False)
    return bert, AutoTokenizer.from_pretrained(path)


def words(pieces):
    """Return the whole words of BERT's vocabulary in lower case, the frequent ones first."""
    vocabulary = pieces.get_vocab()
    return [w for w in sorted(vocabulary, key=vocabulary.get) if re.fullmatch("[a-z]{2,}", w)]


def word_vectors(tokenizer, bert, pieces):
    """Return BERT's vectors for the tokens of another tokenizer, (tokens, hidden size).

    A token takes the mean of the vectors of the word pieces that its letters make; what makes
    none takes the mean of all and a little noise.
    """
    vectors = bert.embeddings.word_embeddings.weight
    noise = torch.Generator().manual_seed(0)
    rows = []
    for number in range(len(tokenizer)):
        text = tokenizer.decode([number])
        ids = [] if "\ufffd" in text or number == tokenizer.eos_token_id else [
            i for i in pieces(text, add_special_tokens=False)["input_ids"]
            if i != pieces.unk_token_id
        ]
        rows.append(vectors[ids].mean(0) if ids else vectors.mean(0) + 0.02 * torch.randn(
            vectors.shape[1], generator=noise
        ))
    rows[tokenizer.eos_token_id] = vectors[pieces.sep_token_id]
    return torch.stack(rows) + bert.embeddings.token_type_embeddings.weight[0]


@torch.no_grad()
def fill(model, tokenizer):
    """Fill a `GPT2LMHeadModel` as wide as BERT with BERT's word vectors and lower layers.

    BERT normalizes after each sublayer, GPT-2 before it, and carries the sum on. So each
    LayerNorm moves to the sublayer that reads it, and what a sublayer adds is scaled to the sum
    that it is added to, as measured on a sentence. Where the feed-forward layer is narrower than
    BERT's, it keeps the units with the largest weights.
    """
    bert, pieces = _load()
    body = model.transformer
    body.wte.weight.copy_(word_vectors(tokenizer, bert, pieces))
    positions = bert.embeddings.position_embeddings.weight
    body.wpe.weight.copy_(positions[FIRST_POSITION : FIRST_POSITION + len(body.wpe.weight)])
    ids = tokenizer(
        "The house stood by the sea. She was glad of the fire, but the road had been long.",
        return_tensors="pt",
    )["input_ids"]
    stream = body.wte(ids) + body.wpe(torch.arange(ids.shape[1]))
    norm = bert.embeddings.LayerNorm
    for block, layer in zip(body.h, bert.encoder.layer, strict=False):
        attention, own = layer.attention, layer.attention.self
        _copy(block.ln_1, norm)
        block.attn.c_attn.weight.copy_(
            torch.cat([own.query.weight, own.key.weight, own.value.weight]).T
        )
        block.attn.c_attn.bias.copy_(torch.cat([own.query.bias, own.key.bias, own.value.bias]))
        _copy_scaled(block.attn.c_proj, attention.output.dense, norm, stream)
        stream = stream + block.attn(block.ln_1(stream))[0]
        norm = attention.output.LayerNorm
        _copy(block.ln_2, norm)
        inner, outer = layer.intermediate.dense, layer.output.dense
        size = inner.weight.norm(dim=1) * outer.weight.norm(dim=0)
        kept = size.topk(block.mlp.c_fc.weight.shape[1]).indices
        block.mlp.c_fc.weight.copy_(inner.weight[kept].T)
        block.mlp.c_fc.bias.copy_(inner.bias[kept])
        _copy_scaled(block.mlp.c_proj, outer, norm, stream, kept)
        stream = stream + block.mlp(block.ln_2(stream))
        norm = layer.output.LayerNorm
    _copy(body.ln_f, norm)


def _copy(norm, other):
    norm.weight.copy_(other.weight)
    norm.bias.copy_(other.bias)


def _copy_scaled(projection, dense, norm, stream, kept=slice(None)):
    scale = stream.std(-1).mean() / norm.weight.mean()
    projection.weight.copy_(scale * dense.weight[:, kept].T)
    projection.bias.copy_(scale * (dense.bias + norm.bias))


def short_texts(paragraphs, reviews, pieces, count, seed=0):
    """Return `count` pairs of a short text to read beside BERT and whether it is prose as it was.

    A third are sentences of the paragraphs, a third the same kind of sentence with words of BERT's
    vocabulary in the place of some of its own, so that words the prose lacks are met; the last
    third are parts of the reviews, whole or with such words. The order is random.
    """
    rng = random.Random(seed)
    vocabulary = words(pieces)
    sentences = [
        s for p in paragraphs for s in re.split(r"(?<=[.!?;])\s+", p) if 3 <= len(s.split()) <= 30
    ]
    rng.shuffle(sentences)

    def replaced(text, most):
        share = rng.uniform(0.1, most)
        return " ".join(
            rng.choice(vocabulary) if rng.random() < share else w for w in text.split()
        )

    def part(text):
        parts = text.split()
        size = rng.randint(min(2, len(parts)), len(parts))
        start = rng.randint(0, len(parts) - size)
        return " ".join(parts[start : start + size])

    texts = []
    for i in range(count):
        if i % 3 == 2:
            change = rng.choice([str, part, lambda text: replaced(text, 0.4)])
            texts.append((change(reviews[i // 3 % len(reviews)]), False))
        elif i % 3 == 1:
            texts.append((replaced(sentences[i % len(sentences)], 0.6), False))
        else:
            texts.append((sentences[i % len(sentences)], True))
    rng.shuffle(texts)
    return texts


class Teacher:
    """The lower layers of BERT, made to read from left to right, and what they see in a text."""

    def __init__(self, layers):
        self.bert, self.pieces = _load()
        self.bert.encoder.layer = self.bert.encoder.layer[:layers]

    def align(self, tokenizer, texts):
        """Return the tensors of a batch of texts for `hidden` and for the student.

        `texts` are pairs as `short_texts` returns them. `ids` are the student's tokens and
        `teacher_ids` BERT's, (texts, tokens), padded with 0 on the right; `ids_labels` are the
        student's tokens where the text is prose, else -100; `rows`, `places` and
        `teacher_places` name the ends of tokens that both have at the same character.
        """
        options = {"truncation": True, "max_length": 64, "return_offsets_mapping": True}
        texts, is_prose = zip(*texts, strict=True)
        own = tokenizer(list(texts), **options)
        theirs = self.pieces(list(texts), add_special_tokens=False, **options)
        labels = [
            ids if prose else [-100] * len(ids)
            for ids, prose in zip(own["input_ids"], is_prose, strict=True)
        ]
        found = []
        for row, (mine, other) in enumerate(
            zip(own["offset_mapping"], theirs["offset_mapping"], strict=True)
        ):
            ends = {end: place for place, (_, end) in enumerate(other)}
            found += [(row, i, ends[end]) for i, (_, end) in enumerate(mine) if end in ends]
        rows, places, teacher_places = torch.tensor(found).T
        return {
            "ids": _padded(own["input_ids"]), "ids_labels": _padded(labels, with_=-100),
            "teacher_ids": _padded(theirs["input_ids"]),
            "rows": rows, "places": places, "teacher_places": teacher_places,
        }

    @torch.no_grad()
    def hidden(self, teacher_ids, rows, teacher_places):
        """Return BERT's hidden states at the aligned ends, (ends, hidden size)."""
        texts, tokens = teacher_ids.shape
        device = teacher_ids.device
        causal = torch.ones(tokens, tokens, dtype=torch.bool, device=device).tril()
        positions = torch.arange(FIRST_POSITION, FIRST_POSITION + tokens, device=device)
        output = self.bert.to(device)(
            input_ids=teacher_ids, position_ids=positions.expand(texts, -1),
            attention_mask=causal.expand(texts, 1, -1, -1),
        )
        return output.last_hidden_state[rows, teacher_places]


def _padded(rows, with_=0):
    longest = max(map(len, rows))
    return torch.tensor([[*row, *[with_] * (longest - len(row))] for row in rows])
