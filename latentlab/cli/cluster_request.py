"""What `cluster` was asked for, and the options that follow from it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import click

from latentlab.cli._options import typed_names
from latentlab.cli.places import Place
from latentlab.cli.settings import parse_settings
from latentlab.config import AUTO, ClusterOptions
from latentlab.errors import ConfigError
from latentlab.options import Values

OPTION_NAMES = ("method", "features", "restarts", "minibatch_above", "seed", "augment", "label")


@dataclass(frozen=True)
class ClusterRequest:
    """A command line of `cluster`.

    Attributes
    ----------
    place : Place
        The run, or the images and the encoder.
    embeddings : str or None
        A parquet file of vectors that belong to no run, to cluster instead.
    out : str
        The file to write for `embeddings`.
    recipe : str or None
        Name of a recipe.
    k : int, "auto" or None
        Number of clusters as typed; None if it is left out.
    seeds : int or None
        Number of seeds to unite.
    refit : bool
        Whether each seed gets its own encoder.
    tree : bool
        Whether the clusters are joined to larger ones, too.
    values : mapping
        Field of `ClusterOptions` -> value, defaults included.
    settings : mapping
        Option of the method -> value, from --set.
    typed : frozenset of str
        Names that were written on the command line: a recipe does not change them.
    """

    place: Place
    embeddings: str | None
    out: str
    recipe: str | None
    k: int | str | None
    seeds: int | None
    refit: bool
    tree: bool
    values: Mapping[str, Any]
    settings: Mapping[str, Any]
    typed: frozenset[str]

    @classmethod
    def of(cls, context: click.Context) -> "ClusterRequest":
        """Return the request of a command that is being run.

        Parameters
        ----------
        context : click.Context
            The context of `cluster`.
        """
        params = context.params
        return cls(
            place=Place.of(context),
            embeddings=params["embeddings"],
            out=params["out"],
            recipe=params["recipe"],
            k=params["k"],
            seeds=params["seeds"],
            refit=params["refit"],
            tree=params["tree"],
            values={name: params[name] for name in OPTION_NAMES},
            settings=parse_settings(params["settings"]),
            typed=typed_names(context),
        )

    @property
    def method(self) -> str:
        """The method as typed; a recipe may choose another one if it was not."""
        return self.values["method"]

    def check(self) -> None:
        """Raise ConfigError if options do not go together."""
        if self.refit and not self.seeds:
            raise ConfigError("--refit repeats the fit for every seed: give --seeds too.")
        if self.embeddings:
            self._check_vectors()
        elif "out" in self.typed:
            raise ConfigError(
                "--out belongs to --embeddings: the clusters of a run stay in its folder"
                " (latentlab export writes them elsewhere)."
            )
        self.place.check()

    def _check_vectors(self) -> None:
        """Refuse what needs a run beside a file of vectors."""
        place = self.place
        flags = {"--encoder": place.encoder, "--data": place.data, "--run": place.run_path}
        flags["--data-dir"] = place.image_values["data_dir"]
        given = " and ".join(flag for flag, value in flags.items() if value is not None)
        if given:
            raise ConfigError(
                f"{given} would do nothing beside --embeddings: leave one of them out."
            )
        if self.tree:
            raise ConfigError("--tree needs a run: make one with latentlab import.")
        if self.k == AUTO or self.seeds:
            raise ConfigError(
                "--k auto and --seeds need a run: make one with latentlab import, or give the"
                " number of clusters, and one --seed."
            )

    def options(self, k: int | None, has_prototypes: bool = False) -> ClusterOptions:
        """Return how to cluster.

        Parameters
        ----------
        k : int or None
            Number of clusters; None if the method finds it.
        has_prototypes : bool
            Whether the encoder has prototypes of the images themselves, which a recipe uses.

        Raises
        ------
        ConfigError
            If a value breaks its bounds, or there is no such recipe.
        """
        from latentlab import recipes

        values = dict(self.values)
        settings: Values = {}
        if self.recipe:
            preset = recipes.cluster_settings(self.recipe, has_prototypes)
            # The recipe's settings are those of its own method.
            preset_settings = preset.pop("settings", {})
            if "method" not in self.typed:
                settings |= preset_settings
            # Options written on the command line stay.
            for name, value in preset.items():
                if name not in self.typed:
                    values[name] = value
        return ClusterOptions(k=k, **values, settings=settings | dict(self.settings))
