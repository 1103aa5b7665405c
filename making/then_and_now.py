"""Runs lines of old recipes with the versions they were written for, for notebook 13.

python -m making.then_and_now [--folder FOLDER]

Installs each old version without what it depends on into a folder of its own (it needs a
network), and runs there what is listed here. It takes about five minutes.
"""

import argparse
import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

from helpers import checkpoints, paths
from helpers.then_and_now import FILE, Habit

AIOHTTP = ["aiohttp==3.9.5", "aiosignal", "frozenlist", "multidict", "yarl", "attrs", "propcache"]
AMAZON = ["boto3==1.35.99", "botocore==1.35.99", "jmespath==1.0.1"]  # where models were kept
OLD = {  # what an old version needs beside what is installed
    "transformers 4.46.3": ["transformers==4.46.3", "tokenizers==0.20.3", "accelerate==1.0.1",
                            "huggingface_hub==0.26.5", "datasets==3.1.0", "fsspec==2024.9.0",
                            "dill==0.3.8", "multiprocess==0.70.16", *AIOHTTP],
    "datasets 2.14.7": ["datasets==2.14.7", "pyarrow==14.0.2", "pyarrow-hotfix", "numpy==1.26.4",
                        "pandas==2.1.4", "pytz", "fsspec==2023.10.0", "dill==0.3.7",
                        "multiprocess==0.70.15", "huggingface_hub==0.17.3", *AIOHTTP],
    "torch 2.5.1": ["torch==2.5.1"],
    "transformers 2.2.2": ["transformers==2.2.2", "sacremoses==0.1.1", "sentencepiece==0.2.0",
                           *AMAZON],
    "pytorch-pretrained-bert 0.6.2": ["pytorch-pretrained-bert==0.6.2", *AMAZON],
}
BERT = "from transformers import AutoTokenizer\ntokenizer = AutoTokenizer.from_pretrained(bert)\n"
ARGUMENT = "from transformers import TrainingArguments\n" \
           "TrainingArguments(folder, use_cpu=True, {0}).{1}"
TINY = "from transformers import BertConfig, BertForSequenceClassification\n" \
       "config = BertConfig(hidden_size=8, num_hidden_layers=1, num_attention_heads=1)\n" \
       "model = BertForSequenceClassification(config)\n"
ROWS = "from datasets import Dataset\nrows = Dataset.from_dict({'text': ['Good.', 'Bad.']})\n"
LAYER = "import torch\nlayer = torch.nn.Linear(2, 2)\n"
HABITS = (  # name, old version, code whose last line says something, what to write instead
    ("pytorch_pretrained_bert", "pytorch-pretrained-bert 0.6.2",
     "from pytorch_pretrained_bert import BertAdam\nBertAdam.__name__",
     "transformers, torch.optim"),
    ("loss, logits = model(…)", "transformers 2.2.2",
     TINY + "import torch\nids = torch.ones(1, 3, dtype=torch.long)\n"
     "loss, logits = model(ids, labels=torch.tensor([1]))\ntype(loss).__name__", "output.loss"),
    ("transformers.AdamW", "transformers 4.46.3",
     "from transformers import AdamW\nAdamW.__name__", "torch.optim.AdamW"),
    ("tokenizer.encode_plus", "transformers 4.46.3",
     BERT + "len(tokenizer.encode_plus('Good.')['input_ids'])", "tokenizer(text)"),
    ("pad_to_max_length=True", "transformers 4.46.3",
     BERT + "len(tokenizer('Good.', pad_to_max_length=True, max_length=8)['input_ids'])",
     "padding=\"max_length\""),
    ("TFBertModel", "transformers 4.46.3",
     "from transformers import TFBertModel\nTFBertModel.__name__", "BertModel"),
    ("TextDataset", "transformers 4.46.3",
     "from transformers import TextDataset\nTextDataset.__name__", "datasets and map"),
    ("evaluation_strategy=", "transformers 4.46.3",
     ARGUMENT.format("evaluation_strategy='epoch'", "eval_strategy.value"), "eval_strategy="),
    ("logging_dir=", "transformers 4.46.3", ARGUMENT.format("logging_dir='logs'", "logging_dir"),
     "TENSORBOARD_LOGGING_DIR"),
    ("warmup_ratio=", "transformers 4.46.3", ARGUMENT.format("warmup_ratio=0.1", "warmup_ratio"),
     "warmup_steps=0.1"),
    ("no_cuda=", "transformers 4.46.3",
     "from transformers import TrainingArguments\n"
     "TrainingArguments(folder, no_cuda=True).device.type", "use_cpu="),
    ("Trainer(tokenizer=)", "transformers 4.46.3",
     BERT + TINY + "from transformers import Trainer\n"
     "type(Trainer(model, tokenizer=tokenizer)).__name__", "processing_class="),
    ("datasets.load_metric", "datasets 2.14.7",
     "from datasets import load_metric\nload_metric.__name__", "sklearn.metrics"),
    ("the type of ds[\"text\"]", "datasets 2.14.7", ROWS + "type(rows['text']).__name__",
     "ds[\"text\"][:]"),
    ("torch.load of a model", "torch 2.5.1",
     LAYER + "torch.save(layer, folder + '/x.pt')\n"
     "type(torch.load(folder + '/x.pt')).__name__", "save_pretrained"),
    ("StepLR(verbose=True)", "torch 2.5.1",
     LAYER + "optimizer = torch.optim.SGD(layer.parameters(), lr=1.0)\n"
     "type(torch.optim.lr_scheduler.StepLR(optimizer, 1, verbose=True)).__name__",
     "get_last_lr()"),
)


def installed(folder, requirements):
    """Return a folder with these packages, and only these."""
    if not folder.is_dir():
        subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", "--no-deps",
                        "--target", str(folder), *requirements], check=True)
    return folder


def ran(code, folder):
    """Return what a line of code says with the packages in a folder before the installed ones."""
    program = "import sys\nfrom helpers.then_and_now import run\nprint(run(*sys.argv[1:]))"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), str(paths.ROOT)]),
                   "USE_TF": "0"}
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", program, code,
                           str(checkpoints.find("bert").path)], check=True, env=environment,
                          capture_output=True, text=True)
    return done.stdout.strip()


def record(folder):
    """Return the habits, each run with its old version."""
    habits = []
    for name, version, code, instead in HABITS:
        then = ran(code, installed(folder / version.replace(" ", "-"), OLD[version]))
        print(f"{name}: {then}", flush=True)
        habits.append(Habit(name, code, instead, version, then))
    return {"habits": [dataclasses.asdict(habit) for habit in habits]}


def main(arguments=None):
    """Run what is listed, and store it."""
    parser = argparse.ArgumentParser(prog="python -m making.then_and_now", description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path("old"),
                        help="where the old versions are installed, or are already")
    folder = parser.parse_args(arguments).folder.resolve()
    with paths.replacing(FILE) as fresh:
        fresh.write_text(json.dumps(record(folder), indent=1, ensure_ascii=False) + "\n",
                         encoding="utf-8")


if __name__ == "__main__":
    main()
