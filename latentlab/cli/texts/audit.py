"""The text of `latentlab audit`."""

from pathlib import Path

from latentlab.reporting.audit import AuditReport, HeldOutScore


def audit_text(report: AuditReport, folder: Path) -> str:
    """Return the duplicates, what they do to the held-out scores, and the suspected labels.

    Parameters
    ----------
    report : AuditReport
        What `latentlab.pipeline.audit` returned.
    folder : Path
        Folder of the audit's files, named in the last line.

    Returns
    -------
    str
    """
    counts = report.duplicates
    pairs = f"{counts.exact:,} exact and {counts.near:,} near pairs of duplicates"
    first = f"{pairs} among {report.images:,} images"
    if counts.has_held_out:
        first += (
            f", {counts.across_splits:,} across the splits: {counts.held_out_images:,} held-out"
            " images have one that was fitted on"
        )
    lines = [first]
    if counts.changes:
        lines.append(f"changes: {', '.join(_change(*item) for item in counts.changes.items())}")
    if report.held_out:
        scores = [_score(name, score) for name, score in report.held_out.items()]
        lines.append(f"held-out scores: {', '.join(scores)}")
    if report.label_errors is not None:
        lines.append(
            f"{report.label_errors:,} labels are suspected; "
            f"{counts.different_labels:,} pairs of duplicates carry different labels"
        )
    return "\n".join([*lines, str(folder)])


def _change(name: str, count: int) -> str:
    return f"{name} {count:,}"


def _score(name: str, score: HeldOutScore) -> str:
    without = "none is left" if score.without is None else f"{score.without:.4f}"
    return f"{name} {score.all:.4f} with, {without} without them"
