"""The comparison of several clusterings as one HTML file without a script: maps, matched clusters side by side, scores, losses."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

import latentlab
from latentlab.reporting import html, palettes, plots
from latentlab.reporting.clustering_summary import ClusteringSummary
from latentlab.scoring.compare import verdict

IMAGES = 6  # nearest images of a cluster
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"


class Shown(NamedTuple):
    """One clustering on the page.

    Attributes
    ----------
    name : str
    found : ClusteringSummary
    partner : list of (int or None)
        The first clustering's cluster of each of its own.
    """

    name: str
    found: ClusteringSummary
    partner: list[int | None]


def render(compared: dict[str, Any], found: Sequence[ClusteringSummary]) -> str:
    """Return the page.

    Parameters
    ----------
    compared : dict
        What `latentlab.pipeline.compare` returns.
    found : sequence of ClusteringSummary
        Of the first clustering and of the others, in their order.
    """
    import jinja2

    names = [compared["first"], *(side["name"] for side in compared["others"])]
    partners = [list(range(found[0].k)), *(side["partner"] for side in compared["others"])]
    shown = [
        Shown(name, one, partner) for name, one, partner in zip(names, found, partners, strict=True)
    ]
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("latentlab"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("comparison.html.jinja2").render(
        title=f"{len(shown)} clusterings of {found[0].images.name}",
        version=latentlab.__version__,
        style=html.read_asset("report.css"),
        policy=POLICY,
        compared=compared,
        names=names,
        pictures={
            name: plots.svg_uri(figure) for name, figure in _figures(compared, shown).items()
        },
        maps=_maps(shown),
        rows=_rows(shown),
        verdict=verdict,
        facts=[_facts(one) for one in shown],
    )


def colours(shown: Shown, k: int) -> list[str]:
    """Return the colours of a clustering's clusters: that of the partner, or one that none of the first's k clusters has."""
    spare = iter(palettes.categories(k + len(shown.partner))[k:])
    first = palettes.categories(k)
    return [next(spare) if partner is None else first[partner] for partner in shown.partner]


def _figures(compared: dict[str, Any], shown: Sequence[Shown]) -> dict[str, Any]:
    figures = {
        "loss": plots.loss_curves(
            {one.name: one.summary.run.metrics() for one in _one_a_run(shown)}
        )
    }
    if all("scores" in side for side in compared["others"]):
        figures["scores"] = plots.score_differences(compared["others"], compared["first"])
    for i, side in enumerate(compared["others"]):
        figures[f"overlap-{i}"] = plots.transfer_heatmap(
            np.array(side["overlap"]),
            f"of {compared['first']}",
            f"of {side['name']}",
            "Images by their clusters in both",
        )
    return figures


def _one_a_run(shown: Sequence[Shown]) -> list[Shown]:
    """Return one clustering of each run: their losses are the same."""
    return list({one.summary.run.path.resolve(): one for one in reversed(shown)}.values())[::-1]


def _maps(shown: Sequence[Shown]) -> list[dict[str, str]]:
    """Return the clusterings on one and the same map, the first that a run has; none without."""
    mapped = next(
        (one for one in shown if (one.summary.run.path / "projection" / "umap.parquet").exists()),
        None,
    )
    if mapped is None:
        return []
    xy, chosen = mapped.summary.read_map()
    ids = mapped.summary.images.ids[chosen]
    maps = []
    for one in shown:
        order = np.argsort(one.summary.images.ids)
        places = np.searchsorted(one.summary.images.ids, ids, sorter=order).clip(0, len(order) - 1)
        known = one.summary.images.ids[order[places]] == ids
        groups = np.where(known, one.summary.clusters[order[places]], -1)
        figure = plots.plain_map(xy, groups, colours(one, shown[0].summary.k))
        maps.append({"name": one.name, "of": mapped.name, "source": plots.png_uri(figure)})
    return maps


def _rows(shown: Sequence[Shown]) -> list[dict[str, Any]]:
    """Return one row a cluster of the first clustering with its partner in each other one, then the clusters without a partner."""
    galleries = [_galleries(one) for one in shown]
    k, first = shown[0].summary.k, palettes.categories(shown[0].summary.k)
    rows = [
        {
            "name": str(cluster),
            "colour": first[cluster],
            "cells": [
                cells[one.partner.index(cluster)] if cluster in one.partner else None
                for one, cells in zip(shown, galleries, strict=True)
            ],
        }
        for cluster in range(k)
    ]
    for i, one in enumerate(shown):
        own = colours(one, k)
        for cluster in (c for c, partner in enumerate(one.partner) if partner is None):
            cells = [galleries[i][cluster] if i == j else None for j in range(len(shown))]
            rows.append({"name": "without a partner", "colour": own[cluster], "cells": cells})
    return rows


def _galleries(one: Shown) -> list[dict[str, Any]]:
    """Return number, size, labels and nearest images of each cluster."""
    show, picks = html.gallery_pictures(one.summary), one.summary.gallery("nearest", IMAGES)
    cells = []
    for cluster in range(one.summary.k):
        members = np.flatnonzero(one.summary.clusters == cluster)
        images = list(
            zip(one.summary.images.ids[picks[cluster]].tolist(), show(picks[cluster]), strict=True)
        )
        cells.append(
            {
                "number": cluster,
                "size": len(members),
                "labels": one.summary.label_mix(members, 2),
                "images": images,
            }
        )
    return cells


def _facts(one: Shown) -> dict[str, str]:
    fit, options = (
        one.summary.run.manifest["config"]["fit"],
        one.summary.run.manifest["stages"][f"cluster/{one.summary.name}"]["config"]["options"],
    )
    return {
        "clusters": one.name,
        "encoder": str(fit["arch"]),
        "learning rate": f"{fit['learning_rate']:g}",
        "epochs": str(fit["epochs"]),
        "seed": str(fit["seed"]),
        "method": str(options["method"]),
        "features": str(options["features"]),
        "k": str(one.summary.k),
    }
