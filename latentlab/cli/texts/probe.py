"""The text of `latentlab probe`."""

from latentlab.scoring.probes import PROBES, ProbeReport
from latentlab.scoring.tables import with_interval

NOTE = "held-out images; here the classifiers, not the clusters, were given the training labels"


def probe_text(report: ProbeReport) -> str:
    """Return both probes of each kind of features as a table.

    Parameters
    ----------
    report : ProbeReport
        What `latentlab.pipeline.probe` returned.

    Returns
    -------
    str
    """
    lines = [f"{'features':<28}{'k-NN accuracy':<26}{'linear probe':<26}chance"]
    for method in dict.fromkeys(row.method for row in report.rows):
        by_metric = {row.metric: row for row in report.rows if row.method == method}
        cells = "".join(f"{with_interval(by_metric[metric]):<26}" for metric in PROBES)
        lines.append(f"{method:<28}{cells}{by_metric['knn_accuracy'].chance:.3f}")
    return "\n".join([*lines, "", NOTE])
