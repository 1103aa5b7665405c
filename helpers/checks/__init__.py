"""The checks behind the exercises: each says that an answer is right, or what is wrong with it.

In a notebook: `exercises.check("02.1", pad_batch)`. A check compares the answer with a result of
its own and then looks for the typical mistakes, so that the hint fits the mistake.
"""

import copy
import math
import traceback
from dataclasses import dataclass

import torch

from helpers.errors import LearnerError

_CHECKS = {}
UNANSWERED = "not answered yet. Replace the dots by your code and run the cell again."


class _Hint(Exception):
    """What is wrong with an answer, in a sentence for the learner."""


class _Unanswered(Exception):
    """The answer is still the stub."""


def check(number, answer):
    """Print whether `answer` solves the exercise, else the hint for what is wrong with it.

    Leaves the random state of torch as it was. Raises LearnerError for an unknown exercise.
    """
    if number not in _CHECKS:
        raise LearnerError(f"There is no exercise {number!r}, only: {', '.join(_CHECKS)}.")
    print(f"Exercise {number}: {_verdict(_CHECKS[number], answer)}")


def _verdict(examine, answer):
    try:
        with torch.random.fork_rng(devices=[]):
            praise = examine(answer)
    except _Unanswered:
        return UNANSWERED
    except _Hint as hint:
        return f"not yet. {hint}"
    except Exception as error:  # whatever the learner's code raises
        frames = traceback.extract_tb(error.__traceback__)
        inside = [f for f in frames if f.name == getattr(answer, "__name__", "")]
        line = f" in the line `{inside[-1].line}`" if inside and inside[-1].line else ""
        return f"not yet. Your code stops with {type(error).__name__}{line}: {error}"
    return f"right. {praise}"


def _exercise(number):
    def register(examine):
        _CHECKS[number] = examine
        return examine

    return register


def _given(value):
    """Return the answer's value; None or ... is what the stub returns."""
    if value is None or value is ...:
        raise _Unanswered
    return value


def _close(a, b, tolerance=1e-4):
    a, b = torch.as_tensor(a).double(), torch.as_tensor(b).double()
    return a.shape == b.shape and torch.allclose(a, b, atol=tolerance, rtol=0)


def _number(value):
    """Return a plain number out of a number or a tensor of one element."""
    if isinstance(value, torch.Tensor) and value.numel() == 1:
        value = value.item()
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise _Hint(f"A number is wanted; yours is a {type(value).__name__}.")
    return float(value)


@_exercise("00.1")
def _majority_accuracy(answer):
    """majority_accuracy(train_labels, test_labels) -> share of the test split."""
    train, test = [0, 0, 0, 1, 1], [1, 1, 1, 0]
    value = _number(_given(answer(train, test)))
    if math.isclose(value, 0.75):
        raise _Hint("That is the majority of the test labels. A baseline may only look at "
                    "train: choose the label there, then count it in test.")
    if value == 1:
        raise _Hint("You count how often the label occurs; the share of the test labels is "
                    "wanted: divide by how many there are.")
    if math.isclose(value, 0.6):
        raise _Hint("That is the accuracy on train. Choose the label on train, count it in test.")
    if not math.isclose(value, 0.25):
        raise _Hint(f"For train {train} and test {test} it is 1 of 4, so 0.25; yours is {value}.")
    if not math.isclose(_number(answer([1, 1, 0], [1, 1, 1, 1, 0])), 0.8):
        raise _Hint("It works when 0 is the majority, but not when 1 is.")
    return "A model has to beat this before its accuracy means anything."


@_exercise("00.2")
def _half_width(answer):
    """half_width(accuracy, n) -> half of the 95 % interval, normal approximation."""
    p, n = 0.9, 400
    value, right = _number(_given(answer(p, n))), 1.96 * math.sqrt(0.9 * 0.1 / 400)
    if math.isclose(value, right / 1.96, rel_tol=0.01):
        raise _Hint("That is one standard error. For 95 % take 1.96 of them.")
    if math.isclose(value, 2 * right, rel_tol=0.03):
        raise _Hint("That is the whole width of the interval; half of it is wanted.")
    if math.isclose(value, 1.96 * p * (1 - p) / n, rel_tol=0.03):
        raise _Hint("That is the variance. The standard error is its square root.")
    if math.isclose(value, 1.96 * math.sqrt(p * (1 - p)) / n, rel_tol=0.03):
        raise _Hint("n belongs under the square root: divide by n before you take it.")
    if math.isclose(value, 1.96 * math.sqrt(p / n), rel_tol=0.03):
        raise _Hint("The variance of a share p is p times (1 - p).")
    if not math.isclose(value, right, rel_tol=0.03):
        raise _Hint(f"For 0.9 and 400 texts it is about 0.029; yours is {value:.3g}.")
    return "With 400 texts, differences below three points are not worth a headline."


