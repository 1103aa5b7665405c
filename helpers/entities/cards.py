"""The model card of a model that finds entities."""

from pathlib import Path


def card(metrics, origin, *, name, data, notes=()):
    """Return the `ModelCard`, from what metrics.json holds and the template card.md.

    `origin` is what `classifiers.find` returned, `name` the model's, `data` the file of the
    sentences or None for the project's, `notes` what was found out about them, lines.
    """
    from huggingface_hub import EvalResult, ModelCard, ModelCardData

    own = data is not None
    name, data = (Path(path).name.encode("utf-8", "replace").decode()  # a card is valid UTF-8
                  for path in (name, data or "the project's sentences"))
    about = ModelCardData(
        base_model=origin[1], license=origin[2], language=None if own else "en",
        library_name="transformers", pipeline_tag="token-classification",
        tags=["token-classification"], metrics=["f1", "precision", "recall"], model_name=name,
        eval_results=[
            EvalResult(task_type="token-classification", dataset_type=data, dataset_name=data,
                       dataset_split="test", metric_type=kind, metric_value=metrics["test"][kind],
                       metric_name=f"{called} by entity, strict")
            for kind, called in (("f1", "F1"), ("precision", "precision"), ("recall", "recall"))
        ],
    )
    return ModelCard.from_template(about, Path(__file__).with_name("card.md"), data=data,
                                   notes=list(notes), **metrics)
