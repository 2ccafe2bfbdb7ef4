"""What an import came to, for the terminal."""

from latentlab.pipeline.importing import ImportReport

SHOWN = 3  # ids of those that are left out
MATCHES = {
    "same id": "they have the ids of the images",
    "end of the path": "their ids end with those of the images",
    "file name": "their ids have the images' file names, without folders",
    "order": "they have no ids: the vectors are taken in the order of the images",
}
SPLITS = {
    "file": "training and held-out ones as the file says",
    "images": "training and held-out ones as the images say",
    "draw": "held-out ones drawn at random",
}


def import_text(run_path: str, report: ImportReport) -> str:
    """Return what an import came to.

    Parameters
    ----------
    run_path : str
        The run folder.
    report : ImportReport
        The counts.

    Returns
    -------
    str
        One line.
    """
    match = MATCHES.get(report.matched_by, "without images")
    parts = [
        f"{run_path}: {report.vectors:,} vectors of {report.dims:,} numbers",
        match,
        SPLITS[report.splits_from],
    ]
    if report.id_column:
        parts.append(f"ids are those of column {report.id_column}")
    elif not report.matched_by:
        parts.append("ids are numbers of rows, from 0")
    return "; ".join(parts)


def left_out_lines(report: ImportReport) -> list[str]:
    """Return what was left out.

    Parameters
    ----------
    report : ImportReport
        The counts.

    Returns
    -------
    list of str
        One line per reason, for those that there are.
    """
    counts = {
        "rows_without_image": "vectors match no image and are left out",
        "images_without_vector": "images have no vector and are left out",
        "not_finite": "vectors are not finite, or hold numbers above 1e15, and are left out",
        "unreadable": "images with a vector cannot be read and are left out",
    }
    lines = []
    for name, text in counts.items():
        count = getattr(report, name)
        if count:
            examples = report.examples[name][:SHOWN]
            more = ", ..." if count > len(examples) else ""
            lines.append(f"{count:,} {text}: {', '.join(examples)}{more}")
    return lines
