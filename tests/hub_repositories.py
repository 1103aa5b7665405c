"""What the local Hub serves: bert-base-uncased and gpt2 with their files, at the pinned commits.

Real are the configurations, the names, shapes and types of all tensors, BERT's vocabulary and
tokenizer, and so the sizes. Stand-ins are the numbers in the weights, drawn at random, and
GPT-2's merges: a byte-level BPE of the same 50,257 tokens, built from the words of BERT's
vocabulary instead of being trained on the web.
"""

import itertools
import json
import shutil

from hub import Repository

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


def make(folder, names=("bert", "gpt2"), *, full=False):
    """Write the files and return {model id: Repository}.

    With `full` the weights have their real shapes (441 and 548 MB); without, they are 1 MB each.
    """
    repositories = {}
    for name in names:
        entry = checkpoints.CATALOGUE[name, "full"]
        place = folder / name
        place.mkdir(parents=True)
        (_bert if name == "bert" else _gpt2)(place)
        _weights(name, place / "model.safetensors", full)
        assert sorted(path.name for path in place.iterdir()) == sorted(entry.files)
        repositories[entry.model_id] = Repository(entry.revision, place)
    return repositories


def _write_json(path, content):
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def vocabulary():
    """Return the path of bert-base-uncased's vocab.txt, which the small BERT shares."""
    return checkpoints.find("bert", "small").path / "vocab.txt"


def _bert(folder):
    from tokenizers import Tokenizer

    shutil.copy(vocabulary(), folder)
    tokenizer = Tokenizer.from_file(str(vocabulary().parent / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    tokenizer.save(str(folder / "tokenizer.json"), pretty=False)
    _write_json(folder / "tokenizer_config.json", {"do_lower_case": True, "model_max_length": 512})
    _write_json(folder / "config.json", BERT_CONFIG)


def _gpt2(folder):
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, processors

    tokens, merges = byte_level_bpe(GPT2_CONFIG["vocab_size"])
    _write_json(folder / "vocab.json", {token: i for i, token in enumerate(tokens)})
    lines = ["#version: 0.2", *(" ".join(pair) for pair in merges)]
    (folder / "merges.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    _write_json(folder / "tokenizer_config.json", {"model_max_length": 1024})
    _write_json(folder / "config.json", GPT2_CONFIG)
    tokenizer = Tokenizer(
        models.BPE.from_file(str(folder / "vocab.json"), str(folder / "merges.txt"))
    )
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    tokenizer.add_special_tokens([AddedToken(END_OF_TEXT, normalized=True)])
    tokenizer.save(str(folder / "tokenizer.json"), pretty=False)


def byte_level_bpe(size):
    """Return `size` tokens and the merges between the 256 bytes and the end-of-text token.

    Word by word in the order of BERT's vocabulary, common ones first, in each of four spellings
    (with and without a space, Ġ, before it, and with a capital), the pieces that the merges so
    far leave are joined from the left. So the common words are one token, as in the real one.
    """
    from tokenizers import pre_tokenizers

    tokens, ranks = sorted(pre_tokenizers.ByteLevel.alphabet()), {}
    assert len(tokens) == 256
    known = set(tokens)
    words = vocabulary().read_text(encoding="utf-8").split()
    words = [word for word in words if word.isascii() and word.isalpha()]
    for word in words:
        for spelling in (f"Ġ{word}", word, f"Ġ{word.title()}", word.title()):
            first, *rest = merged(list(spelling), ranks)
            for piece in rest:
                if len(tokens) == size - 1:
                    return [*tokens, END_OF_TEXT], list(ranks)
                ranks[first, piece] = len(ranks)
                first += piece
                if first not in known:
                    known.add(first)
                    tokens.append(first)
    raise AssertionError(f"only {len(tokens)} tokens")


def merged(pieces, ranks):
    """Return what the merges, {pair: rank}, make of these pieces."""
    while len(pieces) > 1:
        pairs = list(itertools.pairwise(pieces))
        best = min(range(len(pairs)), key=lambda i: ranks.get(pairs[i], len(ranks)))
        if pairs[best] not in ranks:
            break
        pieces = [*pieces[:best], "".join(pairs[best]), *pieces[best + 2 :]]
    return pieces


def _weights(name, path, full):
    import torch
    from safetensors.torch import save_file

    torch.manual_seed(0)
    if full:
        tensors = {n: _drawn(n, shape) for n, shape in shapes(name).items()}
    else:
        tensors = {"weight": torch.randn(2**18)}
    save_file(tensors, path, metadata={"format": "pt"})


def _drawn(name, shape):
    import torch

    if name.endswith(".attn.bias"):  # GPT-2's causal mask, which is stored with the weights
        return torch.ones(shape).tril()
    if name.endswith(("gamma", "ln_1.weight", "ln_2.weight", "ln_f.weight")):
        return torch.ones(shape)
    if name.endswith(("bias", "beta")):
        return torch.zeros(shape)
    return torch.empty(shape).normal_(std=0.02)


def shapes(name):
    """Return {tensor name: shape} of the real file."""
    import torch
    from transformers import BertConfig, BertForPreTraining, GPT2Config, GPT2LMHeadModel

    with torch.device("meta"):
        if name == "bert":
            state = BertForPreTraining(BertConfig(**BERT_CONFIG)).state_dict()
            old = {".LayerNorm.weight": ".LayerNorm.gamma", ".LayerNorm.bias": ".LayerNorm.beta"}
            for new, written in old.items():
                state = {n.replace(new, written): t for n, t in state.items()}
            return {n: t.shape for n, t in state.items() if ".decoder." not in n}
        state = GPT2LMHeadModel(GPT2Config(**GPT2_CONFIG)).state_dict()
    found = {n.removeprefix("transformer."): t.shape for n, t in state.items()
             if n != "lm_head.weight"}
    context = GPT2_CONFIG["n_ctx"]
    masks = {f"h.{i}.attn.bias": (1, 1, context, context) for i in range(GPT2_CONFIG["n_layer"])}
    return found | masks
