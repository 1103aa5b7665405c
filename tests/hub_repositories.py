"""What the local Hub serves: bert-base-uncased and gpt2 with their files, at the pinned commits.

Of BERT the four small files are the real ones, byte by byte, of GPT-2 the two configurations; so
are the names, shapes and types of all tensors, and the sizes. Stand-ins are the numbers in the
weights, drawn at random, and GPT-2's tokens: those of the small GPT-2, filled up to 50,257.
"""

import dataclasses
import hashlib
import json
import shutil

from hub_api import Repository
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

from helpers import checkpoints

BERT_CONFIG = {
    "architectures": ["BertForMaskedLM"], "attention_probs_dropout_prob": 0.1,
    "gradient_checkpointing": False, "hidden_act": "gelu", "hidden_dropout_prob": 0.1,
    "hidden_size": 768, "initializer_range": 0.02, "intermediate_size": 3072,
    "layer_norm_eps": 1e-12, "max_position_embeddings": 512, "model_type": "bert",
    "num_attention_heads": 12, "num_hidden_layers": 12, "pad_token_id": 0,
    "position_embedding_type": "absolute", "transformers_version": "4.6.0.dev0",
    "type_vocab_size": 2, "use_cache": True, "vocab_size": 30522,
}
GPT2_CONFIG = {
    "activation_function": "gelu_new", "architectures": ["GPT2LMHeadModel"], "attn_pdrop": 0.1,
    "bos_token_id": 50256, "embd_pdrop": 0.1, "eos_token_id": 50256, "initializer_range": 0.02,
    "layer_norm_epsilon": 1e-05, "model_type": "gpt2", "n_ctx": 1024, "n_embd": 768, "n_head": 12,
    "n_layer": 12, "n_positions": 1024, "resid_pdrop": 0.1, "summary_activation": None,
    "summary_first_dropout": 0.1, "summary_proj_to_labels": True, "summary_type": "cls_index",
    "summary_use_proj": True,
    "task_specific_params": {"text-generation": {"do_sample": True, "max_length": 50}},
    "vocab_size": 50257,
}
END_OF_TEXT = "<|endoftext|>"


def make(folder, *, full=False):
    """Write the files and return {model id: Repository}.

    With `full` the weights have their real shapes (441 and 548 MB); without, they are 1 and 24 MB:
    the client writes pieces of 10 MB, and resumes after the last whole one.
    """
    repositories = {}
    for name, write in {"bert": _bert, "gpt2": _gpt2}.items():
        entry = checkpoints.CATALOGUE[name, "full"]
        (folder / name).mkdir(parents=True)
        write(folder / name)
        _weights(name, folder / name / "model.safetensors", full)
        assert {path.name for path in (folder / name).iterdir()} == set(entry.files)
        repositories[entry.model_id] = Repository(entry.revision, folder / name)
    return repositories


def entries(repositories):
    """Return the catalogue's full-size entries with the SHA-256 of these files instead."""
    return {
        key: dataclasses.replace(entry, files={
            file: sha256(repositories[entry.model_id].folder / file) for file in entry.files
        })
        for key, entry in checkpoints.CATALOGUE.items() if key[1] == "full"
    }


def sha256(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _bert(folder):
    small = checkpoints.find("bert", "small").path
    shutil.copy(small / "vocab.txt", folder)
    tokenizer = json.loads((small / "tokenizer.json").read_text(encoding="utf-8"))
    tokenizer |= {"truncation": None, "padding": None}
    order = ("id", "special", "content", "single_word", "lstrip", "rstrip", "normalized")
    tokenizer["added_tokens"] = [{k: t[k] for k in order} for t in tokenizer["added_tokens"]]
    tokenizer["model"].pop("type", None)
    compact = json.dumps(tokenizer, separators=(",", ":"), ensure_ascii=False)
    (folder / "tokenizer.json").write_text(compact, encoding="utf-8", newline="")
    settings = '{"do_lower_case": true, "model_max_length": 512}'
    (folder / "tokenizer_config.json").write_text(settings)
    (folder / "config.json").write_text(json.dumps(BERT_CONFIG, indent=2) + "\n", newline="")


def _gpt2(folder):
    tokenizer = json.loads(
        (checkpoints.find("gpt2", "small").path / "tokenizer.json").read_text(encoding="utf-8")
    )
    model, (end,) = tokenizer["model"], tokenizer["added_tokens"]
    tokens = [token for token in model["vocab"] if token != END_OF_TEXT]
    tokens += [f"filler {i}" for i in range(GPT2_CONFIG["vocab_size"] - 1 - len(tokens))]
    model["vocab"] = {token: i for i, token in enumerate([*tokens, END_OF_TEXT])}
    end["id"] = model["vocab"][END_OF_TEXT]
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer), encoding="utf-8")
    (folder / "vocab.json").write_text(json.dumps(model["vocab"]), encoding="utf-8")
    merges = ["#version: 0.2", *(" ".join(pair) for pair in model["merges"])]
    (folder / "merges.txt").write_text("\n".join(merges) + "\n", encoding="utf-8")
    (folder / "tokenizer_config.json").write_text('{"model_max_length": 1024}')
    (folder / "config.json").write_text(json.dumps(GPT2_CONFIG, indent=2), newline="")


def _weights(name, path, full):
    import torch
    from safetensors.torch import save_file

    torch.manual_seed(0)
    tensors = {"weight": torch.randn(2**18 if name == "bert" else 6 * 2**20)}
    save_file(tensors_of(name) if full else tensors, path, metadata={"format": "pt"})


def tensors_of(name):
    """Return {name: tensor} as in the real file: an untrained model's, by their older names."""
    import torch
    from transformers import BertConfig, BertForPreTraining, GPT2Config, GPT2LMHeadModel

    if name == "bert":
        state = BertForPreTraining(BertConfig(**BERT_CONFIG)).state_dict()
        return {
            n.replace("LayerNorm.weight", "LayerNorm.gamma").replace("Norm.bias", "Norm.beta"): t
            for n, t in state.items() if ".decoder." not in n
        }
    state = GPT2LMHeadModel(GPT2Config(**GPT2_CONFIG)).transformer.state_dict()
    mask = torch.ones(1, 1, GPT2_CONFIG["n_ctx"], GPT2_CONFIG["n_ctx"]).tril()
    return state | {f"h.{i}.attn.bias": mask.clone() for i in range(GPT2_CONFIG["n_layer"])}


def cased_bert(folder, pieces):
    """Save a tiny BERT and its tokenizer, which has the special tokens and these pieces."""
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    vocabulary = {piece: number for number, piece in enumerate([*special, *pieces])}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=False, strip_accents=False)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, model_max_length=512, pad_token="[PAD]", unk_token="[UNK]",
        cls_token="[CLS]", sep_token="[SEP]", mask_token="[MASK]").save_pretrained(folder)
    BertModel(BertConfig(vocab_size=len(vocabulary), hidden_size=16, num_hidden_layers=2,
                         num_attention_heads=2, intermediate_size=16)).save_pretrained(folder)
