"""Clusters edited in the viewer are the same, by the same names, in everything that shows them.

A run is made by the commands. Its clusters are merged, named and dropped through the viewer's
server. Then every output is read and compared with what the edits make of the assignments, computed
here by itself.
"""

import base64
import html
import json
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from helpers.processes import latentlab_in_turn, words
from helpers.report_page import data_of
from helpers.runs import make_stripes
from helpers.viewing import ask, change, serving
from PIL import Image

from latentlab import RunView, pipeline
from latentlab.storage.run import Run

KINDS = ("reds", "greens", "blues", "yellows")
FIT = "--epochs 1 --batch-size 20 --size 16 --set width=4 --set code_channels=4"
NAME = "kmeans-k6"
NAMED = 'birds & "cats" <b>'
EDITS = (
    {"action": "merge", "clusters": [1, 0]},
    {"action": "name", "cluster": 1, "name": NAMED},
    {"action": "name", "cluster": 3, "name": "stripes, upright"},
    {"action": "drop", "clusters": [5]},
)
NOTE = "with 4 edits by hand"
LEFT_OUT = "as computed, without 4 edits by hand"
NAMES = {1: NAMED, 2: "cluster 2", 3: "stripes, upright", 4: "cluster 4"}
COMPUTED_NAMES = {number: f"cluster {number}" for number in range(6)}
SHOWN = {1: f"1 {NAMED}", 2: "2", 3: "3 stripes, upright", 4: "4"}  # number and given name


@dataclass(frozen=True)
class Outputs:
    """Everything that shows the clusters, and what they should be."""

    folder: Path
    run: Path
    printed: dict[str, dict]
    computed: dict[str, int]

    @property
    def edited(self) -> dict[str, int]:
        """Image id -> its cluster after the edits, without the images of the dropped one."""
        merged = {name: 1 if number == 0 else number for name, number in self.computed.items()}
        return {name: number for name, number in merged.items() if number != 5}

    @property
    def named(self) -> dict[str, str]:
        """Image id -> name of its cluster."""
        return {name: NAMES[number] for name, number in self.edited.items()}

    @property
    def listed(self) -> list[tuple[int, str, int]]:
        """Number, name and size of each cluster."""
        sizes = Counter(self.edited.values())
        return [(number, name, sizes[number]) for number, name in NAMES.items()]


@pytest.fixture(scope="module")
def outputs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("truth")
    run, other = folder / "runs" / "a", folder / "runs" / "b"
    _write_photos(folder / "photos")
    fit = "fit --data {} --run {} " + FIT
    made = latentlab_in_turn(
        words(fit, folder / "photos", run),
        words("cluster --run {} --k 6 --restarts 1", run),
        words(fit + " --seed 1", folder / "photos", other),
        words("cluster --run {} --k 4 --restarts 1", other),
        words("evaluate --run {}", run),
    )
    assert [result.returncode for result in made] == [0] * len(made), made
    assignments = Run.open(run).clustering(NAME).assignments
    computed = dict(zip(assignments.ids.tolist(), assignments.clusters.tolist(), strict=True))
    with serving(pipeline.viewer(Run.open(run))) as server:
        for edit in EDITS:
            status, answer = change(server, "edit", edit)
            assert status == 200, answer
    return Outputs(folder, run, _written(folder, run, other), computed)


def _write_photos(folder):
    """Write pictures into a folder of each class."""
    images, kinds = make_stripes(120)
    for number, (image, kind) in enumerate(zip(images, kinds, strict=True)):
        target = folder / KINDS[kind] / f"{number:03d}.png"
        target.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(target)


