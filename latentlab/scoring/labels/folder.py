"""Classes of a folder of pictures: the name of the folder in which a picture lies.

A picture that lies at the top, or directly in a split's folder, has no class.
"""

from latentlab.config import DataOptions
from latentlab.data.formats.picture_folder import class_folder, has_split_folders
from latentlab.data.source import Source
from latentlab.data.splits import first_of_each
from latentlab.scoring.labels import Labels, encode_labels


def read_labels(data: DataOptions) -> Labels | None:
    """Return the folder of every picture of `data`, None without sub-folders."""
    source = Source.named("folder")
    index = source.index(data, source.parse_options(data.source_options))
    ids = index.ids[first_of_each(index.splits, data.limit)]
    # An id is the path of its picture below the folder.
    paths = ids.tolist()
    has_splits = has_split_folders(paths)
    folders = [class_folder(path, has_splits) for path in paths]
    if not any(folders):
        return None
    class_numbers, class_names = encode_labels(folders)
    return Labels(ids, class_numbers, class_names)
