"""The field's common failures as data: how to tell each, its cause, its repair, its notebook.

`ALL` is in the order in which `helpers.doctor` tries them: the particular before the general. A
failure is told by its type, by words of its message that have lasted over the versions, and,
where others use the same words, by a frame: "file function code" of a line of the traceback.
"""

from dataclasses import dataclass, field

# Frames: of a library's own code, and of a line in which something is called.
TRANSFORMERS, MODEL = r"/transformers/", r"/(?:transformers|modules)/(?:models|.*modeling_)"
TORCH, DATASETS = r"/torch/", r"/datasets/\w"
COLLATING = r"/torch/utils/data/_utils/collate\.py"
TITLES = {  # of the notebooks
    "00": "Start here", "01": "Loading BERT", "02": "Tokenizing", "03": "The manual training loop",
    "04": "The Trainer", "05": "GPT-2", "07": "When training goes wrong", "11": "Scaling out",
    "13": "Old recipes, repaired",
}
KEYWORD = r"got an unexpected keyword argument '(?P<name>\w+)'"


@dataclass(frozen=True)
class Sign:
    """One way to tell a failure: all of what is given has to be there.

    `types` are names of exceptions, with spaces between. `says` is searched in the message,
    `where` in each frame, and `ends` in the innermost alone. `unless` must not be in the message,
    `outside` in no frame.
    """

    types: str
    says: str = ""
    where: str = ""
    ends: str = ""
    unless: str = ""
    outside: str = ""


@dataclass(frozen=True)
class Ailment:
    """A failure: its signs, and what to say. Named groups of `says` fill in {their names}.

    `instead` are repairs by the group `name`, filled in as {instead}; "" is for all others.
    """

    name: str
    signs: tuple
    cause: str
    repair: str
    notebook: str
    instead: dict = field(default_factory=dict)


