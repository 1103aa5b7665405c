md("""
# 08 · When transfer fails

A pretrained model is a head start, not a promise. Here you measure where the start is lost: with few labels, in a domain that nobody labelled, after a second task, and wherever something easier than the task gives the answer away. Remedies are tried as well, and the ones that do nothing stay in.

**You will be able to**
- classify without labels, and choose a model for the labels that you have *(08.1, 08.a)*
- measure what a new domain costs, and how much of it is new words *(08.2)*
- judge whether a remedy has helped *(08.b)*
- compute what a second task destroys of a first one *(08.3)*
- test a model in pairs, and find what gives a label away *(08.4, 08.5, 08.c)*

**Before you start:** what to freeze (notebook 06) and how much is luck (notebook 07).

**Time:** 36 minutes to read, 55 more with the exercises; about a minute and a half to run on two CPU cores. No GPU, no network.
""")
code("""
import time
from statistics import mean

import numpy as np
import pandas as pd
import torch
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from transformers import (AutoModel, AutoModelForSequenceClassification, AutoTokenizer,
                          set_seed)

from helpers import batching, checkpoints, paths, plots, reviews, training, transfer_fails
from helpers.checks import check
from helpers.domain_explorer import domain_explorer
from helpers.plots import nb08

checkpoints.quiet()  # no load reports, no progress bars
plots.stages("text", "encoder", "head")
""")
code("""
data = reviews.load()
checkpoint = checkpoints.find("bert")
tokenizer = AutoTokenizer.from_pretrained(checkpoint.path)
encoder = AutoModel.from_pretrained(checkpoint.path, dtype=torch.float32)
base_rate = {"small": 1e-4, "full": 3e-5}[checkpoint.size]
record = transfer_fails.load()
""")
md("""
## Few labels

Five models are compared, from the one that knows least of the world to the one that knows most: a bag of words, the same network from random weights, LoRA (notebook 06), all layers fine-tuned, and a **frozen encoder**, whose mean output goes into a logistic regression. With 1,600 labels fine-tuning wins, as notebook 00 showed. What do you expect with 16?

Two of them are quick enough for ten draws of each size, here and now.
""")
code("""
def bag_of_words(texts, labels):
    return make_pipeline(CountVectorizer(), LogisticRegression(max_iter=1000)).fit(texts, labels)


def regression(vectors, labels):
    return LogisticRegression(C=10, max_iter=1000).fit(vectors, labels)


def embed(texts):
    return training.embed(encoder, tokenizer, list(texts)).numpy()
""")
code("""
train = data["train"].add_column("row", [*range(len(data["train"]))])
train_vectors, test_vectors = embed(train["text"][:]), embed(data["test"]["text"][:])
test_texts, test_labels = data["test"]["text"][:], data["test"]["label"][:]
counts = (16, 32, 64, 200, 400, 800, 1600)
""")
code("""
words, frozen = {}, {}
for count in counts:
    draws = [reviews.drawn(train, count, seed) for seed in range(10)]
    words[count] = [bag_of_words(d["text"][:], d["label"][:]).score(test_texts, test_labels)
                    for d in draws]
    frozen[count] = [regression(train_vectors[d["row"][:]], d["label"][:]).score(
        test_vectors, test_labels) for d in draws]
for name, found in {"bag of words": words, "frozen encoder": frozen}.items():
    print(f"{name:<15}", *(f"{count:>5}: {min(f):.2f}–{max(f):.2f}" for count, f in found.items()))
""")
md("""
Two things to see. The frozen encoder is ahead at every size: what it read before stands in for labels. And the draw matters: with 16 labels, the same encoder gets anything between 0.54 and 0.65, depending on which 16 reviews it was shown. Whoever labels 16 texts and trains once has measured their luck. With 1,600 there is only one draw, all of them, and no range.
""")
md("""
### No label at all

The bundled encoder was trained to bring sentences together that belong together. So describe the classes, and take the one whose description lies nearest: **zero-shot classification** by similarity. Which of these three descriptions will do best, and will any of them reach what 64 labels give?
""")
code("""
descriptions = {
    "a plain one": ["a bad review", "a good review"],
    "a sentence": ["The writer is disappointed and complains.", "The writer is happy and praises."],
    "examples": ["Terrible, it broke at once and nobody helped.", "Lovely, I would come again."]}
zero_shot = {}
for name, sentences in descriptions.items():
    nearest = (test_vectors @ embed(sentences).T).argmax(1)
    zero_shot[name] = float((nearest == np.array(test_labels)).mean())
    print(f"{name:<12} {zero_shot[name]:.3f}")
""")
md("""
The plainest description gets 0.720 without a single label, which is what the frozen encoder gets with about 100. The two longer ones are behind it, 0.682 and 0.623: what a description says besides the verdict pulls it towards some topic. We had expected the opposite, the examples in front. And here is the catch of the method: to know which description is best we needed labels after all, those of the test reviews. Without any, all you know is that it will be somewhere in this range.
""")
md("""
### Your turn

**08.1 · Classes by description** (10 minutes). `texts` (texts × size) and `descriptions` (classes × size) are tensors of vectors of any length. Return for each text the number of the class whose description has the largest cosine with it.
""")
code("""
def nearest_class(texts, descriptions):
    ...


check("08.1", nearest_class)
""")
md("""
<details><summary>Solution</summary>

```python
def nearest_class(texts, descriptions):
    texts = torch.nn.functional.normalize(texts, dim=-1)
    descriptions = torch.nn.functional.normalize(descriptions, dim=-1)
    return (texts @ descriptions.T).argmax(-1)
```

</details>

### All of them

Fine-tuning takes longer, so `python -m making.transfer_fails` has recorded it (together with what notebooks 00 and 10 recorded by the same recipe): three draws each, the 400 test reviews, the small BERT whatever you run here. LoRA has the rate that won in notebook 06.
""")
code("""
recorded = transfer_fails.curve(record)
nb08.curve(recorded, "How many labels does each model need?",
           levels=[(max(zero_shot.values()), "no label, the best description")])
for name, by_count in recorded.items():
    print(f"{name:<15}", *(f"{n:>4}: {mean(each):.2f}" for n, each in by_count.items()
                           if n in counts))
""")
md("""
Which of these lines are apart? The recorded runs at 16, 64 and 200 labels say of every test review whether it came out right, so that they can be compared in pairs, draw by draw:
""")
code("""
few = {(model, n): transfer_fails.marked(record["few"], model=model, labels=n)
       for model in ("bag of words", "frozen encoder", "LoRA", "fine-tuned") for n in (16, 64, 200)}
for n in (16, 64, 200):
    for model in ("bag of words", "frozen encoder", "LoRA"):
        print(f"{n:>3} labels, fine-tuned beside {model:<14}",
              transfer_fails.gain(few["fine-tuned", n], few[model, n]))
""")
md("""
With 16 labels nothing is decided: every interval holds zero, and the draw matters more than the model. With 64, fine-tuning is ahead of the bag of words, and not yet of the frozen encoder. With 200 it is ahead of both. LoRA and training all weights cannot be told apart at any of these sizes.

So there is no one answer to "how many labels does fine-tuning need": to beat counting words a few dozen, to beat its own frozen encoder a few hundred, and below that the best use of an hour is to label. And the network from random weights, without any transfer, is where the bag of words is up to 800 labels, and needs some 1,600 to pass it.
""")
md("""
**Question 08.a** · You have 16 labelled texts, and four models whose accuracies on three draws lie between 0.49 and 0.62. A colleague picks the one with the best mean. What do you say?

<details><summary>A. Right: the mean of three draws is the best estimate there is.</summary>

**No.** It is an estimate, but the three draws of one model differ more among themselves than the models' means do. Another three would name another winner.

</details>
<details><summary>B. Train on more epochs first; the differences will grow.</summary>

**No.** What is missing are labels, and not steps: the training loss of 16 texts is near zero already.

</details>
<details><summary>C. The order is luck here; take the cheapest, and label more texts.</summary>

**Right.** The intervals of the differences hold zero, so the draw of the 16 texts matters more than the model. A few dozen labels more change that, and cost less than a search for the best model.

</details>
<details><summary>D. Take the largest model, because it has seen most of the world.</summary>

**No.** What a model has seen helps only where the labels show which part of it is asked for. Sixteen labels hardly do.

</details>
""", "question")
md("""
## Another domain

The reviews are about ten **domains**, from apps to services. A **domain shift** is what happens when a model meets texts about something else than it learnt from, or written otherwise. First the whole grid, with frozen vectors and a regression: learn from 130 reviews of one domain, judge on the 190 or so of another (of the test split and `extra.csv`, which nothing here learns from). Where will the large numbers be?
""")
code("""
table = transfer_fails.by_domain()
domains, labels = transfer_fails.DOMAINS, table["label"].to_numpy()
texts, vectors = table["text"].to_numpy(), embed(table["text"])
judge = {domain: transfer_fails.of_domain(table, domain, "judge") for domain in domains}
learn = {domain: transfer_fails.of_domain(table, domain, "learn") for domain in domains}
by_domain = {domain: regression(vectors[learn[domain][:130]], labels[learn[domain][:130]])
             for domain in domains}
""")
code("""
grid = np.array([[by_domain[source].score(vectors[judge[target]], labels[judge[target]])
                  for target in domains] for source in domains])
own, other = grid.diagonal(), grid[~np.eye(len(domains), dtype=bool)]
nb08.matrix(grid, domains, "Learnt from one domain, judged on each")
print(f"own domain {own.mean():.2f}, other domains {other.mean():.2f};",
      f"the own one is best in {(grid.argmax(0) == np.arange(len(domains))).sum()} of 10 columns")
""")
md("""
The diagonal is hardly darker than the rest: 0.71 in the own domain, 0.69 in the others, and only in two columns is the domain itself the best teacher. With 130 reviews, what a regression learns about satisfaction is mostly general. The columns differ more than the rows: reviews of restaurants are hard for all ten models, whatever they learnt from.

Words can still change sides between domains. An unpredictable film is a good one. What about unpredictable brakes?
""")
md("""
Type a sentence, and move the slider to the domain that it is about. Whose models agree?
""")
code("""
def positive(text):
    vector = embed([text])
    return {domain: float(model.predict_proba(vector)[0, 1]) for domain, model in by_domain.items()}


domain_explorer(positive, "It was so unpredictable that I could not sleep afterwards.", "films")
""")
md("""
The usual case is milder: many domains are there, and one is missing. So leave one out: learn from 960 reviews of the other nine, and judge on the one that is missing, against 960 reviews drawn from all ten. Two questions beforehand: which model loses more, the bag of words or BERT? And is it because of the words? A share of a domain's words is **out of vocabulary**: not one training review has them.
""")
code("""
def draw_960(seed, without=None):
    rows = table[(table["split"] == "learn") & (table["domain"] != without)]
    return rows.sample(960, random_state=seed).index.to_numpy()
""")
code("""
def unknown_share(asked, known):
    counter = CountVectorizer().fit(known)
    split = counter.build_analyzer()
    said = [word for text in asked for word in split(text)]
    return mean(word not in counter.vocabulary_ for word in said)
""")
code("""
fits = {"bag of words": (bag_of_words, texts), "frozen encoder": (regression, vectors)}


def right(name, chosen, domain):  # which reviews of the domain a fresh model gets right
    fit, inputs = fits[name]
    rows = judge[domain]
    return fit(inputs[chosen], labels[chosen]).predict(inputs[rows]) == labels[rows]
""")
code("""
cost = {"fine-tuned": {domain: [transfer_fails.domain_marks(record, domain, without)
                                for without in (False, True)] for domain in domains}}
for name in fits:  # three draws each
    cost[name] = {domain: [np.array([right(name, draw_960(seed, without), domain)
                                     for seed in range(3)])
                           for without in (None, domain)] for domain in domains}
""")
code("""
print(f"{'':<13}", *(f"{name:>15}" for name in cost), "  unknown words with and without")
for domain in domains:
    fell = [100 * (lacking.mean() - having.mean()) for having, lacking in
            (by_model[domain] for by_model in cost.values())]
    unknown = [unknown_share(texts[judge[domain]], texts[draw_960(0, without)])
               for without in (None, domain)]
    print(f"{domain:<13}", *(f"{each:>+15.1f}" for each in fell),
          f"{unknown[0]:>10.1%} {unknown[1]:>6.1%}")
""")
code("""
over_all = {}
for name, by_model in cost.items():
    having, lacking = (np.concatenate([by_model[d][without] for d in domains], axis=1)
                       for without in (0, 1))
    over_all[name] = transfer_fails.gain(lacking, having)
""")
code("""
nb08.differences(over_all, "What it costs that the domain is missing")
for name, pair in over_all.items():
    print(f"{name:<15}", pair)
""")
md("""
Our two guesses were that the bag of words loses more, and because of the words. Both were wrong. The fine-tuned model is the one that loses, 2.2 points, and its interval leaves zero out; for the bag of words and the frozen encoder it does not. And without the domain, some 16 % of the words are unknown instead of 14 %: most of what is new in these reviews is new in any review. What the fine-tuned model has learnt in a domain beyond single words, how people praise and complain there, is what it misses. It has more to lose, and it is still far ahead: the domain missing, it gets about 0.80, and the bag of words about 0.70 either way.

The rows of single domains are another matter. Each has some 190 reviews, so a difference of 4 points in one of them is within what chance does.
""")

