"""The field's common failures, each raised for real: `FAILURES` is {ailment: functions}.

`python tests/failures.py` raises them all and prints what each says. Models are tiny and random,
nothing is downloaded. `NEAR` has near misses: the same words, but another cause.
"""

import collections
import errno
import functools
import os
import pathlib
import pickle
import subprocess
import sys
import textwrap
import zipfile

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import datasets
import torch
import transformers
from hub import Fault, LocalHub
from torch.nn import functional

from helpers import checkpoints, doctor, texts

FAILURES = collections.defaultdict(list)
WIDTH = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2,
         "intermediate_size": 32}
BERT = checkpoints.find("bert").path
GPT2 = checkpoints.find("gpt2").path
ROWS = {"text": ["A good room.", "A bad one, and cold."], "label": [1, 0]}


def failure(name):
    """Enter a function of a folder that raises an ailment's failure."""
    def enter(function):
        FAILURES[name].append(function)
        return function
    return enter


@functools.cache
def tokenizer():
    return transformers.AutoTokenizer.from_pretrained(BERT)


@functools.cache
def gpt2_tokenizer():
    return transformers.AutoTokenizer.from_pretrained(GPT2)


def bert(**settings):
    torch.manual_seed(0)
    config = transformers.BertConfig(**WIDTH | settings)
    return transformers.BertForSequenceClassification(config)


def gpt2(kind=transformers.GPT2LMHeadModel, **settings):
    torch.manual_seed(0)
    return kind(transformers.GPT2Config(
        vocab_size=8192, n_embd=16, n_layer=1, n_head=2, n_positions=64, bos_token_id=0,
        eos_token_id=0, **settings))


def batch():
    return tokenizer()(ROWS["text"], padding=True, return_tensors="pt")


def encoded(**columns):
    rows = tokenizer()(ROWS["text"])
    return datasets.Dataset.from_dict({**rows, **columns})


def arguments(folder, **settings):
    return transformers.TrainingArguments(
        str(folder), **{"use_cpu": True, "report_to": "none", "disable_tqdm": True} | settings)


def trainer(folder, rows=None, settings=(), **others):
    return transformers.Trainer(
        bert(), arguments(folder, **dict(settings)),
        train_dataset=encoded(label=[1, 0]) if rows is None else rows,
        **{"processing_class": tokenizer()} | others)


# Names that are gone

@failure("transformers-adamw")
def _(folder):
    from transformers import AdamW  # noqa: F401


@failure("transformers-adamw")
def _(folder):
    transformers.AdamW(bert().parameters(), lr=1e-4)


@failure("tensorflow-gone")
def _(folder):
    from transformers import TFBertForSequenceClassification  # noqa: F401


@failure("tensorflow-gone")
def _(folder):
    transformers.TFAutoModel.from_pretrained(BERT)


@failure("transformers-name-gone")
def _(folder):
    from transformers import TextDataset  # noqa: F401


@failure("encode-plus")
def _(folder):
    tokenizer().batch_encode_plus(ROWS["text"], padding=True)


@failure("encode-plus")
def _(folder):
    tokenizer().encode_plus("A good room.", max_length=8, truncation=True)


@failure("training-argument-gone")
def _(folder):
    arguments(folder, evaluation_strategy="epoch")


@failure("training-argument-gone")
def _(folder):
    transformers.TrainingArguments(output_dir=folder, no_cuda=True)


@failure("training-argument-gone")
def _(folder):
    arguments(folder, per_gpu_train_batch_size=8)


@failure("trainer-tokenizer")
def _(folder):
    transformers.Trainer(bert(), arguments(folder), tokenizer=tokenizer())


@failure("load-metric")
def _(folder):
    from datasets import load_metric  # noqa: F401


@failure("load-metric")
def _(folder):
    datasets.load_metric("accuracy")


@failure("loading-script")
def _(folder):
    (folder / "mine.py").write_text("import datasets\n")
    datasets.load_dataset(str(folder / "mine.py"))


