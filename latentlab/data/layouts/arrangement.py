"""Where the splits and classes of pictures with paths come from: folders, tables, names, a draw.

It joins what the user asks for (`latentlab.data.layouts.policies`), what the folders say
(`latentlab.data.layouts.layout`) and which tables lie beside the pictures. It opens no label: of a
table only the column of files is read, and that of splits.
"""

import functools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from latentlab.config import DataOptions
from latentlab.data.formats.picture_tables import (
    PictureNames,
    PictureTable,
    columns_text,
    open_picture_table,
    tables_beside,
)
from latentlab.data.layouts.layout import Layout, layout_of, split_of_name
from latentlab.data.layouts.policies import (
    AUTO,
    FOLDER,
    NAME,
    NONE,
    TABLE,
    class_policy,
    name_expression,
    split_policy,
)
from latentlab.data.splits import TEST, TRAIN, held_out_splits
from latentlab.errors import ConfigError, DataError

LEAST_SHARE = 0.1  # of the images that tables have to name, to be taken unasked
SURE_SHARE = 0.5  # where folders could be classes too


@dataclass(frozen=True)
class Arrangement:
    """Splits of images, and where scoring finds their classes.

    Attributes
    ----------
    ids : sequence of str
        Ids of the images: paths below the data.
    data : DataOptions
        What was asked for.
    root : Path or None
        The data folder; None where there is none, as in an archive.
    """

    ids: Sequence[str]
    data: DataOptions
    root: Path | None

    @functools.cached_property
    def layout(self) -> Layout:
        """What the folders say."""
        return layout_of(self.ids)

    @functools.cached_property
    def class_kind(self) -> str:
        """Where the classes are: "folder", "table", "name" or "none"."""
        policy = class_policy(self.data)
        if policy.kind == FOLDER and policy.depth is None and not self.layout.has_classes:
            return NONE
        if policy.kind != AUTO:
            return policy.kind
        if self.class_tables:
            return TABLE
        return FOLDER if self.layout.has_classes else NONE

    @functools.cached_property
    def class_tables(self) -> tuple[PictureTable, ...]:
        """The tables with a column of classes; those of one column if nobody named a table."""
        policy = class_policy(self.data)
        if policy.kind == TABLE:
            table = self._named_table(policy.table, "labels")
            if not table.class_column:
                raise DataError(
                    f"{table.table.path} has several columns ({columns_text(table)}): say which"
                    " holds the labels with `label_column`."
                )
            return (table,)
        if policy.kind != AUTO:
            return ()
        return self._tables_of_most_images()

    @functools.cached_property
    def splits(self) -> np.ndarray:
        """The split of each image, array of str (n,)."""
        splits = self._found_splits
        if splits is not None:
            return splits
        return held_out_splits(len(self.ids), self.data.held_out, self.class_kind != NONE)

    @functools.cached_property
    def splits_text(self) -> str:
        """Where the splits come from, in one clause."""
        if self._split_table is not None:
            table = self._split_table
            return f"split by the column {table.split_column} of {table.name}: {self._sizes()}"
        if self._found_splits is not None:
            return self.layout.splits_text
        text = draw_text(self.splits, self.class_kind != NONE or self.data.held_out is not None)
        missed = self.layout.splits_text
        if self.layout.split_folders:
            missed = "the folders named as splits are not used, as asked"
        return f"{text}; {missed}" if missed else text

    @functools.cached_property
    def classes_text(self) -> str:
        """Where scoring reads the classes, and why, in one clause."""
        policy = class_policy(self.data)
        if policy.kind == NONE:
            return "no labels, as asked"
        if self.class_kind == TABLE:
            return self._tables_text()
        if self.class_kind == NAME:
            return f"labels by names: {policy.pattern} fits {self._named():,} of {len(self.ids):,}"
        if policy.depth is not None:
            return f"labels by folders: those at depth {policy.depth}, as asked"
        return "; ".join([self.layout.classes_text, *self._unused_tables()])

    @functools.cached_property
    def _found_splits(self) -> np.ndarray | None:
        """The splits that folders or a table say; None if they are to be drawn."""
        kind = split_policy(self.data).kind
        if kind == NONE:
            return None
        if self._split_table is not None:
            return _splits_of(self._split_table, len(self.ids))
        splits = self.layout.splits
        if splits is None and kind == FOLDER:
            raise DataError(
                "the folders are not named as splits: there have to be one such as train and one"
                " such as test or val beside it",
                hint="Leave out `split`, or give `split=table:FILE`.",
            )
        return splits

    @functools.cached_property
    def _split_table(self) -> PictureTable | None:
        """The table that says the splits: the one that was named, or else one that says both."""
        policy = split_policy(self.data)
        if policy.kind == TABLE:
            table = self._named_table(policy.table, "split")
            if not table.split_column:
                raise DataError(
                    f"{table.table.path} has no column named split; it has {columns_text(table)}."
                )
            if _splits_of(table, len(self.ids)) is None:
                raise DataError(
                    f"{table.table.path}: the column {table.split_column} has to say train of some"
                    " images, and test or val of the others."
                )
            return table
        if policy.kind != AUTO or self.layout.splits is not None:
            return None
        tables = (table for table in self._tables if table.split_column)
        return next((t for t in tables if _splits_of(t, len(self.ids)) is not None), None)

    @functools.cached_property
    def _names(self) -> PictureNames:
        return PictureNames(self.ids)

    @functools.cached_property
    def _tables(self) -> list[PictureTable]:
        """All tables beside the pictures."""
        if self.root is None or not self.root.is_dir():
            return []
        column = self.data.label_column
        return tables_beside(self.root, self.layout.counts, self._names, column)

    def _tables_of_most_images(self) -> tuple[PictureTable, ...]:
        groups: dict[str, list[PictureTable]] = {}
        for table in self._tables:
            if table.class_column:
                groups.setdefault(table.class_column, []).append(table)
        if not groups:
            return ()
        best = max(groups.values(), key=_covered)
        least = SURE_SHARE if self.layout.has_classes else LEAST_SHARE
        return tuple(best) if _covered(best) >= least * len(self.ids) else ()

    def _named_table(self, file: str, field: str) -> PictureTable:
        """Open the table that a user named: below the working folder, or below the data."""
        path = Path(file).expanduser()
        below = self.root / path if self.root else path
        path = path if path.is_file() or not below.is_file() else below
        if not path.is_file():
            raise DataError("does not exist", field=field, value=f"{TABLE}:{file}")
        folder = self._folder_of(path)
        return open_picture_table(path, folder, self._names, self.data.label_column, is_sure=True)

    def _folder_of(self, path: Path) -> str:
        root, folder = self.root, path.resolve().parent
        if root is None or not folder.is_relative_to(root.resolve()):
            return ""
        text = folder.relative_to(root.resolve()).as_posix()
        return "" if text == "." else text

    def _tables_text(self) -> str:
        tables = self.class_tables
        names = ", ".join(table.name for table in tables)
        texts = [f"labels by the column {tables[0].class_column} of {names}"]
        missing = len(self.ids) - _covered(tables)
        if missing:
            images = "1 image has" if missing == 1 else f"{missing:,} images have"
            texts.append(f"{images} no row there, not scored")
        lost = sum(table.lost for table in tables)
        if lost:
            rows = "1 row names" if lost == 1 else f"{lost:,} rows name"
            texts.append(f"{rows} no image, or several")
        if self.layout.has_classes:
            texts.append("the folders are not taken as labels")
        return "; ".join(texts)

    def _unused_tables(self) -> list[str]:
        """Return that tables name pictures and are not read."""
        if class_policy(self.data).kind != AUTO:
            return []
        return [
            f"{table.name} names pictures, and none of its columns ({columns_text(table)}) is named"
            " as labels are"
            for table in self._tables
            if not table.class_column and not table.split_column
        ][:1]

    def _named(self) -> int:
        expression = name_expression(class_policy(self.data).pattern)
        return sum(match_of_name(expression, name) is not None for name in self.ids)

    def _sizes(self) -> str:
        held_out = int((self.splits == TEST).sum())
        return f"{len(self.ids) - held_out:,} fitted, {held_out:,} held out"


