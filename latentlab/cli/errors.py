"""Error texts for the terminal: names of arguments and calls become flags and commands.

The library quotes Python in backticks, see `latentlab.errors`. The command line says the same in
its own words; which flag stands for which argument is read from the commands themselves.

    `k=5000`                          --k 5000
    `objective_options.start=strong`  --set start=strong
    `resume=False`                    --no-resume
    `fit(run='runs/x')`               latentlab fit --run runs/x
    `read_labels`                     read_labels
"""

import ast
import re
import shlex
from typing import Any

import click

from latentlab.errors import UNSET, LatentlabError

PROGRAM = "latentlab"
SET_FLAG = "--set"
# Arguments that hold options of plugins: their entries are given with --set.
NAMESPACES = ("arch_options", "objective_options", "source_options", "settings")
_QUOTED = re.compile(r"`([^`]+)`")
_NAME_AND_VALUE = re.compile(r"([a-z_]+)(?:\.(\w+))?(?:=(.*))?", re.DOTALL)


class Translator:
    """Turns Python's names into the flags of a command line.

    Parameters
    ----------
    group : click.Group
        The command that holds all others.
    """

    def __init__(self, group: click.Group) -> None:
        self.commands = dict(group.commands)
        self.options: dict[str, click.Option] = {}
        for command in (group, *group.commands.values()):
            for option in command.params:
                if isinstance(option, click.Option):
                    self._add(option)

    def _add(self, option: click.Option) -> None:
        """Note an option by its Python name, and by its flag, which may differ."""
        self.options.setdefault(str(option.name), option)
        self.options.setdefault(_python_name(long_flag(option)), option)

    def error_text(self, error: LatentlabError) -> str:
        """Return an error as the terminal shows it.

        Parameters
        ----------
        error : LatentlabError
            Any error of the library.
        """
        if not error.field:
            return self.text(str(error))
        quoted = f"`{error.field}`"
        value = None
        if error.value is not UNSET:
            quoted = f"`{error.field}={error.value}`"
            value = str(error.value)
        # A value may hold anything, backticks too: the argument is translated apart from the rest.
        return self._argument(error.field, value) + self.text(str(error).removeprefix(quoted))

    def text(self, text: str) -> str:
        """Return a text with everything in backticks translated.

        Parameters
        ----------
        text : str
            Text of the library.
        """
        return _QUOTED.sub(lambda match: self._translated(match.group(1)), text)

    def _translated(self, quoted: str) -> str:
        """Return the flag or command for what stood in backticks; without one, the words as is."""
        call = _parse_call(quoted)
        if call is not None:
            return self._command(call) or quoted
        match = _NAME_AND_VALUE.fullmatch(quoted)
        if match is None:
            return quoted
        name, entry, value = match.groups()
        return self._argument(f"{name}.{entry}" if entry else name, value)

    def _argument(self, name: str, value: str | None) -> str:
        """Return the flag of an argument or of an entry such as "settings.gamma", with a value."""
        namespace, _, entry = name.partition(".")
        if namespace in NAMESPACES:
            setting = entry if value is None else f"{entry}={value}"
            return f"{SET_FLAG} {setting}".strip()
        option = self.options.get(name)
        if option is None:
            return name if value is None else f"{name}={value}"
        if option.is_flag:
            return _switch(option, value)
        return long_flag(option) if value is None else f"{long_flag(option)} {value}"

    def _command(self, call: ast.Call) -> str:
        """Return the command line that does what a call does; "" if there is no such command."""
        name = call.func.id.replace("_", "-") if isinstance(call.func, ast.Name) else ""
        command = self.commands.get(name)
        if command is None:
            return ""
        words = [PROGRAM, name]
        for keyword in call.keywords:
            argument = str(keyword.arg)
            value = shlex.quote(str(ast.literal_eval(keyword.value)))
            words.append(
                value if _is_positional(command, argument) else self._argument(argument, value)
            )
        return " ".join(words)


def long_flag(option: click.Option) -> str:
    """Return the long flag of an option, such as "--batch-size".

    Parameters
    ----------
    option : click.Option
        An option of a command.
    """
    return max(option.opts, key=len)


def _switch(option: click.Option, value: str | None) -> str:
    """Return the flag that switches something on, or off for the value False."""
    if value == "False" and option.secondary_opts:
        return option.secondary_opts[0]
    return long_flag(option)


def _is_positional(command: click.Command, argument: str) -> bool:
    """Return whether a command takes an argument without a flag, as verify takes its run."""
    for parameter in command.params:
        if isinstance(parameter, click.Argument) and parameter.name == f"{argument}_path":
            return True
    return False


def _python_name(flag: str) -> str:
    return flag.lstrip("-").replace("-", "_")


def _parse_call(text: str) -> ast.Call | None:
    """Return the call that a text is; None if it is none whose arguments are plain values."""
    try:
        expression: Any = ast.parse(text, mode="eval").body
        for keyword in expression.keywords:
            ast.literal_eval(keyword.value)
    except (SyntaxError, ValueError, AttributeError):
        return None
    return expression if isinstance(expression, ast.Call) else None
