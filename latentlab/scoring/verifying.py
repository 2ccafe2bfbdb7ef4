"""Whether a finished run still reproduces on this machine and with these versions: a list of checks, each held or not.

What can be recomputed in seconds is: fingerprints of files and images, codes and clusters of a sample, scores. Training
is not repeated. Nothing in the run is changed.
"""

from typing import Any, NamedTuple

import numpy as np

from latentlab import backend
from latentlab.clustering import assignments
from latentlab.data.images import ImageSet
from latentlab.data.opening import Labels
from latentlab.encoders import embedding, model_files
from latentlab.refinement import predicting
from latentlab.scoring import evaluation
from latentlab.storage.files import sha256
from latentlab.storage.run import Run

SAMPLE = 256  # images that are encoded and assigned again
CLOSE = {
    "float32": 1e-4
}  # largest difference of a code's numbers, in their standard deviations, by precision
CLOSE_MIXED = 0.05  # with 16-bit numbers, of which bfloat16 keeps eight bits
SAME_CLUSTERS = (
    0.99  # share of the sample that must get its cluster again; the rest may lie between two
)
SAME_SCORE = 1e-6


class Check(NamedTuple):
    """One check: what was looked at, whether it held, and what was found."""

    what: str
    held: bool
    found: str


def files(run: Run) -> list[Check]:
    """Check every file that run.json records, by stage; of stages that wrote the same file the latest counts."""
    stages = [(name, run.manifest["stages"][name]) for name in run.stages_in_order()]
    owner = {output["path"]: stage for stage, entry in stages for output in entry["outputs"]}
    checks = []
    for stage, entry in stages:
        own = [output for output in entry["outputs"] if owner[output["path"]] == stage]
        wrong = [output["path"] for output in own if not _is_as_recorded(run, output)]
        if own:
            checks.append(
                Check(
                    f"files of {stage}",
                    not wrong,
                    f"missing or changed: {', '.join(wrong)}"
                    if wrong
                    else f"{len(own)} as recorded",
                )
            )
    return checks


def codes(run: Run, images: ImageSet, seed: int = 0) -> Check:
    """Encode a sample of the images again and compare with the codes that the run holds."""
    ids = embedding.read_index(run.path / "embeddings")[0]
    if ids.tolist() != images.ids.tolist():
        return Check("codes", False, "the run holds codes of other images")
    chosen = sample(images, seed)
    stored = np.concatenate(list(embedding.read_parts(run.path / "embeddings")))[chosen]
    again = embedding.encode(model_files.load(run).encoder, images.read(chosen))
    off = float(np.abs(again - stored).max() / max(float(stored.std()), 1e-12))
    limit = CLOSE.get(run.manifest["precision"], CLOSE_MIXED)
    return Check(
        "codes",
        off <= limit,
        f"{len(chosen)} images encoded again: at most {off:.1e} standard deviations off, {limit:g} allowed",
    )


def clusters(run: Run, name: str, images: ImageSet, seed: int = 0) -> Check:
    """Assign a sample of the images again and compare with assignments.parquet."""
    stored, chosen = assignments.read(run, name)[2], sample(images, seed)
    same = np.concatenate(
        [
            assigned.cluster == stored[indices]
            for indices, assigned in predicting.assign(run, name, images, [chosen])
        ]
    )
    return Check(
        f"clusters {name}",
        bool(same.mean() >= SAME_CLUSTERS),
        f"{same.sum()} of {len(same)} images get their cluster again",
    )


def scores(run: Run, name: str, labels: Labels) -> Check:
    """Score the clusters again and compare with scores.json."""
    kept = evaluation.read_scores(run, name)
    method = kept["rows"][0]["method"]
    again = evaluation.scores_of(run, labels, {method: assignments.read(run, name)}, kept["k"])
    before = {
        (row["split"], row["metric"]): row["value"]
        for row in kept["rows"]
        if row["method"] == method
    }
    after = {(row["split"], row["metric"]): row["value"] for row in again["rows"]}
    off = [
        f"{metric} ({split})"
        for split, metric in before
        if abs(before[split, metric] - after.get((split, metric), np.inf)) > SAME_SCORE
    ]
    return Check(
        f"scores {name}",
        not off,
        f"changed: {', '.join(off)}" if off else f"{len(before)} scores of {method} as recorded",
    )


def versions(run: Run) -> list[str]:
    """Return what differs between the versions that made the run and those at work; this alone fails no check."""
    import platform

    import latentlab

    now = {
        "latentlab": latentlab.__version__,
        "python": platform.python_version(),
        **backend.versions(),
    }
    return [
        f"{name} was {run.manifest.get(name)} and is {value}"
        for name, value in now.items()
        if run.manifest.get(name) != value
    ]


def sample(images: ImageSet, seed: int) -> np.ndarray:
    """Return positions of at most `SAMPLE` images, drawn at random, in order."""
    return np.sort(np.random.default_rng([seed, 31]).permutation(len(images))[:SAMPLE])


def text(found: dict[str, Any]) -> str:
    """Return the checks for the terminal."""
    lines = [
        f"{'ok    ' if check['held'] else 'FAILED'}  {check['what']}: {check['found']}"
        for check in found["checks"]
    ]
    return "\n".join([*lines, *(f"note    {difference}" for difference in found["versions"])])


def _is_as_recorded(run: Run, output: dict[str, Any]) -> bool:
    path = run.path / output["path"]
    return path.is_file() and sha256(path) == output["sha256"]