@_exercise("01.1")
def _layer_parameters(answer):
    """layer_parameters(hidden, intermediate) -> parameters of one encoder layer of BERT."""

    def count(h, i):
        return 4 * (h * h + h) + (h * i + i) + (i * h + h) + 2 * 2 * h

    h, i = 384, 1536
    value, right = _number(_given(answer(h, i))), count(h, i)
    biases = 4 * h + i + h
    if value == right - biases:
        raise _Hint("The biases are missing: each linear map has one number an output besides "
                    "its matrix.")
    if value == right - 4 * h:
        raise _Hint("The two LayerNorms are missing; each has a scale and a shift of size hidden.")
    if value == right - biases - 4 * h:
        raise _Hint("You counted the matrices. Add the biases and the two LayerNorms.")
    if value == right - 2 * h:
        raise _Hint("A layer has two LayerNorms: one after attention, one after the "
                    "feed-forward part.")
    if value == right - (h * h + h):
        raise _Hint("Attention has four maps: query, key, value, and the output.")
    if value != right:
        raise _Hint(f"For 384 and 1536 it is {right:,}; yours is {value:,.0f}.")
    if _number(answer(768, 3072)) != count(768, 3072):
        raise _Hint("It is right for 384 and 1536, but not for 768 and 3072.")
    return "For BERT-base, with 768 and 3072, that makes 7,087,872 a layer."


@_exercise("01.2")
def _mean_pool(answer):
    """mean_pool(hidden, mask): (batch, tokens, size), (batch, tokens) -> (batch, size)."""
    hidden = torch.randn(2, 4, 3, generator=torch.Generator().manual_seed(1))
    mask = torch.tensor([[1, 1, 1, 1], [1, 1, 0, 0]])
    value = _given(answer(hidden, mask))
    weights = mask[..., None].float()
    right = (hidden * weights).sum(1) / weights.sum(1)
    if not isinstance(value, torch.Tensor) or value.shape != right.shape:
        shape = tuple(getattr(value, "shape", ()))
        raise _Hint(f"The result should have the shape (batch, size) = (2, 3); yours has {shape}.")
    if _close(value, hidden.mean(1)):
        raise _Hint("You average over the padding too. Multiply by the mask before you add up, "
                    "and divide by the number of real tokens.")
    if _close(value, (hidden * weights).mean(1)):
        raise _Hint("The padding is zero in your sum, but you still divide by all positions. "
                    "Divide by the number of real tokens.")
    if _close(value, (hidden * weights).sum(1)):
        raise _Hint("That is the sum. Divide it by the number of real tokens.")
    if _close(value, hidden[:, 0]):
        raise _Hint("That is the vector of the first token, [CLS]. The mean over all real "
                    "tokens is wanted.")
    if not _close(value, right):
        raise _Hint("The shape is right, the numbers are not: average the vectors whose mask "
                    "is 1, for each text on its own.")
    return "Averages over padding are a favourite of bug hunters: no error, only worse numbers."


@_exercise("02.1")
def _pad_batch(answer):
    """pad_batch(rows) -> input_ids, attention_mask; each a list of lists."""
    rows = [[101, 7, 8, 102], [101, 102], [101, 9, 102]]
    before = copy.deepcopy(rows)
    value = _given(answer(rows))
    if rows != before:
        raise _Hint("Your code changes the lists that it was given. Build new ones.")
    if not isinstance(value, (tuple, list)) or len(value) != 2:
        raise _Hint("Return two things: the padded ids and the mask.")
    ids, mask = (torch.as_tensor(part).tolist() if isinstance(part, torch.Tensor)
                 else [list(row) for row in part] for part in value)
    right_mask = [[1, 1, 1, 1], [1, 1, 0, 0], [1, 1, 1, 0]]
    if {len(row) for row in ids} == {2}:
        raise _Hint("You cut every text to the shortest. Lengthen them to the longest.")
    if len({len(row) for row in ids}) != 1:
        raise _Hint("The rows still differ in length. Add the id 0 until each is as long as the "
                    "longest.")
    if len(ids[0]) > 4:
        raise _Hint(f"The longest text has 4 tokens, your rows have {len(ids[0])}. Padding to "
                    "the longest in the batch is enough.")
    if ids[1] == [0, 0, 101, 102]:
        raise _Hint("You pad on the left. BERT's positions count from the left, so its texts "
                    "are padded on the right.")
    if ids != [[101, 7, 8, 102], [101, 102, 0, 0], [101, 9, 102, 0]]:
        raise _Hint(f"Padding is the id 0 at the end of a row; your second row is {ids[1]}.")
    if mask == [[1 - m for m in row] for row in right_mask]:
        raise _Hint("The mask is the wrong way round: 1 for a token, 0 for padding.")
    if all(m == 1 for row in mask for m in row):
        raise _Hint("The mask is 1 everywhere, so the model would read the padding.")
    if mask != right_mask:
        raise _Hint(f"The mask of the second row should be [1, 1, 0, 0]; yours is {mask[1]}.")
    return "This is what the collator does for every batch."


