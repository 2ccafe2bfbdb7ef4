"""Words of a list that fit images, by an image-text encoder: names of clusters without labels.

The vectors of the words and those of a sample of the images are kept in the run, so that clusters
changed by hand get new words at once.

words/vocabulary.json   the words, and the digest of the text network
words/vocabulary.npz    the vectors
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from latentlab.encoders.embedding import Embeddings
from latentlab.encoders.pretrained.text_encoder import TextEncoder
from latentlab.encoders.word_search import COLUMN, unit
from latentlab.errors import ConfigError, DataError
from latentlab.storage import guard, json_form, npz
from latentlab.storage.files import atomic_path
from latentlab.storage.run import Run

FOLDER = "words"
WORDS_NAME = "vocabulary.json"
VECTORS_NAME = "vocabulary.npz"
PROMPT = "a photo of {}"  # as CLIP was tried with
SAMPLE = 4000  # images whose vectors are kept
MOST_WORDS = 20_000
LONGEST_WORD = 60  # characters
LARGEST_FILE = 4 << 20  # bytes
FEWEST_IMAGES = 3  # of a cluster in the sample
WORDS_OF_CLUSTER = 2


@dataclass(frozen=True)
class WordList:
    """What vocabulary.json holds.

    Attributes
    ----------
    words : tuple of str
        The words.
    network : str
        SHA-256 of the text network.
    """

    words: tuple[str, ...]
    network: str


@dataclass(frozen=True)
class Vocabulary:
    """Words and a sample of the images of a run, in one space.

    Attributes
    ----------
    words : tuple of str
        The words.
    vectors : ndarray of shape (words, d), float32
        Of length 1.
    positions : ndarray of shape (m,), int
        Positions of the images of the sample in the run.
    images : ndarray of shape (m, d), float32
        Their vectors, of length 1.
    """

    words: tuple[str, ...]
    vectors: np.ndarray
    positions: np.ndarray
    images: np.ndarray

    @classmethod
    def of(cls, run: Run, encoder: TextEncoder, words: tuple[str, ...]) -> "Vocabulary":
        """Encode words, and take the vectors of a sample of a run's images.

        Parameters
        ----------
        run : Run
            Its images are embedded by the image part of the same encoder.
        encoder : TextEncoder
            The text part.
        words : tuple of str
            From `read_words`.
        """
        vectors = encoder.encode([PROMPT.format(word) for word in words])
        embeddings = Embeddings(run.path)
        count = len(embeddings.index().ids)
        positions = np.sort(np.random.default_rng(0).permutation(count)[:SAMPLE])
        images = unit(_rows(embeddings, positions))
        return cls(words, vectors, positions, images)

    def write(self, run: Run, network: str) -> list[Path]:
        """Write the files of a vocabulary.

        Parameters
        ----------
        run : Run
            The run.
        network : str
            SHA-256 of the text network.

        Returns
        -------
        list of pathlib.Path
            The files.
        """
        folder = run.path / FOLDER
        with atomic_path(folder / VECTORS_NAME) as path, path.open("wb") as file:
            np.savez(file, vectors=self.vectors, positions=self.positions, images=self.images)
        words = json_form.write(folder / WORDS_NAME, WordList(self.words, network))
        return [words, folder / VECTORS_NAME]

    @classmethod
    def read(cls, run: Run) -> "Vocabulary | None":
        """Read the vocabulary of a run; None if it has none.

        Parameters
        ----------
        run : Run
            The run.

        Raises
        ------
        RunError
            If a file is damaged.
        """
        folder = run.path / FOLDER
        if not guard.is_there(folder / WORDS_NAME):
            return None
        words = json_form.read(WordList, folder / WORDS_NAME).words
        arrays = npz.read_stored(folder / VECTORS_NAME)
        return cls(words, arrays["vectors"], arrays["positions"], arrays["images"])

    def words_of(self, clusters: np.ndarray, k: int) -> list[list[str]]:
        """Return the words that fit each cluster better than the other images, the best first.

        Parameters
        ----------
        clusters : ndarray of shape (n,), int
            Cluster of each image of the run, -1 for none.
        k : int
            Number of clusters.

        Returns
        -------
        list of list of str
            At most two each; none for clusters of few images.
        """
        clusters = clusters[self.positions]
        shown = clusters >= 0
        if not shown.any():
            return [[] for _ in range(k)]
        middle = self.images[shown].mean(axis=0)
        return [self._words(clusters == cluster, middle) for cluster in range(k)]

    def _words(self, is_inside: np.ndarray, middle: np.ndarray) -> list[str]:
        if is_inside.sum() < FEWEST_IMAGES:
            return []
        fits = self.vectors @ (self.images[is_inside].mean(axis=0) - middle)
        best = np.argsort(-fits, kind="stable")[:WORDS_OF_CLUSTER]
        return [self.words[place] for place in best if fits[place] > 0]


def read_words(path: str | Path) -> tuple[str, ...]:
    """Return the words of a file, one a line; empty lines and those that begin with # are none.

    Parameters
    ----------
    path : str or Path
        A text file in UTF-8.

    Raises
    ------
    DataError
        If it cannot be read.
    ConfigError
        If it holds no words, too many, or too long ones.
    """
    path = Path(path).expanduser()
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise _wrong(path, f"is larger than {LARGEST_FILE >> 20} MiB")
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no text in UTF-8"
        problem = f"cannot be read: {reason}"
        raise DataError(problem, field="vocabulary", value=str(path)) from None
    words = (" ".join(line.split()) for line in lines)
    chosen = tuple(dict.fromkeys(word for word in words if word and not word.startswith("#")))
    longest = max(chosen, key=len, default="")
    if len(longest) > LONGEST_WORD:
        raise _wrong(path, f"has a word of more than {LONGEST_WORD} characters")
    if not 2 <= len(chosen) <= MOST_WORDS:
        raise _wrong(path, f"must hold 2 to {MOST_WORDS:,} words, one a line: it has {len(chosen)}")
    return chosen


def _rows(embeddings: Embeddings, positions: np.ndarray) -> np.ndarray:
    """Return the vectors of some images, float32 (m, d), in the order of the images."""
    parts = []
    start = 0
    for part in embeddings.parts(column=COLUMN):
        inside = positions[(positions >= start) & (positions < start + len(part))]
        parts.append(part[inside - start])
        start += len(part)
    return np.concatenate(parts)


def _wrong(path: Path, problem: str) -> ConfigError:
    return ConfigError(problem, field="vocabulary", value=str(path))
