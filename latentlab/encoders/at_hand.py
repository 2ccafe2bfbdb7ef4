"""The encoders that can be used without training: what each is, and whether it is installed."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from latentlab.encoders.pretrained import efficientnet_lite, photos
from latentlab.encoders.pretrained.card import NO_LABELS
from latentlab.encoders.ready_made import shipped

MEASURED = Path(__file__).resolve().with_name("measured.json")
LICENCE = "MIT"  # of the weights that are shipped


@dataclass(frozen=True)
class EncoderEntry:
    """One encoder of the list.

    Attributes
    ----------
    name : str
        As `encoder` takes it.
    input_size : int
        Height and width of its images in pixels.
    licence : str
        Of the weights.
    pretraining : str
        Labels used in pretraining: a data set's name or "none".
    training : str
        How it was trained, in a few words.
    feature_size : int or None
        Length of a vector; None if it was not measured.
    purity : mapping of str to float
        Data set -> purity of the clusters of k = number of classes, as measured by
        scripts/measure_encoders.py.
    images_per_second : float or None
        Speed of embedding on the machine of that script; None if it was not measured.
    is_at_hand : bool
        Whether it is installed.
    way : str
        How to get it if it is not.
    """

    name: str
    input_size: int
    licence: str
    pretraining: str
    training: str
    feature_size: int | None = None
    purity: Mapping[str, float] = field(default_factory=dict)
    images_per_second: float | None = None
    is_at_hand: bool = True
    way: str = ""


def encoders_at_hand() -> list[EncoderEntry]:
    """Return all encoders that have a name, those that ship with latentlab first."""
    measured = _measured()
    entries = [_shipped_entry(name, measured.get(name, {})) for name in shipped().names()]
    return [*entries, _photo_entry(measured.get(photos.NAME, {}))]


def _shipped_entry(name: str, measured: Mapping[str, Any]) -> EncoderEntry:
    description = shipped().describe(name)
    trained = description.trained or {}
    return EncoderEntry(
        name=name,
        input_size=description.image_shape[0],
        licence=LICENCE,
        pretraining=NO_LABELS,
        training=f"without labels on {trained.get('data', 'unknown data')}",
        **measured,
    )


def _photo_entry(measured: Mapping[str, Any]) -> EncoderEntry:
    return EncoderEntry(
        name=photos.NAME,
        input_size=efficientnet_lite.SIZE,
        licence=photos.LICENCE,
        pretraining=photos.PRETRAINING,
        training=f"with the labels of {photos.PRETRAINING}",
        is_at_hand=photos.is_installed(),
        way=photos.INSTALL,
        **measured,
    )


def _measured() -> Mapping[str, Any]:
    """Return what scripts/measure_encoders.py has measured: name -> purity and speed."""
    if not MEASURED.exists():
        return {}
    return json.loads(MEASURED.read_text(encoding="utf-8"))["encoders"]
