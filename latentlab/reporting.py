"""The report on one clustering of a run: a single HTML file with everything inside, and its pictures as PNG.

It reads files of the run and images; labels, where there are any, colour the map and name what was found, after every
assignment is written.
"""

import base64
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from latentlab import assignments, deep_figures, evaluation, interactive, matches, plots, score_text, tables
from latentlab.files import atomic_path
from latentlab.images import TEST, TRAIN, ImageSet
from latentlab.run import Run
from latentlab.sources import Labels

LARGEST_GALLERY = 1200  # images in all galleries of a page
SAME = 0.02  # scores closer than this are called equal: another seed changes a k-means purity by about as much


@dataclass(frozen=True)
class Findings:
    """What the run's files say about one clustering, in the order of the run's images.

    Attributes
    ----------
    images : ImageSet
    clusters, distance, margin : ndarray of shape (n,)
        As in assignments.parquet.
    k : int
    classes : ndarray of shape (n,), int, or None
        Class of each image, -1 where unknown; None where the data has no labels.
    class_names : tuple of str
    scores : dict or None
        scores.json, where there are labels.
    """

    run: Run
    name: str
    images: ImageSet
    clusters: np.ndarray
    distance: np.ndarray
    margin: np.ndarray
    k: int
    classes: np.ndarray | None
    class_names: tuple[str, ...]
    scores: dict[str, Any] | None

    @property
    def split(self) -> str:
        """The split that scores are told of: held-out images where there are any."""
        return TEST if len(self.images.indices(TEST)) else TRAIN


def build(run: Run, name: str, images: ImageSet, labels: Labels | None) -> list[Path]:
    """Write report/index.html and its PNGs for the clusters `name`; return their paths, the page first."""
    found = _gather(run, name, images, labels)
    folder = run.path / "report"
    pictures = _draw(found, folder)
    for stale in set(folder.glob("*.png")) - set(pictures.values()):  # of another clustering
        stale.unlink()
    page = _render(found, pictures)
    with atomic_path(folder / "index.html") as path:
        path.write_text(page, encoding="utf-8")
    return [folder / "index.html", *pictures.values()]


def _gather(run: Run, name: str, images: ImageSet, labels: Labels | None) -> Findings:
    table = tables.read(run.path / "clusters" / name / "assignments.parquet")
    scores_path = run.path / "clusters" / name / "scores.json"
    return Findings(
        run=run,
        name=name,
        images=images,
        clusters=np.asarray(table["cluster"]),
        distance=np.asarray(table["distance"]),
        margin=np.asarray(table["margin"]),
        k=assignments.read_result(run, name)["k"],
        classes=None if labels is None else evaluation.align(images.ids, labels),
        class_names=labels.class_names if labels else (),
        scores=_json(scores_path) if labels is not None and scores_path.exists() else None,
    )


def _json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


# Pictures


def _draw(found: Findings, folder: Path) -> dict[str, Path]:
    """Draw every picture and return name -> path."""
    figures = {
        "original-images": plots.image_grid(found.images.read(np.arange(min(32, len(found.images)))), f"The first images of {found.images.name}")
    }
    figures |= training_figures(found.run)
    figures |= _map_figures(found)
    figures |= _gallery_figures(found)
    figures |= deep_figures.figures(found.run, found.name, found.images)
    if found.scores is not None:
        table = np.array(found.scores["contingency"][found.split])
        figures["contingency"] = plots.contingency_heatmap(table, found.class_names, f"Labels in each cluster, {found.split} split")
    return {name: plots.save_png(figure, folder / f"{name}.png") for name, figure in figures.items()}


