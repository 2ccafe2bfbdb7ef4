"""Which encoder to take."""

from typing import Any

import click

from latentlab.cli._options import data_of, data_options
from latentlab.cli._output import json_option, print_result


@click.command("choose-encoder")
@data_options
@click.option(
    "--encoders",
    multiple=True,
    metavar="ENCODER",
    help="Another encoder to look at, as cluster --encoder takes it; repeatable.",
)
@click.option(
    "--k",
    type=click.IntRange(2),
    help="The number of clusters that you want [default: several are looked at].",
)
@click.option(
    "--sample",
    type=click.IntRange(20, 2000),
    default=300,
    show_default=True,
    help="Largest number of images to look at; they are drawn at random.",
)
@click.option(
    "--seed", type=click.IntRange(0), default=0, show_default=True, help="Seed of all draws."
)
@json_option
def choose_encoder(
    encoders: tuple[str, ...], k: int | None, sample: int, seed: int, **values: Any
) -> None:
    """Rank the encoders at hand by criteria that read no labels, and say how far to trust them."""
    from latentlab.cli.texts.choose_encoder import encoder_choice_text
    from latentlab.data import account
    from latentlab.pipeline.encoder_choice import choose_encoder as choose
    from latentlab.storage.json_form import to_json

    choice = choose(data_of(values), encoders, k, sample, seed)
    result = {**to_json(choice), "intake": account.to_json(choice.intake)}
    print_result(result, encoder_choice_text(choice))
