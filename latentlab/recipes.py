"""Settings that belong together, by name, for `--recipe`: what is given on the command line besides goes before them.

"adapt" trains the ready-made encoder on, on pictures of another kind than it learnt from: four epochs, or a thousand steps where these are
fewer, at a third of the learning rate. No others were tried (reports/other-pictures).

"strong" goes past the autoencoder: SwAV on several crops of each image, then clusters by IMC-SwAV's head, or by neighbour consistency
(SCAN) where the encoder was trained otherwise. The reason for that head takes no label: its clusters of several seeds agree with each
other more than SCAN's do (reports/cifar10-strong); that its purity is higher was known by then. Sizes depend on the machine: ResNet-18
where there is a GPU, as many epochs of CIFAR-10 as an H200 trains in a little over eight minutes; else fast8, as much of it as two cores
train in 60 to 90 minutes, by what multiplies bfloat16 in them. Both are trained by Muon, at a rate chosen by the swapped loss of short
fits of fast8 (reports/cifar10-optimizers). That self-labelling of the whole network is left out was decided after labels had been read:
it lowered the purity of fits on processors and added nothing to a GPU's (reports/cifar10-strong). The form of IMC-SwAV's head was decided
so too (neighbours for views, the fit's prototypes for k-means' centers), and that clusters are made on SwAV's projection head. No other
setting was chosen by labels.
"""

from typing import Any

from latentlab import backend
from latentlab.errors import ConfigError

Settings = dict[str, Any]

_STRONG_FIT: Settings = {
    "objective": "swav",
    "batch_size": 256,
    "patience": 0,
    "validation": 0.02,
    "precision": "float32",
}
MACHINES = ("cpu", "cpu-bfloat16", "cpu-amx", "gpu")
_OF_UNIT = {"": "cpu", "avx512": "cpu-bfloat16", "amx": "cpu-amx"}
_MUON: Settings = {"optimizer": "muon", "adam_share": 0.3, "weight_decay": 0.1}
_STRONG_CPU_FIT: Settings = {
    **_STRONG_FIT,
    "arch": "fast8",
    "learning_rate": 0.01,
    "objective_options": {"prototypes": 300, **_MUON},
}
_ADAPT: Settings = {
    **_STRONG_FIT,
    "arch": "fast8",
    "epochs": 4,
    "learning_rate": 0.003,
    "objective_options": {"start": "cifar10-strong", **_MUON},
}
FIT: dict[str, dict[str, Settings]] = {
    "strong": {
        "cpu": {**_STRONG_CPU_FIT, "arch_options": {"width": 40}, "epochs": 30},
        "cpu-bfloat16": {
            **_STRONG_CPU_FIT,
            "arch_options": {"width": 48},
            "epochs": 50,
            "precision": "mixed_bfloat16",
        },
        "cpu-amx": {
            **_STRONG_CPU_FIT,
            "arch_options": {"width": 64},
            "epochs": 60,
            "precision": "mixed_bfloat16",
        },
        "gpu": {
            **_STRONG_FIT,
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
        "cpu-bfloat16": {**_ADAPT, "precision": "mixed_bfloat16"},
        "cpu-amx": {**_ADAPT, "precision": "mixed_bfloat16"},
        "gpu": {**_ADAPT, "precision": "mixed_bfloat16"},
    },
}


CLUSTER: dict[str, Settings] = {"strong": {"method": "imc"}, "adapt": {"method": "imc"}}
WITHOUT_PROTOTYPES: dict[str, Settings] = dict.fromkeys(CLUSTER, {"method": "scan"})


def fit_settings(name: str, machine: str = "") -> Settings:
    """Return the values of `FitOptions` that a recipe sets on this machine, or on one of another kind (as `device` names it).

    Raises
    ------
    ConfigError
        If there is no such recipe or kind of machine.
    """
    settings = _known(FIT, name)
    if machine and machine not in MACHINES:
        raise ConfigError(f"unknown kind of machine {machine!r}: known are {', '.join(MACHINES)}.")
    return dict(settings.get(machine or device(), settings["cpu"]))


def cluster_settings(name: str, prototypes: bool = True) -> Settings:
    """Return the values of `ClusterOptions` that a recipe sets; ConfigError where there is no such recipe.

    Without `prototypes` of the run's own images, which an encoder has learnt that SwAV trained on them, SCAN's head takes the place of
    IMC-SwAV's: what tells the prototypes of other images apart need not tell these apart (reports/other-pictures).
    """
    return dict(_known(CLUSTER if prototypes else WITHOUT_PROTOTYPES, name))


def _known(table: dict[str, Any], name: str) -> dict[str, Any]:
    if name not in table:
        raise ConfigError(f"unknown --recipe {name!r}: known are {', '.join(sorted(table))}.")
    return table[name]


def device() -> str:
    """Return whose settings this machine takes, one of MACHINES."""
    return "gpu" if backend.on_gpu() else _OF_UNIT[backend.bfloat16_unit()]
