"""The text of `latentlab trust`."""

from latentlab.clustering.trust_report import TrustReport
from latentlab.reporting.trust_text import sentences


def trust_text(report: TrustReport) -> str:
    """Return the verdict, and what was measured below it.

    Parameters
    ----------
    report : TrustReport
        What `latentlab.pipeline.trust_of` returned.
    """
    verdict, *measured = sentences(report)
    return "\n".join([f"{report.name}: {verdict}", *(f"  {line}" for line in measured)])