def _written(folder, run, other):
    """Write every output, edited and as computed; return what each command prints as JSON."""
    commands = {}
    for ending, flag in (("", []), ("-computed", ["--as-computed"])):
        out = folder / f"out{ending}"
        for form in ("csv", "parquet", "folders", "coco", "projector"):
            line = words("export --run {} --format {} --out {}", run, form, out / form)
            commands[form + ending] = line + flag
        line = words("compare {} {} --out {}", f"{run}:{NAME}", other, out / "compare")
        commands["compare" + ending] = line + flag
        line = words("predict --run {} --data {} --out {}", run, folder / "photos", out / "predict")
        commands["predict" + ending] = line + flag
        line = words("figures --run {} --format svg,png,pdf --out {}", run, out / "figures")
        commands["figures" + ending] = line + flag
        commands["evaluate" + ending] = words("evaluate --run {}", run) + flag
    commands["report-computed"] = words("report --run {} --as-computed", run)
    commands["report"] = words("report --run {}", run)  # the last, since a run has one report
    results = latentlab_in_turn(*([*command, "--json"] for command in commands.values()))
    assert [result.returncode for result in results] == [0] * len(results), results
    printed = [json.loads(result.stdout)["result"] for result in results]
    return dict(zip(commands, printed, strict=True))


def rows_of(table: pd.DataFrame, column: str) -> dict[str, object]:
    return dict(zip(table["id"], table[column], strict=True))


def unpacked(packed: dict) -> np.ndarray:
    return np.frombuffer(base64.b64decode(packed["base64"]), packed["type"])


def text_of_svg(path: Path) -> str:
    """Return the texts of a figure and its metadata, one a line."""
    texts = re.findall(r"<text[^>]*>([^<]*)</text>|<dc:description>([^<]*)<", path.read_text())
    return "\n".join(html.unescape(first or second) for first, second in texts)


def sizes_in(text: str) -> list[str]:
    """Return the lines that say a cluster and its size, such as "3 cats  (120)"."""
    return re.findall(r"^(\d.*?)\s+\(([\d,]+)\)$", text, re.MULTILINE)


FORMATS_OF_TABLES = ("csv", "parquet")


@pytest.mark.parametrize("form", FORMATS_OF_TABLES)
def test_tables(outputs, form):
    read = pd.read_csv if form == "csv" else pd.read_parquet
    table = read(outputs.folder / "out" / form)
    assert rows_of(table, "cluster") == outputs.edited
    assert rows_of(table, "cluster_name") == outputs.named
    assert set(table["clustering"]) == {f"{NAME}, {NOTE}"}
    computed = read(outputs.folder / "out-computed" / form)
    assert rows_of(computed, "cluster") == outputs.computed
    assert set(computed["cluster_name"]) == set(COMPUTED_NAMES.values())
    assert set(computed["clustering"]) == {f"{NAME}, {LEFT_OUT}"}


def test_folders(outputs):
    expected = Counter()
    safe = {1: "001 birds & _cats_ _b_", 2: "002", 3: "003 stripes_ upright", 4: "004"}
    safe[1] = "001 birds _ _cats_ _b_"
    for number in outputs.edited.values():
        expected[safe[number]] += 1
    assert _folder_sizes(outputs.folder / "out" / "folders") == expected
    computed = Counter(f"{number:03d}" for number in outputs.computed.values())
    assert _folder_sizes(outputs.folder / "out-computed" / "folders") == computed


def _folder_sizes(folder):
    return {path.name: len(list(path.iterdir())) for path in folder.iterdir() if path.is_dir()}


def test_coco(outputs):
    assert _coco(outputs.folder / "out") == (outputs.named, set(NAMES.values()), NOTE)
    names = {name: COMPUTED_NAMES[number] for name, number in outputs.computed.items()}
    assert _coco(outputs.folder / "out-computed") == (names, set(names.values()), LEFT_OUT)


def _coco(folder):
    """Return the name of each image's category, all names, and what is said of edits."""
    content = json.loads((folder / "coco" / "annotations.json").read_text())
    name_of = {category["id"]: category["name"] for category in content["categories"]}
    image_of = {image["id"]: image["latentlab_id"] for image in content["images"]}
    named = {}
    for annotation in content["annotations"]:
        named[image_of[annotation["image_id"]]] = name_of[annotation["category_id"]]
    note = re.search(f"{NAME}, (.*), of", content["info"]["description"])[1]
    return named, set(name_of.values()), note