@failure("shadowed-module")
def _(folder):
    (folder / "datasets.py").write_text("from datasets import load_dataset\n")
    script(folder, "import datasets")


@failure("shadowed-module")
def _(folder):
    (folder / "transformers.py").write_text("import transformers\nprint(transformers.pipeline)\n")
    script(folder, "import transformers")


def script(folder, source, **environment):
    """Run source as a script in a folder; what it prints on stderr becomes a `Printed`."""
    (folder / "mine_main.py").write_text(textwrap.dedent(source))
    done = subprocess.run([sys.executable, "mine_main.py"], cwd=folder, capture_output=True,
                          text=True, env={**os.environ, **environment}, check=False)
    raise Printed(done.stderr)


class Printed(Exception):
    """The traceback of another process, as text."""


@failure("module-moved")
def _(folder):
    import transformers.modeling_bert  # noqa: F401


@failure("module-moved")
def _(folder):
    from transformers.tokenization_bert import BertTokenizer  # noqa: F401


# Checkpoints

@failure("wrong-folder")
def _(folder):
    transformers.AutoModel.from_pretrained(str(folder / "my" / "own" / "model"))


@failure("no-network")
def _(folder):
    transformers.AutoModel.from_pretrained("nobody/has-this-model")


@failure("no-network")
def _(folder):
    transformers.AutoTokenizer.from_pretrained("bert-base-made-up")


def answering(folder, status, code, words):
    """Ask a Hub on this machine that answers every request with one status."""
    with LocalHub({}) as hub:
        hub.faults.append(Fault("error", file="", method="", status=status, headers={
            "X-Error-Code": code, "X-Error-Message": words}))
        script(folder, """
            import transformers
            transformers.AutoConfig.from_pretrained("gpt4")
        """, HF_ENDPOINT=hub.endpoint, HF_HUB_OFFLINE="0", HF_HOME=str(folder),
            HF_HUB_DISABLE_TELEMETRY="1")


@failure("no-such-checkpoint")
def _(folder):
    answering(folder, 404, "RepoNotFound", "Repository not found")


@failure("gated")
def _(folder):
    answering(folder, 403, "GatedRepo", "Access to model is restricted")


@failure("no-config")
def _(folder):
    transformers.AutoModel.from_pretrained(str(folder))


@failure("no-config")
def _(folder):
    (folder / "config.json").write_text("{}")
    transformers.AutoModel.from_pretrained(str(folder))


@failure("no-weights")
def _(folder):
    bert().config.save_pretrained(folder)
    transformers.AutoModel.from_pretrained(str(folder))


@failure("broken-weights")
def _(folder):
    bert().save_pretrained(folder)
    (folder / "model.safetensors").write_text("version https://git-lfs.github.com/spec/v1\noid")
    transformers.AutoModel.from_pretrained(str(folder))


@failure("wrong-auto-class")
def _(folder):
    transformers.AutoModelForMaskedLM.from_config(transformers.GPT2Config())


@failure("unknown-architecture")
def _(folder):
    (folder / "config.json").write_text('{"model_type": "bert-from-next-year"}')
    transformers.AutoModel.from_pretrained(str(folder))


@failure("head-of-another-size")
def _(folder):
    bert(num_labels=3).save_pretrained(folder)
    transformers.BertForSequenceClassification.from_pretrained(folder, num_labels=2)


@failure("head-of-another-size")
def _(folder):
    bert(num_labels=2).load_state_dict(bert(num_labels=5).state_dict())


@failure("state-dict-prefix")
def _(folder):
    bert().load_state_dict(torch.nn.DataParallel(bert()).state_dict())


@failure("state-dict-of-another-model")
def _(folder):
    bert().load_state_dict(bert().bert.state_dict())


@failure("weights-only")
def _(folder):
    torch.save(bert(), folder / "model.pt")
    torch.load(folder / "model.pt")


