"""The search for a recipe: what it tries, when it ends, what it takes, and how much is luck."""

import contextlib
import io
import json
import math
from dataclasses import replace
from types import SimpleNamespace

import pytest

from conftest import csv_of
from helpers import finetune, parallel, recipes, search
from helpers.errors import LearnerError
from helpers.recipes import Recipe

DEFAULT = Recipe("fast", epochs=2, batch_size=16, learning_rate=1e-4)


class Bench:
    """A clock, and trials that take ten seconds an epoch and have the accuracy that is set."""

    def __init__(self, accuracy=lambda recipe: 0.8, seconds=10):
        self.now, self.accuracy, self.seconds, self.tried = 0.0, accuracy, seconds, []

    def clock(self):
        return self.now

    def trial(self, recipe, at):
        self.tried.append(recipe)
        for step in range(1, 11):
            self.now += self.seconds * recipe.epochs / 10
            at(step / 10)
        figure = self.accuracy(recipe)
        return figure, (figure - 0.05, figure + 0.05)

    def search(self, minutes, **more):
        return search.search(self.trial, DEFAULT, minutes, clock=self.clock, **more)


def test_the_default_is_tried_first_then_others_near_it_until_the_minutes_are_over():
    bench = Bench()
    found = bench.search(10)
    assert found.trials[0].recipe == DEFAULT
    assert len(found.trials) > 15
    assert len({trial.recipe for trial in found.trials}) == len(found.trials)
    assert 540 < bench.now <= 600
    assert {trial.recipe.epochs for trial in found.trials} == {1, 2, 4}
    assert {trial.recipe.batch_size for trial in found.trials} == {8, 16, 32}
    rates = [trial.recipe.learning_rate for trial in found.trials]
    assert 2.5e-5 <= min(rates) < 5e-5
    assert 2e-4 < max(rates) <= 4e-4
    assert {(trial.recipe.name, trial.recipe.head_rate) for trial in found.trials} == {("fast", 1)}


def test_the_seed_says_what_is_tried_and_what_is_fixed_stays():
    tried = [[trial.recipe for trial in Bench().search(3, seed=seed).trials]
             for seed in (1, 1, 2)]
    assert tried[0] == tried[1] != tried[2]
    found = Bench().search(5, fixed=["epochs", "learning_rate"])
    assert {(trial.recipe.epochs, trial.recipe.learning_rate) for trial in found.trials} == {
        (2, 1e-4)}
    assert sorted(trial.recipe.batch_size for trial in found.trials) == [8, 16, 32]


def test_a_trial_that_is_slower_than_foretold_ends_with_the_minutes_and_does_not_count():
    bench = Bench()

    def slows_down(recipe, at):
        bench.seconds = 10 if recipe == DEFAULT else 1000
        return bench.trial(recipe, at)

    found = search.search(slows_down, DEFAULT, 1, clock=bench.clock)
    assert [trial.recipe for trial in found.trials] == [DEFAULT]
    assert len(bench.tried) == 2
    assert "time for the default alone" in str(found)


def test_less_time_than_a_training_takes_is_refused_early_with_how_much_it_takes():
    bench = Bench(seconds=600)
    with pytest.raises(LearnerError, match=r"takes about 20 minutes here, and the search has 5"):
        bench.search(5)
    assert bench.now == pytest.approx(120)  # a tenth of the training


@pytest.mark.parametrize("minutes", [0, -1, math.nan, math.inf])
def test_no_minutes_are_refused_before_anything_is_tried(minutes):
    bench = Bench()
    with pytest.raises(LearnerError, match="number above 0"):
        bench.search(minutes)
    assert bench.tried == []


def test_a_search_with_everything_fixed_is_refused():
    with pytest.raises(LearnerError, match="nothing to search for"):
        Bench().search(5, fixed=search.SETTINGS)


def test_the_best_is_the_highest_of_errors_the_lowest_and_of_equals_the_first():
    by_batch = {16: 0.80, 8: 0.90, 32: 0.70}
    only_batch = {"fixed": ["epochs", "learning_rate"]}
    found = Bench(lambda recipe: by_batch[recipe.batch_size]).search(5, **only_batch)
    assert found.best.recipe.batch_size == 8
    assert found.gain == pytest.approx(0.10)
    errors = Bench(lambda recipe: by_batch[recipe.batch_size]).search(
        5, metric="mean_absolute_error", **only_batch)
    assert errors.best.recipe.batch_size == 32
    assert errors.gain == pytest.approx(0.10)
    equal = Bench().search(5)
    assert equal.best is equal.trials[0]
    assert "That is the default" in str(equal)


def test_a_trial_that_fails_is_in_the_table_and_a_default_that_fails_is_an_error():
    def fails_with(batch_size):
        def accuracy(recipe):
            if recipe.batch_size == batch_size:
                raise LearnerError("The memory was used up.")
            return 0.8
        return accuracy

    found = Bench(fails_with(32)).search(5, fixed=["epochs", "learning_rate"])
    assert "The memory was used up." in str(found)
    assert found.counted == len(found.trials) - 1 == 2
    with pytest.raises(LearnerError, match="memory was used up"):
        Bench(fails_with(16)).search(5)


def test_a_figure_that_is_not_defined_is_worse_than_any_other():
    def undefined(recipe, at):
        return (None, None) if recipe == DEFAULT else (0.1, (0.0, 0.2))

    bench = Bench()

    def trial(recipe, at):
        bench.trial(recipe, at)
        return undefined(recipe, at)

    found = search.search(trial, DEFAULT, 5, metric="pearson", clock=bench.clock)
    assert found.best.figure == 0.1
    assert "not defined" in str(found)
    never = search.search(lambda recipe, at: (bench.trial(recipe, at), (None, None))[1], DEFAULT,
                          5, metric="pearson", clock=bench.clock)
    assert never.best is never.trials[0]
    assert "the default is kept" in str(never)


