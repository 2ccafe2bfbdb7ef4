"""Where splits and classes come from, as a user asks for it: the options `labels` and `split`.

The texts are checked when `DataOptions` are made; here they become objects. Nothing is read.
"""

import re
from dataclasses import dataclass

from latentlab.config import DataOptions

AUTO = "auto"
NONE = "none"
FOLDER = "folder"
TABLE = "table"
NAME = "name"
ALL_SPLIT_KINDS = (AUTO, NONE, FOLDER, TABLE)
CLASS_MARK = "{label}"
ANY_MARK = "{}"


@dataclass(frozen=True)
class ClassPolicy:
    """Where scoring looks for classes.

    Attributes
    ----------
    kind : {"auto", "none", "folder", "table", "name"}
        The word before the colon.
    depth : int or None
        folder: the class is the folder at this depth, 1 for those in the data folder itself. None
        is the folder that holds the picture, without names of splits.
    table : str
        table: its file.
    pattern : str
        name: a pattern of file names, see `name_expression`.
    """

    kind: str = AUTO
    depth: int | None = None
    table: str = ""
    pattern: str = ""


@dataclass(frozen=True)
class SplitPolicy:
    """Where it is looked up which images are held out.

    Attributes
    ----------
    kind : {"auto", "none", "folder", "table"}
        The word before the colon; "none" draws `held_out` at random.
    table : str
        table: its file.
    """

    kind: str = AUTO
    table: str = ""


def class_policy(data: DataOptions) -> ClassPolicy:
    """Return what `data` says of classes.

    Parameters
    ----------
    data : DataOptions
        Holds `labels`.

    Examples
    --------
    >>> class_policy(DataOptions(labels="folder:2"))
    ClassPolicy(kind='folder', depth=2, table='', pattern='')
    """
    kind, _, rest = data.labels.partition(":")
    if kind == FOLDER and rest:
        return ClassPolicy(kind, depth=int(rest))
    return ClassPolicy(
        kind, table=rest if kind == TABLE else "", pattern=rest if kind == NAME else ""
    )


def split_policy(data: DataOptions) -> SplitPolicy:
    """Return what `data` says of splits.

    Parameters
    ----------
    data : DataOptions
        Holds `split`.

    Examples
    --------
    >>> split_policy(DataOptions(split="table:splits.csv"))
    SplitPolicy(kind='table', table='splits.csv')
    """
    kind, _, table = data.split.partition(":")
    return SplitPolicy(kind, table)


def policy_text(data: DataOptions) -> str:
    """Return where a user says that classes are, in a clause; "" if that is left to the data.

    Parameters
    ----------
    data : DataOptions
        Holds `labels`.

    Examples
    --------
    >>> policy_text(DataOptions(labels="none")), policy_text(DataOptions(labels="table:a.csv"))
    ('no labels, as asked', 'labels by table:a.csv, as asked')
    """
    if data.labels == AUTO:
        return ""
    return "no labels, as asked" if data.labels == NONE else f"labels by {data.labels}, as asked"


def would_score(data: DataOptions, has_its_own: bool) -> bool:
    """Return whether scoring would find classes, which decides whether images are held out.

    Parameters
    ----------
    data : DataOptions
        Holds `labels`.
    has_its_own : bool
        Whether the data themselves have a place of classes: a column, an array, folders. Its
        presence counts; nothing is read in it.

    Examples
    --------
    >>> would_score(DataOptions(labels="none"), has_its_own=True)
    False
    """
    kind = class_policy(data).kind
    return has_its_own if kind in (AUTO, FOLDER) else kind != NONE


def name_expression(pattern: str) -> re.Pattern[str]:
    """Return the regular expression of a pattern of file names.

    "{label}" stands for the class, as long as it can be, and "{}" for any text, as short as it can
    be; neither crosses a folder. Everything else is meant as it is written.

    Parameters
    ----------
    pattern : str
        Such as "{label}_{}.png".

    Returns
    -------
    re.Pattern
        It has one group, which is the class.

    Examples
    --------
    >>> name_expression("{label}_{}.png").fullmatch("black_cat_07.png").group(1)
    'black_cat'
    """
    text = re.escape(pattern)
    text = text.replace(re.escape(CLASS_MARK), "([^/]+)", 1)
    text = text.replace(re.escape(CLASS_MARK), r"\1")
    return re.compile(text.replace(re.escape(ANY_MARK), "[^/]*?"))