def arrange(ids: Sequence[str], data: DataOptions, root: Path | None) -> Arrangement:
    """Return where splits and classes of images with paths come from.

    Parameters
    ----------
    ids : sequence of str
        Their ids: paths below the data, with "/".
    data : DataOptions
        What was asked for.
    root : Path or None
        The data folder, in which tables are looked for; None for none.

    Raises
    ------
    ConfigError
        If nothing lies so deep, or nothing is named so, as was asked for.

    Examples
    --------
    >>> arrange(["a.png", "b.png"], DataOptions(), None).splits_text
    'nothing is held out, since there are no labels to score'
    """
    arrangement = Arrangement(ids, data, root)
    policy = class_policy(data)
    if policy.depth is not None and policy.depth > arrangement.layout.depth:
        problem = f": no image lies {policy.depth} folders deep"
        raise ConfigError(problem, field="labels", value=data.labels)
    if policy.kind == NAME and not arrangement._named():
        problem = f": it fits no name of an image, as {ids[0]}"
        raise ConfigError(problem, field="labels", value=data.labels)
    return arrangement


def match_of_name(expression: re.Pattern[str], name: str) -> re.Match[str] | None:
    """Return how a pattern fits the id of an image; None if it does not.

    Parameters
    ----------
    expression : re.Pattern
        From `name_expression`. It is tried on the name of the file, with and without its suffix,
        and on the path.
    name : str
        The id.

    Examples
    --------
    >>> match_of_name(name_expression("{label}_{}"), "a/cat_1.png").group(1)
    'cat'
    """
    last = name.rpartition("/")[2]
    for text in (last, last.rpartition(".")[0], name):
        match = expression.fullmatch(text)
        if match:
            return match
    return None


def draw_text(splits: np.ndarray, is_wanted: bool = True) -> str:
    """Return a clause on splits that were drawn at random.

    Parameters
    ----------
    splits : ndarray of shape (n,), str
        The splits.
    is_wanted : bool
        False if nothing is held out for want of labels.

    Examples
    --------
    >>> draw_text(np.array(["train", "test"]))
    '1 of 2 held out at random'
    """
    held_out = int((splits == TEST).sum())
    if held_out:
        return f"{held_out:,} of {len(splits):,} held out at random"
    return "nothing is held out" + ("" if is_wanted else ", since there are no labels to score")


def _covered(tables: Sequence[PictureTable]) -> int:
    """Return the number of images that tables name."""
    positions: set[int] = set()
    for table in tables:
        positions |= table.covered
    return len(positions)


def _splits_of(table: PictureTable, n_images: int) -> np.ndarray | None:
    """Return the splits that a column says, train where it says none; None if it says no splits."""
    values, _ = table.values(table.split_column, n_images)
    words = [split_of_name(str(value)) if value is not None else TRAIN for value in values]
    if not all(words) or set(words) != {TRAIN, TEST}:
        return None
    return np.array(words)
