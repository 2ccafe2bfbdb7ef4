"""HEIC and DICOM, where their extras are installed; without them they are named."""

import io

import numpy as np
import pytest
from PIL import Image

from latentlab.data.formats.picture_folder import list_pictures
from latentlab.data.originals import Page
from latentlab.data.pictures import sniffing
from latentlab.data.pictures.decode import decode_whole
from latentlab.data.pictures.picture_faults import fault_of
from latentlab.data.pictures.sniffing import has_extra
from latentlab.data.value_range import ValueRange

needs_heic = pytest.mark.skipif(not has_extra("heic"), reason="pillow-heif is not installed")
needs_dicom = pytest.mark.skipif(not has_extra("dicom"), reason="pydicom is not installed")
HEIC_HEAD = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"


def heic(*pictures, primary=0):
    import pillow_heif

    file = pillow_heif.from_pillow(pictures[0])
    for picture in pictures[1:]:
        file.add_from_pillow(picture)
    buffer = io.BytesIO()
    file.save(buffer, quality=95, primary_index=primary)
    return buffer.getvalue()


def dicom(path, pixels, **elements):
    """Write a DICOM file of uint8, uint16 or int16 pixels, (height, width) or with frames first."""
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage, generate_uid

    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = SecondaryCaptureImageStorage
    meta.MediaStorageSOPInstanceUID = generate_uid()
    dataset = Dataset()
    dataset.file_meta = meta
    dataset.SOPClassUID = meta.MediaStorageSOPClassUID
    dataset.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
    if pixels is not None:
        bits = 8 * pixels.dtype.itemsize
        dataset.Rows, dataset.Columns = pixels.shape[-2:]
        dataset.BitsAllocated = dataset.BitsStored = bits
        dataset.HighBit = bits - 1
        dataset.SamplesPerPixel = 1
        dataset.PhotometricInterpretation = "MONOCHROME2"
        dataset.PixelRepresentation = int(pixels.dtype.kind == "i")
        if pixels.ndim == 3:
            dataset.NumberOfFrames = len(pixels)
        dataset.PixelData = pixels.tobytes()
    for name, value in elements.items():
        setattr(dataset, name, value)
    dataset.save_as(path, enforce_file_format=True)
    return path


def test_without_its_extra_heic_is_passed_over_with_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setattr(sniffing, "MODULES", {"heic": "no_such_module", "dicom": "no_such_module"})
    has_extra.cache_clear()
    Image.new("RGB", (8, 8)).save(tmp_path / "a.jpg")
    for name in ("b.HEIC", "c.heif", "d.jpg"):
        (tmp_path / name).write_bytes(HEIC_HEAD)
    (tmp_path / "e.dcm").write_bytes(bytes(128) + b"DICM" + bytes(40))
    try:
        listing = list_pictures(tmp_path)
        reason = decode_whole(HEIC_HEAD)
    finally:
        has_extra.cache_clear()
    assert listing.ids == ["a.jpg"]
    assert [entry.text for entry in listing.passed_over] == [
        "3 HEIC (install latentlab[heic])",
        "1 DICOM (install latentlab[dicom])",
    ]
    assert reason == "HEIC (install latentlab[heic])"


@needs_heic
@pytest.mark.parametrize("name", ["a.HEIC", "a.jpg", "a"])
def test_heic_is_read_under_any_name(tmp_path, name):
    (tmp_path / name).write_bytes(heic(Image.new("RGB", (64, 48), (200, 30, 90))))
    assert list_pictures(tmp_path).ids == [name]
    picture = decode_whole(tmp_path / name)
    assert picture.size == (64, 48)
    np.testing.assert_allclose(np.asarray(picture)[20, 20], (200, 30, 90), atol=6)


@needs_heic
def test_of_several_images_in_a_heic_the_primary_one_is_read(tmp_path):
    colours = ("red", "lime", "blue")
    images = [Image.new("RGB", (64, 64), colour) for colour in colours]
    (tmp_path / "a.heic").write_bytes(heic(*images, primary=1))
    listing = list_pictures(tmp_path)
    assert listing.ids == ["a.heic"]
    assert [entry.text for entry in listing.passed_over] == ["2 further images of HEIC files"]
    np.testing.assert_allclose(
        np.asarray(decode_whole(tmp_path / "a.heic"))[9, 9], (0, 255, 0), atol=9
    )


