"""Words and images: search by words, and names of clusters from a vocabulary.

Both need an image-text encoder, such as CLIP or SigLIP as two ONNX files.
"""

from dataclasses import dataclass
from pathlib import Path

from latentlab.pipeline.naming import take_looks
from latentlab.pipeline.showing import look
from latentlab.pipeline.word_search import require_words
from latentlab.storage.files import fingerprint
from latentlab.storage.run import Run

VOCABULARY_FORMAT = 1


@dataclass(frozen=True)
class FoundImage:
    """An image that fits words.

    Attributes
    ----------
    id : str
        Id of the image.
    position : int
        Its position in the run.
    score : float
        Cosine of its vector and that of the words.
    """

    id: str
    position: int
    score: float


@dataclass(frozen=True)
class SuggestedNames:
    """Names that the images of each cluster suggest.

    Attributes
    ----------
    run : str
        Folder of the run.
    name : str
        Name of the clustering.
    names : tuple of str or None
        One per cluster that has images; None where nothing tells the cluster from the others.
    clusters : tuple of int
        The numbers of these clusters: edits by hand leave empty ones out.
    edits : str
        "as computed", or "with 3 edits by hand".
    """

    run: str
    name: str
    names: tuple[str | None, ...]
    clusters: tuple[int, ...]
    edits: str


def search(
    run: Run, text: str, words: str | Path | None = None, count: int = 20
) -> tuple[FoundImage, ...]:
    """Return the images of a run that fit words best.

    Parameters
    ----------
    run : Run
        A run with the image part of an image-text encoder, or with vectors of one.
    text : str
        Words, such as "a red car".
    words : str, pathlib.Path or None
        ONNX file of the text part; None looks for it beside the image part.
    count : int
        Images, at most.

    Raises
    ------
    ConfigError
        If there is no text part, or it is of another model.
    DataError
        If its files cannot be used.
    MissingDependencyError
        If tokenizers is not installed.
    """
    from latentlab.encoders.embedding import Embeddings

    matches = require_words(run, words).search(text, count)
    ids = Embeddings(run.path).index().ids
    rows = zip(matches.positions.tolist(), matches.scores.tolist(), strict=True)
    return tuple(FoundImage(str(ids[row]), row, score) for row, score in rows)


def suggest(
    run: Run,
    name: str | None = None,
    vocabulary: str | Path | None = None,
    words: str | Path | None = None,
) -> SuggestedNames:
    """Suggest names of clusters, without labels.

    Parameters
    ----------
    run : Run
        A clustered run.
    name : str or None
        Its clusters; None is the newest.
    vocabulary : str, pathlib.Path or None
        A text file with a word or phrase a line, for a run with an image-text encoder. The run
        keeps it: report and view take names from it too.
    words : str, pathlib.Path or None
        As for `search`; only with `vocabulary`.

    Raises
    ------
    ConfigError
        If there is no text part for the vocabulary.
    DataError
        If a file cannot be used.
    """
    from latentlab.reporting.suggested_names import suggested_names

    clustering = run.clustering(name)
    if vocabulary is not None:
        _learn_vocabulary(run, vocabulary, words)
    take_looks(run)
    summary = look(run, clustering.name)
    all_names = suggested_names(summary)
    return SuggestedNames(
        run=str(run.path),
        name=clustering.name,
        names=tuple(all_names[number] for number in summary.shown),
        clusters=summary.shown,
        edits=summary.edit_note,
    )


def _learn_vocabulary(run: Run, path: str | Path, words: str | Path | None) -> None:
    """Keep the vectors of words in a run."""
    from latentlab.encoders.vocabulary import Vocabulary, read_words

    chosen = read_words(path)
    encoder = require_words(run, words).encoder
    config = {
        "words": fingerprint(list(chosen)),
        "network": encoder.sha256,
        "embed": run.encoder_config(),
        "format": VOCABULARY_FORMAT,
    }

    def make() -> list[Path]:
        return Vocabulary.of(run, encoder, chosen).write(run, encoder.sha256)

    run.do_stage("vocabulary", config, make)
