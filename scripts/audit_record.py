#!/usr/bin/env python3
"""Make reports/data-audit: wrong labels are planted, and the audit's precision and recall are
measured.

usage: scripts/audit_record.py [--work FOLDER] [--seeds 0,1,2,3,4] [--strong RUN] [--itself]

A share of the labels is replaced by other classes, on the digits and, with --strong, on CIFAR-10
with the clusters of that run. Then, what the audit finds in CIFAR-10 itself; with --itself only
that. What results.json has of the digits is not measured again: remove it to start anew.
Planted duplicates: scripts/measure_duplicates.py.
"""

import argparse
import logging
import statistics
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from _reports import fill
from PIL import Image, ImageDraw

from latentlab import backend, pipeline
from latentlab.cli.texts.audit import audit_text
from latentlab.clustering.vector_clustering import all_vectors
from latentlab.config import ClusterOptions, DataOptions, FitOptions
from latentlab.reporting.audit import AuditReport, nearest_images
from latentlab.scoring import label_errors, metrics
from latentlab.scoring.evaluate import align, read_labels
from latentlab.storage import files
from latentlab.storage.json_form import from_json, to_json
from latentlab.storage.run import Run

REPORT = Path(__file__).resolve().parent.parent / "reports" / "data-audit"
COMMAND = "scripts/audit_record.py"
SHARE = 0.02  # of labels made wrong
SAMPLED = 150  # held-out images with a duplicate that are looked at
SIDE = 48  # pixels of an image in their mosaic
COLUMNS = 15  # pairs in a row


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


def held_out_pairs(run: Run, name: str) -> None:
    """Draw held-out images, drawn at random, beside what each resembles most among the fitted."""
    table = pd.read_csv(run.path / "audit" / name / "duplicates.csv")
    table = table[table["split"] != table["other_split"]]
    is_first = table["split"] == "test"
    table["held_out"] = np.where(is_first, table["id"], table["other_id"])
    table = table.sort_values("score", ascending=False).groupby("held_out", as_index=False).first()
    rng = np.random.default_rng(0)
    chosen = table.iloc[np.sort(rng.permutation(len(table))[:SAMPLED])].sort_values("score")
    images = pipeline.open_run_images(run)
    position = {image: number for number, image in enumerate(images.ids.tolist())}
    width, height = 2 * SIDE + 4, SIDE + 14
    sheet = Image.new("RGB", (COLUMNS * width, -(-len(chosen) // COLUMNS) * height), "white")
    draw = ImageDraw.Draw(sheet)
    for place, row in enumerate(chosen.to_dict("records")):
        line, column = divmod(place, COLUMNS)
        pixels = images.read(np.array([position[row["id"]], position[row["other_id"]]]))
        for side, image in enumerate(pixels):
            picture = Image.fromarray(image).resize((SIDE, SIDE))
            sheet.paste(picture, (column * width + side * (SIDE + 1), line * height))
        draw.text((column * width, line * height + SIDE), f"{place}  {row['score']:.2f}", "black")
    with files.atomic_path(REPORT / "held-out.png") as target:
        sheet.save(target, format="png")


def mean_text(values: list[float]) -> str:
    """Return mean and standard deviation."""
    spread = f" ± {statistics.stdev(values):.3f}" if len(values) > 1 else ""
    return f"{statistics.mean(values):.3f}{spread}"


def tables(found: dict[str, Any]) -> dict[str, str]:
    """Return the page's tables."""
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
    texts = {"labels": "\n".join(errors)}
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
    parser.add_argument("--work", type=Path, default=Path("runs/data-audit"))
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument(
        "--strong",
        type=Path,
        help="a finished run of CIFAR-10 whose newest clusters are audited too",
    )
    parser.add_argument("--itself", action="store_true", help="plant nothing; needs --strong")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    backend.start()
    arguments.work.mkdir(parents=True, exist_ok=True)
    REPORT.mkdir(parents=True, exist_ok=True)
    seeds = [int(seed) for seed in arguments.seeds.split(",")]
    known = REPORT / "results.json"
    found: dict[str, Any] = files.read_json(known) if known.exists() else {}
    if "label_errors" not in found:
        found["label_errors"] = {
            "digits": [planted_errors(*digits_run(arguments.work, seed), seed) for seed in seeds]
        }
    if arguments.strong:
        run = Run.open(arguments.strong)
        name = run.clustering().name
        if not arguments.itself:
            rows = [planted_errors(run, name, seed) for seed in seeds]
            found["label_errors"][f"CIFAR-10, {name}"] = rows
        found["cifar10"] = itself(run, name)
        held_out_pairs(run, name)
    found |= {"command": COMMAND, "device": backend.versions()["device"], "seeds": seeds}
    files.write_json(known, found)
    fill(REPORT / "README.md", tables(found))
    print(REPORT / "README.md")


if __name__ == "__main__":
    main()