md("""
### Remedies

Three domains lost most with the first seed. For these, four remedies, each recorded with the second seed against a training without it:

- **20 labels** of the domain are added to the 960 reviews;
- the training begins at the BERT that fills masks (notebook 01) instead of the one that compares sentences;
- that BERT first fills 40 more batches of masks in the domain's own texts, without their labels: **domain-adaptive pretraining** (Gururangan et al. 2020);
- both, adaptation and 20 labels.

We expected the 20 labels to bring back half of the loss and adaptation to bring a point. (A warning: the BERT that fills masks has read all of these reviews once, without labels. And three domains that were chosen for being worst will do better the next time even if nothing is done.)
""")
code("""
tried = transfer_fails.remedies(record)
worst = [*tried["nothing"]]
for seed in range(3):
    print(f"seed {seed}, without the domain:", *(
        f"{d} {100 * (without[seed].mean() - having[seed].mean()):+.1f}"
        for d in worst for having, without in [cost["fine-tuned"][d]]))
""")
code("""
three = {name: np.concatenate([found[d] for d in worst], axis=1) for name, found in tried.items()}
helped = {name: transfer_fails.gain(each, three["nothing"])
          for name, each in three.items() if name != "nothing"}
nb08.differences(helped, "What remedies give the three domains")
for name, difference in helped.items():
    print(f"{name:<20}", str(difference).partition(";")[0] + ")")
""")
md("""
REMEDYREAD
""")
md("""
**Question 08.b** · Of ten domains you take the three that lost most, try a remedy on them, train anew with another seed, and all three lose less than before. Has the remedy worked?

<details><summary>A. Yes, if all three are better.</summary>

**No.** They were chosen because they were at their worst. Part of that was bad luck, and luck does not come twice: without any remedy, the next seed would be kinder to them as well.

</details>
<details><summary>B. Only if it beats training without the remedy, with the same seed, on the same texts.</summary>

**Right.** Both runs then have the same share of luck, and the difference is the remedy's. Its interval still has to leave out zero.

</details>
<details><summary>C. No, because three domains are too few to tell.</summary>

**No.** Three domains are some 570 texts, and a large effect would show. What is missing is the comparison with a run that had no remedy.

</details>
<details><summary>D. Only if the other seven domains get better as well.</summary>

**No.** It was meant for these three. The other seven may even lose a little; that is another question.

</details>
""", "question")
md("""
### Can other domains do harm?

If more data always helped, nobody would speak of **negative transfer**: a source that makes the target worse. Take the 130 labelled reviews of a domain, and add all reviews of the nine others. Whom does it help, and is there a domain that it hurts?
""")
code("""
alone, joined = {}, {}
for name in fits:
    for domain in domains:
        mine = learn[domain][:130]
        others = np.concatenate([learn[d] for d in domains if d != domain])
        alone[name, domain] = right(name, mine, domain)[None]
        joined[name, domain] = right(name, np.concatenate([mine, others]), domain)[None]
""")
code("""
for name in fits:
    gains = {d: transfer_fails.gain(joined[name, d], alone[name, d]) for d in domains}
    least = min(gains, key=lambda d: gains[d].difference)
    print(f"{name:<15}{100 * mean(gain.difference for gain in gains.values()):+.1f} points;",
          f"the least in {least}:", str(gains[least]).partition(";")[0] + ")")
""")
md("""
It helps nearly everybody. The bag of words gains 12.5 points on average and the frozen encoder 4.5; in the domain that gains least, the interval holds zero. We looked for harm here and found none that chance does not explain. That is what the grid foretold: where a verdict is a verdict in every domain, ten times as many labels outweigh that they are about something else. Harm needs sources that contradict the target, as in the next sections but one.
""")
md("""
## A second task

Fine-tuning overwrites. **Catastrophic forgetting** is the loss of what a network could do before (notebook 05 saw it in GPT-2); here it is measured on two abilities. The first is what the bundled encoder was pretrained for: telling whether two questions ask the same, by the cosine of their vectors. How much of that is left after an epoch of reviews, of which no line says that the vectors may move?

The measure is the **AUC**: the chance that a pair which asks the same has a higher cosine than one which does not. Guessing gives 0.5, and no threshold has to be chosen.
""")
code("""
def new_model(seed=0):
    set_seed(seed)
    model = AutoModelForSequenceClassification.from_pretrained(
        checkpoint.path, num_labels=data["train"].features["label"].num_classes,
        dtype=torch.float32, **training.NO_DROPOUT)
    model.bert.embeddings.requires_grad_(False)
    return model
""")
code("""
encoded = {split: batching.tokenize(data[split], tokenizer) for split in ("train", "validation")}
tuned = new_model()
curve = training.train(tuned, batching.loader(encoded["train"], tokenizer, 16, train=True),
                       epochs=1, learning_rate=base_rate, head_rate=10)
validation = batching.loader(batching.by_length(encoded["validation"]), tokenizer, 32)
print(f"reviews: {training.evaluate(tuned, validation).accuracy:.2f} of the validation split")
""")
code("""
questions = pd.read_csv(paths.data_file("questions", "test.csv"))


def cosines(network):
    sides = (training.embed(network, tokenizer, questions[side].tolist())
             for side in ("first", "second"))
    return torch.mul(*sides).sum(1).numpy()
""")
code("""
similarity = {"pretrained": cosines(encoder), "fine-tuned on reviews": cosines(tuned.bert)}
nb08.cosines(similarity, questions["same"], "How similar are two questions?")
for name, each in similarity.items():
    print(f"{name:<22} AUC {transfer_fails.auc(each, questions['same']):.2f}")
""")
md("""
Less than one might fear: 0.97 before and 0.96 after. The cosines have moved, but pairs that ask the same are still above the others. An epoch of 100 steps is short, and reviews and questions do not contradict each other.

Now a second task: which of six topics does a message to a shop have (`data/messages`, two epochs)? It has a head of its own, pooler and classifier, and shares the encoder, so that the reviews' head, which nobody touches, meets an encoder that has moved on. Recorded with three seeds, in seven ways: all weights at 1e-4, at a fifth of that, with the lower four layers frozen, LoRA at 3e-3 and at 1e-3, LoRA as `peft` sets it up, where the pooler stays frozen, and **replay**, where every fourth step also sees a batch of reviews.

We expected the reviews to fall by ten points or more with all weights, hardly with replay, and LoRA to be as its authors' colleagues found it: it "learns less and forgets less" (Biderman et al. 2024).
""")
code("""
first, second = (transfer_fails.after(record, task) for task in ("first", "second"))
similar, same = transfer_fails.cosines(record), questions["same"]
print(f"{'':<21}reviews  messages  similarity (AUC)")
for name in dict.fromkeys([*similar, *second]):
    print(f"{name:<21}", *(f"{found[name].mean():>7.3f}" if name in found else " " * 7
                           for found in (first, second)),
          f"{mean(transfer_fails.auc(e, same) for e in similar[name]):>8.3f}"
          if name in similar else "")
""")
code("""
ways = transfer_fails.KEPT
nb08.kept(*({way: task[way].mean(1) for way in ways} for task in (second, first)),
          "Learnt of the messages, left of the reviews", first["reviews"].mean(),
          second["messages alone"].mean())
""")
code("""
for task, name in ((first, "left of the reviews"), (second, "learnt of the messages")):
    print(f"{name}, beside training all weights")
    for way in ways[1:]:
        print(f"  {way:<20}", transfer_fails.gain(task[way], task[ways[0]]))
""")
md("""
KEPTREAD
""")
code("""
relearnt = transfer_fails.gain(first["reviews again"], first["as many reviews once"])
print("25 steps of reviews after the messages:", f"{first['reviews again'].mean():.3f};",
      f"the same 25 from pretrained: {first['as many reviews once'].mean():.3f}")
print("difference", relearnt)
print("messages after reviews, beside messages alone:",
      transfer_fails.gain(second["all weights"], second["messages alone"]))
""")
md("""
AGAINREAD
""")
md("""
## Something easier than the task

A model learns whatever predicts the label, and the easiest comes first. A **shortcut** is a feature that goes with the label in the training data, and not in the world. We plant one: half of 640 training reviews get a last sentence, "Sent from my phone." At 100 % it stands under praise only, at 50 % under praise and complaint alike, where it says nothing. Then the test reviews are signed, once as in training, and once the other way round.

At 95 %, one signature in twenty stands on the wrong side. Will that be enough for a model to see through it? And who is fooled more, the bag of words or BERT?
""")
code("""
shares = (50, 80, 95, 100)
some = reviews.drawn(data["train"], 640, 0)
asked = {"signed against what was learnt": transfer_fails.signed(data["test"], 0),
         "signed as in training": transfer_fails.signed(data["test"], 100),
         "not signed": data["test"]}
print(asked["signed as in training"]["text"][0])
""")
code("""
counted = {side: {} for side in asked}
for share in shares:
    rows = transfer_fails.signed(some, share)
    fooled = bag_of_words(rows["text"][:], rows["label"][:])
    for side, test in asked.items():
        counted[side][share] = fooled.score(test["text"][:], test["label"][:])
""")
code("""
sides = dict(zip(asked, ("wrong side", "right side", "without"), strict=True))
by_bert = {side: {share: transfer_fails.as_marks(
    run["marks"][name] for run in record["shortcuts"] if run["share"] == share)
    for share in shares} for side, name in sides.items()}
""")
code("""
results = {"bag of words": counted, "fine-tuned BERT": {
    side: {share: each.mean() for share, each in found.items()}
    for side, found in by_bert.items()}}
""")
code("""
nb08.planted(results, "A signature that gives the label away")
for model, found in results.items():
    for side, by_share in found.items():
        print(f"{model:<16}{side:<32}", *(f"{share} %: {a:.2f}" for share, a in by_share.items()))
""")
code("""
against, unsigned = by_bert["signed against what was learnt"], by_bert["not signed"]
for share in shares:
    print(f"{share:>3} %: beside 50 %", transfer_fails.gain(against[share], against[50]),
          "unsigned", f"{100 * (unsigned[share].mean() - unsigned[50].mean()):+.1f}")
""")
md("""
Both are fooled completely, and BERT no less than the bag of words. At 95 % and 100 % it gets 0.99 and more of the test reviews right that are signed as in training, and 0.01 and less of those signed the other way round: it does not read the rest. One exception in twenty does not help, nor does one in five: at 80 %, where the signature by itself is right about four reviews in five, as often as BERT at 50 % with all it can read, 0.08 are left.

And the reader of a validation split drawn from the same file would see 0.99 and open a bottle. The second surprise is the third line: reviews *without* a signature are at guessing, too. At 100 %, no signature meant complaint, so to this model every unsigned review is one.

What helps is not a better model but other data: remove the sentence, or judge on texts from elsewhere. Nothing in the loss prefers the reason that you have in mind.
""")
md("""
**Question 08.c** · Your classifier gets 0.97 on the validation texts, which were drawn at random from the same file as the training texts, and 0.60 in use. What do you suspect first?

<details><summary>A. It overfits; stop earlier.</summary>

**No.** Overfitting shows on validation texts, and there it is at 0.97.

</details>
<details><summary>B. The learning rate was too high.</summary>

**No.** Then it would not have learnt the validation texts' task either.

</details>
<details><summary>C. The file holds a giveaway that texts in use do not have.</summary>

**Right.** A random split carries the giveaway into both parts, so validation rewards it. Look for words and marks that go with one label, and judge on texts from another source.

</details>
<details><summary>D. The test in use is unfair, because its texts are harder.</summary>

**No.** They may be harder, but the texts in use are the ones that count. Whatever makes them different is what the validation split failed to contain.

</details>
""", "question")
md("""
### Tests in pairs

A test set says how often a model is right, not what it can do. Ribeiro et al. (2020) test one ability at a time. An **invariance test** changes what must not matter, a name, the spelling, a sentence without a verdict, and the class has to stay. A **directional test** changes what must matter, as by a "not", and the class has to turn. `data/checklist` has 60 such pairs, written for this and tried on no model before. The model is the one that you have just fine-tuned. In which of the tests will it fail?
""")
code("""
pairs = pd.read_csv(paths.data_file("checklist", "pairs.csv"))
before, after = (training.predict(tuned, tokenizer, pairs[side].tolist())[:, 1].numpy()
                 for side in ("first", "second"))
moved = (before > 0.5) != (after > 0.5)
pairs["failed"] = np.where(pairs["expected"] == "same", moved, ~moved)
""")
code("""
for (test, expected), rows in pairs.groupby(["test", "expected"], sort=False):
    low, high = training.interval(int(rows["failed"].sum()), len(rows))
    print(f"{test:<9} must stay {expected:<9} {rows['failed'].sum()} of {len(rows)} fail",
          f" (95 %: {low:.0%} to {high:.0%})")
""")
code("""
for row in pairs[pairs["failed"]].drop_duplicates("test").itertuples():
    print(f"{row.test}: {before[row.Index]:.2f} {row.first}")
    print(f"{'':<{len(row.test)}}  {after[row.Index]:.2f} {row.second}")
""")
md("""
CHECKREAD
""")
code("""
shouted = [text.upper() for text in pairs["first"]]
apart = training.predict(tuned, tokenizer, shouted)[:, 1].numpy() - before
print("upper case moves a probability by at most", f"{np.abs(apart).max():.3f}")
thumbs = [["Breakfast 👍"], ["Breakfast 👎"]]
print(*(tokenizer.tokenize(text) for (text,) in thumbs))
""")
md("""
Upper case changes nothing at all, because this tokenizer turns everything into lower case. The emoji are the opposite: its vocabulary has none, so both thumbs are `[UNK]`, and nothing that comes after the tokenizer can tell them apart.

### Wrong, and very sure

Last, the probabilities. Which mistakes on the test reviews is it surest of, and what does it say to texts that are no reviews?
""")
code("""
said = training.predict(tuned, tokenizer, test_texts)
sure, answer = said.max(1)
wrong = answer.numpy() != np.array(test_labels)
for row in np.argsort(np.where(wrong, -sure.numpy(), 0))[:3]:
    print(f"{sure[row]:.2f} for {data['test'].features['label'].names[answer[row]]}:",
          test_texts[row])
""")
code("""
for text in ("Water boils at 100 degrees.", "qwe rtz uio", "Der Zug hatte Verspätung.",
             "Please turn left after the church."):
    print(f"{training.predict(tuned, tokenizer, [text]).max():.2f} sure:", text)
""")
md("""
SUREREAD
""")
md("""
## When a bag of words is the better product

It loses almost every comparison above. But look at what each costs:
""")
code("""
begun = time.perf_counter()
counter = bag_of_words(train["text"][:], train["label"][:])
fitted = time.perf_counter()
counter.predict(test_texts)
done = time.perf_counter()
training.predict(tuned, tokenizer, test_texts)
bert_done = time.perf_counter()
print(f"bag of words: learnt in {fitted - begun:.2f} s,",
      f"{1000 * (done - fitted) / len(test_texts):.2f} ms a text")
print(f"BERT: {1000 * (bert_done - done) / len(test_texts):.2f} ms a text")
""", "nbval-ignore-output")
code("""
numbers = sum(each.size for each in (counter[-1].coef_, counter[-1].intercept_))
print(f"{numbers:,} weights against {tuned.num_parameters():,}")
names = counter[0].get_feature_names_out()
order = counter[-1].coef_[0].argsort()
print("against:", *names[order[:8]], "| for:", *names[order[::-1][:8]])
""")
md("""
PRODUCTREAD
""")
md("""
## What goes wrong, in a line

A domain by a name that does not exist, labels so few that a class has none, a share that is no percentage:
""")
code("""
def attempt(what):
    try:
        what()
    except Exception as error:
        print(f"{type(error).__name__}: {error}\\n")


attempt(lambda: transfer_fails.of_domain(table, "hotel"))
attempt(lambda: reviews.drawn(train, 0.001 * len(train), seed=0))
attempt(lambda: transfer_fails.signed(some, 180))
""")