def test_tensorboards_projector(outputs):
    table = pd.read_csv(outputs.folder / "out" / "projector" / "metadata.tsv", sep="\t", quoting=3)
    assert rows_of(table, "cluster_name") == outputs.named
    assert set(table["clustering"]) == {f"{NAME}, {NOTE}"}


def test_predictions_of_the_same_images(outputs):
    table = pd.read_parquet(outputs.folder / "out" / "predict")
    is_in = table["cluster"] >= 0
    assert rows_of(table[is_in], "cluster") == outputs.edited
    assert rows_of(table[is_in], "cluster_name") == outputs.named
    assert table.loc[~is_in, "cluster_name"].isna().all()
    assert len(table) == len(outputs.computed)
    computed = pd.read_parquet(outputs.folder / "out-computed" / "predict")
    assert rows_of(computed, "cluster") == outputs.computed


def test_the_page(outputs):
    text = (outputs.run / "report" / "index.html").read_text(encoding="utf-8")
    data = data_of(text)
    group = data["groups"]["cluster"]
    clusters = dict(zip(data["ids"], unpacked(group["values"]).tolist(), strict=True))
    names = {name: group["names"][number] for name, number in clusters.items() if number >= 0}
    assert names == outputs.named
    assert _with_images(data["clusters"]) == outputs.listed
    assert data["edited"] == {"note": NOTE, "count": len(EDITS)}
    seen = html.unescape(text)
    assert "4 clusters</h1>" in seen
    assert f"{NAME}, {NOTE}" in seen
    sizes = [size for _, _, size in outputs.listed]
    heading = f"{len(outputs.edited)} images in 4 clusters of {min(sizes)} to {max(sizes)} images"
    assert f"{heading}, {NOTE}" in seen
    assert "edited by hand" in seen  # the scores


def test_the_viewer(outputs):
    with serving(pipeline.viewer(Run.open(outputs.run))) as server:
        _, _, text = ask(server, "")
        data = data_of(text.decode())
        assert data["edited"] == {"note": NOTE, "count": len(EDITS)}
        assert _with_images(data["clusters"]) == outputs.listed
        assert _with_images(json.loads(ask(server, "state")[2])["clusters"]) == outputs.listed


def test_the_viewer_of_what_was_computed_changes_nothing(outputs):
    with serving(pipeline.viewer(Run.open(outputs.run), as_computed=True)) as server:
        state = json.loads(ask(server, "state")[2])
        names = [name for _, name, _ in _with_images(state["clusters"])]
        assert names == list(COMPUTED_NAMES.values())
        status, answer = change(server, "edit", EDITS[1])
        assert status == 400
        assert "as computed" in answer["error"]


def _with_images(clusters):
    """Return number, name and size of the clusters of a page that have images."""
    listed = []
    for cluster in clusters:
        size = sum(cluster["sizes"].values())
        if size:
            listed.append((cluster["number"], cluster["name"], size))
    return listed


def test_figures_for_a_paper(outputs):
    folder = outputs.folder / "out" / "figures"
    sizes = {(SHOWN[number], f"{size}") for number, _, size in outputs.listed}
    for name in ("datamap", "nearest"):
        text = text_of_svg(folder / f"{name}.svg")
        shown = {(number[:1], size) for number, size in sizes_in(text)}
        assert shown == {(number[:1], size) for number, size in sizes}, name
        assert '1 birds & "cats…' in text
        assert "3 stripes, upri…" in text
    for path in folder.glob("*.svg"):
        assert f"clusters {NAME}, {NOTE}" in text_of_svg(path), path
    on_map = text_of_svg(folder / "map-clusters.svg").splitlines()
    assert {'birds & "cats" <b>', "2", "stripes, upright", "4"} <= set(on_map)
    assert not {"0", "5"} & set(on_map)
    with Image.open(folder / "map-clusters.png") as picture:
        assert picture.info["Description"] == f"clusters {NAME}, {NOTE}"
    assert f"clusters {NAME}, {NOTE}".encode() in (folder / "labels.pdf").read_bytes()
    computed = text_of_svg(outputs.folder / "out-computed" / "figures" / "map-clusters.svg")
    assert set(map(str, range(6))) <= set(computed.splitlines())
    assert LEFT_OUT in computed


