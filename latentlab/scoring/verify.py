"""Whether a finished run still reproduces here: a list of checks, each of which holds or fails.

Recomputed is what takes seconds: fingerprints of files and images, codes and clusters of a sample,
scores. Training is not repeated, and nothing in the run is changed.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from latentlab import backend
from latentlab.data.images import ImageSet
from latentlab.encoders import model_files
from latentlab.encoders.embedding import Embeddings
from latentlab.encoders.image_encoder import open_encoder
from latentlab.errors import RunError
from latentlab.refinement.run_methods import assign_images, assign_vectors
from latentlab.scoring.evaluate import scores_of
from latentlab.scoring.labels import Labels
from latentlab.scoring.scores import ScoreRow, read_scores
from latentlab.storage import changes, guard, integrity, rows
from latentlab.storage.clustering import EDIT_JOURNAL_NAME, Clustering
from latentlab.storage.files import TEMPORARY_PREFIX, sha256
from latentlab.storage.integrity import NOT_RECORDED
from latentlab.storage.json_form import json_field
from latentlab.storage.manifest import MANIFEST_NAME, Output, VectorFile
from latentlab.storage.run import METRICS_NAME, Run

SEEDS_FOLDER = "seeds"  # of a run: runs with other seeds
NAMED = 10  # unknown files that are named
SAMPLE = 256  # images that are encoded and assigned again

# Largest deviation of a code, in standard deviations of the codes.
TOLERANCE = {"float32": 1e-4}  # by precision
MIXED_TOLERANCE = 0.05  # for 16-bit numbers, of which bfloat16 keeps eight bits

# Share of the sample that must get its cluster again; the rest may lie between two clusters.
SAME_CLUSTERS = 0.99
SCORE_TOLERANCE = 1e-6


@dataclass(frozen=True)
class Check:
    """One check of a run.

    Attributes
    ----------
    subject : str
        The thing checked, such as "codes".
    held : bool
        Whether it is as recorded.
    detail : str
        The evidence, in words.
    """

    subject: str = json_field(key="what")
    held: bool = json_field()
    detail: str = json_field(key="found")


@dataclass(frozen=True)
class Verification:
    """What `latentlab verify` finds.

    Attributes
    ----------
    reproduces : bool
        Whether every check held.
    checks : tuple of Check
        In the order of the stages.
    versions : tuple of str
        What differs in the versions of libraries; this alone fails no check.
    """

    reproduces: bool
    checks: tuple[Check, ...]
    versions: tuple[str, ...]

    @classmethod
    def of(cls, checks: Sequence[Check], versions: Sequence[str]) -> "Verification":
        """Return the verification that some checks amount to.

        Parameters
        ----------
        checks : sequence of Check
            The checks.
        versions : sequence of str
            What differs in the versions.

        Returns
        -------
        Verification

        Examples
        --------
        >>> Verification.of([Check("codes", False, "changed")], []).reproduces
        False
        """
        return cls(all(check.held for check in checks), tuple(checks), tuple(versions))

    @property
    def failed(self) -> tuple[str, ...]:
        """The subjects of the checks that failed."""
        return tuple(check.subject for check in self.checks if not check.held)


def check_files(run: Run) -> list[Check]:
    """Compare every byte of a run's files with what run.json records, stage by stage.

    A file that several stages wrote counts for the latest of them. Files that run.json does not
    know are named; they are not read, and fail nothing.

    Parameters
    ----------
    run : Run
        The run. Runs in it, of other seeds, are checked too.

    Returns
    -------
    list of Check
        One per stage that wrote files, one for the files of no stage, and more where there are
        edits, unknown files or further runs.
    """
    writer_of = {}
    for stage in run.stage_names():
        record = run.record(stage)
        writer_of.update({output.path: stage for output in (record.outputs if record else ())})
    by_stage: dict[str, list[Output]] = {stage: [] for stage in run.stage_names()}
    without_stage: list[Output] = []
    for path, output in sorted(run.records().items()):
        stage = writer_of.get(path, "")
        (by_stage[stage] if stage else without_stage).append(output)
    checks = []
    for stage, outputs in by_stage.items():
        if outputs:
            checks.append(_check_outputs(run, f"files of {stage}", outputs))
    if without_stage:
        checks.append(_check_outputs(run, "files of no stage", without_stage))
    checks += _check_rows(run)
    checks += _check_unknown(run)
    for inner in _inner_runs(run):
        checks += _check_inner(run, inner)
    return checks


def _check_rows(run: Run) -> list[Check]:
    """Check the lines of files that grow, and that no edit made by hand is missing."""
    recorded = run.fact("edits")
    counts = recorded if isinstance(recorded, dict) else {}
    expected = {METRICS_NAME: 0}
    for name, entry in counts.items():
        count = entry.get("rows") if isinstance(entry, dict) else None
        expected[f"clusters/{name}/{EDIT_JOURNAL_NAME}"] = count if isinstance(count, int) else 0
    checks = []
    for name, least in expected.items():
        path = run.path / name
        if least == 0 and not path.exists():
            continue
        lines, damaged_line = rows.read_whole_part(path) if path.exists() else ([], 0)
        held = not damaged_line and len(lines) >= least
        detail = f"{len(lines)} lines as they were written"
        if not held:
            detail = f"only {len(lines)} of {max(least, damaged_line)} lines are as written"
        checks.append(Check(f"lines of {name}", held, detail))
    return checks


def _check_unknown(run: Run) -> list[Check]:
    """Name the files that run.json knows nothing of."""
    known = set(run.records())
    is_known = known.__contains__
    unknown = []
    for path in sorted(run.path.rglob("*")):
        name = path.relative_to(run.path).as_posix()
        if path.is_file() and not is_known(name) and not _needs_no_record(name):
            unknown.append(name)
    if not unknown:
        return []
    more = f" and {len(unknown) - NAMED} more" if len(unknown) > NAMED else ""
    listed = ", ".join(unknown[:NAMED])
    return [Check("unknown files", True, f"run.json has no checksum of {listed}{more}")]


def _needs_no_record(name: str) -> bool:
    """Return whether a file is the record itself, has checksums in it, or is work in progress."""
    parts = name.split("/")
    is_work = any(part.startswith(TEMPORARY_PREFIX) for part in parts)
    is_of_another = parts[0] in (changes.FOLDER, SEEDS_FOLDER)
    last = parts[-1]
    return is_work or is_of_another or name in NOT_RECORDED or last == EDIT_JOURNAL_NAME


def _inner_runs(run: Run) -> list[Path]:
    folder = run.path / SEEDS_FOLDER
    guard.inside(folder)  # it may be a link out of the run
    return sorted(path.parent for path in folder.glob(f"*/{MANIFEST_NAME}"))


def _check_inner(run: Run, folder: Path) -> list[Check]:
    """Check the files of a run in a run."""
    place = folder.relative_to(run.path).as_posix()
    try:
        inner = check_files(Run.open(folder))
    except RunError as error:
        return [Check(f"{place}/{MANIFEST_NAME}", False, " ".join(str(error).split()))]
    return [replace(check, subject=f"{check.subject} in {place}") for check in inner]


def check_codes(run: Run, images: ImageSet, seed: int = 0) -> Check:
    """Encode a sample of the images again and compare with the stored codes.

    Parameters
    ----------
    run : Run
        A run that has been embedded.
    images : ImageSet
        Its images.
    seed : int
        Seed of the sample.

    Returns
    -------
    Check
    """
    embeddings = Embeddings(run.path)
    column = model_files.columns(run)[0]
    subject = code_subject(run)
    if embeddings.index().ids.tolist() != images.ids.tolist():
        return Check(subject, False, f"the run holds {subject} of other images")

    # The sample's codes, stored and computed again.
    positions = sample(len(images), seed)
    stored = np.concatenate(list(embeddings.parts(column=column)))[positions]
    encode = open_encoder(run).encoding(column)
    again = encode(images.read(positions))

    # The largest deviation, in standard deviations.
    deviation = float(np.abs(again - stored).max() / max(float(stored.std()), 1e-12))
    limit = TOLERANCE.get(run.precision, MIXED_TOLERANCE)
    detail = (
        f"{len(positions)} images encoded again: at most {deviation:.1e} standard deviations off, "
        f"{limit:g} allowed"
    )
    return Check(subject, deviation <= limit, detail)


def code_subject(run: Run) -> str:
    """Return what `check_codes` checks: "codes", or "embeddings" of an encoder without a code.

    Parameters
    ----------
    run : Run
        A run with an encoder.
    """
    return f"{model_files.columns(run)[0]}s"


def check_vector_file(recorded: VectorFile) -> Check:
    """Check the file that a run's vectors come from; that it is gone is said, and fails nothing.

    Parameters
    ----------
    recorded : VectorFile
        The file as the run records it.

    Returns
    -------
    Check
    """
    path = Path(recorded.path)
    if not path.is_file():
        return Check("vectors", True, f"{path} is not there any more; the run keeps its vectors")
    if sha256(path) != recorded.sha256:
        return Check("vectors", False, f"{path} has changed since it was imported")
    return Check("vectors", True, f"{path} is as imported")


def check_clusters_of_vectors(clustering: Clustering, seed: int = 0) -> Check:
    """Assign a sample of a run's stored vectors again and compare with assignments.parquet.

    Parameters
    ----------
    clustering : Clustering
        The clustering.
    seed : int
        Seed of the sample.

    Returns
    -------
    Check
    """
    start = clustering.features.start
    vectors = np.concatenate(list(Embeddings(clustering.run.path).parts(column=start)))
    positions = sample(len(vectors), seed)
    (assigned,) = assign_vectors(clustering, [vectors[positions]])
    return _compare_clusters(clustering, positions, assigned.cluster)


def check_clusters(clustering: Clustering, images: ImageSet, seed: int = 0) -> Check:
    """Assign a sample of the images again and compare with assignments.parquet.

    Parameters
    ----------
    clustering : Clustering
        The clustering.
    images : ImageSet
        The run's images.
    seed : int
        Seed of the sample.

    Returns
    -------
    Check
    """
    positions = sample(len(images), seed)
    ((_, assigned),) = assign_images(clustering, images, [positions])
    return _compare_clusters(clustering, positions, assigned.cluster)


def _compare_clusters(clustering: Clustering, positions: np.ndarray, again: np.ndarray) -> Check:
    same = again == clustering.assignments.clusters[positions]
    detail = f"{same.sum()} of {len(same)} images get their cluster again"
    return Check(f"clusters {clustering.name}", bool(same.mean() >= SAME_CLUSTERS), detail)


def check_scores(clustering: Clustering, labels: Labels) -> Check:
    """Score the clusters again and compare with scores.json.

    Parameters
    ----------
    clustering : Clustering
        A clustering that has been evaluated.
    labels : Labels
        Held-out labels of the data.

    Returns
    -------
    Check
    """
    recorded = read_scores(clustering)
    method = recorded.rows[0].method
    methods = {method: clustering.assignments}
    again = scores_of(clustering.run.data_name, labels, methods, recorded.k)

    # Every recorded score of the clustering itself, not of its baselines.
    before = _values(recorded.rows, method)
    after = _values(again.rows, method)
    changed = []
    for (split, metric), value in before.items():
        if abs(value - after.get((split, metric), np.inf)) > SCORE_TOLERANCE:
            changed.append(f"{metric} ({split})")
    subject = f"scores {clustering.name}"
    if changed:
        return Check(subject, False, f"changed: {', '.join(changed)}")
    return Check(subject, True, f"{len(before)} scores of {method} as recorded")


def version_differences(run: Run) -> list[str]:
    """Return what differs between the versions that made a run and the present ones.

    Parameters
    ----------
    run : Run
        The run.

    Returns
    -------
    list of str
        One sentence per difference.
    """
    import platform

    import latentlab

    present = {
        "latentlab": latentlab.__version__,
        "python": platform.python_version(),
        **backend.versions(),
    }
    differences = []
    for name, version in present.items():
        recorded = run.fact(name)
        if recorded != version:
            differences.append(f"{name} was {recorded} and is {version}")
    return differences


def sample(n_images: int, seed: int) -> np.ndarray:
    """Draw images at random.

    Parameters
    ----------
    n_images : int
        Number of images to draw from.
    seed : int
        Seed of the draw.

    Returns
    -------
    ndarray of shape (m,), int64
        Positions of at most `SAMPLE` images, in ascending order.
    """
    order = np.random.default_rng([seed, 31]).permutation(n_images)
    return np.sort(order[:SAMPLE])


def _values(rows: Sequence[ScoreRow], method: str) -> dict[tuple[str, str], float]:
    """Return (split, metric) -> score of one method."""
    return {(row.split, row.metric): row.value for row in rows if row.method == method}


def _check_outputs(run: Run, subject: str, outputs: Sequence[Output]) -> Check:
    damaged = []
    for output in outputs:
        if not integrity.is_exactly_as_recorded(str(run.path / output.path), output):
            damaged.append(output.path)
    if not damaged:
        return Check(subject, True, f"{len(outputs)} as recorded")
    # What is to be done is the same for all files of a stage, and mostly for those of none.
    advice = integrity.remedy(damaged[0], f"{run.path}/")
    return Check(subject, False, f"missing or changed: {', '.join(damaged)}. {advice}")
