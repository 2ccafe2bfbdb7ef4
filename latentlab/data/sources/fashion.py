"""Fashion-MNIST: 60,000 train and 10,000 test images of clothes, 28x28x1.

The first of these places that holds it is read. If `data_dir` is given, no other is looked at.

1. `data_dir`: an .npz file, or a folder with the four idx files, compressed or not.
2. The Keras cache (fashion-mnist/), then latentlab's own.
3. A download of the four compressed idx files (29 MiB) into the latter, checked against their
   published md5.
"""

from typing import ClassVar

from latentlab.data.mnist_files import Collection, MnistLike

_BASE = "https://storage.googleapis.com/tensorflow/tf-keras-datasets"


class Fashion(MnistLike):
    """The 70,000 pictures of clothes."""

    collection: ClassVar[Collection] = Collection(
        name="fashion",
        title="Fashion-MNIST",
        keras="fashion-mnist",
        npz=None,
        downloads=(
            (f"{_BASE}/train-images-idx3-ubyte.gz", "md5:8d4fb7e6c68d591d4c3dfef9ec88bf0d"),
            (f"{_BASE}/train-labels-idx1-ubyte.gz", "md5:25c81989df183df01b3e8a0aad5dffbe"),
            (f"{_BASE}/t10k-images-idx3-ubyte.gz", "md5:bef4ecab320f06d8554ea6380940ec79"),
            (f"{_BASE}/t10k-labels-idx1-ubyte.gz", "md5:bb300cfdad3c16e7a12a480ee83cd310"),
        ),
    )
