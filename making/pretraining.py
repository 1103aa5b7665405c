"""Pretrain a small GPT-2: its tokenizer, its weights, and how well it predicts held-out text.

python -m making.pretraining --corpus FOLDER
python -m making.pretraining --dataset Salesforce/wikitext --config wikitext-2-raw-v1 \
    --revision COMMIT

Text files in, a folder for `from_pretrained` out. The training may be interrupted at any moment:
the same command goes on from the last complete checkpoint.

The architecture and the byte-level BPE are those of Radford et al. (2019), "Language models are
unsupervised multitask learners", at a size for two CPU cores. With `--start bert` the model starts
from the bundled BERT's weights and, while it learns to write, reads short texts beside it
(`making.from_bert`); with `--start random` it has the corpus alone.
"""

import argparse
import itertools
import json
import math
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import torch
import transformers
from transformers import GPT2Config, GPT2LMHeadModel, PrinterCallback, Trainer, TrainingArguments

from helpers import generation, paths, trainers
from making import command, corpus, from_bert
from making.progress import ProgressBar

END = "<|endoftext|>"
CONTEXT = 256  # tokens that the model sees at once
EVERY = 250  # steps between two checkpoints, and between two looks at the held-out text
TEXTS = 64  # short texts that are read beside BERT at each step
WORDS, REPEATED = 6000, 20  # BERT's words, and how often the tokenizer sees them and the reviews
# What the card shows: beginnings in the manner of the corpus, and some that ask for more than it
# can know.
NEAR = ("The old man looked at the sea and", "She had never been so happy as", "It was said that")
FAR = ("The capital of France is", "Two and two make", "The best thing about my new phone is")
DRAWN = generation.Sampling(temperature=0.8, top_p=0.9)  # how its samples are drawn


@dataclass(frozen=True)
class Recipe:
    """What decides a pretraining, apart from its text."""

    start: str = "bert"
    vocab_size: int = 10_000
    width: int = 384  # as wide as the bundled BERT, if it starts from there
    inner: int = 768
    layers: int = 3
    heads: int = 12
    epochs: float = 1.0
    max_steps: int = -1
    batch_size: int = 4  # blocks of CONTEXT tokens
    learning_rate: float = 6e-4
    agreement: float = 3.0  # weight of the agreement with BERT beside the loss in nats
    seed: int = 0


# Tokenizer and model

def train_tokenizer(paragraphs, vocab_size):
    """Return a byte-level BPE tokenizer as GPT-2's, without a pad token."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from tokenizers.trainers import BpeTrainer

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = BpeTrainer(
        vocab_size=vocab_size, special_tokens=[END], show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    tokenizer.train_from_iterator(paragraphs, trainer)
    return transformers.GPT2TokenizerFast(
        tokenizer_object=tokenizer, bos_token=END, eos_token=END, unk_token=END,
        model_max_length=CONTEXT,
    )


class StudentForCausalLM(GPT2LMHeadModel):
    """A GPT-2 with one more linear layer, through which its hidden states are held to BERT's."""

    def __init__(self, config):
        super().__init__(config)
        self.agree = torch.nn.Linear(config.n_embd, config.n_embd)
        torch.nn.init.eye_(self.agree.weight)
        torch.nn.init.zeros_(self.agree.bias)


def new_model(tokenizer, recipe):
    """Return a GPT-2 of the recipe's size, with random weights or BERT's."""
    transformers.set_seed(recipe.seed)
    model = StudentForCausalLM(GPT2Config(
        vocab_size=len(tokenizer), n_positions=CONTEXT, n_embd=recipe.width, n_inner=recipe.inner,
        n_layer=recipe.layers, n_head=recipe.heads, resid_pdrop=0.0, embd_pdrop=0.0,
        attn_pdrop=0.0, bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id,
        dtype="float32",
    ))
    if recipe.start == "bert":
        from_bert.fill(model, tokenizer)
    return model