def training_figures(run: Run) -> dict[str, Any]:
    """Return the figures of a fit: "reconstructions" after several epochs, and "loss"."""
    folder = run.path / "reconstructions"
    originals = np.load(folder / "originals.npy", allow_pickle=False)
    rebuilt = {f"epoch {int(p.stem[6:])}": np.load(p, allow_pickle=False) for p in sorted(folder.glob("epoch-*.npy"))}
    untrained = {"untrained" if name == "epoch 0" else name: rows for name, rows in rebuilt.items()}
    fit = run.manifest["config"]["fit"]
    return {
        "reconstructions": plots.reconstruction_grid(originals, untrained, "Validation images and their reconstructions"),
        "loss": plots.loss_curves({f"{fit['arch']}, learning rate {fit['learning_rate']:g}": run.metrics()}),
    }


def _map_figures(found: Findings) -> dict[str, Any]:
    xy, chosen = _read_map(found)
    note = map_note(found.run)
    groups = {"umap-clusters": (found.clusters, [str(i) for i in range(found.k)], "clusters")}
    if found.classes is not None:
        groups["umap-labels"] = (found.classes, list(found.class_names), "held-out labels")
    return {
        name: plots.scatter(xy, numbers[chosen], names, f"UMAP of the code of {found.images.name}, coloured by {what}", note)
        for name, (numbers, names, what) in groups.items()
    }


def _gallery_figures(found: Findings) -> dict[str, Any]:
    count = gallery_size(found.k)
    titles = {"nearest": "The images nearest to each center", "ambiguous": "The images between two clusters: smallest margin"}
    return {
        f"gallery-{kind}": plots.cluster_gallery(
            [(f"cluster {c}", found.images.read(picks)) for c, picks in enumerate(picked(found, kind, count))][:30], title, count
        )
        for kind, title in titles.items()
    }


def picked(found: Findings, kind: str, count: int) -> list[np.ndarray]:
    """Return the positions of the `count` images "nearest" to each center, or of the most "ambiguous" ones."""
    order = np.argsort(found.distance if kind == "nearest" else found.margin, kind="stable")
    return [order[found.clusters[order] == cluster][:count] for cluster in range(found.k)]


