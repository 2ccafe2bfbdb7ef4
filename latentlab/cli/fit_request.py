"""What `fit` and `sweep` were asked for, and the options that follow from it."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from latentlab.cli._options import data_of, typed_names
from latentlab.cli._output import say
from latentlab.cli.settings import parse_settings, route_settings
from latentlab.config import LEAST_STEPS, DataOptions, FitOptions
from latentlab.errors import ConfigError
from latentlab.options import Values, option_names

SOURCE = "source_options"
TRAIN_ON = "adapt"  # the recipe that trains an encoder further
_PLUGIN_ARGUMENTS = {"arch_options": "arch", "objective_options": "objective"}


@dataclass(frozen=True)
class FitRequest:
    """A command line of `fit` or `sweep`.

    Attributes
    ----------
    data : DataOptions
        The images, without options of the source itself.
    recipe : str or None
        Name of a recipe.
    values : mapping
        Field of `FitOptions` -> value, defaults included.
    typed : frozenset of str
        Names that were written on the command line: a recipe does not change them.
    settings : mapping
        Option of a plugin -> value, from --set.
    encoder : str or None
        An encoder that is at hand, to use as it is, or to train on with the recipe adapt.
    """

    data: DataOptions
    recipe: str | None
    values: Mapping[str, Any]
    typed: frozenset[str]
    settings: Mapping[str, Any]
    encoder: str | None = None

    @classmethod
    def of(cls, context: click.Context, **changes: Any) -> "FitRequest":
        """Return the request of a command that is being run.

        Parameters
        ----------
        context : click.Context
            The context of a command with the options of data and fit.
        **changes
            Values in the place of those of the command line.
        """
        params = context.params | changes
        settings = parse_settings(params["settings"])
        if params["switches"]:
            settings["switches"] = True
        values = {name: params[name] for name in option_names(FitOptions) if name in params}
        encoder = params.get("encoder")
        if encoder is not None and params["recipe"] == TRAIN_ON:
            settings.setdefault("start", encoder)
        typed = typed_names(context)
        return cls(data_of(params), params["recipe"], values, typed, settings, encoder)

    @property
    def uses_encoder_as_it_is(self) -> bool:
        """Whether an encoder is named that no recipe trains on."""
        return self.encoder is not None and self.recipe != TRAIN_ON

    def check_untrained(self) -> None:
        """Raise ConfigError if options of training are given for an encoder that is not trained."""
        names = sorted(self.typed & {*self.values, "recipe", "settings", "size", "grey"})
        if names:
            flags = " and ".join(f"--{name.replace('_', '-')}" for name in names)
            raise ConfigError(
                f"{flags} would do nothing with --encoder {self.encoder}, which is trained"
                f" already; --recipe {TRAIN_ON} trains it on."
            )

    def data_options(self) -> DataOptions:
        """Return the images with those of --set that are options of their source."""
        if not self.settings:
            return self.data
        routed = self._route(self._with_recipe(""))
        return dataclasses.replace(self.data, source_options=routed[SOURCE])

    def fit_options(self, machine: str = "") -> FitOptions:
        """Return how to train.

        Parameters
        ----------
        machine : str
            Kind of machine that a recipe chooses settings for; "" is this one.

        Raises
        ------
        ConfigError
            If a value breaks its bounds, or --set names an option that nothing has.
        """
        values = self._with_recipe(machine)
        if values["least_steps"] is None:
            values["least_steps"] = 0 if "epochs" in self.typed else LEAST_STEPS
        routed = self._route(values) if self.settings else {}
        for options in _PLUGIN_ARGUMENTS:
            values[options] = values.get(options, {}) | routed.get(options, {})
        return FitOptions(**values)

    def options_to_resume(self, run_path: str) -> FitOptions:
        """Return how to train, by a run's recorded options if they are of the same command.

        The recorded options may differ: the run was begun on another kind of machine, for which the
        recipe has other settings, or before there was --least-steps.

        Parameters
        ----------
        run_path : str
            The run folder, which need not exist.
        """
        recorded = _recorded_fit(run_path)
        if recorded is None:
            return self.new_fit_options()

        # The kind of machine that it was begun on: a trial of this one might come out otherwise
        machine = self._machine_of(recorded)
        if machine:
            say(
                f"--recipe {self.recipe}: going on with the setting for {machine},"
                f" which {run_path} was begun with.",
                err=True,
            )
            return recorded

        # Other settings are refused later
        options = self.fit_options()
        return recorded if self._asks_for(recorded, options) else options

    def new_fit_options(self) -> FitOptions:
        """Return how to train a new run, and say what a recipe's trial of this machine measured."""
        from latentlab import recipes

        options = self.fit_options()
        trial = recipes.precision_trial() if self.recipe else None
        if trial:
            say(
                f"--recipe {self.recipe}: this processor trains {trial.gain:.2f} times as fast in"
                f" bfloat16 as in float32 (measured): the setting for {recipes.device()}.",
                err=True,
            )
        return options

    def _machine_of(self, recorded: FitOptions) -> str:
        """Return the kind of machine for which the recipe gives recorded options; "" for none."""
        from latentlab import recipes

        for machine in recipes.MACHINES if self.recipe else ():
            try:
                options = self.fit_options(machine)
            except ConfigError:  # --set names an option that this machine's encoder does not have
                continue
            if self._asks_for(recorded, options):
                return machine
        return ""

    def _asks_for(self, recorded: FitOptions, options: FitOptions) -> bool:
        """Return whether recorded options are those asked for, --least-steps left out or not."""
        if recorded == options:
            return True
        is_older = self.values["least_steps"] is None
        return is_older and recorded == dataclasses.replace(options, least_steps=0)

    def _with_recipe(self, machine: str) -> Values:
        """Return the values, with those of the recipe that were not written themselves."""
        from latentlab import recipes

        values = dict(self.values)
        if not self.recipe:
            return values
        for name, value in recipes.fit_settings(self.recipe, machine).items():
            # Options of the recipe's encoder would not suit an encoder that was asked for.
            argument = _PLUGIN_ARGUMENTS.get(name, name)
            if argument not in self.typed:
                values[name] = value
        return values

    def _route(self, values: Mapping[str, Any]) -> dict[str, Values]:
        """Return --set by the argument that takes it: encoder, objective or source."""
        from latentlab import plugins
        from latentlab.data.opening import source_of

        owners = {
            "arch_options": plugins.load("encoders", values["arch"]),
            "objective_options": plugins.load("objectives", values["objective"]),
            SOURCE: source_of(self.data),
        }
        return route_settings(self.settings, owners)


def _recorded_fit(run_path: str) -> FitOptions | None:
    """Return how a run was begun to be trained; None if nothing is recorded yet."""
    from latentlab.storage.run import Run

    if not (Path(run_path) / "run.json").exists():
        return None
    run = Run.open(run_path)
    return run.config.fit if run.has_config else None
