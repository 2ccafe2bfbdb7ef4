"""The thumbnails of a page: places, shapes, colours, budget, and which images get one."""

import base64
import io

import numpy as np
import pytest
from PIL import Image

from latentlab.reporting import atlas
from latentlab.reporting.atlas import MapOrder, build_atlas, choose


def order_of(clusters):
    """Clusters whose first images are the nearest, and whose last are the most uncertain."""
    count = len(clusters)
    return MapOrder(np.asarray(clusters), np.arange(count, dtype=float), -np.arange(count))


def noise(count, side):
    """Pictures that WebP cannot make small."""
    pixels = np.random.default_rng(0).integers(0, 256, (count, side, side, 3), dtype=np.uint8)
    return lambda rows: [Image.fromarray(pixels[row]) for row in rows]


def tile(made, row):
    """The pixels of the thumbnail of an image, without what is beside it in its square."""
    number = made.place[row]
    sheet = Image.open(io.BytesIO(base64.b64decode(made.sheets[number // made.per_sheet])))
    down, across = divmod(number % made.per_sheet, made.columns)
    width, height = made.shapes[number].tolist()
    left, top = across * made.side, down * made.side
    return np.asarray(sheet.crop((left, top, left + width, top + height))).astype(int)


def test_each_image_is_in_its_place_in_its_own_shape_without_bars():
    colours = [[250, 0, 0], [0, 250, 0], [0, 0, 250], [250, 250, 0], [0, 250, 250]]
    shapes = [(400, 300), (300, 400), (200, 200), (100, 20), (1000, 10)]
    pictures = [Image.new("RGB", shape, tuple(c)) for shape, c in zip(shapes, colours, strict=True)]
    made = build_atlas(order_of([1, 0, 1, 0, -1]), lambda rows: [pictures[row] for row in rows])
    assert (made.side, made.is_whole) == (192, True)
    assert made.shapes[made.place].tolist() == [
        [192, 144],
        [144, 192],
        [192, 192],
        [100, 20],
        [192, 2],
    ]
    for row, colour in enumerate(colours):
        pixels = tile(made, row)
        inner = pixels[2:-2, 2:-2] if len(pixels) > 4 else pixels[:1]
        assert np.abs(inner - colour).max() < 60 if row < 4 else inner.size


def test_images_of_a_cluster_are_next_to_each_other():
    made = build_atlas(order_of([2, 0, 2, 1, 0]), noise(5, 32))
    assert made.place.tolist() == [3, 0, 4, 2, 1]


def test_photos_become_smaller_before_any_is_left_out():
    order = order_of(np.arange(60) % 3)
    sides = [
        build_atlas(order, noise(60, 200), budget=budget).side
        for budget in (2 * 10**7, 1_000_000, 400_000)
    ]
    assert len(set(sides)) == 3
    assert sides == sorted(sides, reverse=True)
    assert sides[0] == 192
    assert sides[-1] >= 64


@pytest.mark.parametrize("budget", [60_000, 100_000])
def test_what_does_not_fit_is_left_out_and_the_budget_is_kept(budget):
    order = order_of(np.repeat([0, 1, 2], [20, 300, 300]))
    made = build_atlas(order, noise(620, 32), budget=budget)
    assert (made.side, made.is_whole) == (32, False)
    assert atlas._bytes_of(made) <= budget
    shown = np.bincount(order.clusters[made.place >= 0])
    assert shown.tolist() == [min(20, made.per_cluster), made.per_cluster, made.per_cluster]
    assert f"{shown.sum():,} of 620 images" in made.note


def test_a_page_without_room_has_no_thumbnails():
    made = build_atlas(order_of([0, 0, 1]), noise(3, 32), budget=0)
    assert (made.sheets, made.place.tolist(), made.per_cluster) == ([], [-1, -1, -1], 0)


def test_no_more_files_are_read_than_may_be():
    made = build_atlas(order_of(np.arange(50) % 5), noise(50, 32), most=20)
    assert made.place.max() == 19


def test_a_third_of_the_chosen_is_nearest_a_third_uncertain_a_third_random():
    order = order_of(np.repeat([0, 1], [90, 5]))
    rows = choose(order, 9, np.random.default_rng(0))
    assert rows[:3].tolist() == [0, 1, 2]
    assert {87, 88, 89, 90, 91, 92, 93, 94} <= set(rows.tolist())
    assert ((rows > 2) & (rows < 87)).sum() == 3


def test_progress_counts_images_and_no_more_than_there_are(monkeypatch):
    monkeypatch.setattr(atlas, "MOST_PER_SHEET", 4)
    counts = []
    build_atlas(order_of([0] * 10), noise(10, 8), tick=counts.append)
    assert counts == [4, 8, 10]
