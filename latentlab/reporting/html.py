"""The page: data, pictures and code in one HTML file that needs no network, for the report and for `latentlab view`.

Text from outside (ids, class names, paths) reaches the page as JSON inside a script element that no browser runs, with "<"
escaped, and as text nodes; the content security policy lets only the page's own scripts run, by their SHA-256.
"""

import base64
import hashlib
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

import latentlab
from latentlab.data.images import TEST, TRAIN
from latentlab.reporting import (
    bokeh_map,
    clustering_summary,
    deep_figures,
    palettes,
    text,
    thumbnails,
)
from latentlab.reporting.clustering_summary import ClusteringSummary
from latentlab.storage import npz

Pictures = Callable[[np.ndarray], list[str]]  # positions of images -> what an <img> shows, one each

LARGEST_PAGE = 14_500_000  # bytes; the thumbnails are planned by a sample of them, so that some room is left below 15 MB
FIGURES = (
    "contingency",
    "by-k",
    "loss",
    "reconstructions",
    "original-images",
    *deep_figures.CAPTIONS,
)


def render(
    summary: ClusteringSummary, pictures: dict[str, str], tick: Callable[[int], Any] = int
) -> str:
    """Return the report as one HTML file.

    Parameters
    ----------
    pictures : dict
        name -> data URI of the figures that stand in it.
    tick : callable
        Told how many thumbnails of the map are done.
    """
    xy, chosen = summary.read_map()
    data = {
        "mode": "report",
        **map_data(summary, xy, chosen),
        "clusters": clusters(summary, gallery_pictures(summary)),
    }
    code = scripts("report.js")
    rest = len(
        fill(summary, data, pictures, [], "", code, policy=None).encode()
    )  # without thumbnails; it grows with the ids' length
    budget = min(
        thumbnails.BUDGET, max(0, LARGEST_PAGE - rest) * 3 // 4
    )  # base64 makes four thirds of it
    sheets = thumbnails.build(
        len(chosen), lambda rows: summary.images.read(chosen[rows]), budget=budget, tick=tick
    )
    data["atlas"] = {
        "side": sheets.side,
        "columns": sheets.columns,
        "perSheet": thumbnails.PER_SHEET,
        "place": _place(sheets),
    }
    return fill(summary, data, pictures, sheets.sheets, sheets.note, code, policy=None)


def fill(
    summary: ClusteringSummary,
    data: dict[str, Any],
    pictures: dict[str, str],
    sheets: list[str],
    atlas_note: str,
    code: list[str],
    policy: str | None,
) -> str:
    """Return the page of `data` with the scripts `code`; `policy` is the content security policy where a server sends none (None: the report's)."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("latentlab"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.policies["json.dumps_kwargs"] = {
        "sort_keys": False,
        "separators": (",", ":"),
    }  # Bokeh's references follow what they name
    return environment.get_template("report.html.jinja2").render(
        title=f"{summary.images.name}: {summary.k} clusters",
        version=latentlab.__version__,
        style=read_asset("report.css"),
        policy=offline_policy(code) if policy is None else policy,
        summary=text.summary_sentences(summary),
        beside=text.further_sentences(summary),
        map_note=summary.map_note(),
        atlas_note=atlas_note,
        scores=text.score_table(summary.scores),
        score_note=text.score_note(summary),
        recalls=text.recall_table(summary),
        pictures=pictures,
        soft=summary.confidence is not None,
        refinement=deep_figures.events(summary.run, summary.name),
        captions=deep_figures.CAPTIONS,
        facts=text.facts(summary),
        unreadable=summary.images.unreadable,
        split=summary.split,
        data=data,
        sheets=sheets,
        scripts=code,
    )


def scripts(*own: str) -> list[str]:
    """Return the JavaScript of Bokeh and then of these files of ours; none can end the script element that it stands in."""
    return [
        text.replace("</script", r"<\/script")
        for text in (*bokeh_map.scripts(), *map(read_asset, own))
    ]


def read_asset(name: str) -> str:
    """Return a file of latentlab/templates."""
    return resources.files("latentlab").joinpath("templates", name).read_text(encoding="utf-8")


def offline_policy(code: list[str]) -> str:
    """Return a content security policy: these scripts may run and nothing may be loaded."""
    return f"default-src 'none'; script-src {script_hashes(code)}; style-src 'unsafe-inline'; img-src data: blob:; base-uri 'none'; form-action 'none'"


def script_hashes(code: list[str]) -> str:
    """Return the sources that let these inline scripts run, as a policy names them."""
    return " ".join(
        "'sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() + "'"
        for text in code
    )


# Data


def packed(values: np.ndarray) -> dict[str, str]:
    """Return an array for the page: its type and its little-endian bytes in base64."""
    kind = values.dtype.newbyteorder("<")
    return {
        "type": values.dtype.name,
        "base64": base64.b64encode(np.ascontiguousarray(values, kind).tobytes()).decode(),
    }


def map_data(summary: ClusteringSummary, xy: np.ndarray, chosen: np.ndarray) -> dict[str, Any]:
    """Return the map of the images at the positions `chosen`: Bokeh's item, ids, and what points can be coloured by."""
    return {
        "item": bokeh_map.scatter(xy),
        "ids": summary.images.ids[chosen].tolist(),
        "groups": groups(summary, chosen),
        "ramp": palettes.ramp(64),
    }