@_exercise("02.2")
def _lost_share(answer):
    """lost_share(lengths, max_length) -> share of all tokens that truncation drops."""
    lengths, limit = [10, 20, 30, 40], 25
    value = _number(_given(answer(lengths, limit)))
    if math.isclose(value, 0.5):
        raise _Hint("That is the share of texts that are cut. The share of tokens that are "
                    "lost is wanted.")
    if math.isclose(value, 0.8):
        raise _Hint("That is the share that is kept. Take it from 1.")
    if math.isclose(value, 20):
        raise _Hint("That is the number of tokens lost. Divide by the number of all tokens.")
    if math.isclose(value, 0.0) or value < 0:
        raise _Hint("Short texts lose nothing, and must not make up for long ones: count "
                    "max(0, length - max_length) for each text.")
    if not math.isclose(value, 0.2):
        raise _Hint(f"For lengths {lengths} and a limit of 25 it is 20 of 100, so 0.2; "
                    f"yours is {value:.3g}.")
    return "Small numbers here are why 128 is enough for reviews and not for contracts."


@_exercise("03.1")
def _accuracy(answer):
    """accuracy(logits, labels): (batch, classes), (batch,) -> share that is right."""
    logits = torch.tensor([[2.0, -1.0], [0.3, 0.1], [-1.0, 1.5], [0.2, 0.9], [-3.0, -2.0]])
    labels = torch.tensor([0, 1, 1, 1, 0])
    value = _given(answer(logits, labels))
    if isinstance(value, torch.Tensor) and value.numel() > 1:
        raise _Hint("That is one answer a text. Take the mean: one number for the batch.")
    value = _number(value)
    if math.isclose(value, 3):
        raise _Hint("That is the number of right texts. Divide by how many there are.")
    if math.isclose(value, 0.4, abs_tol=1e-6):
        raise _Hint("That is the share that is wrong, or a threshold on one logit. The class is "
                    "the position of the larger logit: argmax over the last dimension.")
    if not math.isclose(value, 0.6, abs_tol=1e-6):
        raise _Hint(f"For these five texts it is 3 of 5, so 0.6; yours is {value:.3g}. Compare "
                    "argmax over the last dimension with the labels.")
    return "Logits need no softmax for this: it keeps their order."


@_exercise("03.2")
def _train_step(answer):
    """train_step(model, batch, optimizer) -> the loss as a number, one update made."""
    right, yours = _tiny_run(_plain_step), _tiny_run(answer)
    if yours.keeps_graph:
        raise _Hint("You return a tensor that still carries its graph, which keeps every step "
                    "in memory. Return loss.item().")
    if _close(yours.weights[0], yours.weights[-1]):
        raise _Hint("The weights do not change: is optimizer.step() missing, or are the "
                    "gradients cleared before it?")
    if not _close(yours.weights[1], right.weights[1]):
        raise _Hint("The first update differs already. Its order: zero_grad, forward, backward, "
                    "step, each once.")
    if not _close(yours.weights[2], right.weights[2]):
        raise _Hint("The first step is right, the second is not: its gradient still holds the "
                    "first one's. Call optimizer.zero_grad() in every step.")
    if None in yours.losses:
        raise _Hint("The weights are right. Return the loss, too: loss.item().")
    if not _close(yours.losses, right.losses):
        raise _Hint(f"The weights are right, but the loss you return is {yours.losses[0]:.3f} "
                    f"instead of {right.losses[0]:.3f}.")
    return "Everything else in a training loop is bookkeeping."


