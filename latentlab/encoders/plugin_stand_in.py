"""Minimal stand-in for `latentlab.plugins.Plugin`, to be removed once that exists."""

from typing import Any, ClassVar, Self

from latentlab.config import NoOptions


class Plugin:
    """Base class of plugins."""

    kind: ClassVar[str]
    name: str = ""
    Options: ClassVar[type] = NoOptions
    capabilities: ClassVar[Any]

    @classmethod
    def names(cls) -> list[str]:
        """Return the names of the plugins of this kind."""
        from latentlab import plugins

        return plugins.names(cls.kind)

    @classmethod
    def named(cls, name: str) -> Self:
        """Return the plugin of that name."""
        from latentlab import plugins

        module = plugins.load(cls.kind, name)
        if isinstance(module, cls):
            return module
        for value in vars(module).values():
            is_plugin = isinstance(value, type) and issubclass(value, cls)
            if is_plugin and value.__module__ == module.__name__:
                plugin = value()
                plugin.name = name
                return plugin
        raise LookupError(name)

    def parse_options(self, values: dict) -> Any:
        """Return `Options` with these values."""
        from latentlab.config import plugin_options

        return plugin_options(self.Options, dict(values), f"{self.kind} {self.name}")