@failure("saved-on-a-gpu")
def _(folder):
    torch.save({"weight": torch.ones(3)}, folder / "cpu.pt")
    with zipfile.ZipFile(folder / "cpu.pt") as old, zipfile.ZipFile(folder / "g.pt", "w") as new:
        for name in old.namelist():
            new.writestr(name, old.read(name).replace(b"\x03\x00\x00\x00cpu",
                                                      b"\x06\x00\x00\x00cuda:0"))
    torch.load(folder / "g.pt")


# Texts

@failure("no-text-for-the-tokenizer")
def _(folder):
    rows = datasets.Dataset.from_dict(ROWS)
    tokenizer()(rows["text"], truncation=True)


@failure("no-text-for-the-tokenizer")
def _(folder):
    tokenizer()(float("nan"))


@failure("no-text-for-the-tokenizer")
def _(folder):
    tokenizer()(["A room.", None], padding=True)


@failure("no-text-for-the-tokenizer")
def _(folder):
    import pandas as pd

    tokenizer()(pd.Series(ROWS["text"]))


@failure("no-pad-token")
def _(folder):
    gpt2_tokenizer()(ROWS["text"], padding=True)


@failure("no-pad-token")
def _(folder):
    transformers.DataCollatorWithPadding(gpt2_tokenizer())(
        [gpt2_tokenizer()(text) for text in ROWS["text"]])


@failure("no-pad-id-in-the-model")
def _(folder):
    gpt2(transformers.GPT2ForSequenceClassification)(torch.ones(2, 4, dtype=torch.long))


@failure("none-in-a-tensor")
def _(folder):
    ids = gpt2_tokenizer()("A good room.")["input_ids"]
    torch.tensor(ids + [gpt2_tokenizer().pad_token_id] * 3)


@failure("rows-of-different-lengths")
def _(folder):
    tokenizer()(ROWS["text"], return_tensors="pt")


@failure("rows-of-different-lengths")
def _(folder):
    rows = encoded(label=[1, 0]).with_format("torch")
    next(iter(torch.utils.data.DataLoader(rows, batch_size=2)))


@failure("rows-of-different-lengths")
def _(folder):
    rows = tokenizer()(ROWS["text"])
    next(iter(torch.utils.data.DataLoader(rows["input_ids"], batch_size=2)))


@failure("rows-of-different-lengths")
def _(folder):
    torch.tensor(tokenizer()(ROWS["text"])["input_ids"])


@failure("rows-of-different-lengths")
def _(folder):
    trainer(folder, processing_class=None).train()


@failure("text-too-long")
def _(folder):
    bert(max_position_embeddings=32)(torch.ones(1, 40, dtype=torch.long))


@failure("text-too-long")
def _(folder):
    model = bert(max_position_embeddings=32)
    rows = tokenizer()("many rooms " * 40, return_tensors="pt")
    model(**rows)


@failure("text-too-long")
def _(folder):
    transformers.pipeline("text-classification", bert(), tokenizer=tokenizer(), device="cpu")(
        "one more room " * 400)


@failure("text-too-long")
def _(folder):
    gpt2()(torch.ones(1, 80, dtype=torch.long))


@failure("id-outside-the-vocabulary")
def _(folder):
    bert(vocab_size=100)(**batch())


@failure("id-outside-the-vocabulary")
def _(folder):
    torch.nn.Embedding(10, 4)(torch.tensor([[1, 10]]))


@failure("text-instead-of-tokens")
def _(folder):
    bert()("A good room.")


@failure("lists-instead-of-tensors")
def _(folder):
    bert()(**tokenizer()("A good room."))


@failure("no-batch-dimension")
def _(folder):
    bert()(torch.tensor(tokenizer()("A good room.")["input_ids"]))


@failure("argument-the-model-lacks")
def _(folder):
    Reader()(torch.ones(1, 2), token_type_ids=torch.zeros(1, 2))


class Reader(torch.nn.Module):
    def forward(self, input_ids):
        return input_ids


