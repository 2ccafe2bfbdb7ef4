"""The text of `latentlab compare`."""

from latentlab.scoring.compare import Comparison, Difference, SideComparison
from latentlab.scoring.tables import pretraining_of_each

SHOWN_FLOWS = 5


def comparison_text(comparison: Comparison) -> str:
    """Return what moved and how the scores differ, one paragraph per clustering.

    Parameters
    ----------
    comparison : Comparison
        What `latentlab.pipeline.compare` returned.

    Returns
    -------
    str
    """
    lines = [f"against {comparison.first}, {comparison.images:,} images that all have"]
    lines += [f"clusters {side.edits}: {side.name}" for side in comparison.sides]
    lines += [
        f"not compared: {side.further:,} images that not all have, of {side.name}"
        for side in comparison.sides
        if side.further
    ]
    for side in comparison.others:
        lines += ["", _moves(side, comparison)]
        lines += [_difference(row) for row in side.scores or ()]
    if comparison.pretraining and comparison.others[0].scores:
        lines += ["", pretraining_of_each(comparison.pretraining)]
    return "\n".join(lines)


def _moves(side: SideComparison, comparison: Comparison) -> str:
    flows = []
    for flow in side.flows[:SHOWN_FLOWS]:
        source = comparison.cluster_name(comparison.first, flow.source)
        target = comparison.cluster_name(side.name, flow.target)
        flows.append(f"{flow.images:,} from {source} to {target}")
    largest = f" ({', '.join(flows)})" if flows else ""
    return f"{side.name}: {side.moved:.1%} of the images are outside matched clusters{largest}"


def _difference(row: Difference) -> str:
    values = f"{row.first:.3f} -> {row.value:.3f}"
    interval = f"{row.difference:+.3f} [{row.low:+.3f}, {row.high:+.3f}]"
    return f"  {row.metric:<7}{row.split} split  {values}  {interval}  {row.verdict}"
