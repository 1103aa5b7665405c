"""Measure the data set's baselines, as its README reports them: python data/reviews/measure.py"""

import torch
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from transformers import (
    AutoModel,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    logging,
    set_seed,
)

from helpers import batching, checkpoints, reviews, training


def main():
    """Print the test accuracy of each model with its 95 % interval."""
    logging.set_verbosity_error()
    data = reviews.load()
    train, test = data["train"], data["test"]
    labels = test["label"][:]
    path = checkpoints.find("bert").path
    tokenizer = AutoTokenizer.from_pretrained(path)

    majority = max((0, 1), key=train["label"][:].count)
    report("majority class", labels.count(majority), len(test))

    bag = make_pipeline(CountVectorizer(), LogisticRegression(max_iter=1000))
    bag.fit(train["text"][:], train["label"][:])
    report("bag of words, logistic regression", right(bag.predict(test["text"][:]), labels),
           len(test))

    encoder = AutoModel.from_pretrained(path, dtype=torch.float32)
    vectors = [training.embed(encoder, tokenizer, part["text"][:]) for part in (train, test)]
    frozen = LogisticRegression(C=10, max_iter=1000).fit(vectors[0], train["label"][:])
    report("frozen encoder, logistic regression", right(frozen.predict(vectors[1]), labels),
           len(test))

    set_seed(0)
    model = AutoModelForSequenceClassification.from_pretrained(
        path, num_labels=2, dtype=torch.float32, **training.NO_DROPOUT
    )
    model.base_model.embeddings.requires_grad_(False)
    loader = batching.loader(batching.tokenize(train, tokenizer), tokenizer, train=True)
    training.train(model, loader, learning_rate=1e-4)
    predictions = training.predict(model, tokenizer, test["text"][:]).argmax(-1)
    report("fine-tuned, as in notebook 03", right(predictions, labels), len(test))


def right(predictions, labels):
    """Return how many predictions agree with the labels."""
    return sum(int(p) == y for p, y in zip(predictions, labels, strict=True))


def report(name, correct, n):
    """Print one line of the table."""
    low, high = training.interval(correct, n)
    print(f"| {name} | {correct / n:.3f} | {low:.3f} to {high:.3f} |", flush=True)


if __name__ == "__main__":
    main()