@failure("ids-as-floats")
def _(folder):
    bert()(torch.tensor([[101.0, 102.0]]))


# Labels

@failure("label-out-of-range")
def _(folder):
    bert()(**batch(), labels=torch.tensor([1, 2]))


@failure("label-out-of-range")
def _(folder):
    trainer(folder, encoded(label=[1, 2])).train()


@failure("labels-as-floats")
def _(folder):
    bert()(**batch(), labels=torch.tensor([1.0, 0.0]))


@failure("labels-as-floats")
def _(folder):
    trainer(folder, encoded(label=[1.0, 0.0])).train()


@failure("labels-as-floats")
def _(folder):
    model = bert()
    model(**batch(), labels=torch.tensor([1, 0]))  # from then on it expects one class per text
    model(**batch(), labels=torch.tensor([1.0, 0.0]))


@failure("labels-as-strings")
def _(folder):
    torch.tensor(["positive", "negative"])


@failure("labels-as-strings")
def _(folder):
    trainer(folder, encoded(label=["good", "bad"])).train()


@failure("labels-as-strings")
def _(folder):
    tokenizer().pad([{"input_ids": [1, 2], "labels": "good"}], return_tensors="pt")


@failure("label-per-text-for-a-language-model")
def _(folder):
    gpt2()(input_ids=torch.ones(2, 7, dtype=torch.long), labels=torch.tensor([1, 0]))


@failure("label-per-text-for-a-language-model")
def _(folder):
    config = transformers.BertConfig(**WIDTH)
    transformers.BertForMaskedLM(config)(**batch(), labels=torch.tensor([1, 0]))


@failure("labels-of-another-integer-type")
def _(folder):
    functional.cross_entropy(torch.zeros(2, 2), torch.tensor([1, 0], dtype=torch.int32))


@failure("several-labels-as-integers")
def _(folder):
    model = bert(problem_type="multi_label_classification")
    model(**batch(), labels=torch.tensor([[1, 0], [0, 1]]))


@failure("no-labels-no-loss")
def _(folder):
    trainer(folder, encoded(target=[1, 0])).train()


@failure("no-labels-no-loss")
def _(folder):
    bert()(**batch()).loss.backward()


@failure("output-unpacked")
def _(folder):
    loss, _ = bert()(**batch(), labels=torch.tensor([1, 0]))
    loss.backward()


@failure("output-unpacked")
def _(folder):
    _, logits = bert()(**batch(), labels=torch.tensor([1, 0]))
    logits.argmax(-1)


@failure("output-unpacked")
def _(folder):
    _, pooled = bert().bert(**batch())
    torch.nn.Dropout()(pooled)


# The Trainer

@failure("no-eval-dataset")
def _(folder):
    trainer(folder).evaluate()


@failure("no-eval-dataset")
def _(folder):
    trainer(folder, settings={"eval_strategy": "epoch"}).train()


@failure("strategies-differ")
def _(folder):
    arguments(folder, load_best_model_at_end=True, eval_strategy="epoch", save_strategy="steps")


@failure("no-columns")
def _(folder):
    trainer(folder, datasets.Dataset.from_dict(ROWS)).train()


@failure("early-stopping")
def _(folder):
    trainer(folder, callbacks=[transformers.EarlyStoppingCallback()]).train()


@failure("metric-not-found")
def _(folder):
    trainer(folder, eval_dataset=encoded(label=[1, 0]), settings={
        "load_best_model_at_end": True, "eval_strategy": "epoch", "save_strategy": "epoch",
        "metric_for_best_model": "f1", "num_train_epochs": 1}).train()


@failure("nothing-to-resume")
def _(folder):
    trainer(folder).train(resume_from_checkpoint=True)


@failure("empty-data-set")
def _(folder):
    torch.utils.data.DataLoader(encoded().select([]), batch_size=2, shuffle=True)


@failure("name-not-defined")
def _(folder):
    trainer(folder, train_dataset=tokenized_train)  # noqa: F821


