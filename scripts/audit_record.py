#!/usr/bin/env python3
"""Make reports/data-audit: duplicates and wrong labels are planted, and the audit's precision and
recall are measured.

usage: scripts/audit_record.py [--data-dir FOLDER] [--work FOLDER] [--images N] [--seeds 0,1,2,3,4]
[--strong RUN]

Duplicates: copies of CIFAR-10's training images, each changed in one way, are added to its held-out
images. Wrong labels: a share of the labels is replaced by other classes, on the digits and, with
--strong, on CIFAR-10 with the clusters of that run. Last, what the audit finds in CIFAR-10 itself.
What results.json has is not measured again: remove it to start anew.
"""

import argparse
import io
import logging
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from _reports import fill
from PIL import Image, ImageEnhance, ImageFilter

from latentlab import backend, pipeline
from latentlab.cli.texts.audit import audit_text
from latentlab.clustering import duplicates
from latentlab.clustering.vector_clustering import all_vectors
from latentlab.config import ClusterOptions, DataOptions, FitOptions
from latentlab.data import opening
from latentlab.reporting.audit import AuditReport, nearest_images
from latentlab.scoring import label_errors, metrics
from latentlab.scoring.evaluate import align, read_labels
from latentlab.storage import files
from latentlab.storage.json_form import from_json, to_json
from latentlab.storage.run import Run

REPORT = Path(__file__).resolve().parent.parent / "reports" / "data-audit"
COMMAND = "scripts/audit_record.py"
COPIES = 100  # of each kind
SHARE = 0.02  # of labels made wrong


def recompressed(picture: Image.Image) -> Image.Image:
    """Return what JPEG of quality 50 leaves."""
    buffer = io.BytesIO()
    picture.save(buffer, format="jpeg", quality=50)
    return Image.open(buffer).convert("RGB")


def cropped(share: float) -> Callable[[Image.Image], Image.Image]:
    """Return a crop to the middle `share` of both sides, resized back."""

    def crop(picture: Image.Image) -> Image.Image:
        gap = picture.width * (1 - share) / 2
        return picture.resize(
            picture.size,
            Image.Resampling.BICUBIC,
            (gap, gap, picture.width - gap, picture.height - gap),
        )

    return crop


def shifted(pixels: int) -> Callable[[Image.Image], Image.Image]:
    """Return a shift to the right; the edge is repeated."""

    def shift(picture: Image.Image) -> Image.Image:
        array = np.asarray(picture)
        return Image.fromarray(
            np.concatenate([array[:, :1].repeat(pixels, axis=1), array[:, :-pixels]], axis=1)
        )

    return shift


def noisy(picture: Image.Image) -> Image.Image:
    """Return the picture with Gaussian noise of 10 grey levels; the picture itself seeds it."""
    array = np.asarray(picture, np.float64)
    return Image.fromarray(
        (array + np.random.default_rng(int(array.sum())).normal(0, 10, array.shape))
        .clip(0, 255)
        .astype(np.uint8)
    )


CHANGES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "none (exact copy)": lambda picture: picture,
    "JPEG, quality 50": recompressed,
    "brightness x 1.3": lambda picture: ImageEnhance.Brightness(picture).enhance(1.3),
    "contrast x 0.6": lambda picture: ImageEnhance.Contrast(picture).enhance(0.6),
    "saturation 0 (grey)": lambda picture: ImageEnhance.Color(picture).enhance(0.0),
    "noise, 10 grey levels": noisy,
    "blur, radius 1": lambda picture: picture.filter(ImageFilter.GaussianBlur(1)),
    "mirrored": lambda picture: picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
    "shifted by 1 pixel": shifted(1),
    "shifted by 2 pixels": shifted(2),
    "cropped to 94%": cropped(0.94),
    "cropped to 88%": cropped(0.88),
}


