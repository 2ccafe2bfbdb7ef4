"""--set NAME=VALUE: parsed, and given to the plugin that has the option."""

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from latentlab.errors import ConfigError
from latentlab.options import Values, option_names

if TYPE_CHECKING:
    from latentlab.plugins import Plugin


def parse_setting(text: str) -> tuple[str, Any]:
    """Return name and value of one --set.

    Parameters
    ----------
    text : str
        NAME=VALUE; the value is read as JSON if it is valid JSON, else it is text.

    Raises
    ------
    ConfigError
        If the text has no name or no equals sign.

    Examples
    --------
    >>> parse_setting("gamma=0.1"), parse_setting("start=n2d")
    (('gamma', 0.1), ('start', 'n2d'))
    """
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise ConfigError(f"--set {text!r} must be NAME=VALUE.")
    try:
        return name.strip(), json.loads(value)
    except ValueError:
        return name.strip(), value


def parse_settings(texts: Sequence[str]) -> Values:
    """Return option name -> value of several --set; the last of one name counts.

    Parameters
    ----------
    texts : sequence of str
        NAME=VALUE each.

    Raises
    ------
    ConfigError
        If one of them is not of this form.
    """
    return dict(map(parse_setting, texts))


def route_settings(
    settings: Mapping[str, Any], plugins: "Mapping[str, Plugin]"
) -> dict[str, Values]:
    """Return the settings by the argument that takes them.

    Parameters
    ----------
    settings : mapping
        Option name -> value. A name that two plugins have is written with its argument, as in
        "arch_options.width".
    plugins : mapping
        Argument, such as "arch_options" -> the plugin whose options it holds.

    Returns
    -------
    dict
        Argument -> option name -> value; an empty dict for a plugin that gets none.

    Raises
    ------
    ConfigError
        If no plugin has an option of a name, or two have it.
    """
    routed: dict[str, Values] = {argument: {} for argument in plugins}
    for name, value in settings.items():
        argument, dot, entry = name.partition(".")
        if not (dot and argument in plugins):
            argument = _argument_of(name, plugins)
            entry = name
        routed[argument][entry] = value
    return routed


def _argument_of(name: str, plugins: "Mapping[str, Plugin]") -> str:
    """Return the only argument that takes an option of this name."""
    owners = []
    for argument, plugin in plugins.items():
        if name in option_names(plugin.Options):
            owners.append(argument)
    if len(owners) == 1:
        return owners[0]
    if not owners:
        raise _no_such_option(name, list(plugins.values()))
    having = " and ".join(plugins[argument].argument for argument in owners)
    ways = " or ".join(f"--set {argument}.{name}=VALUE" for argument in owners)
    raise ConfigError(f"{having} have an option {name} each. Write {ways}.")


def _no_such_option(name: str, plugins: "Sequence[Plugin]") -> ConfigError:
    """Return the error for an option that no plugin has; it lists those that they have."""
    first, *others = plugins
    further = " or ".join(map(_with_options, others))
    has = _with_options(first).removeprefix(first.argument)
    return ConfigError(f"{first.argument} has no option {name}{has}, nor has {further}.")


def _with_options(plugin: "Plugin") -> str:
    """Return the argument that names a plugin, and the options that the plugin has."""
    names = ", ".join(sorted(option_names(plugin.Options)))
    return f"{plugin.argument} (it has {names or 'none'})"