@_exercise("03.3")
def _accumulated_step(answer):
    """accumulated_step(model, batches, optimizer): one update from several small batches."""
    whole, (first, second) = _tiny_batches()[0], _halves(_tiny_batches()[0])
    model, optimizer = _tiny_model()
    _plain_step(model, whole, optimizer)
    right = _flat(model)
    model, optimizer = _tiny_model()
    start = _flat(model)
    steps = []
    original = optimizer.step
    optimizer.step = lambda *a, **k: (steps.append(1), original(*a, **k))[1]
    _given_or_changed(answer(model, [first, second], optimizer), start, model)
    if _close(_flat(model), start):
        raise _Hint("The weights do not change: call optimizer.step() once, after the loop.")
    if len(steps) > 1:
        raise _Hint("You step after every small batch. Let the gradients add up, and step once "
                    "after the loop.")
    model_sum, optimizer_sum = _tiny_model()
    for part in (first, second):
        _tiny_loss(model_sum, part).backward()
    optimizer_sum.step()
    if _close(_flat(model), _flat(model_sum)):
        raise _Hint("The gradients add up to twice the mean. Divide each loss by the number of "
                    "batches before backward.")
    if not _close(_flat(model), right):
        raise _Hint("The update differs from that of the one large batch. Clear the gradients "
                    "once, before the loop, and go backward in every turn.")
    return "Two batches of 8 have made the update of one batch of 16."


class _Output:
    def __init__(self, loss, logits):
        self.loss, self.logits = loss, logits


class _Tiny(torch.nn.Module):
    """A linear classifier with the interface of a model from transformers."""

    def __init__(self):
        super().__init__()
        self.linear = torch.nn.Linear(3, 2)
        with torch.no_grad():
            self.linear.weight.copy_(torch.tensor([[0.1, -0.2, 0.3], [0.0, 0.2, -0.1]]))
            self.linear.bias.zero_()

    def forward(self, inputs, labels):
        logits = self.linear(inputs)
        return _Output(torch.nn.functional.cross_entropy(logits, labels), logits)


def _tiny_model():
    model = _Tiny()
    return model, torch.optim.SGD(model.parameters(), lr=0.5)


def _tiny_batches():
    generator = torch.Generator().manual_seed(2)
    return [
        {
            "inputs": torch.randn(16, 3, generator=generator) + 0.5,
            "labels": torch.arange(16) % 2,
        }
        for _ in range(3)
    ]


def _halves(batch):
    return tuple(
        {key: value[part] for key, value in batch.items()}
        for part in (slice(0, 8), slice(8, 16))
    )


def _tiny_loss(model, batch):
    return model(**batch).loss


def _plain_step(model, batch, optimizer):
    optimizer.zero_grad()
    loss = _tiny_loss(model, batch)
    loss.backward()
    optimizer.step()
    return loss.item()


def _flat(model):
    return torch.cat([p.detach().flatten().clone() for p in model.parameters()])


@dataclass
class _TinyRun:
    losses: list  # what each step returned, as a number or None
    weights: list  # before the first step and after each
    keeps_graph: bool


def _tiny_run(step):
    """Make three steps on the tiny model."""
    model, optimizer = _tiny_model()
    run = _TinyRun([], [_flat(model)], keeps_graph=False)
    for batch in _tiny_batches():
        loss = _given_or_changed(step(model, batch, optimizer), run.weights[0], model)
        if isinstance(loss, torch.Tensor):
            run.keeps_graph |= loss.requires_grad
            loss = loss.item()
        run.losses.append(loss)
        run.weights.append(_flat(model))
    return run


def _given_or_changed(value, start, model):
    """Return the value; None from an untouched model is the stub."""
    if (value is None or value is ...) and _close(_flat(model), start):
        raise _Unanswered
    return None if value is ... else value


