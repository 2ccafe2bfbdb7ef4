"""Palettes are distinct, for colour-blind readers too."""

import numpy as np

from latentlab.reporting import palettes


def test_palettes_are_distinct():
    for count in (1, 10, 40, 300):
        assert len(set(palettes.categories(count))) == count


def test_palettes_are_told_apart_by_colour_blind_readers():
    import seaborn

    assert palettes.smallest_distance(["#ff0000", "#00ff00"]) < 0.5 * palettes.smallest_distance(
        ["#0000ff", "#ffff00"]
    )
    for count in (6, 12, 20, 40):
        usual = list(seaborn.color_palette("husl", count).as_hex())
        assert palettes.smallest_distance(
            palettes.categories(count)
        ) > 1.5 * palettes.smallest_distance(usual)
    assert palettes.ink("#ffffff") == "#000000"
    assert palettes.ink("#000000") == "#ffffff"


def test_labels_have_the_colour_of_a_cluster_only_where_each_is_the_others_commonest():
    table = np.array([[9, 1, 0], [8, 7, 0]])  # label 0 is the commonest of both clusters
    first, second, third = palettes.matched(table)
    assert first == palettes.categories(1)[0]
    assert not {second, third} & set(palettes.categories(palettes.OF_CLUSTERS))
    assert second != third


def test_groups_beside_clusters_have_colours_that_are_told_apart():
    colours = palettes.beside(8)
    assert not set(colours) & set(palettes.categories(palettes.OF_CLUSTERS))
    assert palettes.smallest_distance(colours) > 0.05
