"""Palettes are distinct, for colour-blind readers too."""

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
