"""Five new plugins, one file each outside the package: checked, listed, and used by commands."""

import json

import pytest
from helpers.processes import latentlab_in_turn

from latentlab import plugins, testing
from latentlab.errors import ConfigError

FILES = {
    "agglomerative": '''"""Agglomerative clustering: joins the two groups whose merger costs least.

latentlab cluster --run RUN --k 10 --method agglomerative
"""

from dataclasses import dataclass

import numpy as np

from latentlab.clustering.assigned import canonical_order
from latentlab.clustering.clusterer import Centers, Clusterer, number_of_clusters
from latentlab.options import CheckedOptions, option


@dataclass(frozen=True)
class AgglomerativeOptions(CheckedOptions):
    """Settings of the method."""

    linkage: str = option("ward", "Cost of a merger.", choices=("ward", "average", "complete"))


class Agglomerative(Clusterer):
    """Centers are the means of the groups; images belong to the nearest."""

    Options = AgglomerativeOptions

    def fit(self, vectors, options, settings):
        """Find the clusters."""
        from sklearn.cluster import AgglomerativeClustering

        k = number_of_clusters(options)
        matrix = vectors.matrix()
        labels = AgglomerativeClustering(k, linkage=settings.linkage).fit_predict(matrix)
        order = canonical_order(labels, k)
        centers = np.stack([matrix[labels == label].mean(axis=0) for label in order])
        return Centers(centers, facts={"algorithm": "agglomerative"})

    def load(self, arrays):
        """Return fitted clusters."""
        return Centers(arrays["centers"])
''',
    "depthwise": '''"""Small encoder of depthwise separable convolutions; its code is a vector.

latentlab fit --arch depthwise
"""

import math
from dataclasses import dataclass

from latentlab.encoders.encoder import Encoder
from latentlab.encoders.model import Model
from latentlab.options import CheckedOptions, option


@dataclass(frozen=True)
class DepthwiseOptions(CheckedOptions):
    """Sizes of the network."""

    code_dim: int = option(8, "Numbers in the code.", at_least=1)


class Depthwise(Encoder):
    """Two strided separable convolutions, then dense layers."""

    Options = DepthwiseOptions

    def build(self, image_shape, options):
        """Build the network."""
        import keras
        from keras import layers

        self.require_multiple(image_shape, 4)
        image = keras.Input(image_shape, name="image")
        hidden = image
        for width in (8, 16):
            hidden = layers.SeparableConv2D(width, 3, 2, "same", activation="relu")(hidden)
        code = layers.Dense(options.code_dim, dtype="float32", name="code")(
            layers.Flatten()(hidden)
        )
        decoder_layers = [
            layers.Dense(math.prod(image_shape), dtype="float32"),
            layers.Reshape(image_shape, dtype="float32"),
        ]
        return Model.from_layers(image, code, decoder_layers)
''',
    "drawn_shapes": '''"""Bright squares and bars on a dark ground, drawn when they are asked for.

latentlab fit --data drawn-shapes --set count=200
"""

from dataclasses import dataclass

import numpy as np

from latentlab.data.source import Source, pixel_shards
from latentlab.options import CheckedOptions, option


@dataclass(frozen=True)
class DrawnOptions(CheckedOptions):
    """What is drawn."""

    count: int = option(96, "Number of images.", at_least=4)


class DrawnShapes(Source):
    """The same drawings each time."""

    Options = DrawnOptions

    def shards(self, data, options):
        """Yield the images."""
        rng = np.random.default_rng(0)
        images = rng.integers(0, 40, (options.count, 16, 16, 1), np.uint8)
        for number, image in enumerate(images):
            row, column = rng.integers(0, 8, 2)
            height = 8 if number % 2 else 3
            image[row : row + height, column : column + 8] = 220
        splits = np.where(np.arange(options.count) % 4 == 3, "test", "train")
        return pixel_shards([images], splits)
''',
    "denoising": '''"""Rebuild the image from a noisy copy of it (Vincent et al., ICML 2008).

latentlab fit --objective denoising --set noise=0.2
"""

from dataclasses import dataclass

import numpy as np

from latentlab.data.images import as_input
from latentlab.options import CheckedOptions, option
from latentlab.training.objective import Objective
from latentlab.training.objectives.reconstruction import ReconstructionTrainer


@dataclass(frozen=True)
class DenoisingOptions(CheckedOptions):
    """Settings of the objective."""

    noise: float = option(0.1, "Standard deviation of the noise.", at_least=0)


class DenoisingTrainer(ReconstructionTrainer):
    """An autoencoder that sees noise and is compared with the clean image."""

    def __init__(self, model, images, fit_options, noise):
        super().__init__(model, images, fit_options)
        self.noise = noise

    def _train_step(self, indices, rng, rate):
        self.network.optimizer.learning_rate = rate
        clean = as_input(self.images.read(indices))
        noisy = clean + rng.normal(0, self.noise, clean.shape).astype(np.float32)
        return float(self.network.train_on_batch(noisy, clean))


class Denoising(Objective):
    """Mean squared error of the reconstruction of a noisy image."""

    Options = DenoisingOptions

    def start(self, model, images, fit_options, options):
        """Return the autoencoder in training."""
        return DenoisingTrainer(model, images, fit_options, options.noise)
''',
    "pull": '''"""Pull every code to the nearest center, while the decoder keeps it from collapsing.

latentlab cluster --run RUN --k 10 --method pull
"""

from dataclasses import dataclass

import numpy as np

from latentlab import backend
from latentlab.clustering.assigned import distances_to
from latentlab.options import option
from latentlab.refinement.feature_layers import vectors_of
from latentlab.refinement.options import LoopOptions
from latentlab.refinement.refiner import Refinement, Refiner


@dataclass(frozen=True)
class PullOptions(LoopOptions):
    """Settings of the method."""

    weight: float = option(0.1, "Weight of the pull.", more_than=0)


class Pull(Refiner):
    """Fixed centers, a moving encoder."""

    Options = PullOptions

    def start(self, start, options):
        """Build the networks around the encoder."""
        return Pulling(start, options)


class Pulling(Refinement):
    """The encoder in training."""

    learning_rate = 0.001

    def __init__(self, start, options):
        import keras

        from latentlab.nets.layers import ClusteringLayer

        image = start.model.encoder.input
        z = vectors_of(start.model, start.features)
        scale = max(start.spread, 1e-12)
        self.layer = ClusteringLayer(len(start.centers), scale=scale, trainable=False)
        self.assigner = keras.Model(image, [z, self.layer(z)])
        self.trainer = keras.Model(image, [start.model.autoencoder.output, z])
        self.trainer.compile(
            optimizer=keras.optimizers.Adam(self.learning_rate),
            loss=["mse", "mse"],
            loss_weights=[1.0, options.weight * start.error / scale],
            jit_compile=backend.jit_compile(),
        )
        self.trainer.optimizer.build(self.trainer.trainable_variables)
        self.set_centers(start.centers)

    def begin_round(self, z, q):
        """Nothing has to be prepared."""

    def step(self, batch, positions):
        """Train on one batch."""
        z, _ = self.assigner.predict_on_batch(batch)
        nearest = distances_to(self.points, np.asarray(z)).argmin(axis=1)
        self.trainer.reset_metrics()
        values = self.trainer.train_on_batch(batch, [batch, self.points[nearest]])
        return {"reconstruction_loss": float(values[1]), "clustering_loss": float(values[2])}

    def centers(self):
        """Return the centers."""
        return self.points

    def set_centers(self, centers):
        """Replace the centers."""
        self.points = np.asarray(centers, np.float32)
        self.layer.set_centers(self.points)

    def reorder(self, order):
        """Renumber the clusters."""
        self.set_centers(self.points[order])

    def extras(self):
        """Return the centers."""
        return {"centers": self.points}

    def set_extras(self, arrays):
        """Restore the centers."""
        self.set_centers(arrays["centers"])
''',
}