# Tensors

@failure("devices-differ")
def _(folder):
    torch.ones(2, device="meta") + torch.ones(2)


@failure("devices-differ")
def _(folder):
    torch.nn.Linear(4, 2, device="meta")(torch.ones(1, 4))


@failure("out-of-memory")
def _(folder):
    torch.empty(2**50, dtype=torch.uint8)


@failure("no-cuda")
def _(folder):
    torch.ones(1).to("cuda")


@failure("no-cuda")
def _(folder):
    bert().cuda()


@failure("numpy-of-a-gradient")
def _(folder):
    bert()(**batch()).logits.numpy()


@failure("backward-twice")
def _(folder):
    loss = bert()(**batch(), labels=torch.tensor([1, 0])).loss
    loss.backward()
    loss.backward()


@failure("nothing-to-train")
def _(folder):
    model = bert().requires_grad_(False)
    model(**batch(), labels=torch.tensor([1, 0])).loss.backward()


@failure("nothing-to-train")
def _(folder):
    torch.optim.AdamW(p for p in bert().requires_grad_(False).parameters() if p.requires_grad)


@failure("nothing-to-train")
def _(folder):
    with torch.no_grad():
        loss = bert()(**batch(), labels=torch.tensor([1, 0])).loss
    loss.backward()


@failure("loss-of-many")
def _(folder):
    losses = functional.cross_entropy(bert()(**batch()).logits, torch.tensor([1, 0]),
                                      reduction="none")
    losses.backward()


@failure("item-of-many")
def _(folder):
    bert()(**batch()).logits.argmax(-1).item()


@failure("dictionary-to-a-device")
def _(folder):
    rows = [{"ids": torch.ones(2), "label": 1}]
    next(iter(torch.utils.data.DataLoader(rows))).to("cpu")


@failure("not-a-number")
def _(folder):
    from sklearn.linear_model import LogisticRegression

    LogisticRegression().fit([[float("nan")], [1.0]], [0, 1])


@failure("not-a-number")
def _(folder):
    torch.multinomial(torch.tensor([float("nan"), 1.0]), 1)


@failure("logits-in-a-metric")
def _(folder):
    from sklearn.metrics import accuracy_score

    accuracy_score([1, 0], bert()(**batch()).logits.detach().numpy())


@failure("changed-in-place")
def _(folder):
    weight = torch.ones(2, requires_grad=True)
    hidden = weight.exp()
    hidden += 1
    (hidden * hidden).sum().backward()


@failure("changed-in-place")
def _(folder):
    hidden = torch.ones(2, requires_grad=True).exp()
    loss = (hidden * hidden).sum()
    hidden[0] = 0.0
    loss.backward()


@failure("dtypes-differ")
def _(folder):
    torch.nn.Linear(4, 2, dtype=torch.float16)(torch.ones(1, 4))


@failure("dtypes-differ")
def _(folder):
    model = bert()
    model.bert.half()
    model(**batch())


@failure("shapes-differ")
def _(folder):
    model = bert()
    model.classifier = torch.nn.Linear(768, 2)
    model(**batch())


# Data

@failure("no-such-column")
def _(folder):
    datasets.Dataset.from_dict(ROWS).remove_columns(["txt"])


@failure("no-such-column")
def _(folder):
    datasets.Dataset.from_dict(ROWS)["txt"]


@failure("no-such-column")
def _(folder):
    datasets.Dataset.from_dict(ROWS).map(lambda row: tokenizer()(row["review"]))


@failure("no-such-column")
def _(folder):
    import pandas as pd

    pd.DataFrame(ROWS)["review"]


@failure("no-such-split")
def _(folder):
    datasets.DatasetDict({"train": encoded()})["validation"]


@failure("no-such-split")
def _(folder):
    (folder / "mine.csv").write_text("text,label\na,1\n")
    datasets.load_dataset("csv", data_files=str(folder / "mine.csv"), split="test",
                          cache_dir=folder)


