"""What `cluster` was asked for, and the options that follow from it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import click

from latentlab.cli._options import typed_names
from latentlab.cli.settings import parse_settings
from latentlab.config import AUTO, ClusterOptions, DataOptions
from latentlab.errors import ConfigError
from latentlab.options import Values

OPTION_NAMES = ("method", "features", "restarts", "minibatch_above", "seed", "augment", "label")
_PLACES = ("run_path", "encoder", "data", "data_dir", "embeddings", "out")


@dataclass(frozen=True)
class Place:
    """The input of a clustering: a run, images with a shipped encoder, or a file of vectors.

    Attributes
    ----------
    run_path : str
        The run folder.
    encoder : str or None
        Name of a shipped encoder; the run is made with it.
    data, data_dir : str or None
        The images for that encoder.
    embeddings : str or None
        A parquet file of vectors that belong to no run.
    out : str
        The file to write for `embeddings`.
    """

    run_path: str
    encoder: str | None
    data: str | None
    data_dir: str | None
    embeddings: str | None
    out: str

    def data_options(self) -> DataOptions:
        """Return the images for a shipped encoder."""
        if self.data is None:
            return DataOptions(data_dir=self.data_dir)
        return DataOptions(data=self.data, data_dir=self.data_dir)

    def check(self, typed: frozenset[str]) -> None:
        """Refuse options that would do nothing.

        Parameters
        ----------
        typed : frozenset of str
            Names that were written on the command line.

        Raises
        ------
        ConfigError
            If an option goes with another way of clustering than the one asked for.
        """
        if self.embeddings:
            self._check_vectors(typed)
        elif "out" in typed:
            raise ConfigError(
                "--out belongs to --embeddings: the clusters of a run stay in its folder"
                " (latentlab export writes them elsewhere)."
            )
        elif self.encoder is None:
            self._check_run()

    def _check_vectors(self, typed: frozenset[str]) -> None:
        run_path = self.run_path if "run_path" in typed else None
        flags = _flags_given(
            {
                "--encoder": self.encoder,
                "--data": self.data,
                "--data-dir": self.data_dir,
                "--run": run_path,
            }
        )
        if flags:
            raise ConfigError(
                f"{flags} would do nothing beside --embeddings: leave one of them out."
            )

    def _check_run(self) -> None:
        flags = _flags_given({"--data": self.data, "--data-dir": self.data_dir})
        if flags:
            raise ConfigError(f"{flags} belong to --encoder: the run knows its own images.")


@dataclass(frozen=True)
class ClusterRequest:
    """A command line of `cluster`.

    Attributes
    ----------
    place : Place
        What is clustered.
    recipe : str or None
        Name of a recipe.
    k : int, "auto" or None
        Number of clusters as typed; None if it is left out.
    seeds : int or None
        Number of seeds to unite.
    refit : bool
        Whether each seed gets its own encoder.
    values : mapping
        Field of `ClusterOptions` -> value, defaults included.
    settings : mapping
        Option of the method -> value, from --set.
    typed : frozenset of str
        Names that were written on the command line: a recipe does not change them.
    """

    place: Place
    recipe: str | None
    k: int | str | None
    seeds: int | None
    refit: bool
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
            place=Place(**{name: params[name] for name in _PLACES}),
            recipe=params["recipe"],
            k=params["k"],
            seeds=params["seeds"],
            refit=params["refit"],
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
        self.place.check(self.typed)
        if self.place.embeddings and (self.k == AUTO or self.seeds):
            raise ConfigError(
                "--k auto and --seeds need a run: with --embeddings give the number of clusters,"
                " and one --seed."
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


def _flags_given(values: Mapping[str, str | None]) -> str:
    """Return the flags that have a value, joined by "and"; "" for none."""
    return " and ".join(flag for flag, value in values.items() if value is not None)
