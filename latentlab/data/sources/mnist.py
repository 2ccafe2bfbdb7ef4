"""MNIST: 60,000 train and 10,000 test images of handwritten digits, 28x28x1.

Read from the first that exists: `data_dir` (mnist.npz, the .npz file itself, or a folder with the four idx files,
compressed or not; nothing else is then looked at), the Keras cache, latentlab's own cache, else Keras' mnist.npz
(11 MiB) is downloaded into the latter and checked against its published SHA-256.
"""

from latentlab.config import DataOptions
from latentlab.data.idx_files import Collection, images_of, labels_of
from latentlab.data.images import ImageSet
from latentlab.data.opening import Labels

COLLECTION = Collection(
    name="mnist",
    title="MNIST",
    class_names=tuple("0123456789"),
    keras="mnist.npz",
    npz="mnist.npz",
    downloads=(
        (
            "https://storage.googleapis.com/tensorflow/tf-keras-datasets/mnist.npz",
            "sha256:731c5ac602752760c8e48fbffcf8c3b850d9dc2a2aedcf2cc48468fc17b673d1",
        ),
    ),
)


def open_images(options: DataOptions) -> ImageSet:
    """Return the images, (28, 28, 1) unless `options.size` is given; DataError where they cannot be read."""
    return images_of(COLLECTION, options)


def read_labels(options: DataOptions) -> Labels:
    """Return the digit of every image; DataError where they cannot be read."""
    return labels_of(COLLECTION, options)
