"""One test per cell of the table in docs/encoders.md: what each kind of encoder can do."""

import numpy as np
import pytest
from helpers.onnx_models import nchw_model
from helpers.pictures import pictures
from PIL import Image

from latentlab import pipeline
from latentlab.config import ClusterOptions, DataOptions
from latentlab.encoders import model_files
from latentlab.errors import ConfigError
from latentlab.estimators import PretrainedFeatures
from latentlab.storage import tables

SIZE = 16  # pixels of the networks' input
COUNT = 60


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """60 small pictures, in a folder for each of two classes."""
    root = tmp_path_factory.mktemp("pictures")
    for number, pixels in enumerate(pictures(COUNT)):
        path = root / ("light" if number % 2 else "dark") / f"{number:02d}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(pixels).resize((40, 24)).save(path)
    return root


def _onnx(root):
    return nchw_model(root / "small.onnx", size=SIZE)


def _keras(root):
    import keras

    keras.utils.set_random_seed(0)
    layers = [
        keras.Input((SIZE, SIZE, 3)),
        keras.layers.Conv2D(8, 3, strides=2, activation="relu"),
        keras.layers.GlobalAveragePooling2D(),
    ]
    path = root / "small.keras"
    keras.Sequential(layers).save(path)
    return path


@pytest.fixture(scope="module", params=["onnx", "keras"])
def run(request, folder, tmp_path_factory):
    """A clustered run with an encoder of each kind."""
    root = tmp_path_factory.mktemp(request.param)
    encoder = {"onnx": _onnx, "keras": _keras}[request.param](root)
    made = pipeline.use_encoder(DataOptions(data=str(folder)), str(encoder), root / "run")
    pipeline.cluster(made, ClusterOptions(k=2))
    return made


def test_it_is_recorded_with_digest_sizes_and_pretraining(run):
    description = model_files.describe(run)
    assert description.card.sha256 == run.config.pretrained.sha256
    assert description.image_shape == (SIZE, SIZE, 3)
    assert description.card.feature_size == description.embedding_shape[0]
    assert description.pretraining == "unknown"


def test_clusters_are_of_umap_on_the_unit_embedding(run):
    assert str(run.clustering().features) == "embedding+l2+umap10"
    assert len(run.clustering().assignments.clusters) == COUNT


def test_steps_without_a_start_begin_with_the_embedding(run):
    clustering = pipeline.cluster(run, ClusterOptions(k=2, features="l2"))
    assert str(clustering.features) == "embedding+l2"


def test_averages_with_the_mirror_image(run):
    clustering = pipeline.cluster(run, ClusterOptions(k=2, features="averaged+l2"))
    assert len(clustering.assignments.clusters) == COUNT


def test_project_is_refused(run):
    with pytest.raises(ConfigError, match="projection head of a fit"):
        pipeline.cluster(run, ClusterOptions(k=2, features="embedding+project+l2"))


def test_imc_is_refused(run):
    with pytest.raises(ConfigError, match="prototypes of a fit"):
        pipeline.cluster(run, ClusterOptions(k=2, method="imc"))


def test_pool_is_refused(run):
    with pytest.raises(ConfigError, match="pool needs a code with height and width"):
        pipeline.cluster(run, ClusterOptions(k=2, features="pool+l2"))


def test_evaluate_has_baselines_and_no_untrained_network(run):
    rows = pipeline.evaluate(run).rows
    methods = {row.method for row in rows}
    assert {"pixels+kmeans", "colours+kmeans", "hog+kmeans"} <= methods
    assert "untrained+kmeans" not in methods


def test_probe(run):
    report = pipeline.probe(run, ClusterOptions())
    assert any("embedding+l2" in row.method for row in report.rows)


def test_audit(run):
    assert pipeline.audit(run).images == COUNT


def test_verify(run):
    assert pipeline.verify(run).reproduces


def test_predict(run, folder, tmp_path):
    target = pipeline.predict(run, None, DataOptions(data=str(folder)), tmp_path / "p.parquet")
    predicted = np.asarray(tables.read(target)["cluster"])
    clusters = run.clustering().assignments.clusters
    assert (predicted == clusters).mean() > 0.9


def test_choose_k(run):
    assert pipeline.choose_k(run, ClusterOptions(), [2, 3, 4]).k in (1, 2, 3, 4)


def test_seeds_are_united_and_refits_are_refused(run):
    assert pipeline.cluster_seeds(run, ClusterOptions(k=2), 2).k == 2
    with pytest.raises(ConfigError, match="came ready-made"):
        pipeline.cluster_seeds(run, ClusterOptions(k=2), 2, refit=True)


@pytest.mark.parametrize("method", ["dec", "selflabel", "selftrain", "consistency"])
def test_methods_that_train_the_network(run, method):
    few = {"max_steps": 4, "interval": 2}
    options = ClusterOptions(k=2, method=method, settings=few)
    if model_files.describe(run).card.trainable:
        assert len(pipeline.cluster(run, options).assignments.clusters) == COUNT
        return
    with pytest.raises(ConfigError, match="cannot be trained: take a Keras file"):
        pipeline.cluster(run, options)


@pytest.mark.parametrize("method", ["dcec", "idec", "dcn", "vade"])
def test_methods_that_need_a_decoder_are_refused(run, method):
    with pytest.raises(ConfigError, match=r"needs a decoder|cannot be trained"):
        pipeline.cluster(run, ClusterOptions(k=2, method=method))


def test_adapt_is_refused(tmp_path, folder):
    from latentlab import recipes
    from latentlab.config import FitOptions

    values = recipes.fit_settings("adapt", "cpu")
    start = {"start": str(_onnx(tmp_path))}
    values["objective_options"] = values["objective_options"] | start
    with pytest.raises(ConfigError, match="no projection head and prototypes"):
        pipeline.fit(DataOptions(data=str(folder)), FitOptions(**values), tmp_path / "run")


def test_python_gets_the_same_features(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (5, 20, 30, 3), np.uint8)
    features = PretrainedFeatures(str(_onnx(tmp_path))).fit_transform(images)
    assert features.shape[0] == 5
    grey = PretrainedFeatures(str(_onnx(tmp_path))).transform(images[..., 0])
    assert grey.shape == features.shape
