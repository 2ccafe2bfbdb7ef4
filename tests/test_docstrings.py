"""Every public function and method describes each of its parameters."""

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Iterator
from types import FunctionType, ModuleType

import pytest

import latentlab

# Not the command line: its functions are commands, and their help texts describe the options.
MODULES = [
    info.name
    for info in pkgutil.walk_packages(latentlab.__path__, "latentlab.")
    if "._" not in info.name and not info.name.startswith("latentlab.cli")
]
Method = FunctionType | classmethod | staticmethod


def functions_of(module: ModuleType) -> Iterator[Callable]:
    """Yield the public functions that a module defines."""
    for name, value in vars(module).items():
        if not name.startswith("_") and is_defined_in(module, value, FunctionType):
            yield value


def methods_of(module: ModuleType) -> Iterator[tuple[type, str]]:
    """Yield the public methods of the public classes that a module defines."""
    for class_name, owner in vars(module).items():
        if class_name.startswith("_") or not is_defined_in(module, owner, type):
            continue
        fields = getattr(owner, "__dataclass_fields__", {})  # the default of one may be a function
        for name, value in vars(owner).items():
            if not name.startswith("_") and name not in fields and isinstance(value, Method):
                yield owner, name


def is_defined_in(module: ModuleType, value: object, kind: type) -> bool:
    return isinstance(value, kind) and getattr(value, "__module__", "") == module.__name__


def parameters(function: Callable) -> set[str]:
    """Return the parameters that a caller passes."""
    names = list(inspect.signature(inspect.unwrap(function)).parameters)
    return {name for name in names if name not in ("self", "cls") and not name.startswith("_")}


def described(function: Callable) -> set[str]:
    """Return the parameters that a docstring describes.

    They stand in its Parameters section, as in "x, y : float". A docstring of one line is enough
    if it names them in backticks.
    """
    docstring = inspect.getdoc(function) or ""
    if "\n" not in docstring:
        return set(docstring.split("`")[1::2])
    _, _, section = docstring.partition("\nParameters\n---")
    names: set[str] = set()
    for line in section.splitlines()[1:]:
        if line.startswith("---"):  # the underline of the next section
            break
        if not line.startswith(" "):
            names.update(name.strip(" *") for name in line.partition(" :")[0].split(","))
    return names


def undescribed_in_method(owner: type, name: str) -> set[str]:
    """Return the parameters that neither a method nor one that it overrides describes.

    What overrides a method of another library, such as Keras, follows that library's documentation.
    """
    method = getattr(owner, name)
    missing = parameters(method) - described(method)
    for base in owner.__mro__[1:]:
        if name in vars(base):
            is_ours = base.__module__.startswith("latentlab")
            missing -= described(getattr(base, name)) if is_ours else missing
    return missing


@pytest.mark.parametrize("module_name", MODULES)
def test_public_functions_describe_their_parameters(module_name):
    module = importlib.import_module(module_name)
    missing = {}
    for function in functions_of(module):
        missing[function.__name__] = parameters(function) - described(function)
    for owner, name in methods_of(module):
        missing[f"{owner.__name__}.{name}"] = undescribed_in_method(owner, name)
    assert {name: names for name, names in missing.items() if names} == {}
