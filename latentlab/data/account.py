"""The intake account where people see it: on the terminal, in run.json and in files of ours."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from latentlab.data.images import ImageSet, LazyImageSet
from latentlab.data.intake import Intake
from latentlab.progress import ONCE, log
from latentlab.storage import json_form
from latentlab.storage.run import Run

FACT = "intake"  # entry of run.json
METADATA = b"latentlab.intake"  # key in the metadata of parquet files
TITLE = "intake: "  # of the line that tells it
_IS_LOUD = "is_loud"
_IS_COMPLETE = "is_complete"


def tell(intake: Intake) -> None:
    """Log an account in one line, as a warning with names if much is left out.

    A command that opens the same images several times shows the line once.

    Parameters
    ----------
    intake : Intake
        The account of images that have been tried.
    """
    if intake.is_loud:
        log.warning("%s%s; %s", TITLE, intake.warning, intake.text, extra=ONCE)
    else:
        log.info("%s%s", TITLE, intake.text, extra=ONCE)


def to_json(intake: Intake, is_complete: bool = True) -> dict[str, Any]:
    """Return an account as JSON holds it: its fields, and what follows from them.

    Parameters
    ----------
    intake : Intake
        The account.
    is_complete : bool
        Whether the images have been tried, so that those that cannot be read are known.
    """
    return json_form.to_json(intake) | {
        "missed": intake.missed,
        _IS_LOUD: intake.is_loud,
        _IS_COMPLETE: is_complete,
        "text": intake.text,
    }


def record_of(images: ImageSet) -> dict[str, Any]:
    """Return what run.json holds of the account of a run's images.

    Parameters
    ----------
    images : ImageSet
        The images; those of a lazily opened set have not been tried yet.
    """
    return to_json(images.intake, is_complete=not isinstance(images, LazyImageSet))


def recorded(run: Run) -> Intake | None:
    """Return the account of a run's images; None if an older version made the run.

    Parameters
    ----------
    run : Run
        The run.
    """
    value = run.fact(FACT)
    if not isinstance(value, Mapping):
        return None
    try:
        return json_form.from_json(Intake, value)
    except ValueError:
        return None  # of a version that counts otherwise


def tell_recorded(run: Run, only_if_loud: bool = False) -> None:
    """Log the account of a run that exists, if its images have been tried.

    Parameters
    ----------
    run : Run
        The run.
    only_if_loud : bool
        Say nothing of an account that is no warning.
    """
    facts = run.fact(FACT)
    if not isinstance(facts, Mapping) or not facts.get(_IS_COMPLETE):
        return
    intake = recorded(run)
    if intake is not None and (intake.is_loud or not only_if_loud):
        tell(intake)


def with_metadata(table: pa.Table, intake: Intake) -> pa.Table:
    """Return a table whose metadata hold an account, for files that belong to no run.

    Parameters
    ----------
    table : pyarrow.Table
        Any table.
    intake : Intake
        The account.
    """
    metadata = table.schema.metadata or {}
    return table.replace_schema_metadata({**metadata, METADATA: json.dumps(to_json(intake))})


def of_file(path: str | Path) -> dict[str, Any] | None:
    """Return the account in a parquet file of ours, as JSON holds it; None if it has none.

    Parameters
    ----------
    path : str or pathlib.Path
        The file.
    """
    metadata = pq.read_schema(path).metadata or {}
    text = metadata.get(METADATA)
    return None if text is None else json.loads(text)


def tell_listed(run: Run) -> None:
    """Log the account of a new run whose images have been listed and not been tried.

    Parameters
    ----------
    run : Run
        The run.
    """
    facts = run.fact(FACT)
    intake = recorded(run)
    if intake is not None and not facts.get(_IS_COMPLETE):
        tell(intake)