@_exercise("04.1")
def _stop_on_bad_loss(answer):
    """A TrainerCallback whose on_log stops the run once the loss is no finite number."""
    from transformers import TrainerCallback, TrainerControl, TrainerState

    def stub(self, args, state, control, logs=None, **kwargs):
        ...

    if not (isinstance(answer, type) and issubclass(answer, TrainerCallback)):
        raise _Hint("A class is wanted that inherits from TrainerCallback.")
    if "on_log" not in vars(answer):
        raise _Hint("The Trainer calls on_log after every logged step; give your class one.")
    if answer.on_log.__code__.co_code == stub.__code__.co_code:
        raise _Unanswered

    def stops(**logs):
        control, state = TrainerControl(), TrainerState(global_step=7)
        returned = answer().on_log(None, state, control, logs=logs)
        return (returned or control).should_training_stop

    if stops(loss=0.31, learning_rate=1e-4):
        raise _Hint("It stops at a loss of 0.31, which is a fine number.")
    if stops(loss=1e6):
        raise _Hint("It stops at a loss of 1,000,000: large, but a finite number.")
    try:
        if stops(eval_loss=0.4, eval_accuracy=0.8):
            raise _Hint("It stops after an evaluation, whose logs have no 'loss'.")
    except (KeyError, TypeError):
        raise _Hint("After an evaluation the logs have 'eval_loss' and no 'loss'. Look first "
                    "whether it is there.") from None
    nan, inf = stops(loss=math.nan), stops(loss=math.inf)
    if not nan and not inf:
        raise _Hint("A loss of nan does not stop it. nan equals nothing, itself included: ask "
                    "math.isfinite, and set control.should_training_stop = True.")
    if not nan or not inf:
        raise _Hint("It notices one of nan and inf, but not the other. math.isfinite knows both.")
    return "An hour of training on a loss of nan is an hour lost; a callback gives it back."


@_exercise("04.2")
def _macro_f1(answer):
    """macro_f1(prediction) -> {"macro_f1": mean of the F1 of each class}."""
    import numpy as np
    from sklearn.metrics import f1_score
    from transformers import EvalPrediction

    truth = np.array([1, 1, 1, 1, 1, 1, 0, 0])
    guesses = np.array([1, 1, 1, 1, 0, 0, 0, 0])
    logits = np.stack([1.0 - guesses, guesses - 0.5], axis=1)
    logits += np.array([3.0, -3.0] * 4)[:, None]  # only the difference within a row counts
    value = _given(answer(EvalPrediction(predictions=logits, label_ids=truth)))
    if not isinstance(value, dict):
        raise _Hint("compute_metrics returns a dictionary, from the metric's name to its value.")
    if "macro_f1" not in value:
        raise _Hint(f"The key should be 'macro_f1'; yours are {', '.join(map(repr, value))}.")
    value = _number(value["macro_f1"])
    each = f1_score(truth, guesses, average=None)
    if math.isclose(value, f1_score(truth, logits[:, 1] > 0, average="macro"), rel_tol=1e-6):
        raise _Hint("Compare the two logits of a text with each other, not one of them with 0: "
                    "argmax over the last dimension.")
    if math.isclose(value, each[1], rel_tol=1e-6):
        raise _Hint("That is the F1 of the positive class. Macro F1 is the mean over both.")
    if math.isclose(value, f1_score(truth, guesses, average="micro"), rel_tol=1e-6):
        raise _Hint("That is the accuracy, which micro F1 is too. Take each class's F1 first, "
                    "then their mean.")
    if math.isclose(value, f1_score(truth, guesses, average="weighted"), rel_tol=1e-6):
        raise _Hint("You weight each class by its size. In the macro mean both count the same.")
    if not math.isclose(value, each.mean(), rel_tol=1e-3):
        raise _Hint(f"For six positive texts, two of them missed, and two negative, both found, "
                    f"it is {each.mean():.3f}; yours is {value:.3f}.")
    return "When one class is rare, this falls long before the accuracy does."


@_exercise("04.3")
def _training_steps(answer):
    """training_steps(rows, batch_size, accumulation, epochs) -> number of updates."""

    def count(rows, batch_size, accumulation, epochs):
        return math.ceil(math.ceil(rows / batch_size) / accumulation) * epochs

    case = (1030, 16, 4, 3)
    value = _number(_given(answer(*case)))
    if value == 1030 // 16 // 4 * 3:
        raise _Hint("The last batch, smaller than the others, counts too: round up.")
    if value == math.ceil(1030 / 16) * 3:
        raise _Hint("That is the number of batches. Four of them make one update.")
    if value == count(*case) / 3:
        raise _Hint("That is one epoch; there are three.")
    if value == math.ceil(1030 * 3 / 64):
        raise _Hint("Every epoch ends with an update of its own, so round up before you multiply "
                    "by the epochs.")
    if value != count(*case):
        raise _Hint(f"For 1,030 rows in batches of 16, four to an update, three epochs, it is "
                    f"{count(*case)}; yours is {value:g}.")
    if _number(answer(100, 16, 1, 2)) != 14:
        raise _Hint("It is right with accumulation 4, but not without: 100 rows in batches of 16 "
                    "make 7 updates an epoch.")
    return "The schedule is laid out over this number, so a wrong one ends it too early or late."