@failure("rows-by-label")
def _(folder):
    import pandas as pd

    kept = pd.DataFrame(ROWS).query("label == 0")
    kept["text"][0]


@failure("files-with-other-columns")
def _(folder):
    (folder / "a.csv").write_text("text,label\na,1\n")
    (folder / "b.csv").write_text("review,stars\na,1\n")
    datasets.load_dataset("csv", data_files=[str(folder / f"{n}.csv") for n in "ab"],
                          cache_dir=folder)


@failure("no-classes-to-stratify")
def _(folder):
    datasets.Dataset.from_dict(ROWS).train_test_split(0.5, stratify_by_column="label")


@failure("encoding-of-the-system")
def _(folder):
    (folder / "utf8.csv").write_text("text\n“quoted”\n", encoding="utf-8")
    (folder / "utf8.csv").read_text(encoding="cp1252")


@failure("encoding-of-the-system")
def _(folder):
    (folder / "utf8.csv").write_text("text\né\n", encoding="utf-8")
    (folder / "utf8.csv").read_text(encoding="ascii")


@failure("file-not-found")
def _(folder):
    datasets.load_dataset("csv", data_files="reviews/of-nobody.csv")


@failure("file-not-found")
def _(folder):
    import pandas as pd

    pd.read_csv(folder / "reviews.csv")


@failure("encoding")
def _(folder):
    import pandas as pd

    (folder / "latin.csv").write_bytes("text\nGrüße\n".encode("latin-1"))
    pd.read_csv(folder / "latin.csv")


@failure("encoding")
def _(folder):
    (folder / "latin.csv").write_bytes("text\nGrüße\n".encode("latin-1"))
    (folder / "latin.csv").read_text(encoding="utf-8")


# Around it

@failure("module-missing")
def _(folder):
    import evaluate_of_nobody  # noqa: F401


@failure("no-main-guard")
def _(folder):
    script(folder, """
        import multiprocessing
        multiprocessing.set_start_method("spawn", force=True)
        one = multiprocessing.Process(target=print)
        one.start()
        one.join()
    """)


@failure("cannot-be-pickled")
def _(folder):
    pickle.dumps(lambda rows: rows)


@failure("cannot-be-pickled")
def _(folder):
    loader = torch.utils.data.DataLoader([1, 2], num_workers=1, collate_fn=lambda rows: rows,
                                         multiprocessing_context="spawn")
    next(iter(loader))


@failure("disk-full")
def _(folder):
    if not os.path.exists("/dev/full"):  # only Linux has a disk that is always full
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    with open("/dev/full", "w") as file:
        file.write("x" * 100_000)


@failure("learner-error")
def _(folder):
    texts.load(folder / "nothing.csv")


# The same words from another cause

NEAR = {}


def near(function):
    """Enter a function of a folder whose exception only sounds like a failure that is known."""
    NEAR[function.__name__.replace("_", " ")] = function
    return function


class Settings:
    """A class of one's own that has been given an old name of TrainingArguments."""

    def __init__(self, output_dir):
        self.output_dir = output_dir


class MyTokenizer:
    pass


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.last = torch.nn.Linear(4, 8), torch.nn.Linear(8, 2)


@near
def an_optimizer_of_ones_own_package_lacks_AdamW(folder):
    (folder / "my_optimizers.py").write_text("SGD = 1\n")
    script(folder, "from my_optimizers import AdamW")


@near
def a_class_of_ones_own_does_not_take_evaluation_strategy(folder):
    Settings(output_dir=folder, evaluation_strategy="epoch")


@near
def a_model_object_has_no_encode_plus(folder):
    bert().encode_plus("A good room.")


@near
def a_dictionary_of_ones_own_lacks_validation(folder):
    {"train": 1}["validation"]


@near
def a_dictionary_of_ones_own_lacks_text(folder):
    row = dict(datasets.Dataset.from_dict(ROWS)[0])
    row["review"]


