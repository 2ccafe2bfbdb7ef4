"""Which of the encoders at hand suits images best, without labels."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING

import numpy as np

from latentlab.config import DataOptions
from latentlab.data import account
from latentlab.data.intake import Intake
from latentlab.data.pictures.resizing import as_picture
from latentlab.encoders.at_hand import encoders_at_hand
from latentlab.errors import ConfigError, DataError
from latentlab.pipeline.run_data import open_shaped
from latentlab.progress import log, track
from latentlab.storage import json_form

if TYPE_CHECKING:
    from latentlab.clustering.encoder_criteria import CriterionValues
    from latentlab.encoders.image_encoder import Encode

SAMPLE = 300  # images that are looked at
BATCH = 64  # images that are changed and encoded at once
ZOOM = 0.8  # of each side that zooming in keeps
DARKER = 0.7
HITS_FILE = "encoder_hits.json"


@dataclass(frozen=True, kw_only=True)
class JudgedEncoder:
    """What is said of one encoder.

    Attributes
    ----------
    encoder : str
        What `encoder` takes.
    name : str
        Its short name.
    pretraining : str
        Labels used in its training: a data set's name, "none" or "unknown".
    values : CriterionValues
        The criteria.
    ranks : tuple of int
        Its place by each of `CRITERIA`, 1 for the best.
    mean_rank : float
        Their mean.
    """

    encoder: str
    name: str
    pretraining: str
    values: "CriterionValues"
    ranks: tuple[int, ...]
    mean_rank: float


@dataclass(frozen=True, kw_only=True)
class CriterionHits:
    """How often a criterion was right on folders whose classes are known.

    Attributes
    ----------
    criterion : str
        One of `CRITERIA`, or "mean rank".
    best : int
        Folders on which its first encoder was the best, or no more than 0.02 of purity below.
    folders : int
        Folders that were looked at.
    pairs_right : int
        Pairs of encoders that it put in the order of their purities.
    pairs : int
        Pairs whose purities differ by more than 0.02.
    """

    criterion: str
    best: int
    folders: int
    pairs_right: int
    pairs: int


@dataclass(frozen=True, kw_only=True)
class EncoderChoice:
    """The encoders at hand, best first, and how far to believe that.

    Attributes
    ----------
    images : int
        How many images were looked at.
    ks : tuple of int
        Numbers of clusters that were looked at.
    seed : int
        Seed of the sample, of UMAP and of k-means.
    encoders : tuple of JudgedEncoder
        By their mean rank; of equal ones the larger silhouette comes first.
    agree : bool
        Whether all criteria put the same encoder first.
    hits : tuple of CriterionHits
        How often each criterion was right elsewhere.
    hits_source : str
        Where that was measured.
    intake : Intake
        What became of all that there is in the data; of the images that were looked at, those that
        cannot be read are counted.
    """

    images: int
    ks: tuple[int, ...]
    seed: int
    encoders: tuple[JudgedEncoder, ...]
    agree: bool
    hits: tuple[CriterionHits, ...]
    hits_source: str
    intake: Intake = Intake()


@dataclass(frozen=True)
class _Candidate:
    """An encoder that is open.

    Attributes
    ----------
    reference : str
        What `encoder` takes.
    name : str
        Its short name.
    pretraining : str
        Labels used in its training.
    image_shape : tuple of int
        Height, width and channels that it takes.
    encode : callable
        uint8 images -> vectors.
    """

    reference: str
    name: str
    pretraining: str
    image_shape: tuple[int, int, int]
    encode: "Encode"


def names_at_hand() -> list[str]:
    """Return the names of the encoders that need no file: shipped ones, and an installed extra."""
    return [entry.name for entry in encoders_at_hand() if entry.is_at_hand]


def choose_encoder(
    data: DataOptions,
    encoders: Sequence[str] = (),
    k: int | None = None,
    sample: int = SAMPLE,
    seed: int = 0,
) -> EncoderChoice:
    """Rank encoders by how well they suit images, without labels.

    Parameters
    ----------
    data : DataOptions
        The images.
    encoders : sequence of str
        What `encoder` takes, besides the encoders at hand.
    k : int or None
        The number of clusters that is wanted, if it is known.
    sample : int
        At most so many images are looked at; they are drawn at random.
    seed : int
        Seed of the sample, of UMAP and of k-means.

    Returns
    -------
    EncoderChoice
        The encoders, best first.

    Raises
    ------
    ConfigError
        If there is no such encoder, or it cannot be opened.
    DataError
        If there are too few images.
    """
    from latentlab.clustering import encoder_criteria

    references = list(dict.fromkeys([*names_at_hand(), *encoders]))
    candidates = [_open(reference) for reference in references]
    judged = []
    ks: tuple[int, ...] = ()
    n_images = 0
    intake = Intake()
    for candidate in candidates:
        log.info("choose-encoder: %s", candidate.name)
        (plain, *changed), intake = _vectors(candidate, data, sample, seed)
        account.tell(intake)
        n_images = len(plain)
        _check_k(k, n_images)
        ks = encoder_criteria.numbers_of_clusters(k, n_images)
        judged.append(encoder_criteria.judge(plain, changed, ks, seed))
    ranked = _ranked(candidates, judged)
    hits, source = hits_elsewhere()
    return EncoderChoice(
        images=n_images,
        ks=ks,
        seed=seed,
        encoders=ranked,
        agree=set(ranked[0].ranks) == {1},
        hits=hits,
        hits_source=source,
        intake=intake,
    )


def hits_elsewhere() -> tuple[tuple[CriterionHits, ...], str]:
    """Return how often each criterion was right on folders of known classes, and the source.

    The file is made by scripts/bench_folders.py.
    """
    text = resources.files("latentlab.pipeline").joinpath(HITS_FILE).read_text(encoding="utf-8")
    recorded = json.loads(text)
    hits = tuple(json_form.from_json(CriterionHits, row) for row in recorded["hits"])
    return hits, recorded["source"]


def _open(reference: str) -> _Candidate:
    from latentlab.encoders.image_encoder import TrainedEncoder
    from latentlab.encoders.pretrained.card import NO_LABELS
    from latentlab.encoders.pretrained.opening import open_pretrained
    from latentlab.encoders.ready_made import shipped

    if reference not in shipped().names():
        encoder = open_pretrained(reference)
        card = encoder.card
        return _Candidate(reference, card.name, card.pretraining, card.image_shape, encoder.encode)
    model, description = shipped().load(reference)
    column = "code" if model.top is None else "embedding"
    encode = TrainedEncoder(model).encoding(column)
    return _Candidate(reference, reference, NO_LABELS, description.image_shape, encode)


def _vectors(
    candidate: _Candidate, data: DataOptions, sample: int, seed: int
) -> tuple[list[np.ndarray], Intake]:
    """Return the vectors of a sample of images as they are, mirrored, zoomed into and darker.

    Returns the account of the images, too.
    """
    from latentlab.clustering.encoder_criteria import LEAST_IMAGES

    _, images = open_shaped(data, candidate.image_shape, lazy=True)
    positions = np.random.default_rng([seed, 28]).permutation(len(images))[:sample]
    changes = (_unchanged, _mirrored, _zoomed, _darker)
    parts: list[list[np.ndarray]] = [[] for _ in changes]
    faults: list[tuple[str, str]] = []
    with track(candidate.name, len(positions)) as bar:
        for start in range(0, len(positions), BATCH):
            batch = np.sort(positions[start : start + BATCH])
            read = images.try_read(batch)
            pixels = [each for each in read if not isinstance(each, str)]
            named = zip(images.ids[batch].tolist(), read, strict=True)
            faults += [(name, each) for name, each in named if isinstance(each, str)]
            if pixels:
                for part, change in zip(parts, changes, strict=True):
                    part.append(candidate.encode(change(np.stack(pixels))))
            bar.update(min(start + BATCH, len(positions)))
    n_images = sum(map(len, parts[0]))
    if n_images < LEAST_IMAGES:
        raise DataError(
            f"choosing an encoder takes at least {LEAST_IMAGES} images, and {images.name} has"
            f" {n_images} that can be read"
        )
    intake = images.source_intake.completed(len(images) - len(faults), faults)
    return [np.concatenate(part) for part in parts], intake


def _check_k(k: int | None, n_images: int) -> None:
    if k is not None and not 1 < k < n_images:
        raise ConfigError(
            f"must be at least 2 and less than the {n_images} images that are looked at",
            field="k",
            value=k,
            limit=n_images - 1,
        )


def _ranked(
    candidates: Sequence[_Candidate], judged: Sequence["CriterionValues"]
) -> tuple[JudgedEncoder, ...]:
    """Return the encoders by their mean rank, the best first."""
    from latentlab.clustering.encoder_criteria import CRITERIA, ranks

    by_criterion = []
    for name in CRITERIA:
        criterion_values = [each.value(name) for each in judged]
        by_criterion.append(ranks(criterion_values))
    rows = []
    for candidate, values, places in zip(
        candidates, judged, zip(*by_criterion, strict=True), strict=True
    ):
        rows.append(
            JudgedEncoder(
                encoder=candidate.reference,
                name=candidate.name,
                pretraining=candidate.pretraining,
                values=values,
                ranks=places,
                mean_rank=float(np.mean(places)),
            )
        )
    return tuple(sorted(rows, key=lambda row: (row.mean_rank, -row.values.silhouette)))


def _unchanged(pixels: np.ndarray) -> np.ndarray:
    return pixels


def _mirrored(pixels: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(pixels[:, :, ::-1])


def _darker(pixels: np.ndarray) -> np.ndarray:
    return (pixels * DARKER).astype(np.uint8)


def _zoomed(pixels: np.ndarray) -> np.ndarray:
    """Return the middle of each image, as large as the whole."""
    from PIL import Image

    height, width = pixels.shape[1:3]
    edge = (1 - ZOOM) / 2
    box = (edge * width, edge * height, (1 - edge) * width, (1 - edge) * height)
    zoomed = []
    for image in pixels:
        picture = as_picture(image).resize((width, height), Image.Resampling.BICUBIC, box)
        zoomed.append(np.asarray(picture).reshape(image.shape))
    return np.stack(zoomed)
