"""Does a refinement method keep its contract? For authors of plugins, and for our own tests."""

import dataclasses

import numpy as np

from latentlab import backend
from latentlab.clustering.vectors import Vectors
from latentlab.config import ClusterOptions
from latentlab.data.images import as_input
from latentlab.encoders import networks
from latentlab.encoders.model import Model
from latentlab.errors import ConfigError
from latentlab.features.fitted import fit_features
from latentlab.features.spec import FeatureSpec
from latentlab.refinement.loop import SoftAssignment, assign_batch
from latentlab.refinement.options import LoopOptions
from latentlab.refinement.refiner import Refinement, Refiner, Start
from latentlab.refinement.start import start_from

K = 3
PER_GROUP = 10
IMAGE_SHAPE = (16, 16, 3)
STEPS = 2  # per round
QUICK = {"interval": STEPS, "max_steps": 2 * STEPS, "batch_size": 10, "start": "kmeans"}
TOLERANCE = 1e-4


def check_refiner(plugin: Refiner) -> None:
    """Train a method for two short rounds and check each part of the contract.

    Parameters
    ----------
    plugin : Refiner
        The method, such as ``Refiner.named("dec")``.

    Raises
    ------
    AssertionError
        If the method breaks the contract. The message says what to mend.
    """
    _check_declarations(plugin)
    images = _images()
    refinement = _start(plugin, images)
    _check_attributes(refinement)

    # The initial state, and one round of training.
    initial = _assign(refinement, images)
    _check_assignment(initial, len(images))
    _check_losses(_train_round(refinement, images, initial))
    trained = _assign(refinement, images)
    _check_assignment(trained, len(images))
    _require(
        not np.array_equal(trained.q, initial.q),
        "a round of steps must change the soft assignments: is the trainer built on the assigner?",
    )

    # The work of the loop between rounds.
    _check_resume(plugin, refinement, images)
    _check_reorder(refinement, images)
    _check_set_centers(refinement)


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise AssertionError(message)


def _check_declarations(plugin: Refiner) -> None:
    """Check the declarations of the class."""
    _require(isinstance(plugin, Refiner), "the method must be a subclass of Refiner")
    options = plugin.Options
    _require(dataclasses.is_dataclass(options), "Options must be a dataclass")
    _require(issubclass(options, LoopOptions), "Options must be a subclass of LoopOptions")
    try:
        options()
    except TypeError as error:
        raise AssertionError("every field of Options needs a default") from error


def _check_attributes(refinement: Refinement) -> None:
    """Check what `start` returned."""
    _require(isinstance(refinement, Refinement), "start() must return a Refinement")
    for name in ("trainer", "assigner", "learning_rate"):
        _require(hasattr(refinement, name), f"the Refinement must have the attribute {name}")
    refinement.rate_factor = 0.5
    _require(refinement.rate_factor == 0.5, "rate_factor must return what was set")
    refinement.rate_factor = 1.0
    shape = np.shape(refinement.centers())
    _require(
        len(shape) == 2 and shape[0] == K,
        f"centers() must have shape (k, d), one row per cluster, not {shape}",
    )


def _check_assignment(assignment: SoftAssignment, count: int) -> None:
    """Check vectors and soft assignments of all images."""
    z, q = assignment
    _require(
        z.ndim == 2 and len(z) == count,
        f"the assigner's first output must be vectors (n, d), not {z.shape}",
    )
    _require(
        q.shape == (count, K),
        f"the assigner's second output must be probabilities (n, k), not {q.shape}",
    )
    _require(assignment.is_finite, "the assigner's outputs must be finite")
    _require(
        np.allclose(q.sum(axis=1), 1, atol=TOLERANCE),
        "the rows of the assigner's second output must sum to 1",
    )


def _check_losses(losses: list[dict[str, float]]) -> None:
    """Check the results of the steps of a round."""
    names = set(losses[0])
    _require(bool(names), "step() must return at least one loss")
    for step in losses:
        _require(set(step) == names, "step() must return the same losses each time")
        finite = all(isinstance(value, float) and np.isfinite(value) for value in step.values())
        _require(finite, "step() must return finite numbers of type float")


def _check_resume(plugin: Refiner, refinement: Refinement, images: np.ndarray) -> None:
    """Check that a new Refinement goes on exactly where this one stands."""
    resumed = _start(plugin, images)
    resumed.restore(refinement.snapshot())
    before = _assign(refinement, images)
    _require_equal(before, _assign(resumed, images), "after restore(snapshot())")
    losses = _train_round(refinement, images, before)
    losses_resumed = _train_round(resumed, images, before)
    _require(
        losses == losses_resumed,
        "a round after restore(snapshot()) must give the same losses as one without:"
        " does extras() return everything that step() depends on?",
    )
    after = _assign(refinement, images)
    _require_equal(after, _assign(resumed, images), "a round after restore(snapshot())")


