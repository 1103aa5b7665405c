"""A small search: a recipe and others near it, drawn by chance, as many as some minutes allow.

Drawing by chance tries more different learning rates than a grid of as many trials: Bergstra, J.
and Bengio, Y. (2012), "Random search for hyper-parameter optimization", Journal of Machine
Learning Research 13. The best of several is partly lucky, and `Search` says by how much.
"""

import contextlib
import io
import math
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

from helpers import classifiers, command, parallel, recipes, tasks
from helpers.errors import LearnerError, short

SETTINGS = ("learning_rate", "epochs", "batch_size")
RATES, TIMES = 4, (0.5, 1, 2)  # the learning rate is drawn from a fourth to four times as much
LOWEST_IS_BEST = ("mean_absolute_error",)
MOST_DRAWS = 1000
AT_LEAST = 0.1  # the share of a training after which its length can be foretold


@dataclass(frozen=True)
class Trial:
    """A recipe that was tried: its figure on validation, with its 95 % interval as (low, high).

    Both are None for a trial that has `failed`, in words, or whose figure is not defined.
    """

    recipe: recipes.Recipe
    figure: float | None
    interval: tuple | None
    seconds: float
    failed: str = ""


@dataclass(frozen=True)
class Search:
    """All trials in their order, the default first, and what they were judged by, `metric`."""

    trials: list
    metric: str

    @property
    def best(self):
        """The best trial; of several that are equal, the first."""
        sign = -1 if self.metric in LOWEST_IS_BEST else 1
        return max(self.trials, key=lambda trial: -math.inf if trial.figure is None
                   else sign * trial.figure)

    @property
    def counted(self):
        """The number of trials that have a figure."""
        return sum(trial.figure is not None for trial in self.trials)

    @property
    def gain(self):
        """By how much the best trial is better than the default, 0 or more."""
        default = self.trials[0].figure
        return math.inf if default is None else abs(self.best.figure - default)

    @property
    def luck(self):
        """How far ahead the best of as many trials is by luck alone, at most (`luck`)."""
        low, high = self.best.interval
        return luck(self.counted, (high - low) / (2 * 1.96))

    def figures(self):
        """Return what metrics.json holds, plain values."""
        return {"metric": self.metric, "trials": [
            {name: getattr(trial.recipe, name) for name in SETTINGS} | {
                "figure": trial.figure, "interval_95": trial.interval and list(trial.interval),
                "seconds": round(trial.seconds, 1), "failed": trial.failed}
            for trial in self.trials]}

    def lines(self):
        """Return lines on the best trial, and on how much of it is luck."""
        best, n, first = self.best, self.counted, self.trials[0]
        if best.figure is None:
            return [f"No trial has a {called(self.metric)} on validation; the default is kept."]
        if len(self.trials) == 1:
            return [f"There was time for the default alone, which took {first.seconds:.0f} s; "
                    "there is nothing to choose from."]
        said = (f"Best of {len(self.trials)} on validation: trial "
                f"{self.trials.index(best) + 1}, {_with_interval(best, called(self.metric))}")
        if best is first:
            return [f"{said}. That is the default: nothing that was tried is better."]
        if first.figure is None:
            return [f"{said}. The default has no figure to compare it with."]
        verdict = ("More than that, so probably not all of it is luck."
                   if self.gain > self.luck else
                   "So this shows nothing yet: the default may be as good.")
        return [f"{said}, {self.gain:.3f} better than the default.",
                f"Luck alone would put the best of {n} equally good trials up to {self.luck:.3f} "
                f"ahead, on average. {verdict}",
                "The validation texts have helped to choose, so their figure is too good; that of "
                "the test texts, which no trial has seen, is not."]

    def __str__(self):
        what = f"{called(self.metric)} (95 %)"
        lines = [f"trial  learning rate  epochs  batch size  {what:<30} seconds"]
        for number, trial in enumerate(self.trials, 1):
            recipe = trial.recipe
            figure = short(trial.failed, 30) or _with_interval(trial)
            lines.append(f"{number:>5}  {recipe.learning_rate:>13.1e}  {recipe.epochs:>6}  "
                         f"{recipe.batch_size:>10}  {figure:<30} {trial.seconds:>7.0f}"
                         f"{'  the default' * (number == 1)}")
        return "\n".join([*lines, *self.lines()])


def called(metric):
    """Return a figure's name as a sentence has it."""
    return metric.replace("_f1", " F1").replace("_", " ")


def _with_interval(trial, name=""):
    if trial.figure is None:
        return "not defined"
    low, high = trial.interval
    return f"{name} {trial.figure:.3f} ({low:.2f} to {high:.2f})".lstrip()


def luck(n, error):
    """Return by how much the best of n equally good trials is better than their mean, on average.

    `error` is the standard error of their figure. This is the expectation of the largest of n
    normal numbers, so of trials on a sample each; on the same texts it is less.
    """
    from scipy.integrate import quad
    from scipy.stats import norm

    return error * quad(lambda x: n * x * norm.pdf(x) * norm.cdf(x) ** (n - 1), -10, 10)[0]