@_exercise("05.1")
def _position_ids(answer):
    """position_ids(attention_mask (batch, tokens)) -> positions of the real tokens."""
    mask = torch.tensor([[0, 0, 1, 1, 1], [1, 1, 1, 0, 0], [1, 1, 1, 1, 1], [0, 0, 0, 0, 1]])
    ids = _tensor(_given(answer(mask.clone())), "position_ids")
    if ids.shape != mask.shape:
        raise _Hint(f"One position a token is wanted, of shape {tuple(mask.shape)}; yours has "
                    f"shape {tuple(ids.shape)}.")
    if ids.dtype.is_floating_point or ids.dtype == torch.bool:
        raise _Hint("Positions pick rows of a table, so they have to be whole numbers.")
    ids = ids.long()
    real = mask.bool()
    wanted = (mask.cumsum(1) - 1)[real]
    if torch.equal(ids[real], wanted + 1):
        raise _Hint("The first real token has position 0: the running sum counts one too many.")
    if torch.equal(ids, torch.arange(5).expand_as(ids)):
        raise _Hint("These are the places in the row, which is what the model assumes without "
                    "position_ids. Count the real tokens only.")
    if torch.equal(ids[real], (mask.sum(1, keepdim=True) - mask.cumsum(1))[real]):
        raise _Hint("You count from the end; the first real token has position 0.")
    if not torch.equal(ids[real], wanted):
        raise _Hint(f"For the mask {mask[0].tolist()} the last three are [0, 1, 2]; yours are "
                    f"{ids[0, 2:].tolist()}.")
    if (ids < 0).any():
        raise _Hint("The padding on the left gets a negative position, and the model's table has "
                    "no such row. clamp(min=0) helps.")
    if (ids >= mask.shape[1]).any():
        raise _Hint("Some padding gets a position beyond the row, which the model's table may "
                    "not have.")
    return "With them, a text on the right of its padding gets the logits that it gets alone."


@_exercise("05.2")
def _last_real_token(answer):
    """last_real_token(attention_mask (batch, tokens)) -> index of each row's last 1, (batch,)."""
    mask = torch.tensor([[1, 1, 1, 0, 0], [1, 0, 0, 0, 0], [1, 1, 1, 1, 1]])
    index = _tensor(_given(answer(mask.clone())), "last_real_token")
    if index.shape != (3,):
        raise _Hint(f"One index a text is wanted, of shape (3,); yours has shape "
                    f"{tuple(index.shape)}.")
    if index.dtype.is_floating_point or index.dtype == torch.bool:
        raise _Hint("An index has to be a whole number.")
    index = index.long()
    if torch.equal(index, mask.sum(1)):
        raise _Hint("That is the number of real tokens. Indices start at 0, so it is one less.")
    if torch.equal(index, torch.tensor([4, 4, 4])):
        raise _Hint("That is the last place of the row, padding or not.")
    if not index.any():
        raise _Hint("That is the first real token. argmax takes the first of several equal "
                    "values: multiply the mask by the places before.")
    wanted = torch.tensor([2, 0, 4])
    if not torch.equal(index, wanted):
        raise _Hint(f"For 3, 1 and 5 real tokens of 5 it is {wanted.tolist()}; yours is "
                    f"{index.tolist()}.")
    left = _tensor(answer(mask.flip(1)), "last_real_token")
    if not torch.equal(left.long(), torch.tensor([4, 4, 4])):
        raise _Hint("It is right for padding on the right. With padding on the left, the last "
                    "real token is the last of the row, so counting the ones is not enough.")
    return "The mask knows what is padding, even where the text ends in the same token."


