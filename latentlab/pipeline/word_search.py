"""Opens the text part of a run's image-text encoder, where there is one."""

from pathlib import Path
from typing import TYPE_CHECKING

from latentlab.errors import ConfigError, LatentlabError
from latentlab.pipeline.embedding import embed
from latentlab.progress import log
from latentlab.storage.run import Run

if TYPE_CHECKING:
    from latentlab.encoders.word_search import WordSearch

NO_TEXT = (
    "needs the text part of the run's image-text encoder, and none lies beside it: give its ONNX"
    " file as `words`, with its tokenizer.json beside it"
)


def require_words(run: Run, words: str | Path | None) -> "WordSearch":
    """Return the search by words of a run.

    Parameters
    ----------
    run : Run
        A fitted run.
    words : str, pathlib.Path or None
        ONNX file of the text part; None looks for it beside the image part.

    Raises
    ------
    ConfigError
        If there is no text part, or it is of another model.
    DataError
        If its files cannot be used.
    MissingDependencyError
        If tokenizers is not installed.
    """
    from latentlab.encoders.word_search import open_word_search

    embed(run)
    opened = open_word_search(run, words)
    if opened is None:
        raise ConfigError(NO_TEXT, field="run", value=str(run.path))
    return opened


def word_search_of(run: Run, words: str | Path | None) -> "WordSearch | None":
    """Return the search by words of a run, if it can have one.

    Parameters
    ----------
    run : Run
        An embedded run.
    words : str, pathlib.Path or None
        As for `require_words`. What is found without being named is left out where it cannot be
        used, and the log says why.

    Raises
    ------
    LatentlabError
        As `require_words`, of a file that was named.
    """
    from latentlab.encoders.word_search import open_word_search

    try:
        return open_word_search(run, words)
    except LatentlabError as error:
        if words is not None:
            raise
        log.info("view: without search by words, since %s", error)
        return None
