"""MNIST: 60,000 train and 10,000 test images of handwritten digits, 28x28x1.

The first of these places that holds it is read. If `data_dir` is given, no other is looked at.

1. `data_dir`: mnist.npz, the .npz file itself, or a folder with the four idx files, compressed or
   not.
2. The Keras cache, then latentlab's own.
3. A download of Keras' mnist.npz (11 MiB) into the latter, checked against its published SHA-256.
"""

from typing import ClassVar

from latentlab.data.mnist_files import Collection, MnistLike


class Mnist(MnistLike):
    """The 70,000 digits."""

    collection: ClassVar[Collection] = Collection(
        name="mnist",
        title="MNIST",
        keras="mnist.npz",
        npz="mnist.npz",
        downloads=(
            (
                "https://storage.googleapis.com/tensorflow/tf-keras-datasets/mnist.npz",
                "sha256:731c5ac602752760c8e48fbffcf8c3b850d9dc2a2aedcf2cc48468fc17b673d1",
            ),
        ),
    )
