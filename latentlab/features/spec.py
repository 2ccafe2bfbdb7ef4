"""What is clustered of an image: a start and label-free steps, written as "pool+whiten+l2".

A specification is parsed once, where a user gives it, and is an object from then on.

    code        start from the encoder's code; the default, and not written where steps follow
    embedding   start from the embedding, of an encoder that has one above its code
    averaged    start from the mean of the embeddings of the image and of its mirror image
    project     the projection head trained above the embedding; must be the first step after it
    pool[N]     average the code over an N x N grid (N = 1: global average pooling); first step only
    pca[N]      the N directions of most variance (50)
    whiten[N]   the same, each scaled to variance 1
    l2          each vector scaled to length 1
    umap[N]     N UMAP coordinates (10)
"""

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from latentlab.errors import ConfigError

CODE_START = "code"
STARTS_ABOVE_CODE = ("embedding", "averaged")
STARTS = (CODE_START, *STARTS_ABOVE_CODE)
WITHOUT_NUMBER = ("l2", "project")
STATELESS_STEPS = ("pool", "l2", "project")  # steps that learn nothing from the images
_STEP = re.compile(r"(project|pool|pca|whiten|l2|umap)(\d+)?")


@dataclass(frozen=True)
class Step:
    """One feature step.

    Attributes
    ----------
    name : str
        "project", "pool", "pca", "whiten", "l2" or "umap".
    number : int or None
        Grid size of pool, dimensions of pca, whiten and umap; None is the step's default.
    """

    name: str
    number: int | None = None

    def __str__(self) -> str:
        return self.name if self.number is None else f"{self.name}{self.number}"


@dataclass(frozen=True)
class FeatureSpec:
    """What features start from, and the steps that follow.

    Attributes
    ----------
    start : {"code", "embedding", "averaged"}
        Which stored vectors the steps begin with.
    steps : tuple of Step
        Applied in order.

    Examples
    --------
    >>> spec = FeatureSpec.parse("embedding+project+l2")
    >>> spec.start, [step.name for step in spec.steps]
    ('embedding', ['project', 'l2'])
    >>> str(FeatureSpec.parse("pool2+whiten"))
    'pool2+whiten'
    """

    start: str = CODE_START
    steps: tuple[Step, ...] = ()

    @classmethod
    def parse(cls, text: str) -> "FeatureSpec":
        """Return the specification that a text such as "pool+whiten+l2" means.

        Parameters
        ----------
        text : str
            A start, steps, or both, joined by "+".

        Raises
        ------
        ConfigError
            If a step is unknown, or stands where it cannot.
        """
        parts = [part.strip() for part in text.split("+")]
        start = CODE_START
        if parts[0] in STARTS_ABOVE_CODE or parts == [CODE_START]:
            start = parts.pop(0)
        steps = tuple(_parse_step(part, text) for part in parts)
        _check_places(start, steps, text)
        return cls(start, steps)

    def __str__(self) -> str:
        names = [f"{step.name}{step.number or ''}" for step in self.steps]
        if self.start != CODE_START or not names:
            names.insert(0, self.start)
        return "+".join(names)

    @property
    def starts_above_code(self) -> bool:
        """Whether the features start from the embedding or from averaged embeddings."""
        return self.start in STARTS_ABOVE_CODE

    @property
    def averages(self) -> bool:
        """Whether the features start from the mean with the mirror image's embedding."""
        return self.start == "averaged"

    @property
    def projects(self) -> bool:
        """Whether the features go through the projection head."""
        return any(step.name == "project" for step in self.steps)

    @property
    def is_code(self) -> bool:
        """Whether the features are the code as it is."""
        return self.start == CODE_START and not self.steps

    @property
    def is_stateless(self) -> bool:
        """Whether no step learns anything from images."""
        return all(step.name in STATELESS_STEPS for step in self.steps)

    def has(self, name: str) -> bool:
        """Return whether a step called `name` is among the steps."""
        return any(step.name == name for step in self.steps)

    def without(self, *names: str) -> "FeatureSpec":
        """Return the specification without the steps called `names`."""
        return replace(self, steps=tuple(step for step in self.steps if step.name not in names))

    def starting_from(self, start: str) -> "FeatureSpec":
        """Return the same steps from another `start`, one of `STARTS`."""
        return replace(self, start=start)

    def followed_by(self, steps: tuple[Step, ...]) -> "FeatureSpec":
        """Return the specification with more `steps` at its end."""
        return replace(self, steps=self.steps + steps)

    def siblings(self) -> list["FeatureSpec"]:
        """Return this specification and, above the code, the same steps from the other start."""
        if not self.starts_above_code:
            return [self]
        others = [start for start in STARTS_ABOVE_CODE if start != self.start]
        return [self, *map(self.starting_from, others)]


class SpecField:
    """Dataclass field of options that is given as text or as a spec, and holds a spec.

    Examples
    --------
    >>> @dataclass(frozen=True)
    ... class Options:
    ...     features: SpecField = SpecField()
    >>> Options("pool+l2").features.steps[0].name
    'pool'
    """

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    if TYPE_CHECKING:  # at run time the value is a plain entry of the instance

        def __get__(self, instance: object, owner: type) -> FeatureSpec | None: ...

    def __set__(self, instance: object, value: "FeatureSpec | str | None") -> None:
        # The dataclass takes this field itself for the default.
        instance.__dict__[self._name] = None if value is self else as_spec(value)


def as_spec(value: "FeatureSpec | str | None") -> FeatureSpec | None:
    """Return a user's `value` as a specification; None for None and "auto"."""
    if value is None or value == "auto":
        return None
    return FeatureSpec.parse(value) if isinstance(value, str) else value


def _parse_step(part: str, text: str) -> Step:
    match = _STEP.fullmatch(part)
    if match is None:
        raise _unknown_step(part, text)
    name, digits = match.groups()
    if digits == "0" or (digits and name in WITHOUT_NUMBER):
        raise _unknown_step(part, text)
    return Step(name, int(digits) if digits else None)


def _unknown_step(part: str, text: str) -> ConfigError:
    return ConfigError(
        f": unknown step {part!r}",
        field="features",
        value=repr(text),
        hint="Use code, embedding, averaged, or steps of project, pool[N], pca[N], whiten[N], l2,"
        ' umap[N] joined by "+".',
    )


def _check_places(start: str, steps: tuple[Step, ...], text: str) -> None:
    """Refuse pool after another step, and project anywhere but right above the embedding."""
    names = [step.name for step in steps]
    if "pool" in names[1:]:
        raise ConfigError(
            ": pool must be the first step, since it needs the code's height and width",
            field="features",
            value=repr(text),
        )
    first_place = 1 if start in STARTS_ABOVE_CODE else 0
    if "project" in names[first_place:]:
        raise ConfigError(
            ": project can only follow embedding or averaged, as in embedding+project+l2",
            field="features",
            value=repr(text),
        )


CODE = FeatureSpec()
NORMALIZED_EMBEDDING = FeatureSpec.parse("embedding+l2")
PROJECTED = FeatureSpec.parse("embedding+project+l2")
