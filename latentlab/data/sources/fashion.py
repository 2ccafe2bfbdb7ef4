"""Fashion-MNIST: 60,000 train and 10,000 test images of clothes, 28x28x1.

Read from the first that exists: `data_dir` (fashion-mnist.npz, any .npz file itself, or a folder with the four idx
files, compressed or not; nothing else is then looked at), the Keras cache (fashion-mnist/), latentlab's own cache,
else the four compressed idx files (29 MiB) are downloaded into the latter and checked against their published md5.
"""

from latentlab.config import DataOptions
from latentlab.data.idx_files import Collection, images_of, labels_of
from latentlab.data.images import ImageSet
from latentlab.data.opening import Labels

_BASE = "https://storage.googleapis.com/tensorflow/tf-keras-datasets"

COLLECTION = Collection(
    name="fashion",
    title="Fashion-MNIST",
    class_names=(
        "T-shirt/top",
        "Trouser",
        "Pullover",
        "Dress",
        "Coat",
        "Sandal",
        "Shirt",
        "Sneaker",
        "Bag",
        "Ankle boot",
    ),
    keras="fashion-mnist",
    npz=None,
    downloads=(
        (f"{_BASE}/train-images-idx3-ubyte.gz", "md5:8d4fb7e6c68d591d4c3dfef9ec88bf0d"),
        (f"{_BASE}/train-labels-idx1-ubyte.gz", "md5:25c81989df183df01b3e8a0aad5dffbe"),
        (f"{_BASE}/t10k-images-idx3-ubyte.gz", "md5:bef4ecab320f06d8554ea6380940ec79"),
        (f"{_BASE}/t10k-labels-idx1-ubyte.gz", "md5:bb300cfdad3c16e7a12a480ee83cd310"),
    ),
)


def open_images(options: DataOptions) -> ImageSet:
    """Return the images, (28, 28, 1) unless `options.size` is given; DataError where they cannot be read."""
    return images_of(COLLECTION, options)


def read_labels(options: DataOptions) -> Labels:
    """Return the kind of clothing of every image; DataError where they cannot be read."""
    return labels_of(COLLECTION, options)
