"""Settings that belong together, by name: for `recipe=...` and the flag of the same name.

recipe   machine        encoder                    epochs   batch   rate    precision
strong   cpu            fast8, width 40                30     256   0.01    float32
strong   cpu-bfloat16   fast8, width 48                50     256   0.01    mixed_bfloat16
strong   cpu-tiles      fast8, width 64                60     256   0.01    mixed_bfloat16
strong   gpu            resnet18, 64 channels         213     512   0.01    mixed_bfloat16
adapt    any            fast8 of cifar10-strong         4     256   0.003   bfloat16 if faster

Both fit by SwAV with Muon and cluster by IMC-SwAV's head, or by SCAN's where the encoder has no
prototypes of the images. Reasons: docs/decisions/0070-strong-recipe.md. What kind of machine a
processor is, a trial of some seconds measures: docs/decisions/0096-choices-by-measurement.md.
"""

import functools
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from latentlab import backend
from latentlab.errors import ConfigError
from latentlab.options import Values

if TYPE_CHECKING:
    from latentlab.training.precision_trial import PrecisionTrial

# Kinds of machine: processors by how much faster they train in bfloat16, and any GPU.
MACHINES = ("cpu", "cpu-bfloat16", "cpu-tiles", "gpu")
# Gains from which on a processor is of the kind. Vector units gained 1.4 to 1.5 in fast8, tiles
# (AMX) more than that (reports/cifar10-strong).
_LEAST_GAINS = {"cpu-tiles": 2.0, "cpu-bfloat16": 1.15}

_MUON: Values = {"optimizer": "muon", "adam_share": 0.3, "weight_decay": 0.1}
_FIT: Values = {
    "objective": "swav",
    "batch_size": 256,
    "patience": 0,
    "validation": 0.02,
    "precision": "float32",
}
_STRONG_CPU: Values = {
    **_FIT,
    "arch": "fast8",
    "learning_rate": 0.01,
    "objective_options": {"prototypes": 300, **_MUON},
}
_ADAPT: Values = {
    **_FIT,
    "arch": "fast8",
    "epochs": 4,
    "learning_rate": 0.003,
    "objective_options": {"start": "cifar10-strong", **_MUON},
}
_ADAPT_BFLOAT16: Values = {**_ADAPT, "precision": "mixed_bfloat16"}

# Recipe -> kind of machine -> values of FitOptions.
FIT: dict[str, dict[str, Values]] = {
    "strong": {
        "cpu": {**_STRONG_CPU, "arch_options": {"width": 40}, "epochs": 30},
        "cpu-bfloat16": {
            **_STRONG_CPU,
            "arch_options": {"width": 48},
            "epochs": 50,
            "precision": "mixed_bfloat16",
        },
        "cpu-tiles": {
            **_STRONG_CPU,
            "arch_options": {"width": 64},
            "epochs": 60,
            "precision": "mixed_bfloat16",
        },
        "gpu": {
            **_FIT,
            "arch": "resnet18",
            "arch_options": {"code_channels": 64},
            "batch_size": 512,
            "objective_options": {"steps_per_call": 5, **_MUON},
            "epochs": 213,
            "learning_rate": 0.01,
            "precision": "mixed_bfloat16",
        },
    },
    "adapt": {
        "cpu": _ADAPT,
        "cpu-bfloat16": _ADAPT_BFLOAT16,
        "cpu-tiles": _ADAPT_BFLOAT16,
        "gpu": _ADAPT_BFLOAT16,
    },
}
# Recipe -> values of ClusterOptions.
CLUSTER: dict[str, Values] = {"strong": {"method": "imc"}, "adapt": {"method": "imc"}}
WITHOUT_PROTOTYPES: dict[str, Values] = {"strong": {"method": "scan"}, "adapt": {"method": "scan"}}


def fit_settings(name: str, machine: str = "") -> Values:
    """Return the values of `FitOptions` that a recipe sets.

    Parameters
    ----------
    name : str
        Name of the recipe.
    machine : str
        Kind of machine, one of `MACHINES`; "" is this one.

    Raises
    ------
    ConfigError
        If there is no such recipe or kind of machine.

    Examples
    --------
    >>> fit_settings("strong", "cpu")["arch_options"]
    {'width': 40}
    """
    settings = _recipe(FIT, name)
    if machine and machine not in MACHINES:
        raise ConfigError(f"unknown kind of machine {machine!r}: known are {', '.join(MACHINES)}.")
    return dict(settings[machine or device()])


def cluster_settings(name: str, prototypes: bool = True) -> Values:
    """Return the values of `ClusterOptions` that a recipe sets.

    Parameters
    ----------
    name : str
        Name of the recipe.
    prototypes : bool
        Whether the encoder has prototypes that SwAV trained on the images themselves. What
        separates other images need not separate these, so SCAN's head is used without them
        (reports/other-pictures).

    Raises
    ------
    ConfigError
        If there is no such recipe.

    Examples
    --------
    >>> cluster_settings("strong"), cluster_settings("strong", prototypes=False)
    ({'method': 'imc'}, {'method': 'scan'})
    """
    return dict(_recipe(CLUSTER if prototypes else WITHOUT_PROTOTYPES, name))


def _recipe(table: Mapping[str, Any], name: str) -> Any:
    """Return the entry of a recipe; ConfigError if there is none of that name."""
    if name not in table:
        raise ConfigError(f"unknown `recipe={name!r}`: known are {', '.join(sorted(table))}.")
    return table[name]


def device() -> str:
    """Return the kind of this machine, one of `MACHINES`.

    On a processor it follows from a trial of some seconds, once in a process.

    Returns
    -------
    str
    """
    if backend.on_gpu():
        return "gpu"
    trial = precision_trial()
    return kind_of_processor(trial.gain) if trial else "cpu"


def kind_of_processor(gain: float) -> str:
    """Return the kind of a processor.

    Parameters
    ----------
    gain : float
        How many times as fast as in float32 it trains in bfloat16.

    Examples
    --------
    >>> kind_of_processor(0.65), kind_of_processor(1.4), kind_of_processor(2.5)
    ('cpu', 'cpu-bfloat16', 'cpu-tiles')
    """
    for kind, least in _LEAST_GAINS.items():
        if gain >= least:
            return kind
    return "cpu"


@functools.cache
def precision_trial() -> "PrecisionTrial | None":
    """Return the speeds of both number formats on this processor.

    Returns
    -------
    PrecisionTrial or None
        None where there is no choice: XLA on a processor computes bfloat16 in float32, so only
        TensorFlow is tried.
    """
    if backend.on_gpu() or backend.current() != "tensorflow":
        return None
    from latentlab.training.precision_trial import try_precisions

    return try_precisions()