@_exercise("05.3")
def _top_p_filter(answer):
    """top_p_filter(probabilities (vocabulary,), p) -> probabilities of the nucleus."""
    shares = torch.tensor([0.05, 0.4, 0.1, 0.3, 0.15])
    kept = _tensor(_given(answer(shares.clone(), 0.75)), "top_p_filter")
    wanted = torch.tensor([0.0, 0.4, 0.0, 0.3, 0.15]) / 0.85
    if kept.shape != shares.shape:
        raise _Hint(f"One probability a token is wanted, of shape (5,); yours has shape "
                    f"{tuple(kept.shape)}.")
    if _close(kept, torch.tensor([0.0, 0.4, 0.0, 0.3, 0.0]) / 0.7):
        raise _Hint("0.4 and 0.3 hold only 0.7 together. At least p = 0.75 is wanted, so the "
                    "token that takes the sum past p stays in.")
    if _close(kept, wanted * 0.85):
        raise _Hint("The right tokens; now divide by their sum, so that they add up to 1.")
    if _close(kept, shares):
        raise _Hint("Nothing was left out. The two least probable tokens are not needed.")
    ordered = torch.tensor([0.4, 0.3, 0.15, 0.0, 0.0]) / 0.85
    if _close(kept, ordered):
        raise _Hint("These are sorted. Each probability has to stay at the place of its token.")
    if not _close(kept, wanted):
        raise _Hint(f"For {[round(s, 2) for s in shares.tolist()]} and p = 0.75 it is "
                    f"{[round(w, 3) for w in wanted.tolist()]}; yours is "
                    f"{[round(k, 3) for k in kept.tolist()]}.")
    if not _close(_tensor(answer(shares.clone(), 0.1), "top_p_filter"),
                  torch.tensor([0.0, 1.0, 0.0, 0.0, 0.0])):
        raise _Hint("With p = 0.1 the most probable token has to stay, alone.")
    tied = _tensor(answer(torch.full((4,), 0.25), 0.5), "top_p_filter")
    if int((tied > 0).sum()) != 2:
        raise _Hint("Four tokens of 0.25 and p = 0.5: two hold exactly p, so two are enough, "
                    "even though the others are as probable.")
    if not _close(_tensor(answer(shares.clone(), 1.0), "top_p_filter"), shares):
        raise _Hint("With p = 1 every token stays.")
    return "It keeps few tokens where the model is sure, and many where it is not."


@_exercise("09.1")
def _padding_waste(answer):
    """padding_waste(lengths, batch_size) -> share of positions that hold padding."""
    value = _number(_given(answer([2, 4, 6, 6, 10], 2)))
    if math.isclose(value, 1 - 28 / 50):
        raise _Hint("That is the padding of one batch of all five. Each batch is padded to its "
                    "own longest text.")
    if math.isclose(value, 28 / 30):
        raise _Hint("That is the share of real tokens; padding is the rest.")
    if math.isclose(value, 2 / 28):
        raise _Hint("Divide by all positions, padding included, not by the tokens.")
    if math.isclose(value, 2):
        raise _Hint("That is how many positions are padding; their share is wanted.")
    if math.isclose(value, 1 - 28 / 40) or math.isclose(value, 12 / 40):
        raise _Hint("The last batch has one text only, so it has 10 positions, not 20.")
    if not math.isclose(value, 2 / 30):
        raise _Hint(f"Lengths 2, 4, 6, 6, 10 in batches of two: 2 of 30 positions, so 0.067; "
                    f"yours is {value:.3f}.")
    if not math.isclose(_number(answer([5, 1, 5, 1], 2)), 0.4):
        raise _Hint("It works where the lengths rise. The longest text may stand first.")
    return "Sort by length before you cut, and little of it is left."


@_exercise("09.2")
def _overall_gain(answer):
    """overall_gain(share, gain) -> how many times as fast the whole is."""
    value = _number(_given(answer(0.5, 4)))
    if math.isclose(value, 0.625):
        raise _Hint("That is the new time, if the old one is 1. How many times as fast is it?")
    if math.isclose(value, 2.5):
        raise _Hint("That is the mean of the two gains. Add up the times: half stays, half "
                    "becomes a quarter of itself.")
    if math.isclose(value, 2):
        raise _Hint("That would be so if the faster part took no time at all, or if half of the "
                    "gain came through.")
    if not math.isclose(value, 1.6):
        raise _Hint(f"Half the time, four times as fast: 1 becomes 0.5 + 0.125, so 1.6 times; "
                    f"yours is {value:.3g}.")
    if not math.isclose(_number(answer(0.9, 1e12)), 10, rel_tol=1e-3):
        raise _Hint("With nine tenths made endlessly fast, the rest allows 10 times.")
    return "What stays slow decides: look for the largest part first."