@near
def a_list_of_ones_own_is_too_short(folder):
    rows = list(ROWS)
    rows[5]


@near
def ones_own_check_says_index_out_of_range_in_self(folder):
    raise IndexError("index out of range in self")


@near
def ones_own_tensors_of_two_lengths_are_added(folder):
    torch.ones(2, 600) + torch.ones(2, 512)


@near
def ones_own_loss_gets_a_target_of_another_size(folder):
    functional.binary_cross_entropy_with_logits(torch.zeros(2, 2), torch.ones(2))


@near
def ones_own_network_flattens_the_batch_away(folder):
    functional.cross_entropy(torch.zeros(12, 2), torch.tensor([0, 1, 0]))


@near
def tensors_of_two_sizes_are_stacked_outside_a_loader(folder):
    torch.stack([torch.ones(2), torch.ones(3)])


@near
def a_matrix_product_of_ones_own_does_not_fit(folder):
    torch.ones(2, 3) @ torch.ones(4, 2)


@near
def unpacking_ones_own_list(folder):
    first, second = [1]
    return first, second


@near
def a_list_of_ones_own_has_no_shape(folder):
    [[1, 2]].shape  # noqa: B018


@near
def a_word_is_split_that_is_none(folder):
    dict(ROWS).get("title").lower()


@near
def ones_own_text_check_has_the_tokenizers_words(folder):
    raise TypeError("text input must be of type str, and this is bytes")


@near
def a_value_error_of_ones_own_speaks_of_padding(folder):
    raise ValueError("Asking to pad but the image does not have a border")


@near
def state_of_an_optimizer_of_another_size(folder):
    optimizer = torch.optim.AdamW(Net().first.parameters())
    optimizer.load_state_dict(torch.optim.AdamW(Net().parameters()).state_dict())


@near
def a_function_of_ones_own_has_no_such_argument(folder):
    def forward(input_ids):
        return input_ids

    forward(1, token_type_ids=2)


@near
def a_key_called_loss_in_ones_own_log(folder):
    [{"step": 1}][0]["loss"]


@near
def a_trainer_of_ones_own_takes_no_tokenizer(folder):
    class HouseTrainer:
        def __init__(self, model):
            self.model = model

    HouseTrainer(bert(), tokenizer=tokenizer())


@near
def a_name_of_ones_own_has_no_shape(folder):
    title = "Good."
    title.shape  # noqa: B018


@near
def a_number_is_not_in_a_dictionary(folder):
    {1: "one"}[0]


@near
def ones_own_check_says_that_there_is_nan(folder):
    raise ValueError("Input contains NaN: row 12 of stars.csv")


@near
def a_port_is_taken(folder):
    raise OSError(98, "Address already in use")


@near
def a_connection_to_a_database_is_refused(folder):
    raise ConnectionError("Couldn't reach the database on the host reviews-db")


@near
def half_the_words_of_a_checkpoint_that_is_not_there(folder):
    raise OSError("reviews.csv is not a local file")


@near
def an_api_of_another_kind_runs_out(folder):
    raise RuntimeError("Out of memory slots: 4 of 4 are taken")


@near
def a_script_of_ones_own_is_unsupported(folder):
    raise RuntimeError("Scripts for data sets are not supported by our server")


def main():
    """Raise every failure and print its last lines."""
    import tempfile
    import time

    transformers.logging.set_verbosity_error()
    wanted = sys.argv[1:]
    for name, functions in FAILURES.items():
        if wanted and name not in wanted:
            continue
        for function in functions:
            start = time.perf_counter()
            with tempfile.TemporaryDirectory() as folder:
                try:
                    function(pathlib.Path(folder))
                    print(f"== {name}: RAISES NOTHING")
                except Exception as error:
                    print(f"== {name} ({time.perf_counter() - start:.2f} s)")
                    for one in doctor.chain_of(error):
                        print(f"   {one.type}: {one.message[:600]}")
                        print("     at", *one.frames[-1:])


if __name__ == "__main__":
    main()
