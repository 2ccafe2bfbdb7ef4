"""Pictures and vectors of the trial of the trust statement: scripts/bench_trust.py."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from latentlab import backend
from latentlab.clustering.baselines import flat
from latentlab.clustering.pixel_features import edge_histograms
from latentlab.config import DataOptions
from latentlab.data import opening
from latentlab.data.pictures.resizing import resize_all
from latentlab.encoders import networks, ready_made
from latentlab.encoders.embedding import encode
from latentlab.encoders.pretrained.card import EncoderSettings
from latentlab.encoders.pretrained.onnx_files import open_onnx
from latentlab.storage.files import atomic_path

SMALL = 32  # pixels a side
LARGE = 224
BATCH = 64
MIRRORED = 200  # pictures of each set whose mirror images are encoded too
Encode = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Pictures:
    """A set of pictures.

    Attributes
    ----------
    large, small : ndarray, uint8
        (n, 224, 224, 3) and (n, 32, 32, 3).
    classes : ndarray of shape (n,), int
    """

    large: np.ndarray
    small: np.ndarray
    classes: np.ndarray


@dataclass(frozen=True)
class Encoded:
    """Vectors of a set.

    Attributes
    ----------
    vectors : ndarray of shape (n, d), float32
    mirrored : ndarray of shape (m, d), float32
        Of the mirror images of the first m pictures.
    small : ndarray of shape (n, 32, 32, 3), uint8
    classes : ndarray of shape (n,), int
    """

    vectors: np.ndarray
    mirrored: np.ndarray
    small: np.ndarray
    classes: np.ndarray

    def of(self, classes: tuple[int, ...]) -> "Encoded":
        """Return the pictures of some classes; mirror images that stand first stay."""
        rows = np.isin(self.classes, classes)
        first = rows[: len(self.mirrored)]
        return Encoded(
            self.vectors[rows], self.mirrored[first], self.small[rows], self.classes[rows]
        )


def photos(shared: Path, name: str) -> Pictures:
    """Return a folder of photos in a random order."""
    data = DataOptions(data=str(shared / "photos" / name), size=LARGE, held_out=0.0)
    images = opening.open_images(data)
    order = np.random.default_rng(0).permutation(len(images))
    large = images.read(order)
    folders = [Path(images.ids[index]).parent.name for index in order]
    return Pictures(
        large, resize_all(large, SMALL, "crop"), np.unique(folders, return_inverse=True)[1]
    )


def cifar_test(shared: Path, count: int = 1000) -> Pictures:
    """Return pictures of CIFAR-10's test split; the first `count` of them."""
    sys.path.insert(0, str(shared))
    from unpack_cifar10 import split

    small, classes = split("test")
    return _enlarged(small[:count], classes[:count])


def mnist_test(shared: Path, count: int = 1000) -> Pictures:
    """Return pictures of MNIST's test split."""
    arrays = np.load(shared / "mnist.npz")
    grey = arrays["x_test"][:count].reshape(-1, 28, 28)
    small = np.pad(grey, ((0, 0), (2, 2), (2, 2)))
    return _enlarged(np.repeat(small[..., None], 3, axis=-1), arrays["y_test"][:count])


def digits(shared: Path) -> Pictures:
    """Return the second half of scikit-learn's digits."""
    from sklearn.datasets import load_digits

    loaded = load_digits()
    grey = (loaded.images[898:] * (255 / 16)).astype(np.uint8)
    small = resize_all(np.repeat(grey[..., None], 3, axis=-1), SMALL, "crop")
    return _enlarged(small, loaded.target[898:])


def clouds(shared: Path, count: int = 300) -> Pictures:
    """Return pictures of noise whose power falls with the frequency, as that of photos does."""
    rng = np.random.default_rng(2028)
    frequency = np.hypot(np.fft.fftfreq(SMALL)[:, None], np.fft.fftfreq(SMALL))
    frequency[0, 0] = 1 / SMALL
    noise = np.fft.fft2(rng.normal(size=(count, 3, SMALL, SMALL))) / frequency
    values = np.fft.ifft2(noise).real.transpose(0, 2, 3, 1)
    values = 128 + 50 * values / values.std()
    return _enlarged(values.clip(0, 255).astype(np.uint8), np.zeros(count, int))


def static(shared: Path, count: int = 300) -> Pictures:
    """Return pictures of noise without any order."""
    rng = np.random.default_rng(2029)
    small = rng.normal(128, 50, (count, SMALL, SMALL, 3)).clip(0, 255).astype(np.uint8)
    return _enlarged(small, np.zeros(count, int))


def _enlarged(small: np.ndarray, classes: np.ndarray) -> Pictures:
    return Pictures(resize_all(small, LARGE, "crop"), small, np.asarray(classes, int))


def onnx(shared: Path, name: str) -> Encode:
    """Return an encoder trained on ImageNet."""
    encoder = open_onnx(shared / "encoders" / f"{name}.onnx", EncoderSettings())
    return lambda large: encoder.encode(large)


def strong(shared: Path) -> Encode:
    """Return the shipped encoder that was trained on CIFAR-10."""
    model, _ = ready_made.shipped().load("cifar10-strong")
    if model.top is None:
        raise SystemExit("cifar10-strong has no embedding")
    top = model.top
    return lambda small: np.asarray(top.predict_on_batch(_code(model.encoder, small)))


def untrained(shared: Path) -> Encode:
    """Return an encoder that was never trained."""
    backend.seed(0)
    model = networks.build("conv8", (SMALL, SMALL, 3), {})
    return lambda small: encode(model.encoder, small)


def _code(encoder: object, small: np.ndarray) -> np.ndarray:
    return np.asarray(encoder.predict_on_batch(small.astype(np.float32) / 255))  # type: ignore[attr-defined]


SETS: dict[str, Callable[[Path], Pictures]] = {
    "animals": lambda shared: photos(shared, "animals"),
    "flowers": lambda shared: photos(shared, "flowers"),
    "cifar10-test": cifar_test,
    "mnist-test": mnist_test,
    "digits": digits,
    "clouds": clouds,
    "static": static,
}
LARGE_ENCODERS = ("efficientnet-lite0", "squeezenet")


def encoded(shared: Path, work: Path, name: str, encoder: str) -> Encoded:
    """Return the vectors of a set; those of networks are kept in the folder `work`."""
    path = work / f"{name}-{encoder}.npz"
    if not path.exists():
        value = _encode_set(shared, SETS[name](shared), encoder)
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_path(path) as target, target.open("wb") as file:
            np.savez(file, **vars(value))
    with np.load(path) as arrays:
        return Encoded(**{key: arrays[key] for key in arrays.files})


def _encode_set(shared: Path, pictures: Pictures, encoder: str) -> Encoded:
    if encoder in LARGE_ENCODERS:
        encode_batch, images = onnx(shared, encoder), pictures.large
    else:
        makers = {
            "cifar10-strong": strong,
            "untrained": untrained,
            "pixels": lambda shared: flat,
            "hog": lambda shared: edge_histograms,
        }
        encode_batch, images = makers[encoder](shared), pictures.small
    mirrored = images[:MIRRORED, :, ::-1]
    return Encoded(
        _in_batches(encode_batch, images),
        _in_batches(encode_batch, mirrored),
        pictures.small,
        pictures.classes,
    )


def _in_batches(encode_batch: Encode, images: np.ndarray) -> np.ndarray:
    parts = []
    for start in range(0, len(images), BATCH):
        batch = encode_batch(np.ascontiguousarray(images[start : start + BATCH]))
        parts.append(np.asarray(batch, np.float32).reshape(len(batch), -1))
    return np.concatenate(parts)