def gallery_size(k: int) -> int:
    """Return how many images a gallery shows of each of k clusters: 12, fewer where there are many clusters."""
    return int(np.clip(LARGEST_GALLERY // (2 * k), 4, 12))


def _read_map(found: Findings) -> tuple[np.ndarray, np.ndarray]:
    """Return coordinates, float32 (m, 2), and the positions of their images."""
    table = tables.read(found.run.path / "projection" / "umap.parquet")
    position = {image_id: i for i, image_id in enumerate(found.images.ids.tolist())}
    chosen = np.array([position[image_id] for image_id in table["id"].to_pylist()])
    return np.column_stack([table["x"], table["y"]]), chosen


def map_note(run: Run) -> str:
    """Return what the map shows, in one sentence."""
    facts = _json(run.path / "projection" / "umap.json")
    which = f"all {facts['images']:,} images" if facts["images"] == facts["of"] else f"{facts['images']:,} of {facts['of']:,} images, drawn at random"
    return f"{which}; UMAP, {facts['n_neighbors']} neighbours, seed {facts['seed']}; {_faithfulness(facts)}"


def _faithfulness(facts: dict[str, Any]) -> str:
    """Return how far the map can be trusted; maps of older runs know the trustworthiness alone."""
    if "continuity" not in facts:
        return f"trustworthiness {facts['trustworthiness']:.3f}"
    spread = facts["over_seeds"]
    told = [f"{name} {facts[name]:.3f} (± {spread[name]['std']:.3f} over {spread['seeds']} seeds)" for name in ("trustworthiness", "continuity")]
    return f"{', '.join(told)}; another seed keeps {spread['kept_neighbors']:.0%} of an image's nearest ones"


# The page


def _render(found: Findings, pictures: dict[str, Path]) -> str:
    import jinja2

    environment = jinja2.Environment(loader=jinja2.PackageLoader("latentlab"), autoescape=True, trim_blocks=True, lstrip_blocks=True)
    return environment.get_template("report.html.jinja2").render(
        title=f"{found.images.name}: {found.k} clusters",
        summary=summary(found),
        map=_interactive_map(found),
        scores=score_table(found.scores),
        score_note=_score_note(found),
        recalls=recall_table(found),
        clusters=_cards(found),
        pictures={name: _inline(path) for name, path in pictures.items()},
        refinement=deep_figures.events(found.run, found.name),
        captions=deep_figures.CAPTIONS,
        facts=_facts(found),
        unreadable=found.images.unreadable,
        split=found.split,
    )


def summary(found: Findings) -> list[str]:
    """Return what was found, in plain sentences: how good it is, against what, and what that means."""
    sizes = np.bincount(found.clusters, minlength=found.k)
    texts = [f"{len(found.images):,} images in {found.k} clusters of {sizes.min():,} to {sizes.max():,} images."]
    if found.scores is None:
        return [*texts, "The data has no labels, so nothing can be scored: look at the galleries to judge."]
    rows = score_text.by_method(found.scores["rows"], found.split)
    own, *others = rows
    purity = rows[own]["purity"]
    best = max(others, key=lambda method: rows[method]["purity"]["value"], default=None)
    between = f" (95% interval {purity['low']:.3f} to {purity['high']:.3f})" if purity.get("low") is not None else ""
    beside = f", ACC {rows[own]['acc']['value']:.3f}" if "acc" in rows[own] else ""
    texts.append(
        f"On the {found.split} split ({purity['n']:,} images) the purity is {purity['value']:.3f}{between}{beside}: of 100 images,"
        f" {round(100 * purity['value'])} carry the commonest label of their cluster. Chance gives {purity['chance']:.3f}."
    )
    texts += filter(None, [matches.gap_text(found.scores.get("gap", {}).get(found.split), found.class_names)])
    if best is not None:
        value = rows[best]["purity"]["value"]
        verdict = (
            "so these clusters are better than what needs no training"
            if purity["value"] > value + SAME
            else "so these clusters are no better than what needs no training"
            if purity["value"] > value - SAME
            else "so these clusters are worse than what needs no training"
        )
        texts.append(f"The best baseline, {best}, reaches {value:.3f}: {verdict}.")
    return texts


def score_table(scores: dict[str, Any] | None) -> list[dict[str, Any]]:
    """Return one row a split and method, the held-out split first: {"split", "method", "scores": {metric: row of scores.json}}."""
    if scores is None:
        return []
    return [
        {"split": split, "method": method, "scores": own}
        for split in (TEST, TRAIN)
        for method, own in score_text.by_method(scores["rows"], split).items()
    ]


def _score_note(found: Findings) -> str:
    return "" if found.scores is None else score_text.note(next(iter(score_text.by_method(found.scores["rows"], found.split).values())))


def recall_table(found: Findings) -> list[tuple[str, float]]:
    """Return each class with its recall under the majority map, the worst first."""
    if found.scores is None:
        return []
    known = zip(found.class_names, found.scores["recall"][found.split], strict=True)
    return sorted(((name, value) for name, value in known if value is not None), key=lambda pair: pair[1])


def _interactive_map(found: Findings) -> dict[str, Any]:
    xy, chosen = _read_map(found)
    clusters, splits = found.clusters[chosen], found.images.splits[chosen]
    texts = [f"cluster {cluster}, {split}" for cluster, split in zip(clusters, splits, strict=True)]
    groups = {"cluster": (clusters, [f"cluster {i}" for i in range(found.k)])}
    if found.classes is not None:
        named = (*found.class_names, "no label")
        texts = [f"{text}, {named[number]}" for text, number in zip(texts, found.classes[chosen], strict=True)]
        groups["label"] = (found.classes[chosen], list(found.class_names))
    groups["split"] = ((splits == TEST).astype(int), [TRAIN, TEST])
    script, div = interactive.scatter(xy, found.images.ids[chosen].tolist(), texts)
    return {
        "library": interactive.scripts(),
        "script": script,
        "div": div,
        "atlas": interactive.atlas(found.images.read(chosen)),
        "groups": {name: {"of": numbers.tolist(), "names": names, "colours": plots.palette(len(names))} for name, (numbers, names) in groups.items()},
        "note": map_note(found.run),
    }


def _cards(found: Findings) -> list[dict[str, Any]]:
    """Return what the page tells of each cluster."""
    count = gallery_size(found.k)
    galleries = {kind: picked(found, kind, count) for kind in ("nearest", "ambiguous")}
    return [
        {
            "number": cluster,
            "colour": colour,
            "sizes": {split: int(((found.clusters == cluster) & (found.images.splits == split)).sum()) for split in (TRAIN, TEST)},
            "labels": _label_mix(found, cluster),
            **{kind: _thumbnails(found, picks[cluster]) for kind, picks in galleries.items()},
        }
        for cluster, colour in enumerate(plots.palette(found.k))
    ]


def _label_mix(found: Findings, cluster: int) -> list[tuple[str, float]]:
    """Return the three commonest labels in a cluster and their shares."""
    if found.classes is None:
        return []
    members = found.classes[(found.clusters == cluster) & (found.classes >= 0)]
    counts = np.bincount(members, minlength=len(found.class_names))
    return [(found.class_names[c], counts[c] / counts.sum()) for c in np.argsort(-counts, kind="stable")[:3] if counts[c]]


def _thumbnails(found: Findings, picks: np.ndarray) -> list[dict[str, str]]:
    if not len(picks):
        return []
    texts = [str(found.images.ids[i]) for i in picks]
    if found.classes is not None:
        names = (*found.class_names, "no label")
        texts = [f"{text}: {names[found.classes[i]]}" for text, i in zip(texts, picks, strict=True)]
    return [{"text": text, "source": interactive.thumbnail(image)} for text, image in zip(texts, found.images.read(picks), strict=True)]


def _inline(path: Path) -> str:
    return "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode()


def _facts(found: Findings) -> dict[str, str]:
    """Return the run's facts as text, name -> value."""
    manifest = found.run.manifest
    fit, cluster = manifest["config"]["fit"], manifest["stages"][f"cluster/{found.name}"]["config"]["options"]
    git, counts = manifest.get("git"), manifest["images"]
    seconds = {
        stage: f"{entry['seconds']:.1f} s"
        for stage, entry in manifest["stages"].items()
        if not stage.startswith(("cluster/", "evaluate/", "report/"))
    }
    seconds["cluster"] = f"{manifest['stages'][f'cluster/{found.name}']['seconds']:.1f} s"
    errors_path = found.run.path / "reconstructions" / "mse.json"
    software = f"keras {manifest['keras']}, {manifest['backend']} {manifest['backend_version']}"
    facts = {
        "run": found.run.path.name,
        "data": f"{manifest['data']}: {counts[TRAIN]:,} training and {counts[TEST]:,} held-out images of {_shape(found.images.image_shape)}",
        "unreadable images": f"{manifest['unreadable']}",
        "encoder": ", ".join(f"{key} {value}" for key, value in fit.items() if value not in ({}, None)),
        "best epoch": f"{manifest['fit']['best_epoch']} of {manifest['fit']['epochs']}, validation error {manifest['fit']['best_val_loss']:.5f}",
        "clustering": ", ".join(f"{key} {value}" for key, value in cluster.items()),
        "command": " ".join(manifest["argv"]),
        "made by": f"latentlab {manifest['latentlab']}" + (f", commit {git['commit'][:12]}{'' if git['clean'] else ' with changes'}" if git else ""),
        "ran on": f"{manifest['device']}, Python {manifest['python']}, {software}",
        "time": ", ".join(f"{stage} {text}" for stage, text in seconds.items()),
    }
    if errors_path.exists():
        facts["reconstruction error"] = (
            ", ".join(f"{value:.5f} ({split})" for split, value in _json(errors_path).items()) + ", mean squared, pixels in [0, 1]"
        )
    return facts


def _shape(shape: tuple[int, int, int]) -> str:
    height, width, channels = shape
    return f"{width}x{height} {'grey' if channels == 1 else 'RGB'}"