def blocks(paragraphs, tokenizer):
    """Return blocks of CONTEXT tokens, (blocks, CONTEXT), each paragraph closed by END."""
    stream = list(itertools.chain.from_iterable(
        [*ids, tokenizer.eos_token_id] for ids in tokenizer(paragraphs, verbose=False)["input_ids"]
    ))
    return torch.tensor(stream[: len(stream) // CONTEXT * CONTEXT]).view(-1, CONTEXT)


def steps(blocks, batch_size, texts=()):
    """Return a row per step: blocks to learn to write from, and texts to read beside BERT."""
    # Texts of like length together, so that little is padded.
    texts = sorted(texts, key=lambda pair: len(pair[0]))
    return [{"blocks": part, "texts": texts[i * TEXTS : (i + 1) * TEXTS]}
            for i, part in enumerate(blocks.split(batch_size))]


# Training

class Pretraining(Trainer):
    """Next-token prediction, and agreement with BERT on the texts of a step, where it has some.

    The agreement is the share of BERT's hidden states that is not matched: the mean squared
    difference over their variance. Those texts that are prose are predicted, too: a model that
    has to write from blocks alone learns not to where a text begins.
    """

    def __init__(self, *arguments, tokenizer, teacher, agreement, **options):
        super().__init__(*arguments, data_collator=self.collate, **options)
        self.tokenizer, self.teacher, self.agreement = tokenizer, teacher, agreement

    def collate(self, rows):
        """Return the tensors of one step."""
        (step,) = rows
        tensors = {"labels": step["blocks"]}
        if step["texts"]:
            tensors |= self.teacher.align(self.tokenizer, step["texts"])
        return tensors

    def compute_loss(self, model, inputs, return_outputs=False, **_):
        """Return the loss of a step: nats per token, and the weighted lack of agreement."""
        output = model(input_ids=inputs["labels"], labels=inputs["labels"])
        loss = output.loss
        if "ids" in inputs:
            rows = inputs["rows"]
            wanted = self.teacher.hidden(inputs["teacher_ids"], rows, inputs["teacher_places"])
            hidden = model.transformer(inputs["ids"]).last_hidden_state
            read = model.agree(hidden[rows, inputs["places"]])
            missed = (read - wanted).square().mean() / wanted.var()
            # Position i predicts token i + 1, where that token is prose.
            following = inputs["ids_labels"][:, 1:]
            prose = following != -100
            if prose.any():
                scores = model.lm_head(hidden[:, :-1][prose])
                loss = loss + torch.nn.functional.cross_entropy(scores, following[prose])
            loss = loss + self.agreement * missed
        return (loss, output) if return_outputs else loss


def pretrain(works, output, recipe=None, *, work_folder=None, progress=True):
    """Pretrain a model on `works` ({name: paragraphs}) and save it in `output`.

    `work_folder` holds the checkpoints; with the same recipe and text, an interrupted run goes on
    from there. Returns the recipe and what was measured, which `pretraining.json` holds too.

    Raises LearnerError for an output folder that holds anything but an earlier model, before the
    training starts, for a disk that fills up and for a work folder of another run.
    """
    recipe = recipe or Recipe()
    output = Path(output).resolve()
    paths.check_replaceable(output)
    work_folder = Path(work_folder or output.with_name(f"{output.name}-pretraining"))
    clean, left_out = corpus.without_excluded(works)
    train_texts, held_out = corpus.split(clean)
    teacher, further, seen = None, [], []
    if recipe.start == "bert":
        teacher = from_bert.Teacher(recipe.layers)
        seen = pd.read_csv(paths.data_file("reviews", "extra.csv"))["text"].tolist()
        further = REPEATED * (seen + [f" {w}" for w in from_bert.words(teacher.pieces)[:WORDS]])
    tokenizer = train_tokenizer(train_texts + further, recipe.vocab_size)
    train_blocks = blocks(train_texts, tokenizer)
    count = math.ceil(len(train_blocks) / recipe.batch_size)
    texts = [] if teacher is None else from_bert.short_texts(
        train_texts, seen, teacher.pieces, TEXTS * count, recipe.seed
    )
    arguments = TrainingArguments(
        str(work_folder), seed=recipe.seed, num_train_epochs=recipe.epochs,
        max_steps=recipe.max_steps, per_device_train_batch_size=1, per_device_eval_batch_size=1,
        learning_rate=recipe.learning_rate, lr_scheduler_type="cosine", warmup_steps=0.03,
        weight_decay=0.1, adam_beta2=0.95, max_grad_norm=1.0, logging_steps=1,
        logging_nan_inf_filter=False, eval_strategy="steps", eval_steps=EVERY, save_steps=EVERY,
        save_total_limit=2, disable_tqdm=True, remove_unused_columns=False,
        prediction_loss_only=True, dataloader_pin_memory=torch.cuda.is_available(),
    )
    record = trainers.RecordCurve()
    trainer = Pretraining(
        new_model(tokenizer, recipe), arguments, tokenizer=tokenizer, teacher=teacher,
        agreement=recipe.agreement, train_dataset=steps(train_blocks, recipe.batch_size, texts),
        eval_dataset=steps(blocks(held_out, tokenizer), recipe.batch_size),
        callbacks=[record, *([ProgressBar()] if progress else [])],
    )
    trainer.remove_callback(PrinterCallback)
    start = time.perf_counter()
    trainers.train(trainer, resume=True)
    seconds = time.perf_counter() - start
    model = as_stored(trainer.model)
    bits = generation.predicted(model, tokenizer, held_out).bits_per_byte
    figures = {
        **vars(recipe), "parameters": model.num_parameters(), "paragraphs_left_out": left_out,
        "train_tokens": train_blocks.numel(), "steps": trainer.state.global_step,
        "seconds_since_last_start": round(seconds),
        "held_out_bytes": sum(len(text.encode()) for text in held_out),
        "bits_per_byte": round(bits, 3), "perplexity_per_byte": round(2**bits, 3),
        "bigram_bits_per_byte": round(corpus.bigram_bits_per_byte(train_texts, held_out), 3),
        "gzip_bits_per_byte": round(corpus.gzip_bits_per_byte(held_out), 3),
        "works": sorted(works), "samples": samples(model, tokenizer),
    }
    record.curve.save(work_folder / "curve.json")
    save(model, tokenizer, output, figures)
    return figures


def as_stored(student):
    """Return the plain `GPT2LMHeadModel` of a student on the CPU, rounded to 16 bits."""
    student.config.use_cache = True  # the Trainer switches it off, and writing needs it
    model = GPT2LMHeadModel(student.config).eval()
    model.transformer.load_state_dict(student.cpu().transformer.state_dict())
    return model.half().float()


def samples(model, tokenizer):
    """Return what the model writes after each prompt of the card, drawn once, not chosen."""
    return {
        prompt: generation.generate(model, tokenizer, prompt, DRAWN, max_new_tokens=30)
        for prompt in (*NEAR, *FAR)
    }


def card(figures):
    """Return the model card, in Markdown, from what `pretraining.json` holds."""
    return command.render(
        "card.md", figures, context=CONTEXT, texts=TEXTS, held_out=corpus.HELD_OUT, drawn=DRAWN,
        near=NEAR, far=FAR,
    )


def save(model, tokenizer, output, figures):
    """Save model, tokenizer and figures in `output`, whole or not at all.

    The weights are stored in 16 bits, and the config says that they are to be loaded in 32.
    """
    half = type(model)(model.config).half()
    half.load_state_dict(model.state_dict())
    with paths.replacing_folder(output) as fresh:
        half.save_pretrained(fresh)
        tokenizer.save_pretrained(fresh)
        config = json.loads((fresh / "config.json").read_text(encoding="utf-8"))
        config["dtype"] = "float32"
        (fresh / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
        (fresh / "pretraining.json").write_text(
            json.dumps(figures, indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
        )
        (fresh / "README.md").write_text(card(figures), encoding="utf-8")


def main(arguments=None):
    """Run the command line; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m helpers pretrain", description=__doc__.partition("\n\n")[0],
    )
    command.add_corpus(parser)
    parser.add_argument("--output", default="gpt2-mini",
                        help="where the model goes, a new folder or an earlier model's")
    parser.add_argument("--start", choices=("bert", "random"), default=Recipe.start,
                        help="the weights to begin with (default: %(default)s)")
    parser.add_argument("--epochs", type=float, default=Recipe.epochs)
    parser.add_argument("--max-steps", type=int, default=Recipe.max_steps)
    options = parser.parse_args(arguments)
    recipe = Recipe(start=options.start, epochs=options.epochs, max_steps=options.max_steps)

    def work():
        figures = pretrain(command.read_corpus(options), options.output, recipe)
        for name in ("bits_per_byte", "bigram_bits_per_byte", "gzip_bits_per_byte"):
            print(f"{name:<24}{figures[name]:.3f}")
        print(f"Saved in {options.output}.")

    return command.run(work)


if __name__ == "__main__":
    sys.exit(main())