def _require_equal(expected: SoftAssignment, actual: SoftAssignment, place: str) -> None:
    equal = np.array_equal(expected.z, actual.z) and np.array_equal(expected.q, actual.q)
    _require(
        equal,
        f"{place}, images must be assigned as before: does the trainer hold all weights that"
        " change, and extras() the rest?",
    )


def _check_reorder(refinement: Refinement, images: np.ndarray) -> None:
    """Check that clusters are renumbered everywhere."""
    order = np.roll(np.arange(K), 1)
    q = _assign(refinement, images).q
    centers = np.array(refinement.centers())
    refinement.reorder(order)
    _require(
        np.allclose(_assign(refinement, images).q, q[:, order], atol=TOLERANCE),
        "reorder(order) must renumber the soft assignments: column i becomes column order[i]",
    )
    _require(
        np.allclose(refinement.centers(), centers[order], atol=TOLERANCE),
        "reorder(order) must renumber centers(): row i becomes row order[i]",
    )


def _check_set_centers(refinement: Refinement) -> None:
    """Check that centers can be moved."""
    centers = np.array(refinement.centers(), np.float32)
    centers[0] = centers[1] + 0.1
    refinement.set_centers(centers.copy())
    _require(
        np.allclose(refinement.centers(), centers, atol=TOLERANCE),
        "centers() must return what set_centers() was given",
    )


# A small world: three groups of images, and encoders without any training


def _images() -> np.ndarray:
    """Return images of three levels of grey with noise, uint8."""
    rng = np.random.default_rng(0)
    levels = np.repeat([40, 120, 200], PER_GROUP)[:, None, None, None]
    noise = rng.integers(-20, 20, (K * PER_GROUP, *IMAGE_SHAPE))
    return (levels + noise).astype(np.uint8)


def _start(plugin: Refiner, images: np.ndarray) -> Refinement:
    """Start the method on the first of two encoders that it does not refuse."""
    backend.start()
    settings = plugin.parse_options(QUICK)
    refusals = []
    for build in (_plain_autoencoder, _autoencoder_with_embedding):
        backend.seed(0)
        try:
            return plugin.start(_start_on(build(), plugin, images, settings), settings)
        except ConfigError as error:
            refusals.append(str(error))
    raise AssertionError(
        "start() refuses a plain autoencoder and one with an embedding: " + " ".join(refusals)
    )


def _start_on(model: Model, plugin: Refiner, images: np.ndarray, settings: LoopOptions) -> Start:
    """Return initial clusters of the method's default features."""
    steps = plugin.capabilities.default_features.format(k=K) or "code"
    spec = FeatureSpec.parse(steps)
    network = model.part(spec.start)
    codes = np.asarray(network.predict_on_batch(as_input(images))).reshape(len(images), -1)
    features = fit_features(spec, [codes], tuple(network.output_shape[1:]), seed=0)
    options = ClusterOptions(k=K, method=plugin.name)
    vectors = Vectors.of(features.transform(codes))
    start, _ = start_from(vectors, model, features, options, settings)

    def read(positions: np.ndarray) -> np.ndarray:
        return as_input(images[positions])

    return dataclasses.replace(start, read=read)


def _plain_autoencoder() -> Model:
    """Return an autoencoder with a flat code and nothing above it."""
    import keras
    from keras import layers

    image = keras.Input(IMAGE_SHAPE, name="image")
    hidden = layers.Dense(16, activation="relu")(layers.Flatten()(image))
    code = layers.Dense(6, dtype="float32", name="code")(hidden)
    decoder_layers = [
        layers.Dense(int(np.prod(IMAGE_SHAPE)), dtype="float32"),
        layers.Reshape(IMAGE_SHAPE, dtype="float32"),
    ]
    return Model.from_layers(image, code, decoder_layers)


def _autoencoder_with_embedding() -> Model:
    """Return an autoencoder with an embedding above its code."""
    sizes = {"width": 4, "code_channels": 4, "decoder_width": 4}
    return networks.build("fast8", IMAGE_SHAPE, sizes)


def _assign(refinement: Refinement, images: np.ndarray) -> SoftAssignment:
    return assign_batch(refinement.assigner, images)


def _train_round(
    refinement: Refinement, images: np.ndarray, current: SoftAssignment
) -> list[dict[str, float]]:
    """Train one round on batches of every third image, and return the losses of its steps."""
    refinement.begin_round(current.z, current.q)
    losses = []
    for step in range(STEPS):
        positions = np.arange(step, len(images), K)
        losses.append(refinement.step(as_input(images[positions]), positions))
    return losses