def groups(summary: ClusteringSummary, chosen: np.ndarray) -> dict[str, Any]:
    """Return what the points can be coloured by, name -> categories or numbers."""
    given = {
        "cluster": cluster_group(
            summary.clusters[chosen], [f"cluster {i}" for i in range(summary.k)]
        )
    }
    if summary.classes is not None:
        given["label"] = _categories(summary.classes[chosen], list(summary.class_names), "no label")
    given["split"] = _categories(
        (summary.images.splits[chosen] == TEST).astype(np.int32), [TRAIN, TEST], ""
    )
    name, values = summary.strength()
    given[name] = _numbers(
        values[chosen],
        "largest soft assignment"
        if name == "confidence"
        else "distance between the two nearest centers",
    )
    if summary.agreement is not None:
        given["agreement"] = _numbers(summary.agreement[chosen], "agreement between seeds")
    return given


def _place(sheets: thumbnails.Atlas) -> dict[str, str] | None:
    """Return the number of each image's thumbnail; None where image i has thumbnail i."""
    return None if (sheets.place == np.arange(len(sheets.place))).all() else packed(sheets.place)


def cluster_group(clusters: np.ndarray, names: list[str]) -> dict[str, Any]:
    """Return the clusters as categories of the map."""
    return _categories(clusters, names, "no cluster")


def mark_group(ids: np.ndarray, marks: dict[str, str]) -> dict[str, Any]:
    """Return the marks of images as categories of the map."""
    names = sorted(set(marks.values()))
    number = {mark: place for place, mark in enumerate(names)}
    return _categories(
        np.array([number[marks[i]] if i in marks else -1 for i in ids.tolist()]),
        names,
        "not marked",
    )


def _categories(values: np.ndarray, names: list[str], missing: str) -> dict[str, Any]:
    colours = palettes.categories(len(names))
    return {
        "kind": "categories",
        "values": packed(values.astype(np.int8 if len(names) < 127 else np.int32)),
        "names": names,
        "missing": missing,
        "colours": colours,
        "inks": [palettes.ink(colour) for colour in colours],
        "grey": palettes.MISSING,
    }


def _numbers(values: np.ndarray, title: str) -> dict[str, Any]:
    """Return numbers whose colours run from the 1st to the 99th percentile, so that a few far ones do not wash out all."""
    low, high = (float(value) for value in np.nanpercentile(values, (1, 99)))
    return {
        "kind": "numbers",
        "values": packed(values.astype(np.float32)),
        "low": low,
        "high": high,
        "title": title,
    }


def gallery_pictures(summary: ClusteringSummary) -> Pictures:
    """Return what makes data URIs of images."""
    return lambda positions: (
        [thumbnails.thumbnail(image) for image in summary.images.read(positions)]
        if len(positions)
        else []
    )


def clusters(summary: ClusteringSummary, show: Pictures) -> list[dict[str, Any]]:
    """Return what the page tells of each cluster."""
    count = clustering_summary.gallery_size(summary.k)
    galleries = {kind: summary.gallery(kind, count) for kind in ("nearest", "ambiguous")}
    galleries["movers"] = [summary.movers(cluster, count) for cluster in range(summary.k)]
    decoded = _decoded(summary)
    return [
        {
            "number": cluster,
            "sizes": {
                split: int(((summary.clusters == cluster) & (summary.images.splits == split)).sum())
                for split in (TRAIN, TEST)
            },
            "labels": summary.label_mix(np.flatnonzero(summary.clusters == cluster)),
            "centroid": thumbnails.thumbnail(decoded[cluster])
            if decoded is not None and cluster < len(decoded)
            else None,
            "moves": _moves(summary.moves(cluster)),
            **{kind: _shown(summary, picks[cluster], show) for kind, picks in galleries.items()},
        }
        for cluster in range(summary.k)
    ]


def _shown(
    summary: ClusteringSummary, positions: np.ndarray, show: Pictures
) -> list[dict[str, str]]:
    texts = [""] * len(positions)
    if summary.classes is not None:
        names = (*summary.class_names, "no label")
        texts = [names[number] for number in summary.classes[positions]]
    named = zip(summary.images.ids[positions].tolist(), texts, show(positions), strict=True)
    return [{"id": image_id, "text": text, "source": source} for image_id, text, source in named]


def _moves(moves: clustering_summary.Moves | None) -> dict[str, Any] | None:
    if moves is None:
        return None
    return {
        "in": moves.arrivals,
        "out": moves.departures,
        "stayed": moves.stayed,
        "moved in": moves.moved_in,
        "moved out": moves.moved_out,
    }


def _decoded(summary: ClusteringSummary) -> np.ndarray | None:
    """Return what the decoder makes of the clusters' mean codes, uint8 (k, height, width, channels), where that was kept."""
    path = summary.folder / "decoded.npz"
    if not path.exists():
        return None
    return npz.kept(path)["centroids"]


def inline(path: Path) -> str:
    """Return a PNG file as a data URI, as WebP, which is a third of its size and looks the same."""
    from PIL import Image

    with Image.open(path) as picture:
        return thumbnails.data_uri(np.asarray(picture.convert("RGB")), quality=88)
