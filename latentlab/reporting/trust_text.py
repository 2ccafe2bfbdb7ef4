"""The trust statement in sentences, for the page and the terminal."""

from latentlab.clustering.trust import Measures
from latentlab.clustering.trust_report import TrustReport

LABEL_FREE = "No label was read for this."
OF_THE_COMPUTED = "All this is about the clusters as computed, before edits by hand."


def sentences(report: TrustReport) -> list[str]:
    """Return the verdict and then each measure in a sentence.

    Parameters
    ----------
    report : TrustReport
        From `latentlab.pipeline.trust_of`.
    """
    if report.measures is None:
        return [report.verdict.sentence]
    return [report.verdict.sentence, *_measured(report.measures), LABEL_FREE]


def _measured(measures: Measures) -> list[str]:
    separation = measures.separation
    number = measures.number
    lines = [
        f"Seeds: made again by k-means from {len(measures.seeds)} other random halves of the"
        f" {measures.images} images that were looked at, the clusters agree with these to"
        f" {measures.agreement:.2f} (adjusted Rand index; 1 is the same, 0 chance).",
        f"Separation: neighbours lie in the same cluster to {separation.neighbours:.2f} (1 is all,"
        f" 0 chance), and to {separation.null:.2f} in data without groups (shuffled features, or"
        f" one normal distribution); the silhouette is {separation.silhouette:.2f}.",
        _about_number(number.k, number.best, number.support),
    ]
    repeated = measures.repetition
    if repeated is None:
        lines.append("Repetition: there are no pictures to compare with.")
    else:
        lines.append(
            "Repetition: agreement with clusters that need no encoder is"
            f" {repeated.colours:.2f} for colours, {repeated.edges:.2f} for edges (HOG) and"
            f" {repeated.pixels:.2f} for pixels (adjusted mutual information)."
        )
    if measures.familiarity is not None:
        lines.append(
            "Familiarity: a picture and its mirror image share"
            f" {measures.familiarity:.0%} of their neighbours; encoders share most where they"
            " know such pictures."
        )
    return lines


def _about_number(k: int, best: int, support: float) -> str:
    if k == best:
        return f"Number: of the numbers tried, {k} clusters stand apart furthest."
    return (
        f"Number: {k} clusters stand apart {support:.0%} as far, above data without groups, as"
        f" {best} do."
    )