LIBRARIES = "torch|transformers|datasets|tokenizers|accelerate|evaluate"
IMPORTED = rf"(?P<name>{LIBRARIES}|numpy|pandas|sklearn)"
INSTALLED = "(?:site|dist)-packages"
ALL = (
    # Names that are gone, or hidden
    Ailment(
        "shadowed-module",
        (Sign("ImportError AttributeError", rf"partially initialized module '{IMPORTED}'",
              unless=INSTALLED),
         Sign("ImportError", rf"cannot import name '\w+' from '(?P<name>{LIBRARIES})' \([^)]*"
              r"[\\/](?P=name)\.py\)", unless=INSTALLED),
         Sign("ImportError AttributeError", rf"consider renaming '[^']*?{IMPORTED}\.py'"),
         Sign("ModuleNotFoundError", rf"'{IMPORTED}' is not a package")),
        "A file of your own is called {name}.py, and Python imports it instead of the library.",
        "Give your file another name, delete its __pycache__, and restart the kernel.",
        "13"),
    Ailment(
        "transformers-adamw",
        (Sign("ImportError", r"cannot import name 'AdamW' from 'transformers[.'\w]"),
         Sign("AttributeError", r"module '?transformers(?:\.optimization)?'? has no attribute "
              "'?AdamW")),
        "transformers no longer has an AdamW of its own; PyTorch has had one for years.",
        "Import it from there: from torch.optim import AdamW. There is no correct_bias to give.",
        "13"),
    Ailment(
        "tensorflow-gone",
        (Sign("ImportError", r"cannot import name '(?P<name>(?:TF|Flax)[A-Z]\w+)' from "
              r"'transformers"),
         Sign("AttributeError", r"module '?transformers[.\w]*'? has no attribute '?"
              r"(?P<name>(?:TF|Flax)[A-Z]\w+)")),
        "transformers 5 has no TensorFlow and no Flax classes, so {name} is gone.",
        "Take the class without TF or Flax in its name, and train it with PyTorch.", "13"),
    Ailment(
        "transformers-name-gone",
        (Sign("ImportError", r"cannot import name '(?P<name>\w+)' from 'transformers['.\w]",
              unless="partially initialized"),
         Sign("AttributeError", r"module '?transformers(?:\.\w+)*'? has no attribute '?"
              r"(?P<name>\w+)", unless="partially initialized")),
        "The installed version of transformers has nothing called {name}: gone, moved or newer.",
        "{instead}", "13",
        {"TextDataset": "Load the texts with datasets, and tokenize them with map.",
         "LineByLineTextDataset": "Load the texts with datasets, and tokenize them with map.",
         "glue_compute_metrics": "Compute the figures with sklearn.metrics.",
         "": "Look at transformers.__version__; the release notes say what took its place."}),
    Ailment(
        "encode-plus",
        (Sign("AttributeError", r"Tokenizer\w*'?(?: object)? has no attribute '?"
              r"(?P<name>(?:batch_)?encode_plus)\b"),),
        "Tokenizers no longer have {name}: the tokenizer itself is called, for one text or many.",
        "Write tokenizer(texts, padding=True, truncation=True, return_tensors=\"pt\").", "13"),
    Ailment(
        "training-argument-gone",
        (Sign("TypeError", r"(?<!\w)(?:Seq2Seq)?TrainingArguments\.__init__\(\) " + KEYWORD),
         Sign("TypeError", r"^__init__\(\) " + KEYWORD,
              ends=r"(?<!\w)(?:Seq2Seq)?TrainingArguments\(")),
        "TrainingArguments has no {name} in the installed version of transformers.",
        "{instead}", "13",
        {"evaluation_strategy": "It is called eval_strategy now.",
         "logging_dir": "Leave it out; the environment variable TENSORBOARD_LOGGING_DIR has it.",
         "no_cuda": "Write use_cpu=True.", "use_mps_device": "Leave it out: it is found alone.",
         "warmup_ratio": "Write warmup_steps with a number below 1, such as warmup_steps=0.1.",
         "overwrite_output_dir": "Leave it out; delete an old folder yourself.",
         "group_by_length": "Write train_sampling_strategy=\"group_by_length\".",
         "per_gpu_train_batch_size": "It is called per_device_train_batch_size.",
         "per_gpu_eval_batch_size": "It is called per_device_eval_batch_size.",
         "adafactor": "Write optim=\"adafactor\".",
         "save_safetensors": "Leave it out: weights are always saved so.",
         "push_to_hub_model_id": "Write hub_model_id.", "push_to_hub_token": "Write hub_token.",
         "include_inputs_for_metrics": "Write include_for_metrics=[\"inputs\"].",
         "tokenizer": "It belongs to the Trainer, as processing_class.",
         "": "Compare the spelling with help(TrainingArguments); old names have been removed."}),
    Ailment(
        "trainer-tokenizer",
        (Sign("TypeError", r"(?<!\w)(?:Seq2Seq|SFT|DPO|Reward)?Trainer\.__init__\(\) got an "
              r"unexpected keyword argument 'tokenizer'"),
         Sign("TypeError", r"^__init__\(\) got an unexpected keyword argument 'tokenizer'",
              ends=r"(?<!\w)(?:Seq2Seq)?Trainer\(")),
        "The Trainer takes the tokenizer under another name now.",
        "Write processing_class=tokenizer.", "04"),
    Ailment(
        "load-metric",
        (Sign("ImportError", r"cannot import name '(?:load_metric|list_metrics)' from "
              r"'datasets"),
         Sign("AttributeError", r"module '?datasets'? has no attribute '?(?:load|list)_metric")),
        "datasets no longer has metrics.",
        "Compute them with sklearn.metrics, as notebook 04 does, or with the package evaluate.",
        "04"),
    Ailment(
        "loading-script",
        (Sign("RuntimeError", r"Dataset scripts are no longer supported"),
         Sign("ValueError", r"trust_remote_code is not supported anymore")),
        "This data set is loaded by a script, and datasets runs no scripts any more.",
        "Look on its page for a version in Parquet, or load its files: load_dataset(\"csv\", …).",
        "13"),
    Ailment(
        "module-moved",
        (Sign("ModuleNotFoundError", r"No module named '(?P<name>(?:transformers|torch|datasets|"
              r"tokenizers|huggingface_hub|accelerate|sklearn|numpy)\.[\w.]+)'",
              unless="is not a package"),),
        "The installed version has no {name}: it was moved, removed, or is newer.",
        "Import from the top: from transformers import BertModel, not from a file within it.",
        "13"),
    Ailment(
        "module-missing",
        (Sign("ModuleNotFoundError", r"No module named '(?P<name>[\w.]+)'"),
         Sign("ImportError", r"requires the (?P<name>[\w. -]+?) library but it was not found"),
         Sign("ImportError", r"requires `(?P<name>accelerate)(?:>=[\d.]+)?`")),
        "Python finds no {name}: not installed where this runs, or your own file lies elsewhere.",
        "A package: %pip install it in a cell, then restart the kernel. {instead}", "00",
        {"sklearn": "It is called scikit-learn there.",
         "helpers": "Open the notebook from the project's folder.",
         "evaluate": "Or use sklearn.metrics.",
         "": "sys.executable says which Python that is."}),

    # Checkpoints
    Ailment(
        "gated",
        (Sign("OSError", r"gated repo|restricted and you are not in the "
              r"authorized list", where=r"/(?:transformers|huggingface_hub)/"),
         Sign("GatedRepoError")),
        "The checkpoint is gated: its authors let in only those who accepted their terms.",
        "Accept them on its page, then hf auth login; or take a checkpoint that is open.", "01"),
    Ailment(
        "no-such-checkpoint",
        (Sign("OSError", r"(?P<name>\S+) is not a local folder and is not a valid model ident"),
         Sign("RepositoryNotFoundError"),
         Sign("OSError HfHubHTTPError", r"Repository Not Found for url",
              where=r"/(?:transformers|huggingface_hub|datasets)/")),
        "There is no folder and no repository called {name}.",
        "Look the name up on the Hub. There is no \"gpt4\": GPT-4's weights are not published.",
        "13"),
    Ailment(
        "too-many-requests",
        (Sign("HfHubHTTPError OSError HTTPError ConnectionError HTTPStatusError",
              r"429 (?:Client Error|Too Many Requests)|Too Many Requests"),),
        "The Hub answers your address no more for some minutes: it had too many requests.",
        "Wait five minutes, log in (hf auth login), and load from the cache (HF_HUB_OFFLINE=1).",
        "00"),
    Ailment(
        "no-network",
        (Sign("OSError", r"couldn't connect to 'https?://", where=TRANSFORMERS),
         Sign("LocalEntryNotFoundError OfflineModeIsEnabled OfflineModeEnabled"),
         Sign("ConnectionError", r"Couldn't reach .* on the Hub|offline mode is enabled"),
         Sign("ConnectionError ConnectError MaxRetryError SSLError ConnectTimeout ProxyError",
              r"huggingface\.co|hf\.co")),
        "The files are not on this machine, and the Hub cannot be reached (or is switched off).",
        "Is the name right, a network there, HF_HUB_OFFLINE unset? Else load a local folder.",
        "01"),
    Ailment(
        "wrong-folder",
        (Sign("HFValidationError OSError", r"Repo id must (?:be in the form|use alphanumeric)|"
              r"Incorrect path_or_model_id"),),
        "This was meant as a folder, and no folder is there, so it was read as a Hub name.",
        "Print Path(name).resolve() and os.getcwd(): where does the folder really lie?", "03"),
    Ailment(
        "no-config",
        (Sign("OSError", r"does not appear to have a file named config\.json"),
         Sign("ValueError", r"Unrecognized model in .*(?:model_type|config\.json)"),
         Sign("OSError", r"Can't load the configuration of|Can't load config for")),
        "The folder holds no usable config.json, so nobody can say which model it is.",
        "Save with model.save_pretrained(folder), not torch.save; name the folder, not a file.",
        "03"),
    Ailment(
        "no-weights",
        (Sign("OSError", r"no file named .*(?:safetensors|pytorch_model\.bin).*found in dir"),
         Sign("OSError", r"does not appear to have a file named (?:model\.safetensors|"
              r"pytorch_model\.bin)")),
        "The folder has a config, but no weights in it.",
        "Save the model there again, or name the checkpoint's own folder (checkpoint-300).",
        "03"),
    Ailment(
        "broken-weights",
        (Sign("SafetensorError", r"deserializing header|incomplete metadata|header too"),
         Sign("OSError", r"Unable to load weights from pytorch checkpoint file"),
         Sign("RuntimeError", r"PytorchStreamReader failed"),
         Sign("UnpicklingError", r"invalid load key, '[v<\\]")),
        "The file of the weights is broken: cut off, or a Git LFS pointer of a few lines.",
        "Look at its size, delete it and download it again (git lfs pull in a clone).", "01"),
    Ailment(
        "wrong-auto-class",
        (Sign("ValueError", r"Unrecognized configuration class .*?(?P<config>\w+)'> for this "
              r"kind of (?:Auto)?[Mm]odel:? ?(?P<name>\w*)"),),
        "This architecture ({config}) has no model for that task ({name}).",
        "Take the Auto class of what it can do (GPT-2: AutoModelForCausalLM), or another model.",
        "05"),
    Ailment(
        "unknown-architecture",
        (Sign("ValueError", r"has model type `(?P<name>[^`]*)` but Transformers does not "
              r"recognize"),
         Sign("KeyError", where=r"/configuration_auto\.py .*CONFIG_MAPPING\[config_dict")),
        "The checkpoint is of a kind ({name}) that the installed transformers does not know.",
        "Update transformers, if the checkpoint is new; else its config.json has a typing error.",
        "01"),
    Ailment(
        "head-of-another-size",
        (Sign("RuntimeError", r"size mismatch for (?P<name>(?:classifier|score|qa_outputs|"
              r"cls|out_proj|classification_head|lm_head)[\w.]*)"),
         Sign("RuntimeError", r"ignore_mismatched_sizes", where=r"/transformers/")),
        "The weights in the file have another shape than the model; mostly it is the head.",
        "Give the num_labels of the file, or ignore_mismatched_sizes=True for a new head.", "01"),
    Ailment(
        "state-dict-prefix",
        (Sign("RuntimeError", r"(?s)loading state_dict for .*[\"' ](?P<name>module|_orig_mod)\."),
         ),
        "The weights were saved out of a wrapper, which put \"{name}.\" before every name.",
        "Strip it: {{k.removeprefix(\"{name}.\"): v for k, v in state.items()}}.", "11"),
    Ailment(
        "state-dict-of-another-model",
        (Sign("RuntimeError", r"Error\(s\) in loading state_dict for (?P<name>\w+)"),),
        "These weights belong to another model than {name}: their names or shapes differ.",
        "Build the model as it was when it was saved (class, config), or save_pretrained instead.",
        "03"),
    Ailment(
        "weights-only",
        (Sign("UnpicklingError", r"Weights only load failed|weights_only"),
         Sign("UnpicklingError", r"Unsupported global")),
        "torch.load reads only weights since 2.6, and this file holds a whole pickled object.",
        "If you made it: torch.load(file, weights_only=False), then save_pretrained from now on.",
        "13"),
    Ailment(
        "saved-on-a-gpu",
        (Sign("RuntimeError", r"deserialize object on (?:a )?(?:CUDA|cuda)"),),
        "The file was saved from a GPU, and this machine has none that PyTorch can use.",
        "Write torch.load(file, map_location=\"cpu\").", "03"),

    # Texts and ids
    Ailment(
        "no-text-for-the-tokenizer",
        (Sign("ValueError AssertionError", r"text input must be of type `?str"),
         Sign("TypeError", r"TextEncodeInput must be Union"),
         Sign("TypeError", r"TextInputSequence must be (?:str|in)")),
        "The tokenizer got something else than texts: a Column of datasets, None, NaN, a number.",
        "Give a list of str: ds[\"text\"][:], series.tolist(), or map; drop rows without text.",
        "13"),
    Ailment(
        "no-pad-token",
        (Sign("ValueError", r"(?:Asking to pad|does not have a padding token)",
              where=TRANSFORMERS),),
        "GPT-2 and its kin come without a pad token, so texts of different lengths make no batch.",
        "tokenizer.pad_token = tokenizer.eos_token, and model.config.pad_token_id with it.", "05"),
    Ailment(
        "no-pad-id-in-the-model",
        (Sign("ValueError", r"Cannot handle batch sizes > 1 if no padding token"),),
        "The head reads the last real token, and the model does not know which token is padding.",
        "Set model.config.pad_token_id = tokenizer.pad_token_id.", "05"),
    Ailment(
        "none-in-a-tensor",
        (Sign("RuntimeError", r"Could not infer dtype of NoneType"),
         Sign("TypeError", r"must be real number, not NoneType",
              ends=r"torch\.(?:as_)?tensor\(")),
        "There is None among the numbers: often the pad_token_id of a tokenizer without padding.",
        "Print the list; set tokenizer.pad_token first, or let tokenizer(…, padding=True) pad.",
        "05"),
    Ailment(
        "labels-as-strings",
        (Sign("ValueError", r"too many dimensions 'str'"),
         Sign("TypeError", r"new\(\): invalid data type 'str'"),
         Sign("ValueError", r"Perhaps your features \(`labels?` in this case\).*type `list`",
              unless="input_ids")),
        "The labels are words, and a tensor holds numbers.",
        "Map them: label2id = {{\"negative\": 0, \"positive\": 1}}, in the data and the model.",
        "02"),
    Ailment(
        "rows-of-different-lengths",
        (Sign("ValueError", r"Unable to create tensor, you should probably activate"),
         Sign("RuntimeError", r"stack expects each tensor to be equal size", where=COLLATING),
         Sign("RuntimeError", r"each element in list of batch should be of equal size",
              where=COLLATING),
         Sign("ValueError", r"expected sequence of length \d+ at dim 1 \(got \d+\)")),
        "Rows of different lengths make no tensor; mostly they are texts that nobody padded.",
        "padding=True, or DataCollatorWithPadding; the Trainer: processing_class=tokenizer.",
        "02"),
    Ailment(
        "text-too-long",
        (Sign("RuntimeError", r"The size of tensor a \((?P<a>\d+)\) must match the size of tensor "
              r"b \((?P<b>\d+)\) at non-singleton dimension 1",
              ends=MODEL + r".*(?:embeddings|position)"),
         Sign("RuntimeError", r"expanded size of the tensor \((?P<a>\d+)\) must match the "
              r"existing size \((?P<b>\d+)\)", ends=MODEL + r".*(?:token_type|position)"),
         Sign("IndexError", r"index out of range in self",
              where=MODEL + r".*(?:position_embedding|wpe\()")),
        "A text has more tokens than the model has positions for ({a} {b}).",
        "Cut it: truncation=True, max_length=512 (also in pipeline); or read it in windows.",
        "02"),
    Ailment(
        "id-outside-the-vocabulary",
        (Sign("IndexError", r"index out of range in self", where=TORCH + r".*embedding"),),
        "A token id is larger than the embedding table: another tokenizer, or added tokens.",
        "Load both from one checkpoint; after add_tokens: model.resize_token_embeddings(len(…)).",
        "02"),
    Ailment(
        "text-instead-of-tokens",
        (Sign("AttributeError", r"'str' object has no attribute '(?:size|shape|device|dim|view)'",
              where=MODEL),),
        "The model got a text, and reads token ids.",
        "model(**tokenizer(text, return_tensors=\"pt\")), or a pipeline, which takes texts.",
        "01"),
    Ailment(
        "lists-instead-of-tensors",
        (Sign("AttributeError", r"'list' object has no attribute '(?:size|shape|device|dim|view)'",
              where=TRANSFORMERS + ".*model"),),
        "The model got lists, and wants tensors.",
        "tokenizer(texts, padding=True, return_tensors=\"pt\"); in a data set: with_format.",
        "01"),
    Ailment(
        "no-batch-dimension",
        (Sign("ValueError", r"not enough values to unpack \(expected 2, got 1\)", ends=MODEL),
         Sign("IndexError", r"too many indices for tensor of dimension 1|tuple index out of range",
              ends=MODEL)),
        "The model wants (batch, tokens), and got one row without the batch dimension.",
        "Add it: ids[None] or ids.unsqueeze(0); return_tensors=\"pt\" does it by itself.", "01"),
    Ailment(
        "argument-the-model-lacks",
        (Sign("TypeError", r"forward\(\) " + KEYWORD, where=r"/torch/nn/modules/module\.py"),),
        "The model's forward has no argument {name}.",
        "Leave that column out: remove_columns, or tokenizer.model_input_names; labels: labels=.",
        "02"),
    Ailment(
        "ids-as-floats",
        (Sign("RuntimeError", r"tensor for argument #1 'indices' to have one of the following "
              r"scalar types"),),
        "Token ids have to be whole numbers (int64), and these are something else.",
        "torch.tensor(ids, dtype=torch.long), or ids.long(); an empty text makes floats, too.",
        "01"),

    # Labels
    Ailment(
        "label-out-of-range",
        (Sign("IndexError", r"Target (?P<name>-?\d+) is out of bounds"),
         Sign("RuntimeError AcceleratorError", r"Assertion `t >= 0 && t < n_classes` failed")),
        "A label ({name}) is not among 0 … num_labels − 1: labels from 1, or too few classes.",
        "Count the labels from 0, and pass num_labels=… to from_pretrained.", "13"),
    Ailment(
        "cuda-assert",
        (Sign("RuntimeError AcceleratorError", r"device-side assert triggered"),),
        "An index was out of range on the GPU: a label ≥ num_labels, a token id, a text too long.",
        "Run it once on the CPU, which names it; afterwards restart the kernel: CUDA is lost.",
        "13"),
    Ailment(
        "labels-as-floats",
        (Sign("ValueError", r"Target size \(torch\.Size\(\[\d+\]\)\) must be the same as input "
              r"size \(torch\.Size\(\[\d+, \d+\]\)\)", where=MODEL + r"|/transformers/loss/"),
         Sign("RuntimeError", r"expected (?:scalar type|target dtype to be) Long\b.* (?:but )?(?:"
              r"found|got) (?:Float|Double|Half)", where=r"cross_entropy|nll_loss")),
        "The labels are floats, and those mean several labels per text (BCE) or none at all.",
        "Make them whole numbers: labels.long(), or astype(int) in the table.", "13"),
    Ailment(
        "several-labels-as-integers",
        (Sign("RuntimeError", r"result type Float can't be cast to the desired output type "
              r"Long", where=r"binary_cross_entropy|BCE"),),
        "With several labels per text (BCE), the labels have to be floats.",
        "labels.float(), of the shape (texts, classes); or set problem_type for one label.", "13"),
    Ailment(
        "label-per-text-for-a-language-model",
        (Sign("ValueError", r"Expected input batch_size \(\d+\) to match target batch_size "
              r"\(\d+\)", where=MODEL + r"|/transformers/loss/"),),
        "A language model wants a label for each token, and got one for each text.",
        "To classify: AutoModelForSequenceClassification; to write: labels=input_ids.", "05"),
    Ailment(
        "labels-of-another-integer-type",
        (Sign("RuntimeError", r"expected (?:scalar type|target dtype to be) Long\b.* (?:but )?(?:"
              r"found|got) Int|not implemented for 'Int'", where=r"cross_entropy|nll_loss"),),
        "Labels of classes have to be int64 (Long), and these are a smaller integer.",
        "labels.long(), or dtype=torch.long where the tensor is made.", "13"),
    Ailment(
        "no-labels-no-loss",
        (Sign("ValueError", r"The model did not return a loss from the inputs"),
         Sign("AttributeError", r"'NoneType' object has no attribute 'backward'"),
         Sign("KeyError", r"^'loss'$", where=TRANSFORMERS + r"trainer\.py|.*Model.*loss")),
        "There is no loss: the model got no labels (or your own function returns nothing).",
        "The column has to be called label or labels; in a loop: model(**batch, labels=…).", "04"),
    Ailment(
        "output-unpacked",
        (Sign("AttributeError", r"'str' object has no attribute 'backward'"),
         Sign("AttributeError", r"'str' object has no attribute '(?:item|detach|argmax|softmax|"
              r"cpu|size|shape|mean|to|view)'", ends=r"\b(?:\w*loss|\w*logits|\w*outputs?|preds?|"
              r"\w*hidden\w*|\w*embeddings?|pool\w*|cls\w*)\.\w+", outside=MODEL),
         Sign("TypeError", r"\w+\(\): argument '\w+' \(position \d+\) must be Tensor, not str",
              where=TORCH)),
        "The output is a dictionary: loss, logits = model(…) unpacks the names of its fields.",
        "Write output = model(…), then output.loss and output.logits.", "13"),

    # The Trainer
    Ailment(
        "no-eval-dataset",
        (Sign("ValueError", r"evaluation requires an eval_dataset"),
         Sign("ValueError", r"args\.eval\w*_strategy` to .*didn't pass an `eval_dataset`")),
        "The Trainer shall evaluate, and has nothing to evaluate on.",
        "Trainer(…, eval_dataset=validation), or trainer.evaluate(validation).", "13"),
    Ailment(
        "strategies-differ",
        (Sign("ValueError", r"load_best_model_at_end requires the (?:save and eval|saving steps)"),
         ),
        "The best model can be loaded at the end only if each evaluation is saved, too.",
        "Give eval_strategy and save_strategy the same value, such as \"epoch\".", "04"),
    Ailment(
        "no-columns",
        (Sign("ValueError", r"includes input_ids, but you provided", where=TRANSFORMERS),
         Sign("ValueError", r"No columns in the dataset match the model's forward"),
         Sign("IndexError", r"Invalid key: \d+ is out of bounds for size 0",
              where=TRANSFORMERS + r"trainer")),
        "The Trainer drops what forward does not take, and no input_ids were left: no tokens.",
        "Tokenize first: ds.map(lambda rows: tokenizer(rows[\"text\"]), batched=True).", "04"),
    Ailment(
        "early-stopping",
        (Sign("AssertionError ValueError", r"EarlyStoppingCallback requires"),),
        "Early stopping compares evaluations, and was not told which figure and how often.",
        "metric_for_best_model=\"loss\", eval_strategy=save_strategy, load_best_model_at_end.",
        "07"),
    Ailment(
        "metric-not-found",
        (Sign("KeyError", r"metric_for_best_model.*not found in the evaluation metrics"),
         Sign("KeyError", r"^'eval_\w+'$", where=TRANSFORMERS + r"trainer")),
        "The figure that should choose the best model is not among those that evaluation returns.",
        "Return it from compute_metrics under that name, or name one that is there.", "04"),
    Ailment(
        "nothing-to-resume",
        (Sign("ValueError", r"No valid checkpoint found in output directory"),
         Sign("ValueError", r"Can't find a valid checkpoint at")),
        "There is no checkpoint to resume from in the output folder.",
        "Save some (save_strategy, save_steps), and give the folder of the killed run.", "04"),
    Ailment(
        "half-precision-without-a-gpu",
        (Sign("ValueError", r"(?:fp16|FP16|bf16|BF16) .*(?:requires|can only be used|only "
              r"supported|needs).*(?:GPU|cuda|CUDA|device)|doesn't support bf16"),),
        "Half precision (fp16, bf16) was asked for, and this machine has no GPU for it.",
        "Leave fp16 and bf16 out on a CPU.", "04"),
    Ailment(
        "empty-data-set",
        (Sign("ValueError", r"num_samples should be a positive integer.* num_samples=0"),),
        "The data set has no rows, so there is nothing to draw.",
        "Print len(ds) after each step: a filter or a select has taken all of it.", "02"),
    Ailment(
        "name-not-defined",
        (Sign("NameError", r"name '(?P<name>\w+)' is not defined"),),
        "Nothing is called {name} here: its cell was not run in this kernel, or it is misspelt.",
        "Run the cells from the top; a recipe copied in part lacks the lines that make {name}.",
        "13"),

    # Tensors and devices
    Ailment(
        "devices-differ",
        (Sign("RuntimeError", r"Expected all tensors to be on the same device"),
         Sign("RuntimeError", r"Tensor on device (?P<name>\S+) is not on the expected device"),
         Sign("RuntimeError", r"Input type \(.*\) and weight type \(.*cuda"),
         Sign("RuntimeError", r"Placeholder storage has not been allocated on MPS device")),
        "Model and batch lie on different devices.",
        "Move both: model.to(device) once, batch = batch.to(device) for each batch.", "03"),
    Ailment(
        "out-of-memory",
        (Sign("OutOfMemoryError RuntimeError", r"(?:CUDA|MPS|HIP|XPU) (?:backend )?out of memory"),
         Sign("RuntimeError", r"(?:can't allocate|not enough) memory: you tried to allocate"),
         Sign("MemoryError ArrayMemoryError")),
        "The memory is full: of the GPU, or of the machine.",
        "Smaller batches and gradient_accumulation_steps, shorter max_length; restart the kernel.",
        "04"),
    Ailment(
        "no-cuda",
        (Sign("AssertionError RuntimeError", r"Torch not compiled with CUDA enabled"),
         Sign("RuntimeError", r"Found no NVIDIA driver|No CUDA GPUs are available|Invalid device "
              r"id")),
        "The code asks for a GPU that PyTorch does not find here.",
        "device = \"cuda\" if torch.cuda.is_available() else \"cpu\"; Colab: change the runtime.",
        "03"),
    Ailment(
        "numpy-of-a-gradient",
        (Sign("RuntimeError", r"Can't call numpy\(\) on Tensor that requires grad"),
         Sign("TypeError", r"can't convert cuda:\d+ device type tensor to numpy")),
        "NumPy cannot hold a tensor that records gradients or lies on a GPU.",
        "tensor.detach().cpu().numpy(), or predict within torch.inference_mode().", "03"),
    Ailment(
        "backward-twice",
        (Sign("RuntimeError", r"Trying to backward through the graph a second time"),),
        "backward() ran twice over one forward pass, and its intermediate values are gone.",
        "Compute the loss anew for each step; detach() what is carried on to the next.", "03"),
    Ailment(
        "nothing-to-train",
        (Sign("RuntimeError", r"element 0 of tensors does not require grad"),
         Sign("ValueError", r"optimizer got an empty parameter list")),
        "Nothing is trained: all is frozen, or the forward pass ran under no_grad.",
        "Unfreeze the head (model.classifier.requires_grad_(True)); train outside no_grad.", "03"),
    Ailment(
        "loss-of-many",
        (Sign("RuntimeError", r"grad can be implicitly created only for scalar outputs"),),
        "backward() starts from one number, and this loss has one for each text.",
        "loss.mean().backward().", "03"),
    Ailment(
        "item-of-many",
        (Sign("RuntimeError", r"a Tensor with \d+ elements cannot be converted to Scalar"),
         Sign("ValueError", r"only one element tensors can be converted to Python scalars")),
        "item() turns a tensor of one number into that number, and this one holds several.",
        "tolist() for all of them, or mean().item() for one figure.", "03"),
    Ailment(
        "dictionary-to-a-device",
        (Sign("AttributeError", r"'(?P<name>dict|list|tuple)' object has no attribute "
              r"'(?:to|cuda)'"),),
        "The batch is a {name}, and only the tensors in it can be moved.",
        "batch = {{name: part.to(device) for name, part in batch.items()}}.", "03"),
    Ailment(
        "not-a-number",
        (Sign("ValueError", r"Input (?:\w+ )?contains NaN", where="/sklearn/"),
         Sign("RuntimeError", r"probability tensor contains either `inf`, `nan`")),
        "There are NaN among the numbers: a run that is lost (rate, fp16), or rows without value.",
        "torch.isfinite(loss) at every step says since when; a smaller rate, clipping.", "07"),
    Ailment(
        "logits-in-a-metric",
        (Sign("ValueError", r"Classification metrics can't handle a mix of", where="/sklearn/"),),
        "The metric compares classes, and got logits or probabilities.",
        "predictions.argmax(-1) first.", "04"),
    Ailment(
        "changed-in-place",
        (Sign("RuntimeError", r"modified by an inplace operation"),
         Sign("RuntimeError", r"a leaf Variable that requires grad is being used in an in-place")),
        "A value that backward needs was overwritten after the forward pass.",
        "Write x = x + 1 instead of x += 1, or clone() before you change it.", "03"),
    Ailment(
        "dtypes-differ",
        (Sign("RuntimeError", r"mat1 and mat2 must have the same dtype"),
         Sign("RuntimeError", r"expected (?:m1 and m2|scalar type (?:Half|Float|BFloat16)).*(?:"
              r"but (?:got|found)|to have the same dtype)", where=r"/torch/nn/|linear|addmm"),
         Sign("RuntimeError", r"expected dtype \w+ for `?end`? but got")),
        "Weights and inputs have different number formats; a checkpoint in fp16 loads as fp16.",
        "from_pretrained(…, dtype=torch.float32), or model.float().", "01"),
    Ailment(
        "shapes-differ",
        (Sign("RuntimeError", r"mat1 and mat2 shapes cannot be multiplied \((?P<a>\w+) and "
              r"(?P<b>\w+)\)", where=r"/torch/nn/modules/linear\.py"),),
        "A layer gets vectors of another width ({a}) than it was built for ({b}).",
        "Take the width from the model: nn.Linear(model.config.hidden_size, num_labels).", "01"),

    # Data
    Ailment(
        "no-such-split",
        (Sign("KeyError", r"^'(?P<name>[\w-]+)'$", ends=r"/datasets/dataset_dict\.py"),
         Sign("ValueError", r"Unknown split \"(?P<name>[^\"]*)\"")),
        "The data set has no split called {name}.",
        "Print it; make one: ds[\"train\"].train_test_split(0.1, seed=0).", "02"),
    Ailment(
        "no-such-column",
        (Sign("ValueError KeyError", r"Column (?:name )?\[?'?(?P<name>[\w ]+)'?\]? (?:not in the "
              r"dataset|doesn't exist)", where=DATASETS),
         Sign("ValueError KeyError", r"(?:Original c|C)olumn name[s]? .* not in the dataset",
              where=DATASETS),
         Sign("KeyError", r"^'(?P<name>[^']+)'$", ends=r"/datasets/(?:formatting/|arrow_dataset)"),
         Sign("KeyError", r"^'(?P<name>[^']+)'$", where=r"/pandas/core/frame\.py __getitem__")),
        "There is no column called {name}.",
        "Print ds.column_names (df.columns): another spelling, capitals, or a space at its end?",
        "02"),
    Ailment(
        "rows-by-label",
        (Sign("KeyError", r"^\d+$", where=r"/pandas/core/(?:series|indexes)"),),
        "pandas looks rows up by their label, and after a split or filter some labels are gone.",
        "series.reset_index(drop=True), or .tolist(), before a Dataset counts from 0.", "02"),
    Ailment(
        "files-with-other-columns",
        (Sign("ArrowInvalid", r"Schema at index \d+ was different"),
         Sign("CastError DatasetGenerationCastError", r"column names don't match|All the data "
              r"files must have the same columns")),
        "The files have different columns, and one data set has the same ones in every row.",
        "Load them one by one, rename, then concatenate_datasets.", "02"),
    Ailment(
        "no-classes-to-stratify",
        (Sign("ValueError", r"Stratifying by column is only supported for ClassLabel"),),
        "Stratified splits need a column of classes, and this one holds plain values.",
        "ds = ds.class_encode_column(\"label\") first.", "02"),
    Ailment(
        "encoding",
        (Sign("UnicodeDecodeError", r"'utf-?8' codec can't decode"),),
        "The file is not UTF-8: often Latin-1 or cp1252 from Excel, or no text file at all.",
        "texts.load finds the encoding; or pd.read_csv(file, encoding=\"cp1252\").", "00"),
    Ailment(
        "encoding-of-the-system",
        (Sign("UnicodeDecodeError", r"'(?P<name>charmap|ascii|cp\d+|gbk)' codec can't "),),
        "The file was opened in the encoding of the system ({name}), and is in another.",
        "open(file, encoding=\"utf-8\"), and so in read_csv; PYTHONUTF8=1 for all of it.", "00"),
    Ailment(
        "file-not-found",
        (Sign("FileNotFoundError", r"No such file or directory: '?(?P<name>[^'\n]+)",
              outside=TRANSFORMERS),
         Sign("FileNotFoundError DataFilesNotFoundError", r"Unable to find '(?P<name>[^']*)'|"
              r"Couldn't find (?:any data file|a dataset script)|No \(supported\) data files")),
        "There is no file called {name}.",
        "Paths start from the kernel's folder: print os.getcwd(), and use Path(…).resolve().",
        "00"),

    # Around it
    Ailment(
        "no-main-guard",
        (Sign("RuntimeError", r"before the\s+current process has finished its bootstrapping"),),
        "A new process imports your script from its top, and so starts processes again.",
        "Put what runs under if __name__ == \"__main__\":, or num_workers=0.", "11"),
    Ailment(
        "cannot-be-pickled",
        (Sign("PicklingError AttributeError", r"Can't (?:pickle|get) (?:local object )?.*"
              r"(?:<lambda>|<locals>|local object)"),
         Sign("TypeError PicklingError", r"cannot pickle '[\w.]+' object",
              where=r"/multiprocess(?:ing)?/|/torch/utils/data")),
        "A lambda or a function within a function cannot be sent to another process.",
        "Define it with def at the top of a module, or take num_workers=0.", "11"),
    Ailment(
        "disk-full",
        (Sign("OSError", r"No space left on device"),
         Sign("RuntimeError", r"PytorchStreamWriter failed|unexpected pos \d+ vs")),
        "The disk is full, often with checkpoints.",
        "save_total_limit=2 keeps the best and the newest; hf cache ls shows what is cached.",
        "04"),
    Ailment(
        "learner-error",
        (Sign("LearnerError"),),
        "This is a message of the project itself.",
        "It says what to do: {message}", "00"),
)