def test_the_luck_of_n_equal_trials_is_the_mean_of_the_largest_of_n_normal_numbers():
    assert search.luck(1, 0.5) == pytest.approx(0, abs=1e-9)
    assert search.luck(2, 1) == pytest.approx(1 / math.sqrt(math.pi))
    assert search.luck(3, 0.01) == pytest.approx(0.01 * 1.5 / math.sqrt(math.pi))


@pytest.mark.parametrize(("best", "words"), [
    (0.82, "shows nothing yet"), (0.95, "probably not all of it is luck")])
def test_a_gain_that_luck_alone_may_bring_is_called_that(best, words):
    found = Bench(lambda recipe: best if recipe.batch_size == 8 else 0.8).search(
        5, fixed=["epochs", "learning_rate"])
    # Three trials with a standard error of 0.05 / 1.96: 0.846 of it.
    assert found.luck == pytest.approx(0.8463 * 0.05 / 1.96, rel=1e-3)
    assert words in str(found)
    assert "of 3 equally good trials up to 0.022 ahead" in str(found)


# By the command line.

OTHERS = {"learning_rate": (3e-4, 2e-5)}


@pytest.fixture
def two_others(monkeypatch):
    """Let a search try the default and two others."""
    monkeypatch.setattr(search, "_draws", lambda default, fixed, seed: [
        replace(default, learning_rate=rate, epochs=1) for rate in OTHERS["learning_rate"]])


@pytest.fixture(scope="module")
def texts(data, tmp_path_factory):
    return csv_of(data["train"].select(range(120)), tmp_path_factory.mktemp("texts"))


def run(*arguments):
    """Run the command that trains; return its exit status and what it said."""
    with (contextlib.redirect_stdout(io.StringIO()) as said,
          contextlib.redirect_stderr(io.StringIO()) as wrong):
        status = finetune.main([*map(str, arguments), "--precision", "fp32"])
    return status, said.getvalue() if status == 0 else wrong.getvalue()


def test_the_best_of_a_search_is_trained_and_tested_and_no_trial_sees_the_test_texts(
    two_others, texts, tiny, tmp_path, monkeypatch
):
    seen, carry_out = [], recipes.carry_out

    def watched(recipe, model, tokenizer, data, *more, **options):
        seen.append((recipe, {*data}))
        return carry_out(recipe, model, tokenizer, data, *more, **options)

    monkeypatch.setattr(recipes, "carry_out", watched)
    status, said = run("--data", texts, "--output", tmp_path / "m", "--model", tiny, "--epochs",
                       "2", "--search", "60")
    assert status == 0
    assert [splits for _, splits in seen] == 3 * [{"train", "validation"}] + [
        {"train", "validation", "test"}]
    metrics = json.loads((tmp_path / "m" / "metrics.json").read_text("utf-8"))
    assert metrics["search"]["minutes"] == 60
    figures = [trial["figure"] for trial in metrics["search"]["trials"]]
    best = metrics["search"]["trials"][figures.index(max(figures))]
    assert len(figures) == 3
    assert metrics["validation"]["accuracy"] == best["figure"]
    assert (metrics["learning_rate"], metrics["epochs"]) == (best["learning_rate"],
                                                             best["epochs"])
    assert seen[-1][0] == seen[figures.index(max(figures))][0]
    assert "the default" in said
    assert "Best of 3 on validation: trial" in said
    assert said.index("Best of 3") < said.index("test accuracy")
    assert "the best of 3 that were tried, by accuracy" in (
        tmp_path / "m" / "README.md").read_text("utf-8")


def test_a_run_that_goes_on_does_not_search_again(two_others, texts, tiny, tmp_path, monkeypatch):
    how = ("--data", texts, "--output", tmp_path / "m", "--model", tiny, "--search", "60",
           "--every", "2", "--epochs", "2")
    after = parallel.Checkpoints.after

    def stop(self, model, optimizer, scheduler, curve, *more):
        after(self, model, optimizer, scheduler, curve, *more)
        if self.every == 2 and len(curve.loss) == 4:
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(parallel.Checkpoints, "after", stop)
        assert run(*how)[0] == 130
    monkeypatch.setattr(search, "search", None)
    status, wrong = run(*how[:-6], *how[-4:])
    assert status == 2
    assert "unfinished run that differs: search 60.0 there, None here" in wrong
    status, said = run(*how)
    assert status == 0
    assert "Going on after step 4." in said
    metrics = json.loads((tmp_path / "m" / "metrics.json").read_text("utf-8"))
    assert len(metrics["search"]["trials"]) == 3


def test_what_a_search_cannot_do_is_said_in_a_line(texts, tiny, tmp_path):
    how = ("--data", texts, "--output", tmp_path / "m", "--model", tiny)
    status, wrong = run(*how, "--search", "0.00001")
    assert status == 2
    assert "One training takes about" in wrong
    status, wrong = run(*how, "--search", "1", "--epochs", "1", "--batch-size", "8",
                        "--learning-rate", "1e-4")
    assert status == 2
    assert "nothing to search for" in wrong
    with pytest.raises(LearnerError, match="in one process"):
        search.chosen(SimpleNamespace(search=1), DEFAULT, None, None, None, None,
                      SimpleNamespace(num_processes=2), None)
    assert not (tmp_path / "m").exists()
