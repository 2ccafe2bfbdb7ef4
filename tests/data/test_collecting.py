"""Shards become one set: limits, memory, random access, and sources and labels of other people."""

import numpy as np
import pytest
from PIL import Image

from latentlab.config import DataOptions
from latentlab.data import collecting, opening, pixels
from latentlab.data.images import from_array
from latentlab.data.pixels import PixelParts, PixelWriter
from latentlab.data.source import Shard, Source
from latentlab.errors import ConfigError, DataError
from latentlab.scoring.labels import read_labels

PIXELS = np.random.default_rng(0).integers(0, 256, (12, 8, 8, 3), dtype=np.uint8)


class Pieces(Source):
    """Twelve images in shards of five."""

    name = "pieces"

    def shards(self, data, options):
        for start in range(0, 12, 5):
            ids = np.array([f"image-{row}" for row in range(start, min(start + 5, 12))])
            splits = np.array(["train", "test"] * 3)[: len(ids)]
            yield Shard(ids, splits, pixels=PIXELS[start : start + 5])


def collected(source, **options):
    return collecting.collect(source, DataOptions(data=source.name, **options), None)


@pytest.mark.parametrize(
    "indices",
    [[11, 0, 5, 5, 4], [-1, 3], [], [True, False] * 6],
    ids=["any", "from the end", "no", "mask"],
)
def test_parts_are_read_as_one_array(indices):
    indices = np.array(indices, dtype=bool if len(indices) == 12 else int)
    parts = PixelParts([PIXELS[:5], PIXELS[5:6], PIXELS[6:]])
    np.testing.assert_array_equal(parts.read(indices), PIXELS[indices])
    with pytest.raises(IndexError, match="out of range"):
        parts.read(np.array([12]))


def test_shards_have_the_fingerprint_of_the_whole():
    images = collected(Pieces())
    whole = from_array("whole", PIXELS, images.splits)
    assert images.fingerprint == whole.fingerprint
    np.testing.assert_array_equal(images.read(np.arange(12)), PIXELS)


def test_limit_takes_the_first_of_each_split_and_asks_for_no_further_shard():
    class Short(Pieces):
        def shards(self, data, options):
            shards = super().shards(data, options)
            yield next(shards)
            raise AssertionError("another shard was asked for")

    images = collected(Short(), limit=2)
    assert images.ids.tolist() == ["image-0", "image-1", "image-2", "image-3"]


def test_pixels_above_the_limit_of_memory_go_to_a_file(tmp_path, monkeypatch):
    monkeypatch.setattr(pixels, "cache_folder", lambda *names: tmp_path.joinpath(*names))
    writer = PixelWriter(memory_limit=PIXELS[:7].nbytes)
    for image in PIXELS[:3]:
        writer.append_image(image)
    writer.append(PIXELS[3:6])
    writer.append(PIXELS[6:])
    parts = writer.finish()
    assert (tmp_path / "decoded").is_dir()
    assert list((tmp_path / "decoded").iterdir()) == []  # the file has no name
    assert parts.fingerprint() == PixelParts([PIXELS]).fingerprint()
    np.testing.assert_array_equal(parts.read(np.array([11, 0])), PIXELS[[11, 0]])


def test_a_disk_that_cannot_be_written_is_one_line(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(pixels, "cache_folder", lambda *names: tmp_path / "file" / "below")
    with pytest.raises(DataError, match=r"cannot hold the images in .*Free the disk"):
        PixelWriter(memory_limit=1).append(PIXELS)


def test_mapped_images_are_not_copied(tmp_path):
    np.save(tmp_path / "x.npy", PIXELS)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    writer = PixelWriter(memory_limit=1)
    writer.append(mapped)  # a copy would be above the limit, and go to a file
    assert writer.finish()._parts[0] is mapped


def test_images_of_several_shapes_need_a_size():
    class Mixed(Pieces):
        def shards(self, data, options):
            yield Shard(np.array(["a"]), np.array(["train"]), pixels=PIXELS[:1])
            yield Shard(np.array(["b"]), np.array(["test"]), pixels=PIXELS[:1, :4])

    with pytest.raises(DataError, match=r"need one shape.*Choose a `size`"):
        collected(Mixed())
    assert collected(Mixed(), size=8).image_shape == (8, 8, 3)


PLUGIN = '''"""Raw bytes."""

from dataclasses import dataclass
import numpy as np
from latentlab.data.source import Source, SourceCapabilities, pixel_shards


@dataclass(frozen=True)
class Options:
    side: int = 4


class Raw(Source):
    Options = Options
    capabilities = SourceCapabilities(suffixes=(".raw",), reads_folders=True)

    def shards(self, data, options):
        images = np.fromfile(self.path(data), np.uint8).reshape(-1, options.side, options.side, 1)
        yield from pixel_shards([images], np.array(["train"] * len(images)))
'''


LABELS = '''"""Classes of raw bytes."""

import numpy as np
from latentlab.data.source import Source
from latentlab.scoring.labels import first_labels


def read_labels(data):
    source = Source.named("raw")
    index = source.index(data, source.parse_options(data.source_options))
    return first_labels(np.arange(len(index)) % 2, ["a", "b"], index, data)
'''


def test_a_file_in_a_folder_adds_a_source_with_options_and_a_file_its_labels(tmp_path, monkeypatch):
    plugins = tmp_path / "plugins"
    (plugins / "labels").mkdir(parents=True)
    (plugins / "raw.py").write_text(PLUGIN)
    monkeypatch.setenv("LATENTLAB_PLUGINS", str(plugins))
    PIXELS.ravel()[:64].tofile(tmp_path / "x.raw")
    data = DataOptions(data=str(tmp_path / "x.raw"))
    assert opening.resolve(data) == "raw"
    assert opening.open_images(data).image_shape == (4, 4, 1)
    assert read_labels(data) is None
    (plugins / "labels" / "raw.py").write_text(LABELS)
    assert read_labels(data).class_names == ("a", "b")
    wide = DataOptions(data=data.data, source_options={"side": 8})
    assert opening.open_images(wide).image_shape == (8, 8, 1)
    with pytest.raises(ConfigError, match="has no option sides"):
        opening.open_images(DataOptions(data=data.data, source_options={"sides": 8}))


def test_the_source_of_a_path_follows_from_what_sources_read(tmp_path, monkeypatch):
    plugins = tmp_path / "plugins"
    plugins.mkdir()
    (plugins / "raw.py").write_text(PLUGIN)
    (tmp_path / "data").mkdir()
    Image.fromarray(PIXELS[0]).save(tmp_path / "data" / "a.png")
    data = DataOptions(data=str(tmp_path / "data"))
    monkeypatch.setenv("LATENTLAB_PLUGINS", str(plugins))
    assert opening.resolve(data) == "folder"
    (tmp_path / "data" / "a.raw").write_bytes(b"")
    assert opening.resolve(data) == "raw"
    monkeypatch.delenv("LATENTLAB_PLUGINS")
    assert opening.resolve(data) == "folder"
    with pytest.raises(DataError, match=r"nonsense does not exist.*name of their own are cifar10"):
        opening.resolve(DataOptions(data="nonsense"))
