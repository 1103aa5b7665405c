"""The model card of a fine-tuned model, for people and for the Hub."""

from pathlib import Path


def card(metrics, origin, *, name, data, notes=()):
    """Return the `ModelCard`, from what metrics.json holds and the template card.md.

    `origin` is what `classifiers.find` returned, `name` the model's, `data` the file of the texts
    or None for the project's reviews, `notes` what was found out about the texts, lines.
    """
    from huggingface_hub import EvalResult, ModelCard, ModelCardData

    own = data is not None
    name, data = (Path(path).name.encode("utf-8", "replace").decode()  # a card is valid UTF-8
                  for path in (name, data or "the project's reviews"))
    test = metrics["test"]
    about = ModelCardData(
        base_model=origin[1], license=origin[2],
        language=None if own else "en", library_name="transformers",
        pipeline_tag="text-classification", tags=["text-classification"],
        metrics=["accuracy", "f1"], model_name=name,
        eval_results=[
            EvalResult(task_type="text-classification", dataset_type=data, dataset_name=data,
                       dataset_split="test", metric_type=kind, metric_value=value,
                       metric_name=called)
            for kind, called, value in (("accuracy", "accuracy", test["accuracy"]),
                                        ("f1", "macro F1", test["macro_f1"]))
        ],
    )
    return ModelCard.from_template(about, Path(__file__).with_name("card.md"), data=data,
                                   notes=list(notes), **metrics)
