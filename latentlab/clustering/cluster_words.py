"""Words that stand in many names of a cluster's images and in few of the others'.

Words come from names of files and folders and from columns that came with the data. A folder that
may be a class is a label, and is not read; nor is a word of a file's name that repeats it. Nothing
here takes labels.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

from latentlab.config import DataOptions
from latentlab.data.layouts.layout import (
    CONTAINERS,
    FILLERS,
    HELD_OUT_WORDS,
    TRAIN_WORDS,
    layout_of,
)
from latentlab.data.layouts.policies import FOLDER, NAME, NONE, class_policy

SHORTEST = 3  # letters of a word
LONGEST = 24
LEAST_SHARE = 0.3  # of a cluster's images that have the word
LEAST_LIFT = 2.0  # times as often as in the other images
LEAST_IMAGES = 3
MOST_WORDS = 2

# Words of cameras and exports, which say nothing of what is in a picture.
COMMON = frozenset(
    {
        *("dsc", "dscf", "dscn", "imag", "photo", "pic", "pxl", "mvimg", "whatsapp", "screenshot"),
        *("webp", "bmp", "gif", "heic", "file", "row", "index", "item", "frame", "page", "camera"),
        *("copy", "edit", "edited", "final", "scan", "untitled", "original", "thumb", "thumbnail"),
        *("crop", "cropped", "resized", "the", "and", "with", "for", "from"),
    }
)
STOP_WORDS = COMMON | TRAIN_WORDS | HELD_OUT_WORDS | FILLERS | CONTAINERS
_WORD = re.compile(r"[^\W\d_]+")
_CAMEL = re.compile(r"(?<=[a-zß-ÿ])(?=[A-Z])")
_SUFFIX = re.compile(r"\.[A-Za-z0-9]{1,5}$")
_HASH = re.compile(r"(?=[^\s/]*\d)(?=[^\s/]*[a-f])[0-9a-f]{8,}", re.IGNORECASE)


def words_of(text: str) -> list[str]:
    """Return the words of a text, in small letters, each once.

    Parameters
    ----------
    text : str
        Such as the name of a file.

    Examples
    --------
    >>> words_of("IMG_0042-sailingBoat at-harbour.JPG")
    ['sailing', 'boat', 'harbour']
    """
    parts = _CAMEL.sub(" ", _HASH.sub(" ", _SUFFIX.sub("", text)))
    words = (word.lower() for word in _WORD.findall(parts))
    wanted = (word for word in words if SHORTEST <= len(word) <= LONGEST)
    return list(dict.fromkeys(word for word in wanted if word not in STOP_WORDS))


def words_of_names(names: Sequence[str], data: DataOptions | None) -> list[list[str]]:
    """Return the words in the names of images that are no labels.

    Parameters
    ----------
    names : sequence of str
        Ids of the images: paths below the data, with "/".
    data : DataOptions or None
        What was opened: it says whether folders, or names, are labels. None for vectors.

    Examples
    --------
    >>> words_of_names(["cat/cat_night.png", "dog/dog_beach.png", "dog/dog_sea.png"], None)
    [['night'], ['beach'], ['sea']]
    """
    kind = FOLDER if data is None else class_policy(data).kind
    if kind == NAME:
        return [[] for _ in names]
    if kind == NONE or not _may_be_classes(names, kind):
        return [words_of(name) for name in names]
    all_words = []
    for name in names:
        folder, _, file = name.rpartition("/")
        of_folder = set(words_of(folder))
        all_words.append([word for word in words_of(file) if word not in of_folder])
    return all_words


def telling_words(
    words: Sequence[Iterable[str]], clusters: Sequence[int], k: int
) -> list[list[str]]:
    """Return the words that stand for each cluster, the best first, at most two.

    A word counts in an image once. It is in at least 3 images and 30 % of the cluster's, and there
    at least twice as often as in the others.

    Parameters
    ----------
    words : sequence of n iterables of str
        Words of each image.
    clusters : sequence of n int
        Cluster of each image, -1 for none.
    k : int
        Number of clusters.

    Examples
    --------
    >>> telling_words([["sea"]] * 3 + [["wood"]] * 4, [0] * 3 + [1] * 4, 2)
    [['sea'], ['wood']]
    """
    counts: dict[str, Counter[int]] = defaultdict(Counter)
    sizes: Counter[int] = Counter()
    for cluster, words_of_image in zip(clusters, words, strict=True):
        if cluster < 0:
            continue
        sizes[cluster] += 1
        for word in set(words_of_image):
            counts[word][cluster] += 1
    scored: dict[int, list[tuple[float, str]]] = defaultdict(list)
    total = sum(sizes.values())
    for word, by_cluster in counts.items():
        in_all = sum(by_cluster.values())
        for cluster, count in by_cluster.items():
            share = count / sizes[cluster]
            elsewhere = (in_all - count) / max(total - sizes[cluster], 1)
            is_common = count >= LEAST_IMAGES and share >= LEAST_SHARE
            if is_common and share >= LEAST_LIFT * elsewhere:
                scored[cluster].append((elsewhere - share, word))
    return [[word for _, word in sorted(scored[c])[:MOST_WORDS]] for c in range(k)]


def different_names(candidates: Sequence[Sequence[str]], most: int = 3) -> list[str | None]:
    """Return a name of each cluster, of as few of its words as tell it from all others.

    Parameters
    ----------
    candidates : sequence of k sequences of str
        Words for each cluster, the best first.
    most : int
        Words in a name, at most.

    Returns
    -------
    list of str or None
        None for clusters without words, or with the same as another's.

    Examples
    --------
    >>> different_names([["dark", "bluish"], ["dark"], [], ["grey"], ["grey"]])
    ['dark, bluish', 'dark', None, None, None]
    """
    lengths = [min(1, len(words)) for words in candidates]
    for _ in range(most - 1):
        names = [", ".join(words[:n]) for words, n in zip(candidates, lengths, strict=True)]
        for cluster in _repeated(names):
            lengths[cluster] = min(lengths[cluster] + 1, len(candidates[cluster]))
    names = [", ".join(words[:n]) for words, n in zip(candidates, lengths, strict=True)]
    unclear = set(_repeated(names))
    return [None if c in unclear or not name else name for c, name in enumerate(names)]


def _repeated(names: Sequence[str]) -> list[int]:
    counts = Counter(names)
    return [place for place, name in enumerate(names) if name and counts[name] > 1]


def _may_be_classes(names: Sequence[str], kind: str) -> bool:
    return kind == FOLDER or layout_of(names).has_classes
