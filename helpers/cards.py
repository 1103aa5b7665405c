"""The model card of a fine-tuned model, for people and for the Hub."""

from pathlib import Path

# Of each task: how the Hub calls a figure, how people do, how metrics.json does.
FIGURES = {
    "class": [("accuracy", "accuracy", "accuracy"), ("f1", "macro F1", "macro_f1")],
    "labels": [("f1", "micro F1", "micro_f1"), ("f1", "macro F1", "macro_f1")],
    "number": [("pearsonr", "Pearson's correlation", "pearson"),
               ("spearmanr", "Spearman's correlation", "spearman"),
               ("mae", "mean absolute error", "mean_absolute_error")],
}


def card(metrics, origin, *, name, data, notes=()):
    """Return the `ModelCard`, from what metrics.json holds and the template card.md.

    `origin` is what `classifiers.find` returned, `name` the model's, `data` the file of the texts
    or None for the project's reviews, `notes` what was found out about the texts, lines.
    """
    from huggingface_hub import EvalResult, ModelCard, ModelCardData

    own = data is not None
    name, data = (Path(path).name.encode("utf-8", "replace").decode()  # a card is valid UTF-8
                  for path in (name, data or "the project's reviews"))
    task, test = metrics["task"], metrics["test"]
    figures = [(kind, called, test[figure]) for kind, called, figure in FIGURES[task]
               if test[figure] is not None]
    about = ModelCardData(
        base_model=origin[1], license=origin[2],
        language=None if own else "en", library_name="transformers",
        pipeline_tag="text-classification", tags=["text-classification"],
        metrics=list(dict.fromkeys(kind for kind, *_ in figures)), model_name=name,
        eval_results=[
            EvalResult(task_type="text-classification", dataset_type=data, dataset_name=data,
                       dataset_split="test", metric_type=kind, metric_value=value,
                       metric_name=called)
            for kind, called, value in figures
        ],
    )
    return ModelCard.from_template(about, Path(__file__).with_name("card.md"), data=data,
                                   notes=list(notes), **metrics)
