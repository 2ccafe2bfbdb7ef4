"""Every source keeps the contract of sources; one that breaks it is told what to mend."""

import struct
import tarfile
import zipfile
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from latentlab.config import DataOptions
from latentlab.data.conformance import check_source
from latentlab.data.formats.cifar_batches import STEMS
from latentlab.data.source import Shard, Source, SourceCapabilities, pixel_shards
from latentlab.errors import ConfigError, DataError

PIXELS = np.random.default_rng(0).integers(0, 256, (12, 8, 8, 3), dtype=np.uint8)


def pictures_in(folder):
    for number, pixels in enumerate(PIXELS):
        Image.fromarray(pixels).save(folder / f"{number:02d}.png")
    return folder


def container_or_list(name, folder):
    """Return an archive, list or table of the pictures in a folder, or the first of them."""
    paths = sorted(folder.glob("*.png"))
    if name == "zip":
        with zipfile.ZipFile(folder / "x.zip", "w") as archive:
            for path in paths:
                archive.write(path, path.name)
        return folder / "x.zip"
    if name == "tar":
        with tarfile.open(folder / "x.tar.gz", "w:gz") as archive:
            for path in paths:
                archive.add(path, path.name)
        return folder / "x.tar.gz"
    if name == "picture":
        return paths[0]
    lines = [path.name for path in paths]
    target = folder / ("x.txt" if name == "path-list" else "x.csv")
    target.write_text("\n".join(lines if name == "path-list" else ["file", *lines]))
    return target


def small_data(name, folder):
    """Return small data that a source of ours can read; for other sources their name."""
    if name == "arrays":
        np.save(folder / "x.npy", PIXELS)
        return DataOptions(data=str(folder / "x.npy"))
    if name == "folder":
        return DataOptions(data=str(pictures_in(folder)))
    if name == "parquet":
        import pyarrow as pa
        import pyarrow.parquet as pq

        contents = [path.read_bytes() for path in sorted(pictures_in(folder).glob("*.png"))]
        pq.write_table(pa.table({"image": contents}), folder / "x.parquet", row_group_size=5)
        return DataOptions(data=str(folder / "x.parquet"))
    if name in ("zip", "tar", "path-list", "table", "picture"):
        return DataOptions(data=str(container_or_list(name, pictures_in(folder))))
    if name == "cifar10":
        for stem in STEMS:
            (folder / f"{stem}.bin").write_bytes((b"\x05" + bytes(range(256)) * 12) * 3)
        return DataOptions(data=name, data_dir=str(folder))
    if name in ("mnist", "fashion"):
        for prefix, count in (("train", 9), ("t10k", 3)):
            header = struct.pack(">HBB3I", 0, 8, 3, count, 8, 8)
            images = folder / f"{prefix}-images-idx3-ubyte"
            images.write_bytes(header + PIXELS[:count, ..., 0].tobytes())
            (folder / f"{prefix}-labels-idx1-ubyte").write_bytes(b"")
        return DataOptions(data=name, data_dir=str(folder))
    return DataOptions(data=name)


@pytest.mark.parametrize("name", Source.names())
def test_sources_keep_the_contract(name, tmp_path):
    try:
        check_source(Source.named(name), small_data(name, tmp_path))
    except (ConfigError, DataError) as error:
        pytest.skip(f"the data of {name} are not at hand: {error}")


class Good(Source):
    """A source that keeps the contract; the others below break it in one place."""

    name = "good"
    capabilities = SourceCapabilities()

    def shards(self, data, options):
        yield from pixel_shards([PIXELS], np.array(["train"] * 9 + ["test"] * 3))


def changed(**values):
    class Bad(Good):
        def shards(self, data, options):
            for shard in super().shards(data, options):
                yield replace(shard, **values)

    return Bad()


class Forgetful(Good):
    """Gives other pixels each time."""

    calls = 0

    def shards(self, data, options):
        self.calls += 1
        yield from pixel_shards([PIXELS + np.uint8(self.calls)], np.array(["train"] * 12))


class Limiting(Good):
    """Applies the limit itself."""

    def shards(self, data, options):
        for shard in super().shards(data, options):
            if data.limit:
                shard = Shard(shard.ids[3:], shard.splits[3:], pixels=shard.pixels[3:])
            yield shard


def test_a_good_source_passes():
    check_source(Good(), DataOptions(data="good"))


@pytest.mark.parametrize(
    ("source", "text"),
    [
        (changed(pixels=PIXELS.astype(float)), "are float64, not uint8"),
        (changed(pixels=PIXELS[:5]), "12 ids and 5 images"),
        (changed(pixels=None), "needs either pixels or pictures"),
        (
            changed(pixels=None, pictures=["a.png"] * 12),
            "is a str, not a Path, bytes, Page",
        ),
        (changed(ids=np.array(["a"] * 12)), "ids are not unique"),
        (changed(splits=np.array(["valid"] * 12)), "use 'train' and 'test'"),
        (Forgetful(), "other pixels in shard 0"),
        (Limiting(), "must not apply `limit` itself"),
    ],
)
def test_a_source_that_breaks_the_contract_is_refused(source, text):
    with pytest.raises(AssertionError, match=text):
        check_source(source, DataOptions(data="good"))
