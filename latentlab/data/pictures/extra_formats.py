"""Pictures that an extra of latentlab reads: HEIC with pillow-heif, DICOM with pydicom."""

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from latentlab.data.pictures.picture_faults import NotReadableError, too_many_pixels

if TYPE_CHECKING:
    import PIL.Image

DARK_IS_HIGH = "MONOCHROME1"
HAS_PALETTE = "PALETTE COLOR"


def count(picture: Path | bytes, extra: str) -> int:
    """Return how many images or frames a file holds.

    Parameters
    ----------
    picture : Path or bytes
        A file or its content.
    extra : {"heic", "dicom"}
        The extra that reads it.

    Returns
    -------
    int
        0 for DICOM without pixels, such as a structured report or the directory of a disc.
    """
    if extra == "dicom":
        header = _dicom_header(picture)
        return int(header.get("NumberOfFrames") or 1) if "Rows" in header else 0
    import pillow_heif

    return len(pillow_heif.open_heif(_stream(picture), convert_hdr_to_8bit=True))


def open_picture(
    picture: Path | bytes, extra: str, number: int, max_pixels: int
) -> "PIL.Image.Image":
    """Open a picture; nothing is registered with Pillow for other code to meet.

    Parameters
    ----------
    picture : Path or bytes
        A file or its content.
    extra : {"heic", "dicom"}
        The extra that reads it, which must be installed.
    number : int
        Number of a frame of DICOM, from 1. Of HEIC the primary picture is opened.
    max_pixels : int
        Larger DICOM is not decoded; HEIC is not decoded here.

    Returns
    -------
    PIL.Image.Image
        HEIC is not loaded yet. DICOM is grey of 8, 16 or 32 bits or floating-point, or colours of 8
        bits; its rescaling (to Hounsfield units, for example) is applied.

    Raises
    ------
    NotReadableError
        If DICOM is too large, or of a form that is not known.
    """
    if extra == "dicom":
        return _open_dicom(picture, number, max_pixels)
    import pillow_heif

    return pillow_heif.HeifImageFile(_stream(picture))


def _stream(picture: Path | bytes) -> Any:
    return io.BytesIO(picture) if isinstance(picture, bytes) else picture


def _dicom_header(picture: Path | bytes) -> Any:
    import pydicom

    return pydicom.dcmread(_stream(picture), stop_before_pixels=True)


def _open_dicom(picture: Path | bytes, number: int, max_pixels: int) -> "PIL.Image.Image":
    from PIL import Image
    from pydicom.pixels import pixel_array

    dataset = _dicom_header(picture)
    pixels = int(dataset.Rows) * int(dataset.Columns)
    if pixels > max_pixels:
        raise NotReadableError(too_many_pixels(pixels, max_pixels))
    numbers = pixel_array(_stream(picture), index=number - 1)  # reads this frame alone
    return Image.fromarray(_for_pillow(_brightness(numbers, dataset)))


def _brightness(numbers: np.ndarray, dataset: Any) -> np.ndarray:
    """Return the numbers of a frame as its header says they are meant."""
    from pydicom.pixels import apply_color_lut, apply_modality_lut

    kind = dataset.PhotometricInterpretation
    if kind == HAS_PALETTE:
        colours = apply_color_lut(numbers, dataset)
        return colours if colours.dtype == np.uint8 else (colours >> 8).astype(np.uint8)
    is_rescaled = "ModalityLUTSequence" in dataset or _rescaling(dataset) != (1, 0)
    if is_rescaled:
        numbers = apply_modality_lut(numbers, dataset)
    if kind != DARK_IS_HIGH:
        return numbers
    if is_rescaled or numbers.dtype.kind != "u":
        return -numbers.astype(np.float32)
    return ((1 << int(dataset.BitsStored)) - 1 - numbers.astype(np.int64)).astype(numbers.dtype)


def _rescaling(dataset: Any) -> tuple[float, float]:
    """Return slope and intercept."""
    return float(dataset.get("RescaleSlope", 1)), float(dataset.get("RescaleIntercept", 0))


def _for_pillow(numbers: np.ndarray) -> np.ndarray:
    """Return numbers in a type of which Pillow makes a picture."""
    if numbers.ndim == 3 and numbers.dtype != np.uint8:
        raise NotReadableError("colours of more than 8 bits in DICOM")
    if numbers.dtype in (np.uint8, np.uint16):
        return np.ascontiguousarray(numbers)
    is_whole = numbers.dtype.kind in "iu" and numbers.dtype.itemsize <= 4
    return numbers.astype(np.int32 if is_whole and numbers.dtype != np.uint32 else np.float32)