def test_a_comparison(outputs):
    printed = outputs.printed["compare"]
    first = printed["sides"][0]
    assert _listed(first["clusters"]) == outputs.listed
    assert first["edits"] == NOTE
    assert printed["sides"][1]["edits"] == "as computed"
    assert printed["images"] == len(outputs.edited)
    (second,) = printed["others"]
    overlap = np.array(second["overlap"])
    assert overlap.sum(axis=1).tolist() == [0, *(size for _, _, size in outputs.listed), 0]
    assert set(second["partner"]) <= {*NAMES, None}
    page = (outputs.folder / "out" / "compare" / "index.html").read_text(encoding="utf-8")
    rows = re.findall(r'<th scope="row"><span class="dot"[^>]*></span>([^<]*)</th>', page)
    assert [html.unescape(row) for row in rows if row != "without a partner"] == [*SHOWN.values()]
    assert NOTE in page
    assert outputs.printed["compare-computed"]["sides"][0]["edits"] == LEFT_OUT
    assert outputs.printed["compare-computed"]["images"] == len(outputs.computed)


def _listed(clusters):
    return [(cluster["number"], cluster["name"], cluster["images"]) for cluster in clusters]


def test_a_notebook(outputs):
    view = RunView(outputs.run)
    assert repr(view).endswith(f"{len(outputs.edited)} images in 4 clusters, {NOTE}")
    text = view._repr_html_()
    rows = re.findall(r"<th scope='row'[^>]*>.*?</span> (.*?)</th><td>(.*?)</td>", text)
    sizes = [(SHOWN[number], f"{size}") for number, _, size in outputs.listed]
    assert [(html.unescape(name), size) for name, size in rows] == sizes
    assert f"{NAME}, {NOTE}</h3>" in text
    legend = view.plot_map().axes[0].get_legend().get_texts()
    names = [re.sub(r" \(\d+\)$", "", item.get_text()) for item in legend]
    assert names == [NAMED, "2", "stripes, upright", "4"]
    computed = RunView(outputs.run, as_computed=True)
    assert repr(computed).endswith(f"{len(outputs.computed)} images in 6 clusters, {LEFT_OUT}")


SHOWING = ("csv", "parquet", "folders", "coco", "projector", "figures", "report", "evaluate")


@pytest.mark.parametrize("command", [*SHOWING, "predict"])
def test_what_is_printed_as_json(outputs, command):
    printed = outputs.printed[command]
    assert printed["edits"] == NOTE
    assert _listed(printed["clusters"]) == outputs.listed
    computed = outputs.printed[f"{command}-computed"]
    assert computed["edits"] == LEFT_OUT
    sizes = Counter(outputs.computed.values())
    expected = [(number, name, sizes[number]) for number, name in COMPUTED_NAMES.items()]
    assert _listed(computed["clusters"]) == expected


def test_scores_are_of_the_edited_clusters(outputs):
    printed = outputs.printed["evaluate"]
    classes = [Path(name).parent.name for name in outputs.computed]
    class_of = dict(zip(outputs.computed, classes, strict=True))
    table = {(number, kind): 0 for number in range(6) for kind in sorted(set(classes))}
    held_out = _held_out(outputs.run)
    for name, number in outputs.edited.items():
        if name in held_out:
            table[number, class_of[name]] += 1
    shown = dict(zip(table, np.array(printed["contingency"]["test"]).ravel(), strict=True))
    assert shown == table
    assert printed["rows"][0]["method"].endswith("edited by hand")
    computed = outputs.printed["evaluate-computed"]
    assert not computed["rows"][0]["method"].endswith("edited by hand")


def _held_out(run):
    images = pipeline.open_run_images(Run.open(run))
    return set(images.ids[images.splits == "test"].tolist())
