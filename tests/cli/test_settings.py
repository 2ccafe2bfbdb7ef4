"""Settings of `--set`."""

import pytest

from latentlab.cli.settings import parse_settings, route_settings
from latentlab.errors import ConfigError


class _Depth:
    """A stand-in for a plugin with one option."""

    def __init__(self, argument, kind):
        self.argument = argument
        self.Options = kind


def test_settings_go_to_the_plugin_that_has_the_option():
    import dataclasses

    deep = dataclasses.make_dataclass("Deep", [("depth", int, 1)])
    both = dataclasses.make_dataclass("Both", [("depth", int, 1), ("width", int, 1)])
    owners = {"arch_options": _Depth("`arch=a`", deep), "objective_options": _Depth("`o`", both)}
    routed = route_settings({"width": 3, "arch_options.depth": 2}, owners)
    assert routed == {"arch_options": {"depth": 2}, "objective_options": {"width": 3}}
    with pytest.raises(ConfigError, match=r"`arch=a` and `o` have an option depth each\. Write"):
        route_settings({"depth": 3}, owners)
    with pytest.raises(ConfigError, match=r"has no option height \(it has depth\), nor has `o`"):
        route_settings({"height": 3}, owners)


def test_values_of_set_are_json_or_text():
    parsed = parse_settings(["a=1", "b=true", "c=n2d", "d=x=y", "a=2"])
    assert parsed == {"a": 2, "b": True, "c": "n2d", "d": "x=y"}
    for text in ("a", "=3"):
        with pytest.raises(ConfigError, match="must be NAME=VALUE"):
            parse_settings([text])
