"""Classes of listed pictures: the word after each path, or else the folder of each picture."""

from latentlab.config import DataOptions
from latentlab.data.formats.path_lists import read_path_list
from latentlab.data.source import Source
from latentlab.data.sources.path_list import PathList
from latentlab.scoring.labels._encoding import Labels
from latentlab.scoring.labels._listed import labels_of


def read_labels(data: DataOptions) -> Labels | None:
    """Return the class of every picture of `data`, None if there are none."""
    source = Source.named("path-list")
    assert isinstance(source, PathList)
    content = read_path_list(source.path(data), data.max_bytes)
    return labels_of(source.listed(data), content.labels, data)
