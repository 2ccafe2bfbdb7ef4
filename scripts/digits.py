#!/usr/bin/env python3
"""Make reports/digits: deep clustering on scikit-learn's digits, which every machine has, over five seeds.

usage: scripts/digits.py [--work FOLDER] [--seeds 0,1,2,3,4]

The settings are those of scripts/quickstart. Every step resumes: fits and clusterings are kept in --work, finished scores
in reports/digits/parts, and both are skipped. Labels are read after all fitting and clustering of a run is done, by the
scorer alone, and take part in no choice.
"""

import argparse
import itertools
import logging
import statistics
from pathlib import Path

from _reports import Parts, Row, add_facts, facts_table, fill, read_parts, results, save_part, score, score_table

from latentlab import assignments, backend, files, pipeline
from latentlab.config import ClusterOptions, FitOptions
from latentlab.run import Run
from latentlab.sources import DataOptions

REPORT = Path(__file__).resolve().parent.parent / "reports" / "digits"
PARTS = REPORT / "parts"
COMMAND = "scripts/digits.py"
DATA = DataOptions(data="digits", size=16)
ENCODER = "dcec-augmented"
FIT = {"arch": "dcec", "epochs": 60, "batch_size": 50, "patience": 0, "augment": "affine"}
LOOP = {"interval": 70, "batch_size": 128, "max_steps": 1400}
METHODS = (
    {"method": "kmeans"},
    {"method": "n2d"},
    {"method": "dcec", "settings": LOOP},
    {"method": "dcec", "settings": {**LOOP, "start": "n2d"}},
)


def clusterings(seed: int) -> list[ClusterOptions]:
    """Return what is clustered with one seed."""
    return [assignments.resolve(ClusterOptions(k=10, seed=seed, **method), FIT["augment"]) for method in METHODS]


def work_through(work: Path, seed: int) -> None:
    """Fit with one seed, cluster with every method and keep the scores."""
    part = PARTS / f"{ENCODER}-seed{seed}.json"
    if part.exists():
        return
    run = pipeline.fit(DATA, FitOptions(**FIT, seed=seed), work / part.stem)
    for options in clusterings(seed):
        logging.info("%s: %s", part.stem, options.name)
        pipeline.cluster(run, options)
    save_part(part, run, score(run, clusterings(seed), ENCODER, work / "baselines"))
    add_facts(part, run, clusterings(seed))


def agreement(work: Path, seeds: list[int]) -> list[Row]:
    """Return the mean adjusted Rand index between the assignments of every two seeds."""
    from sklearn.metrics import adjusted_rand_score

    rows = []
    for number in range(len(METHODS)):
        options = [clusterings(seed)[number] for seed in seeds]
        found = [assignments.read(Run.open(work / f"{ENCODER}-seed{one.seed}"), one.name)[2] for one in options]
        values = [adjusted_rand_score(a, b) for a, b in itertools.combinations(found, 2)]
        rows.append({"clustering": options[0].label, "ari_between_seeds": round(statistics.mean(values), 4), "seeds": len(seeds)})
    return rows