def search(trial, default, minutes, *, metric="accuracy", fixed=(), seed=0, clock=time.monotonic):
    """Try a recipe, then others near it for some minutes; return the `Search`.

    `trial(recipe, at)` trains by a recipe and returns its figure and its interval on validation;
    now and then it calls `at` with the share of the training that is done, 0 to 1. `default` is
    the first recipe. The others have another learning rate, other epochs and another batch size,
    except what is named in `fixed`, drawn from `seed`. None begins for which, as long as the
    default took, there is no time left. A trial that raises LearnerError has failed, and the
    search goes on. `metric` is the figure's name; of errors the lowest is the best.

    Raises LearnerError for no minutes, fewer than the default takes, and where that fails.
    """
    if not 0 < minutes < math.inf:
        raise LearnerError(f"A search over {minutes:g} minutes tries nothing. Give it a number "
                           "above 0, such as 10.")
    if set(SETTINGS) <= set(fixed):
        raise LearnerError("Learning rate, epochs and batch size are all given, so there is "
                           "nothing to search for. Leave one of them out.")
    start = clock()
    end = start + 60 * minutes

    def enough(share):
        spent = clock() - start
        if spent > 60 * minutes or (share >= AT_LEAST and spent / share > 60 * minutes):
            needed = math.ceil(spent / 60 / min(1, max(share, AT_LEAST)) * 10) / 10
            raise LearnerError(f"One training takes about {needed:g} minutes here, and the search "
                               f"has {minutes:g}. Give it at least {math.ceil(4 * needed)}, which "
                               "is enough for a few.")

    def not_over(share):
        if clock() > end:
            raise _OutOfTime

    first = _tried(trial, default, enough, clock)
    if first.failed:
        raise LearnerError(first.failed)
    tried, an_epoch = [first], first.seconds / default.epochs
    for recipe in _draws(default, fixed, seed):
        if recipe.epochs * an_epoch > end - clock():
            continue  # a shorter one may still come
        try:
            tried.append(_tried(trial, recipe, not_over, clock))
        except _OutOfTime:
            break
    return Search(tried, metric)


class _OutOfTime(Exception):
    """The minutes are over in the middle of a trial."""


def _tried(trial, recipe, at, clock):
    start, figure, interval, failed = clock(), None, None, ""
    try:
        figure, interval = trial(recipe, at)
    except LearnerError as error:
        failed = str(error)
    return Trial(recipe, figure, interval, clock() - start, failed)


def _draws(default, fixed, seed):
    """Yield different recipes near the default, until no new ones are drawn."""
    import numpy as np

    random, seen = np.random.default_rng(seed), {default}
    for _ in range(MOST_DRAWS):
        rate = default.learning_rate * RATES ** random.uniform(-1, 1)
        epochs, rows = (max(1, round(size * random.choice(TIMES)))
                        for size in (default.epochs, default.batch_size))
        drawn = {"learning_rate": float(f"{rate:.1e}"), "epochs": epochs, "batch_size": rows}
        recipe = replace(default, **{k: v for k, v in drawn.items() if k not in fixed})
        if recipe not in seen:
            seen.add(recipe)
            yield recipe


# Trainings, for `helpers.finetune`.


def chosen(options, recipe, data, tokenizer, checkpoints, identity, state, accelerator_for,
           progress=False):
    """Return the recipe that a search finds, and what it tried; the recipe and None without one.

    `options` are those of `helpers.finetune`; what they say of a recipe stays. `identity` says
    how the run is made, as to `parallel.Checkpoints`, `state` Accelerate's, and
    `accelerator_for(precision, state)` makes what trains. A run that goes on has searched before.
    No trial sees the test texts; what chooses is the metric, or, for none and the loss, the first
    of the task. Prints the search.

    Raises LearnerError as `search` does, and in several processes.
    """
    if not options.search:
        return recipe, None
    if state.num_processes > 1:
        raise LearnerError("--search runs in one process. Leave --processes or the launcher out, "
                           "and take what it finds as --learning-rate, --epochs and --batch-size.")
    if checkpoints.steps:
        before = checkpoints.identity
        return replace(recipe, **{k: before[k] for k in SETTINGS}), before.get("tried")
    task = tasks.of_data(data)
    metric = task.metrics[0] if options.metric in (None, "loss") else options.metric
    of_interval = {"accuracy": "interval_95"}.get(metric, f"{metric}_interval_95")
    seen = {split: data[split] for split in ("train", "validation")}
    accelerator = accelerator_for(identity["precision"], state)

    def trial(recipe, at):
        steps = recipe.epochs * math.ceil(len(seen["train"]) / recipe.batch_size)
        with (tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder,
              contextlib.redirect_stdout(io.StringIO()),
              command.enough_memory(recipe.batch_size, options.max_length)):
            config, _ = classifiers.find(options.model)
            model, _ = classifiers.load(options.model, config, task, seed=options.seed,
                                        max_length=options.max_length)
            none = parallel.Checkpoints(Path(folder) / "none", every=sys.maxsize)
            none.begin(identity, state)
            try:
                run = recipes.carry_out(recipe, model, tokenizer, seen, accelerator, none,
                                        kept=Path(folder) / "hidden", progress=progress,
                                        on_step=lambda curve: at(len(curve.loss) / steps))
            finally:
                accelerator.free_memory()  # or it would hold every model
        figures = run.scores["validation"].figures()
        return figures[metric], figures[of_interval]

    found = search(trial, recipe, options.search, metric=metric, seed=options.seed,
                   fixed=[name for name in SETTINGS if getattr(options, name)])
    print(found)
    return found.best.recipe, found.figures()
