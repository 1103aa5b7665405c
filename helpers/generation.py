"""Text out of a language model, what it chooses from, and how well it predicts a given text.

Greedy decoding takes the most probable token. Sampling draws one, from the softmax at a
temperature, of the k most probable (Fan et al., 2018, "Hierarchical neural story generation") or
of the smallest set that holds a share p of the probability (Holtzman et al., 2020, "The curious
case of neural text degeneration").
"""

import itertools
import math
from collections import Counter
from dataclasses import asdict, dataclass

import torch

from helpers.errors import LearnerError


@dataclass(frozen=True)
class Sampling:
    """How to draw a token: `temperature` above 0, `top_k` tokens (0: all), `top_p` in (0, 1].

    Raises LearnerError for a value out of its range.
    """

    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0

    def __post_init__(self):
        if not self.temperature > 0:
            raise LearnerError(
                f"The temperature is {self.temperature}. It has to be above 0; to take the most "
                "probable token every time, choose greedy (sampling=None)."
            )
        if not isinstance(self.top_k, int) or self.top_k < 0:
            raise LearnerError(
                f"top_k is {self.top_k!r}. It is a whole number of tokens; 0 keeps all of them."
            )
        if not 0 < self.top_p <= 1:
            raise LearnerError(
                f"top_p is {self.top_p}. It is a share, above 0 and at most 1; 1 keeps all tokens."
            )


@torch.inference_mode()
def generate(model, tokenizer, prompt, sampling=None, *, max_new_tokens=40, seed=0):
    """Return the prompt and what the model writes after it, up to its end of text.

    Greedy without `sampling`. `seed` fixes what is drawn and leaves torch's random state as it
    was. Raises LearnerError for a prompt that is empty or leaves no room in the context.
    """
    inputs = encode(model, tokenizer, prompt, max_new_tokens)
    drawn = {"do_sample": sampling is not None, **(asdict(sampling) if sampling else {})}
    model.eval()
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        output = model.generate(
            **inputs, **drawn, max_new_tokens=max_new_tokens,
            pad_token_id=tokenizer.eos_token_id,
        )
    return tokenizer.decode(output[0], skip_special_tokens=True)


@torch.inference_mode()
def next_tokens(model, tokenizer, prompt, sampling=None, *, most=10):
    """Return the most probable next tokens as (text, probability), the most probable first.

    With `sampling`, the probabilities that a token is drawn from; without, those of the model.
    Raises LearnerError for a prompt that is empty or leaves no room in the context.
    """
    from transformers import TemperatureLogitsWarper, TopKLogitsWarper, TopPLogitsWarper

    inputs = encode(model, tokenizer, prompt, 1)
    model.eval()
    scores = model(**inputs).logits[:, -1].float().cpu()
    if sampling is not None:
        scores = TemperatureLogitsWarper(sampling.temperature)(None, scores)
        if sampling.top_k:
            scores = TopKLogitsWarper(sampling.top_k)(None, scores)
        scores = TopPLogitsWarper(sampling.top_p)(None, scores)
    shares, ids = scores.softmax(-1)[0].topk(most)
    return [
        (tokenizer.decode([i]), share)
        for i, share in zip(ids.tolist(), shares.tolist(), strict=True) if share > 0
    ]


def encode(model, tokenizer, prompt, max_new_tokens):
    """Return the tensors of a prompt, on the model's device, if it leaves room for new tokens."""
    if not isinstance(prompt, str) or not prompt.strip():
        raise LearnerError(
            "The prompt is empty. A language model continues a text: give it a word or more."
        )
    inputs = tokenizer(prompt, return_tensors="pt", verbose=False)
    used, context = inputs["input_ids"].shape[1], model.config.max_position_embeddings
    if used + max_new_tokens > context:
        raise LearnerError(
            f"The prompt has {used} tokens and {max_new_tokens} more are to follow, but this "
            f"model's context is {context}. Shorten the prompt to "
            f"{max(0, context - max_new_tokens)} tokens or ask for fewer new ones."
        )
    return inputs.to(model.device)


@dataclass(frozen=True)
class Predicted:
    """What a model's predictions of some texts cost: the sum of -ln p, in nats, over `tokens`."""

    nats: float
    tokens: int
    size: int  # of the texts, in bytes

    @property
    def perplexity(self):
        """The exponential of the mean loss of a token: depends on the tokenizer."""
        return math.exp(self.nats / self.tokens)

    @property
    def bits_per_byte(self):
        """What a byte of the texts costs, in bits: may be compared across tokenizers."""
        return self.nats / math.log(2) / self.size


@torch.inference_mode()
def predicted(model, tokenizer, texts):
    """Return how well a model predicts these texts (`Predicted`), each read on its own.

    Every token counts, the end of text that closes a text too; what exceeds the context starts
    afresh.
    """
    model.eval()
    context, nats, tokens, size = model.config.max_position_embeddings, 0.0, 0, 0
    for text in texts:
        ids = [tokenizer.bos_token_id, *tokenizer(text, verbose=False)["input_ids"],
               tokenizer.eos_token_id]
        size += len(text.encode())
        for start in range(0, len(ids) - 1, context - 1):
            part = torch.tensor([ids[start : start + context]], device=model.device)
            count = part.shape[1] - 1
            nats += model(input_ids=part, labels=part).loss.item() * count
            tokens += count
    return Predicted(nats, tokens, size)


def byte_pairs(train_texts, texts):
    """Return how well pairs of bytes, counted in `train_texts`, predict `texts` (`Predicted`).

    Each byte, and the end, is guessed from the byte before; add-one smoothing.
    """
    def framed(text):
        return b"\0" + text.encode() + b"\0"

    pairs, firsts = Counter(), Counter()
    for text in train_texts:
        pairs.update(itertools.pairwise(framed(text)))
        firsts.update(framed(text)[:-1])
    asked = [pair for text in texts for pair in itertools.pairwise(framed(text))]
    nats = -sum(math.log((pairs[a, b] + 1) / (firsts[a] + 256)) for a, b in asked)
    return Predicted(nats, len(asked), sum(len(text.encode()) for text in texts))
