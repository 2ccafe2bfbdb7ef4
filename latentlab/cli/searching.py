"""Images by words, and names of clusters."""

import click

from latentlab.cli._options import name_option, run_option
from latentlab.cli._output import json_option, print_result
from latentlab.cli.moved import moved_option, open_moved

words_option = click.option(
    "--words",
    type=click.Path(),
    help="ONNX file of the text part of the run's image-text encoder, with tokenizer.json beside it"
    " [default: text_model.onnx beside the image part].",
)


@click.command()
@click.argument("text")
@run_option
@moved_option
@words_option
@click.option(
    "--count", type=click.IntRange(1), default=20, show_default=True, help="Images, at most."
)
@json_option
def search(text: str, run_path: str, moved_to: str | None, words: str | None, count: int) -> None:
    """Find the images that fit words, as in latentlab search "a red car".

    The run needs an image-text encoder, such as CLIP or SigLIP: two ONNX files and a tokenizer, and
    the extra latentlab[words].
    """
    from latentlab import pipeline

    images = pipeline.search(open_moved(run_path, moved_to), text, words, count)
    lines = [f"{image.score:6.3f}  {image.id}" for image in images]
    print_result(images, "\n".join(lines))


@click.command()
@run_option
@moved_option
@name_option
@click.option(
    "--vocabulary",
    type=click.Path(),
    help="Text file with a word or phrase a line, from which an image-text encoder takes names; the"
    " run keeps it for report and view.",
)
@words_option
@json_option
def suggest(
    run_path: str,
    moved_to: str | None,
    name: str | None,
    vocabulary: str | None,
    words: str | None,
) -> None:
    """Suggest names of clusters, without labels.

    Names are words of files and columns that stand for a cluster, or words of a vocabulary, or else
    what sets its images apart: brightness, colour, detail, size.
    """
    from latentlab import pipeline
    from latentlab.errors import ConfigError

    if words is not None and vocabulary is None:
        raise ConfigError("--words would do nothing without --vocabulary.")
    suggested = pipeline.suggest(open_moved(run_path, moved_to), name, vocabulary, words)
    pairs = zip(suggested.clusters, suggested.names, strict=True)
    lines = [f"{number:4}  {text or '-'}" for number, text in pairs]
    print_result(suggested, "\n".join(lines))
