"""Classes of Fashion-MNIST: the kind of clothing."""

from latentlab.config import DataOptions
from latentlab.data.sources.fashion import Fashion
from latentlab.scoring.labels import Labels
from latentlab.scoring.labels._mnist_files import labels_of

CLASS_NAMES = (
    *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
    *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
)


def read_labels(data: DataOptions) -> Labels:
    """Return the kind of clothing of every image of `data`."""
    return labels_of(Fashion.collection, CLASS_NAMES, data)
