"""Text out of a language model, one token after the other, and what it chooses from.

Greedy decoding takes the most probable token. Sampling draws one, from the softmax at a
temperature, of the k most probable (Fan et al., 2018, "Hierarchical neural story generation") or
of the smallest set that holds a share p of the probability (Holtzman et al., 2020, "The curious
case of neural text degeneration").
"""

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
