"""Exercises of notebook 03: accuracy, and training steps observed on a tiny BERT."""

from collections import Counter

import torch
from transformers import BatchEncoding, BertConfig, BertForSequenceClassification

from helpers.checks import Exercise
from helpers.checks.results import same

TINY = BertConfig(
    vocab_size=9, hidden_size=8, num_hidden_layers=1, num_attention_heads=1, intermediate_size=8,
    max_position_embeddings=8, initializer_range=0.1, hidden_dropout_prob=0,
    attention_probs_dropout_prob=0,
)


def _tiny(learning_rate):
    """Return a model, its optimizer, and the count of what a step does with them."""
    torch.manual_seed(4)
    model, done = BertForSequenceClassification(TINY), Counter()
    optimizer = torch.optim.SGD(model.parameters(), lr=learning_rate)

    def to_model(value):  # from the notebook's device, where the answer may have moved it
        return value.to(model.device) if isinstance(value, torch.Tensor) else value

    def before_forward(_, inputs, named):
        done["forward"] += 1
        return tuple(map(to_model, inputs)), {key: to_model(part) for key, part in named.items()}

    model.register_forward_pre_hook(before_forward, with_kwargs=True)
    optimizer.register_step_post_hook(lambda *arguments: done.update(["step"]))
    return model, optimizer, done


def _weights(model):
    return model.classifier.weight.detach().cpu().clone()


def _batch(rows, seed):
    generator = torch.Generator().manual_seed(seed)
    ids = torch.randint(9, (rows, 6), generator=generator)
    labels = torch.randint(2, (rows,), generator=generator)
    return BatchEncoding(
        {"input_ids": ids, "attention_mask": torch.ones_like(ids), "labels": labels})


def _three_steps(answer, learning_rate, rows):
    """Make three training steps; return what they did."""
    model, optimizer, done = _tiny(learning_rate)
    weights, losses = [_weights(model)], []
    for seed in range(3):
        losses.append(answer(model, _batch(rows, seed), optimizer))
        weights.append(_weights(model))
    graph = any(getattr(loss, "requires_grad", False) for loss in losses)
    return {"ran": done["forward"] > 0, "updates": done["step"], "weights": weights,
            "losses": losses, "graph": graph}


def _one_update(answer, parts, rows):
    """Make one update from the parts of a batch, with an old gradient in the model."""
    model, optimizer, done = _tiny(learning_rate=0.1)
    model(**_batch(rows, 0)).loss.backward()
    done.clear()
    whole = _batch(parts * rows, 1)
    batches = [BatchEncoding({name: value[i::parts] for name, value in whole.items()})
               for i in range(parts)]
    answer(model, batches, optimizer)
    return {"ran": done["forward"] > 0, "updates": done["step"], "weights": _weights(model)}


def _do(words, optimizer, loss=None):
    for word in words.split():
        {"clear": optimizer.zero_grad, "step": optimizer.step,
         "backward": getattr(loss, "backward", None)}[word]()


def _step(words, returned=torch.Tensor.item):
    def train_step(model, batch, optimizer):
        loss = model(**batch).loss
        _do(words, optimizer, loss)
        return returned(loss)
    return train_step


def _accumulate(before, inside, divide=True):
    def accumulated_step(model, batches, optimizer):
        _do(before, optimizer)
        for batch in batches:
            _do(inside, optimizer, model(**batch).loss / (len(batches) if divide else 1))
        optimizer.step()
    return accumulated_step


def _explain_steps(wanted, got, *case):
    if same(got["weights"][0], got["weights"][-1], 0):
        return ("The weights do not change: is loss.backward() or optimizer.step() missing, or "
                "are the gradients cleared between them?")
    if not same(wanted["weights"], got["weights"], 1e-3):
        return "The weights are wrong. A step is zero_grad, forward, backward, step, once each."
    return "The weights are right, but what you return is not the loss as a number: loss.item()."


def _explain_update(wanted, got, *case):
    if got["updates"] == 0:
        return "The weights do not change: call optimizer.step() once, after the loop."
    if got["updates"] > 1:
        return "You step more than once. Let the gradients add up, and step once after the loop."
    return ("The update is not that of one large batch. Clear the gradients once, before the "
            "loop; in every turn, divide the loss by the number of batches and go backward.")


EXERCISES = {
    "03.1": Exercise(
        lambda logits, labels: (logits.argmax(-1) == labels).float().mean(),
        cases=[(torch.tensor(logits), torch.tensor(labels)) for logits, labels in [
            ([[2., -1], [.3, .1], [-1, 1.5], [.2, .9], [-3, -2]], [0, 1, 1, 1, 0]),
            ([[1., 3, 2], [.5, -1, 2], [4, 3, 2], [0, .2, .1]], [1, 2, 0, 2]),
            ([[.5, .2], [.1, .4], [-1, -2]], [0, 1, 0]),
        ]],
        wrong={
            "That is one answer for each text. Take the mean: one number for the batch.":
                lambda logits, labels: logits.argmax(-1) == labels,
            "That is the number of right texts. Divide by how many there are.":
                lambda logits, labels: (logits.argmax(-1) == labels).sum(),
            "That is the share that is wrong.":
                lambda logits, labels: (logits.argmax(-1) != labels).float().mean(),
            "That is a threshold on one logit. Take argmax over the last dimension.":
                lambda logits, labels: ((logits[:, 1] > 0) == labels).float().mean(),
            "It works for two classes only. argmax over the last dimension works for any.":
                lambda logits, labels: ((logits[:, 1] > logits[:, 0]) == labels).float().mean(),
        },
        praise="Logits need no softmax for this: it keeps their order.",
        advice="Compare argmax over the last dimension with the labels.",
    ),
    "03.2": Exercise(
        _step("clear backward step"),
        cases=[(0.1, 16), (0.02, 7), (0.1, 4)],
        wrong={
            "The first step is right, but the next adds to its gradient: call zero_grad in each.":
                _step("backward step"),
            "The weights do not change: optimizer.step() is missing.": _step("clear backward"),
            "Two things are missing: optimizer.step() at the end, and return loss.item().":
                _step("clear backward", returned=lambda loss: None),
            "The gradients are 0 at optimizer.step(): cleared too late, or no loss.backward().":
                _step("backward clear step"),
            "The first update differs already: call optimizer.step() once in every step.":
                _step("clear backward step step"),
            "The weights are right. Return the loss, too: loss.item().":
                _step("clear backward step", returned=lambda loss: None),
            "You return a tensor with its graph, which fills the memory: return loss.item().":
                _step("clear backward step", returned=lambda loss: loss),
        },
        praise="Everything else in a training loop is bookkeeping.",
        observe=_three_steps,
        explain=_explain_steps,
    ),
    "03.3": Exercise(
        _accumulate("clear", "backward"),
        cases=[(2, 8), (4, 3), (3, 5)],
        wrong={
            "The gradients add up to more than the mean. Divide each loss by len(batches).":
                _accumulate("clear", "backward", divide=False),
            "You clear the gradients in every turn. Clear them once, before the loop.":
                _accumulate("", "clear backward"),
            "An old gradient is still in the model. Call optimizer.zero_grad() before the loop.":
                _accumulate("", "backward"),
        },
        praise="Several small batches have made the update of one large batch.",
        observe=_one_update,
        explain=_explain_update,
    ),
}
