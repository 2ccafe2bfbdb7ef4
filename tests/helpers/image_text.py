"""A small image-text encoder in the form of CLIP's and SigLIP's exports: two ONNX files, tokens.

It was never trained: an image becomes the mean of its channels, a text the sum of what its words
have in a table. So it knows colours, and "red" is near to red pictures.
"""

import json
from pathlib import Path

import numpy as np
from onnx import TensorProto, helper

from helpers.onnx_models import SIZE, save, tensor, value

WORDS = {
    "red": (1, -1, -1),
    "green": (-1, 1, -1),
    "blue": (-1, -1, 1),
    "white": (1, 1, 1),
    "black": (-1, -1, -1),
}
FILLED = 5  # tokens of a text of the network without a mask


def write_pair(folder: Path, has_mask: bool = True, length: int | None = None) -> Path:
    """Write vision_model.onnx, text_model.onnx and tokenizer.json; return the first.

    With `has_mask` it is like CLIP, without it like SigLIP, whose texts are filled up.
    """
    vision = save(
        folder / "vision_model.onnx",
        [
            helper.make_node("GlobalAveragePool", ["pixel_values"], ["mean"]),
            helper.make_node("Flatten", ["mean"], ["image_embeds"]),
        ],
        [value("pixel_values", ["n", 3, SIZE, SIZE])],
        [value("image_embeds", ["n", 3])],
    )
    write_text(folder / "text_model.onnx", has_mask, length)
    write_tokenizer(folder)
    return vision


def write_text(path: Path, has_mask: bool = True, length: int | None = None, size: int = 3) -> Path:
    """Write a text network with vectors of `size` numbers."""
    table = np.zeros((len(WORDS) + 2, size), np.float32)
    table[2:, :3] = list(WORDS.values())
    edges = ["n", length or "t"]
    inputs = [value("input_ids", edges, TensorProto.INT64)]
    nodes = [helper.make_node("Gather", ["table", "input_ids"], ["vectors"])]
    last = "vectors"
    if has_mask:
        inputs.append(value("attention_mask", edges, TensorProto.INT64))
        nodes += [
            helper.make_node("Cast", ["attention_mask"], ["floats"], to=TensorProto.FLOAT),
            helper.make_node("Unsqueeze", ["floats", "last"], ["shares"]),
            helper.make_node("Mul", ["vectors", "shares"], ["masked"]),
        ]
        last = "masked"
    nodes.append(helper.make_node("ReduceSum", [last, "middle"], ["text_embeds"], keepdims=0))
    constants = {
        "table": table,
        "last": tensor("last", np.array([2])),
        "middle": tensor("middle", np.array([1])),
    }
    outputs = [value("text_embeds", ["n", size])]
    return save(path, nodes, inputs, outputs, constants)


def write_tokenizer(folder: Path) -> None:
    """Write tokenizer.json and the settings beside it."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

    vocabulary = {"[PAD]": 0, "[UNK]": 1} | {word: i + 2 for i, word in enumerate(WORDS)}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.save(str(folder / "tokenizer.json"))
    settings = {"model_max_length": FILLED, "pad_token": "[PAD]"}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