md("""
## Exercises

**08.2 · How much of it is new** (5 minutes). `words` is a text as a list, `vocabulary` the set of words of the training texts. Return the share of the text, from 0 to 1, that is out of vocabulary.
""")
code("""
def share_unknown(words, vocabulary):
    ...


check("08.2", share_unknown)
""")
md("""
<details><summary>Solution</summary>

```python
def share_unknown(words, vocabulary):
    return sum(word not in vocabulary for word in words) / len(words)
```

</details>

**08.3 · What was lost** (10 minutes). Tasks are learnt one after the other; `accuracies[i][j]` is the accuracy on task `j` after task `i` was learnt. Return the **backward transfer**: the mean, over all tasks but the last, of the accuracy at the end minus that right after the task was learnt.
""")
code("""
def backward_transfer(accuracies):
    ...


check("08.3", backward_transfer)
""")
md("""
<details><summary>Solution</summary>

```python
def backward_transfer(accuracies):
    last = accuracies[-1]
    changes = [last[task] - accuracies[task][task] for task in range(len(last) - 1)]
    return sum(changes) / len(changes)
```

</details>

**08.4 · Pairs that fail** (15 minutes). `before` and `after` are the probabilities of positive for the two texts of each pair, and `expected` says "same" or "opposite" of the classes. Return the share of pairs that fail. A probability above 0.5 means positive.
""")
code("""
def failure_rate(before, after, expected):
    ...


check("08.4", failure_rate)
""")
md("""
<details><summary>Solution</summary>

```python
def failure_rate(before, after, expected):
    failed = 0
    for a, b, kind in zip(before, after, expected, strict=True):
        stayed = (a > 0.5) == (b > 0.5)
        failed += stayed != (kind == "same")
    return failed / len(before)
```

</details>

**08.5 · The giveaway** (15 minutes). `labels` are 0 or 1. Of the words, in lower case and split at spaces, that stand in `least` texts or more, return the one whose texts are most one-sided: whose share of label 1 is farthest from one half.
""")
code("""
def giveaway(texts, labels, least):
    ...


check("08.5", giveaway)
""")
md("""
<details><summary>Solution</summary>

```python
def giveaway(texts, labels, least):
    found = {}
    for text, label in zip(texts, labels, strict=True):
        for word in set(text.lower().split()):
            found.setdefault(word, []).append(label)
    often = {word: each for word, each in found.items() if len(each) >= least}
    return max(often, key=lambda word: abs(sum(often[word]) / len(often[word]) - 0.5))
```

</details>

## Summary

- SUMMARY 1
- SUMMARY 2
- SUMMARY 3

Next: [10 · Faster](10_faster.ipynb) · Back to: [07 · When training goes wrong](07_when_training_goes_wrong.ipynb) · [06 · What to freeze](06_what_to_freeze.ipynb)
""")