@_exercise("09.3")
def _frozen_share(answer):
    """frozen_share(frozen, layers) -> share of the operations that are left."""
    value = _number(_given(answer(3, 6)))
    if math.isclose(value, 0.5):
        raise _Hint("Frozen layers still run forward, in each epoch: only their backward part "
                    "is gone.")
    if math.isclose(value, 1 / 3):
        raise _Hint("That is what is saved, or the backward pass alone. What is left is wanted: "
                    "6 forward and 3 times 2 backward, of 18.")
    if math.isclose(value, 0.75):
        raise _Hint("Backward takes two parts, not one: it makes a gradient for the weights and "
                    "one for the layer below.")
    if not math.isclose(value, 2 / 3):
        raise _Hint(f"Of 18 parts 12 are left, so 0.667; yours is {value:.3f}.")
    others = [_number(answer(0, 6)), _number(answer(4, 12))]
    if not all(map(math.isclose, others, [1, 7 / 9])):
        raise _Hint("It works for 3 of 6, but not for any number: none frozen leaves everything.")
    return "Kept outputs save the forward part as well, in every epoch but the first."


@_exercise("10.1")
def _share(answer):
    """share(batch, process, processes) -> the rows of one of several processes."""
    def shares(n, processes):
        return [list(_given(answer(list(range(10, 10 + n)), p, processes)))
                for p in range(processes)]

    parts = shares(15, 2)
    together = sorted(row for part in parts for row in part)
    if parts[0] == parts[1]:
        raise _Hint("Both processes get the same rows, so they would compute everything twice.")
    if together != list(range(10, 25)):
        raise _Hint(f"Of a batch of 15, two processes get {len(together)} rows together, "
                    f"{len(set(together))} of them different. Each row is wanted once.")
    sizes = [len(part) for part in shares(7, 4)]
    if sorted(row for part in shares(7, 4) for row in part) != list(range(10, 17)):
        raise _Hint("It works for two processes, but not for four.")
    if max(sizes) - min(sizes) > 1:
        raise _Hint(f"Of a batch of 7, four processes get {sizes} rows. One has at least two "
                    "more than another, and all would wait for it.")
    return "And since all draw the same batches, nobody has to tell the others who takes what."


@_exercise("10.2")
def _global_loss(answer):
    """global_loss(means, rows) -> the mean loss of all rows."""
    means, rows = [0.5, 0.8], [8, 7]
    value = _number(_given(answer(means, rows)))
    if math.isclose(value, 0.65):
        raise _Hint("That is the mean of the means, as if both had as many rows.")
    if math.isclose(value, 0.5 * 8 + 0.8 * 7):
        raise _Hint("That is the sum over all rows. Divide by how many there are.")
    if math.isclose(value, (0.5 * 7 + 0.8 * 8) / 15):
        raise _Hint("The weights are the wrong way round: the first process has 8 rows.")
    if not math.isclose(value, 9.6 / 15):
        raise _Hint(f"For means {means} and rows {rows} it is 0.640; yours is {value:.3f}.")
    if not math.isclose(_number(answer([1.0, 2.0, 4.0], [1, 1, 2])), 2.75):
        raise _Hint("It works for two processes, but not for three.")
    return "The gradients have to be weighted in the same way, or the longer share counts less."


@_exercise("10.3")
def _gpus_needed(answer):
    """gpus_needed(parameters, gpu_bytes, kept_for_activations) -> number of GPUs."""
    value = _number(_given(answer(1_558_000_000, 16e9, 0.25)))
    if math.isclose(value, 16 * 1_558_000_000 / 12e9):
        raise _Hint("There is no part of a GPU to be had: round up.")
    if value == math.ceil(4 * 1_558_000_000 / 12e9):
        raise _Hint("Those are the weights alone. Gradients and the optimizer's two means come "
                    "on top: 16 bytes a parameter.")
    if value == math.floor(16 * 1_558_000_000 / 12e9):
        raise _Hint("Rounded down, the model does not quite fit: round up.")
    if value == math.ceil(16 * 1_558_000_000 / (16e9 * 0.25)):
        raise _Hint("The share that is kept for activations is what you cannot use.")
    if value != 3:
        raise _Hint(f"For GPT-2 XL on GPUs of 16 GB, a quarter kept, it is 3; yours is {value:g}.")
    if _number(answer(110e6, 16e9, 0.5)) != 1:
        raise _Hint("BERT-base needs 1.8 GB, so one GPU of 16 GB is enough.")
    return "Three GPUs of 16 GB for GPT-2 XL, and one for anything called base."


def _tensor(value, name):
    if not isinstance(value, torch.Tensor):
        raise _Hint(f"{name} returns a tensor; yours is a {type(value).__name__}.")
    return value