@needs_heic
def test_guards_hold_for_heic_too():
    content = heic(Image.new("RGB", (64, 64)))
    known = set(Image.OPEN)
    assert fault_of(decode_whole(content, max_pixels=4095)) == "too large"
    assert fault_of(decode_whole(content[: len(content) // 2])) == "cannot be decoded"
    assert set(Image.OPEN) == known  # other code that uses Pillow meets nothing new


@needs_heic
def test_the_transformation_of_a_heic_is_applied_once():
    import pillow_heif

    pixels = np.zeros((64, 96, 3), np.uint8)
    pixels[:32] = 255
    picture = Image.fromarray(pixels)
    exif = Image.Exif()
    exif[0x0112] = 6
    picture.info["exif"] = exif.tobytes()
    stored = np.asarray(pillow_heif.from_pillow(picture))  # to be turned clockwise when shown
    content = heic(picture)
    assert b"irot" in content
    shown = np.asarray(decode_whole(content))
    np.testing.assert_allclose(shown.astype(float), np.rot90(stored, -1), atol=60)
    assert abs(shown.astype(float) - np.rot90(stored, -1)).mean() < 3


@needs_dicom
def test_dicom_of_eight_and_sixteen_bits(tmp_path):
    grey = np.arange(48, dtype=np.uint8).reshape(6, 8) * 5
    picture = decode_whole(dicom(tmp_path / "a.dcm", grey))
    np.testing.assert_array_equal(np.asarray(picture)[..., 0], grey)
    deep = grey.astype(np.uint16) * 4
    scaled = decode_whole(dicom(tmp_path / "b", deep), value_range=ValueRange(0, 940))
    np.testing.assert_allclose(np.asarray(scaled)[..., 0], deep / 940 * 255, atol=0.51)


@needs_dicom
def test_signed_and_rescaled_numbers_of_dicom(tmp_path):
    numbers = (np.arange(48, dtype=np.int16).reshape(6, 8) - 24) * 40
    path = dicom(tmp_path / "a.dcm", numbers, RescaleSlope=2, RescaleIntercept=-1000)
    units = numbers * 2.0 - 1000
    picture = decode_whole(path, value_range=ValueRange(-2920, 840))
    expected = (units + 2920) / 3760 * 255
    np.testing.assert_allclose(np.asarray(picture)[..., 0], expected, atol=0.51)


@needs_dicom
def test_dark_is_high_in_some_dicom(tmp_path):
    grey = np.arange(48, dtype=np.uint8).reshape(6, 8)
    path = dicom(tmp_path / "a.dcm", grey, PhotometricInterpretation="MONOCHROME1")
    np.testing.assert_array_equal(np.asarray(decode_whole(path))[..., 0], 255 - grey)


@needs_dicom
def test_frames_of_dicom_are_images(tmp_path):
    frames = np.random.default_rng(0).integers(0, 255, (3, 6, 8)).astype(np.uint8)
    path = dicom(tmp_path / "a.dcm", frames)
    assert list_pictures(tmp_path).ids == ["a.dcm#1", "a.dcm#2", "a.dcm#3"]
    for number, frame in enumerate(frames, 1):
        np.testing.assert_array_equal(np.asarray(decode_whole(Page(path, number)))[..., 0], frame)


@needs_dicom
def test_dicom_without_pixels_is_counted_and_guards_hold(tmp_path):
    dicom(tmp_path / "report.dcm", None)
    path = dicom(tmp_path / "a.dcm", np.zeros((6, 8), np.uint8))
    listing = list_pictures(tmp_path)
    assert listing.ids == ["a.dcm"]
    assert [entry.text for entry in listing.passed_over] == ["1 DICOM without pixels"]
    assert fault_of(decode_whole(path, max_pixels=47)) == "too large"
    (tmp_path / "broken.dcm").write_bytes(path.read_bytes()[:-20])
    assert fault_of(decode_whole(tmp_path / "broken.dcm")) == "cannot be decoded"
