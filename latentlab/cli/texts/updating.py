"""The texts of `latentlab update`."""

from latentlab.pipeline.updating import UpdateReport


def update_text(report: UpdateReport, run: str) -> str:
    """Return what an update came to.

    Parameters
    ----------
    report : UpdateReport
        The update.
    run : str
        The run folder.
    """
    counts = (
        f"{report.added:,} added, {report.gone:,} gone, {report.changed:,} changed;"
        f" {report.images:,} images now"
    )
    lines = [f"{run}: {counts}"]
    for name in ("gone", "changed", "unreadable"):
        ids = report.examples.get(name, ())
        if ids:
            further = ", ..." if getattr(report, name) > len(ids) else ""
            lines.append(f"{name}: {', '.join(ids)}{further}")
    for name, counts_of_new in report.assigned.items():
        if sum(counts_of_new):
            lines.append(f"{name}: new images by cluster {', '.join(map(str, counts_of_new))}")
    if report.dropped:
        lines.append(f"dropped, repeat them: {', '.join(report.dropped)}")
    if report.reclustered:
        lines.append(f"clustered anew: {', '.join(report.reclustered)}")
    return "\n".join(lines)
