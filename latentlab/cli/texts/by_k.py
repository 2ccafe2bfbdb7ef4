"""The text of `latentlab score-by-k`."""

from latentlab.scoring.scores import KScores, MethodScores, group_rows

COLUMNS = ("purity", "acc", "nmi", "ari", "homogeneity", "completeness")


def by_k_text(scores: KScores) -> str:
    """Return the scores of each k as a table, with the chance of purity and ACC.

    Parameters
    ----------
    scores : KScores
        What `latentlab.pipeline.score_by_k` returned.

    Returns
    -------
    str
    """
    split = scores.split
    titles = "".join(f"{name:>14}" for name in COLUMNS)
    lines = [f"{'k':>4}{titles}{'chance: purity':>16}{'chance: acc':>14}   {split} split"]
    for k in dict.fromkeys(row.k for row in scores.rows):
        rows = [row for row in scores.rows if row.k == k]
        (of_k,) = group_rows(rows, split).values()
        lines.append(f"{k:>4}{_values(of_k)}")
    return "\n".join(lines)


def _values(scores: MethodScores) -> str:
    values = "".join(f"{scores.headline(name).value:14.3f}" for name in COLUMNS)
    purity = scores.headline("purity").chance
    acc = scores.headline("acc").chance
    return f"{values}{purity:16.3f}{acc:14.3f}"