def planted_duplicates(data: DataOptions, work: Path, count: int, seed: int) -> dict[str, Any]:
    """Return recall by kind of change, and precision, among `count` training images and copies of
    some of them.
    """
    images = opening.open_images(data)
    rng = np.random.default_rng([seed, 40])
    training = np.sort(rng.choice(images.indices("train"), count, replace=False))
    held_out = images.indices("test")[: count // 5]
    originals = rng.choice(count, COPIES * len(CHANGES), replace=False)
    pixels = images.read(training)
    kinds = np.repeat(np.arange(len(CHANGES)), COPIES)
    changes = list(CHANGES.values())
    copies = np.stack(
        [
            np.asarray(changes[kind](Image.fromarray(pixels[i])))
            for kind, i in zip(kinds, originals, strict=True)
        ]
    )
    path = work / f"planted-{count}-seed{seed}.npz"
    np.savez(path, x_train=pixels, x_test=np.concatenate([images.read(held_out), copies]))
    run = pipeline.fit(
        DataOptions(data=str(path)),
        FitOptions(epochs=2, seed=seed),
        work / f"planted-{count}-seed{seed}",
    )
    pipeline.embed(run)
    vectors = all_vectors(run, pipeline.resolve(run, ClusterOptions(seed=seed)))
    pairs = duplicates.find(
        pipeline.open_run_images(run), nearest_images(vectors, seed)[:, : duplicates.NEAREST]
    )
    first_copy = count + len(held_out)
    found = {(int(a), int(b)) for a, b in zip(pairs.first, pairs.second, strict=True)}
    right = [(int(i), first_copy + n) in found for n, i in enumerate(originals)]
    with_copy = [pair for pair in found if pair[1] >= first_copy]
    recall = {
        name: float(np.mean(np.array(right)[kinds == kind])) for kind, name in enumerate(CHANGES)
    }
    return {
        "recall": recall,
        "pairs_with_a_copy": len(with_copy),
        "right": sum(right),
        "other_pairs": len(found) - len(with_copy),
    }


def planted_errors(run: Run, name: str, seed: int, share: float = SHARE) -> dict[str, float]:
    """Return precision and recall of the suspected labels after a share of a run's labels was made
    wrong.
    """
    labels = read_labels(run, keep=False)
    assert labels is not None
    options = pipeline.resolve(run, ClusterOptions())
    vectors = all_vectors(run, options)
    clustering = run.clustering(name)
    ids = clustering.assignments.ids
    splits = clustering.assignments.splits
    clusters = clustering.assignments.clusters
    truth = align(ids, labels)
    n_classes, rng = len(labels.class_names), np.random.default_rng([seed, 41])
    wrong = rng.choice(len(truth), round(share * len(truth)), replace=False)
    given = truth.copy()
    given[wrong] = (truth[wrong] + rng.integers(1, n_classes, len(wrong))) % n_classes
    fitted = splits == "train"
    k = clustering.k
    majority = metrics.maps_of(
        metrics.contingency(clusters[fitted], given[fitted], k, n_classes)
    ).majority
    found = label_errors.find(
        nearest_images(vectors, seed),
        given,
        majority[clusters],
        np.full(len(ids), -1),
        n_classes,
    )
    hits = np.isin(found.image, wrong)
    best = hits[: len(wrong)]  # of a list as long as the errors are many
    return {
        "planted": len(wrong),
        "suspected": len(hits),
        "precision": float(hits.mean()) if len(hits) else 0.0,
        "recall": float(hits.sum() / len(wrong)),
        "precision_of_first": float(best.mean()) if len(best) else 0.0,
    }


def digits_run(work: Path, seed: int) -> tuple[Run, str]:
    """Return a run of the digits, and the name of its N2D clusters."""
    fitted = FitOptions(arch="dcec", epochs=30, batch_size=50, seed=seed)
    run = pipeline.fit(DataOptions(data="digits", size=16), fitted, work / f"digits-seed{seed}")
    options = ClusterOptions(k=10, method="n2d", seed=seed)
    pipeline.cluster(run, options)
    return run, pipeline.resolve(run, options).name


def itself(run: Run, name: str) -> dict[str, Any]:
    """Return what the audit says of CIFAR-10 itself, and keep its pictures."""
    report = pipeline.audit(run, name)
    for picture in ("duplicates.png", "label-errors.png"):
        path = run.path / "audit" / name / picture
        if path.exists():
            with files.atomic_path(REPORT / picture) as target:
                target.write_bytes(path.read_bytes())
    return to_json(report)


def mean_text(values: list[float]) -> str:
    """Return mean and standard deviation."""
    spread = f" ± {statistics.stdev(values):.3f}" if len(values) > 1 else ""
    return f"{statistics.mean(values):.3f}{spread}"


def tables(found: dict[str, Any]) -> dict[str, str]:
    """Return the page's tables."""
    planted = found["duplicates"]
    lines = ["| change of the copy | recall |", "| --- | --- |"]
    lines += [
        f"| {name} | {mean_text([one['recall'][name] for one in planted])} |"
        for name in planted[0]["recall"]
    ]
    right, all_pairs = (
        sum(one["right"] for one in planted),
        sum(one["pairs_with_a_copy"] for one in planted),
    )
    lines += [
        "",
        f"Precision: {right} of {all_pairs} pairs that hold a planted copy are that copy and"
        f" its original, {right / all_pairs:.3f}.",
        "Other pairs, of CIFAR-10's own images:"
        f" {', '.join(str(one['other_pairs']) for one in planted)}.",
    ]
    errors = [
        "| labels of | seeds | planted | suspected | precision | recall | precision of as"
        " many as were planted |",
        "| --- |" + " --- |" * 6,
    ]
    for name, rows in found["label_errors"].items():
        cells = [
            mean_text([row[key] for row in rows])
            for key in ("precision", "recall", "precision_of_first")
        ]
        suspected = statistics.mean(row["suspected"] for row in rows)
        errors.append(
            f"| {name} | {len(rows)} | {rows[0]['planted']} | {suspected:.0f} |"
            f" {' | '.join(cells)} |"
        )
    texts = {"duplicates": "\n".join(lines), "labels": "\n".join(errors)}
    if "cifar10" in found:
        texts["cifar10"] = "\n".join(
            f"    {line}"
            for line in audit_text(from_json(AuditReport, found["cifar10"]), Path()).splitlines()[
                :-1
            ]
        )
    return texts


def main() -> None:
    """Plant, find, and write the report."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--data-dir", help="where CIFAR-10 lies; default: the Keras cache or a download"
    )
    parser.add_argument("--work", type=Path, default=Path("runs/data-audit"))
    parser.add_argument(
        "--images", type=int, default=10_000, help="training images among which copies are planted"
    )
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument(
        "--strong",
        type=Path,
        help="a finished run of CIFAR-10 whose newest clusters are audited too",
    )
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    backend.start()
    arguments.work.mkdir(parents=True, exist_ok=True)
    REPORT.mkdir(parents=True, exist_ok=True)
    seeds = [int(seed) for seed in arguments.seeds.split(",")]
    known = REPORT / "results.json"
    found: dict[str, Any] = files.read_json(known) if known.exists() else {}
    data = DataOptions(data="cifar10", data_dir=arguments.data_dir)
    if "duplicates" not in found:
        found["duplicates"] = [
            planted_duplicates(data, arguments.work, arguments.images, seed) for seed in seeds
        ]
    if "label_errors" not in found:
        found["label_errors"] = {
            "digits": [planted_errors(*digits_run(arguments.work, seed), seed) for seed in seeds]
        }
    if arguments.strong:
        run = Run.open(arguments.strong)
        name = run.clustering().name
        found["label_errors"][f"CIFAR-10, {name}"] = [
            planted_errors(run, name, seed) for seed in seeds
        ]
        found["cifar10"] = itself(run, name)
    found |= {"command": COMMAND, "device": backend.versions()["device"], "seeds": seeds}
    files.write_json(known, found)
    fill(REPORT / "README.md", tables(found))
    print(REPORT / "README.md")


if __name__ == "__main__":
    main()
