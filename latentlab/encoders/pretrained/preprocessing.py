"""Pixels as a network takes them, and the settings of the file that lies beside many networks."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from latentlab.encoders.pretrained.card import Preprocessing
from latentlab.errors import DataError

CONFIG_FILE = "preprocessor_config.json"
CONFIG_BYTES = 1 << 20  # a longer file holds something else
LARGEST_NUMBER = 1e9
LARGEST_SIZE = 4096  # pixels; no encoder of pictures takes more
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


def prepare(
    pixels: np.ndarray, preprocessing: Preprocessing, dtype: Any = np.float32
) -> np.ndarray:
    """Return images as the input of a network.

    Parameters
    ----------
    pixels : ndarray of shape (n, size, size, channels), uint8
        RGB or grey images.
    preprocessing : Preprocessing
        What the network expects.
    dtype : dtype
        Of the result; whole numbers are passed on as they are.

    Returns
    -------
    ndarray of shape (n, size, size, channels) or (n, channels, size, size)
    """
    step = -1 if preprocessing.colours == "bgr" else 1
    pixels = pixels[..., ::step]
    mean = np.asarray(preprocessing.mean[::step], np.float32)
    std = np.asarray(preprocessing.std[::step], np.float32)
    if preprocessing.layout == "nchw":
        pixels = np.moveaxis(pixels, 3, 1)
        mean, std = mean.reshape(-1, 1, 1), std.reshape(-1, 1, 1)
    else:  # of a whole line of pixels: NumPy is slow where the last axis is short
        mean, std = np.tile(mean, pixels.shape[2]), np.tile(std, pixels.shape[2])
    if np.issubdtype(dtype, np.integer):
        return np.ascontiguousarray(pixels, dtype)
    values = pixels.astype(np.float32, order="C")
    lines = values if preprocessing.layout == "nchw" else values.reshape(*values.shape[:2], -1)
    if preprocessing.scale != 1:
        lines *= np.float32(preprocessing.scale)
    if mean.size:
        lines -= mean
    if std.size:
        lines /= std
    with np.errstate(over="ignore"):  # half precision ends early; the features show it
        return values.astype(dtype, copy=False)


@dataclass(frozen=True)
class PictureConfig:
    """What a `preprocessor_config.json` says.

    Attributes
    ----------
    path : Path
        The file.
    size : int or None
        Height and width in pixels, if it says so.
    scale : float
        Values from 0 to 255 are multiplied by this.
    mean, std : tuple of float
        After scaling; empty where nothing is subtracted.
    colours : {"rgb", "bgr"}
        Order of the channels.
    resized : int or None
        Shortest edge to which a picture is brought before a square of `size` is cut out.
    """

    path: Path
    size: int | None
    scale: float
    mean: tuple[float, ...]
    std: tuple[float, ...]
    colours: str
    resized: int | None


def read_config(model: Path) -> PictureConfig | None:
    """Return the settings beside a model, or above it if it lies in a folder `onnx`.

    Parameters
    ----------
    model : Path
        The model's file.

    Returns
    -------
    PictureConfig or None
        None if there is no `preprocessor_config.json`.

    Raises
    ------
    DataError
        If the file is there and cannot be used.
    """
    for path in config_paths(model):
        if path.is_file():
            return _parsed(path, _read_json(path))
    return None


def config_paths(model: Path) -> list[Path]:
    """Return where the settings of a model may lie, the first place first.

    Parameters
    ----------
    model : Path
        The model's file.
    """
    folders = [model.parent, *([model.parent.parent] if model.parent.name == "onnx" else [])]
    return [folder / CONFIG_FILE for folder in folders]


def _read_json(path: Path) -> Mapping[str, Any]:
    try:
        if path.stat().st_size > CONFIG_BYTES:
            raise ValueError("it is too long")
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(
            f"{path} cannot be read ({error})",
            hint="Remove it and give `size`, `scale`, `mean` and `std`.",
        ) from error
    if not isinstance(values, dict):
        raise _wrong(path, "it holds no settings")
    return values


def _parsed(path: Path, values: Mapping[str, Any]) -> PictureConfig:
    size, resized = _sizes(path, values)
    normalizes = values.get("do_normalize", "image_mean" in values)
    mean = _numbers(path, values, "image_mean") if normalizes else ()
    std = _numbers(path, values, "image_std") if normalizes else ()
    if any(number <= 0 for number in std):
        raise _wrong(path, "`image_std` must be above 0")
    return PictureConfig(
        path=path,
        size=size,
        scale=_scale(path, values),
        mean=mean,
        std=std,
        colours="bgr" if values.get("do_flip_channel_order") else "rgb",
        resized=resized,
    )


def _scale(path: Path, values: Mapping[str, Any]) -> float:
    if not values.get("do_rescale", True):
        return 1.0
    scale = values.get("rescale_factor", 1 / 255)
    if not _is_number(scale) or scale <= 0:
        raise _wrong(path, "`rescale_factor` must be a number above 0")
    return float(scale)


def _sizes(path: Path, values: Mapping[str, Any]) -> tuple[int | None, int | None]:
    """Return the size of the input, and the shortest edge before a crop."""
    size = _edge(path, "size", values.get("size"))
    crop = _edge(path, "crop_size", values.get("crop_size"))
    if crop and values.get("do_center_crop", True):
        resizes = values.get("do_resize", True)
        return crop, size if resizes and size and size > crop else None
    return size, None


def _edge(path: Path, name: str, value: Any) -> int | None:
    """Return an edge in pixels, from a number or from the height and width."""
    if isinstance(value, dict):
        edges = [value[key] for key in ("height", "width", "shortest_edge") if key in value]
        if any(edge != edges[0] for edge in edges):
            raise _wrong(path, f"`{name}` is not a square")
        value = edges[0] if edges else None
    if value is None:
        return None
    if not _is_number(value) or value != int(value) or not 1 <= value <= LARGEST_SIZE:
        raise _wrong(path, f"`{name}` must be from 1 to {LARGEST_SIZE} pixels")
    return int(value)


def _numbers(path: Path, values: Mapping[str, Any], name: str) -> tuple[float, ...]:
    value = values.get(name)
    numbers: list[Any] = value if isinstance(value, list) else [value]
    if len(numbers) not in (1, 3) or not all(_is_number(number) for number in numbers):
        raise _wrong(path, f"`{name}` must be 1 or 3 numbers")
    return tuple(float(number) for number in numbers)


def _is_number(value: Any) -> bool:
    is_plain = isinstance(value, (int, float)) and not isinstance(value, bool)
    return is_plain and abs(value) < LARGEST_NUMBER


def _wrong(path: Path, problem: str) -> DataError:
    return DataError(
        f"{path}: {problem}",
        hint="Correct it, or remove it and give `size`, `scale`, `mean` and `std`.",
    )
