"""Images by words: the vectors of a run beside those that an image-text encoder gives texts."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from latentlab.encoders import model_files
from latentlab.encoders.embedding import Embeddings
from latentlab.encoders.pretrained.text_encoder import TextEncoder, open_text, text_beside
from latentlab.errors import ConfigError
from latentlab.storage.run import Run

COLUMN = "embedding"
LONGEST_QUERY = 1000  # characters
SMALLEST = 1e-12


@dataclass(frozen=True)
class WordMatches:
    """Images in the order in which they fit words.

    Attributes
    ----------
    positions : ndarray of shape (m,), int
        Positions of the images in the run, the best first.
    scores : ndarray of shape (m,), float32
        Cosine of each image's vector and that of the words.
    """

    positions: np.ndarray
    scores: np.ndarray


class WordSearch:
    """Searches the images of a run by words.

    Parameters
    ----------
    run : Run
        Its images are embedded by the image part of an image-text encoder.
    encoder : TextEncoder
        The text part of that encoder.

    Raises
    ------
    ConfigError
        If the vectors of the two parts differ in length.
    """

    def __init__(self, run: Run, encoder: TextEncoder) -> None:
        self.run = run
        self.encoder = encoder
        (size,) = model_files.describe(run).embedding_shape or (0,)
        if size != encoder.feature_size:
            raise ConfigError(
                f"gives vectors of {encoder.feature_size} numbers, and those of the images have"
                f" {size}: both parts have to be of one model",
                field="words",
                value=str(encoder.path),
            )

    def search(self, text: str, count: int) -> WordMatches:
        """Return the images that fit words best.

        Parameters
        ----------
        text : str
            Words, such as "a red car".
        count : int
            Images, at most.

        Raises
        ------
        ConfigError
            If there are no words, or too many.
        """
        text = " ".join(text.split())
        if not text or len(text) > LONGEST_QUERY:
            raise ConfigError(f"must have 1 to {LONGEST_QUERY:,} characters", field="text")
        wanted = self.encoder.encode([text])[0]
        parts = Embeddings(self.run.path).parts(column=COLUMN)
        scores = np.concatenate([unit(part) @ wanted for part in parts])
        order = np.argsort(-scores, kind="stable")[:count]
        return WordMatches(order, scores[order])


def open_word_search(run: Run, words: str | Path | None = None) -> WordSearch | None:
    """Return the search by words of a run.

    Parameters
    ----------
    run : Run
        An embedded run.
    words : str, pathlib.Path or None
        The ONNX file of the text part; None looks for it beside the image encoder.

    Returns
    -------
    WordSearch or None
        None if no file is named and none is found.

    Raises
    ------
    ConfigError
        If the run has no encoder from elsewhere, or one of another model.
    DataError
        If the file cannot be used.
    """
    if model_files.describe(run).has_code:
        if words is None:
            return None
        raise ConfigError(
            "belongs to an image-text encoder, and the run's encoder knows no words",
            field="words",
            value=str(words),
        )
    path = Path(words).expanduser() if words is not None else found_text(run)
    return None if path is None else WordSearch(run, open_text(path))


def found_text(run: Run) -> Path | None:
    """Return the text part that lies beside the image encoder of a run; None without one.

    Parameters
    ----------
    run : Run
        Any run.
    """
    card = model_files.describe(run).card
    if card is None or card.kind != "onnx" or not card.files:
        return None
    return text_beside(card.files[0].path)


def unit(vectors: np.ndarray) -> np.ndarray:
    """Return vectors (n, d) scaled to length 1, float32; zeros stay.

    Parameters
    ----------
    vectors : ndarray of shape (n, d)
        The vectors.
    """
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return (vectors / np.maximum(lengths, SMALLEST)).astype(np.float32)