KINDS = {
    "agglomerative": "clustering",
    "depthwise": "encoders",
    "drawn-shapes": "sources",
    "denoising": "objectives",
    "pull": "refinement",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a folder with the five plugins."""
    path = tmp_path_factory.mktemp("plugins")
    for name, text in FILES.items():
        (path / f"{name}.py").write_text(text)
    return path


@pytest.fixture
def known(folder, monkeypatch):
    """Let this process and those that it starts know the five plugins."""
    monkeypatch.setenv(plugins.FOLDERS_VARIABLE, str(folder))
    return folder


@pytest.mark.parametrize("name", FILES)
def test_a_plugin_in_one_file_passes_the_checks_of_its_kind(folder, name):
    lines = list(testing.check_plugin(folder / f"{name}.py"))
    kind = KINDS[name.replace("_", "-")]
    assert len(lines) == 3
    assert lines[0].endswith(f"one of {kind}")
    assert lines[-1] == f"it keeps the contract of {kind}"


def test_the_kind_of_a_file_follows_from_its_base_class(known):
    for name, kind in KINDS.items():
        assert name in plugins.names(kind)
        assert [other for other in plugins.KINDS if name in plugins.names(other)] == [kind]
        assert plugins.summary(kind, name) == FILES[name.replace("-", "_")].splitlines()[0][3:]
        assert plugins.load(kind, name) is plugins.load(kind, name)


def test_commands_check_list_and_name_new_plugins(known, tmp_path):
    broken = FILES["agglomerative"].replace("canonical_order(labels, k)", "np.arange(k)[::-1]")
    (tmp_path / "broken.py").write_text(broken)
    (tmp_path / "nothing.py").write_text('"""A file without a plugin."""\n')
    good, bad, nothing, missing, listed, methods, encoders, sources, cluster, fit = (
        latentlab_in_turn(
            ("plugins", "check", known / "agglomerative.py"),
            ("plugins", "check", tmp_path / "broken.py"),
            ("plugins", "check", tmp_path / "nothing.py"),
            ("plugins", "check", tmp_path / "missing.py"),
            ("plugins", "list"),
            ("methods", "--json"),
            ("encoders", "--json"),
            ("sources", "--json"),
            ("cluster", "--help"),
            ("fit", "--help"),
        )
    )
    assert (good.returncode, good.stdout.count("ok    ")) == (0, 3), good.stderr
    for result, text in ((bad, "by size"), (nothing, "defines 0 plugins"), (missing, "missing.py")):
        assert result.returncode == ConfigError.exit_code
        assert result.stderr.startswith("error: ")
        assert result.stderr.count("\n") == 1
        assert text in result.stderr
    assert [name for name in KINDS if name not in listed.stdout] == []
    rows = {row["name"]: row["kind"] for row in json.loads(methods.stdout)["result"]}
    assert (rows["agglomerative"], rows["pull"]) == ("clustering", "refinement")
    assert "depthwise" in [row["name"] for row in json.loads(encoders.stdout)["result"]]
    assert "drawn-shapes" in json.loads(sources.stdout)["result"]
    shown = " ".join(cluster.stdout.split())
    assert "agglomerative" in shown
    assert "pull" in shown
    assert "denoising, distill, reconstruction or swav" in " ".join(fit.stdout.split())


def test_fit_and_cluster_use_new_plugins(known, tmp_path):
    run = tmp_path / "run"
    encoder = ("--arch", "depthwise", "--objective", "denoising", "--data", "drawn-shapes")
    settings = ("--set", "code_dim=6", "--set", "noise=0.2", "--set", "count=80")
    quick = ("--set", "interval=2", "--set", "max_steps=4", "--set", "batch_size=20")
    fitted, joined, pulled, predicted, refused = latentlab_in_turn(
        ("fit", *encoder, *settings, "--epochs", "2", "--batch-size", "20", "--run", run),
        ("cluster", "--run", run, "--k", "2", "--method", "agglomerative", "--json"),
        ("cluster", "--run", run, "--k", "2", "--method", "pull", *quick, "--json",
         "--set", "start=agglomerative"),
        ("predict", "--run", run, "--data", "drawn-shapes", "--out", tmp_path / "new.parquet"),
        ("cluster", "--run", run, "--k", "2", "--method", "agglomerative", "--set", "linkage=x"),
    )  # fmt: skip
    assert fitted.returncode == 0, fitted.stderr
    for result in (joined, pulled):
        assert result.returncode == 0, result.stderr
        sizes = json.loads(result.stdout)["result"]["sizes"]
        assert (sum(sizes["train"]), sum(sizes["test"])) == (60, 20)
    assert predicted.returncode == 0, predicted.stderr
    assert "--set linkage=x: must be one of ward, average, complete." in refused.stderr
    config = json.loads((run / "run.json").read_text())["config"]
    assert config["data"]["source_options"] == {"count": 80}
    assert config["fit"]["arch_options"] == {"code_dim": 6}
    assert config["fit"]["objective_options"] == {"noise": 0.2}
