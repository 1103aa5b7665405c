"""What a training has come to, in words: the scores, and what they would hide."""


def warnings(run, task, labels, weighted):
    """Return lines on what the figures would hide: of the scores, and of a model that guesses."""
    test, ended = run.scores["test"], run.curve.final_loss()
    chance = task.guessing(labels, weighted is not None)
    if test.varied or ended < chance:
        return [*test.warnings(), *run.said]
    return [*test.warnings(), *run.said, f"The loss ended at {ended:.3f}, no lower than that of "
            f"guessing by the shares of the classes, {chance:.3f}: the model has not learned from "
            "the texts."]


def show(run, metrics, options):
    """Print which epoch was kept, the scores of each class, and what to be warned of."""
    if options.metric:
        values = ", ".join("none" if epoch[options.metric] is None else
                           f"{epoch[options.metric]:.3f}" for epoch in run.curve.validation)
        print(f"{options.metric} of the validation texts after each epoch: {values}. The weights "
              f"of epoch {metrics['best_epoch']} are kept.")
    print(run.scores["test"])
    for warning in metrics["warnings"]:
        print(f"Warning: {warning}")
    counts = metrics["train_texts_by_class"]
    rarest = min((counts[name] for name in run.scores["test"].never_predicted),
                 default=float("inf"))
    if rarest < max(counts.values()) / 2 and not options.class_weights:
        print("With --class-weights balanced, rare classes count as much as frequent ones; "
              "--metric macro_f1 keeps the epoch that is best for all classes alike.")
