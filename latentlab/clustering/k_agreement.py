"""From what each criterion chooses to one number of clusters, and whether that is more than chance.

Criteria that choose at random agree too where the range is short: of five that choose among 2, 3
and 4, two always come within 1 of each other.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

NEAR = 1  # choices of k that lie this close together agree
LIKELY = 0.1  # agreement that chance reaches more often than this is no more than a hint
DRAWS = 20_000  # random choices from which the probability is estimated


@dataclass(frozen=True, kw_only=True)
class Recommendation:
    """A number of clusters and what stands behind it.

    Attributes
    ----------
    k : int
        The number.
    reason : str
        Why, in a sentence.
    chance : float or None
        How often as many criteria would agree if each chose at random; None if nobody asked.
    is_hint : bool
        Whether the agreement is likely by chance, or there is none.
    """

    k: int
    reason: str
    chance: float | None = None
    is_hint: bool = False


def agree(first: int, second: int, ks: Sequence[int] = ()) -> bool:
    """Return whether two choices agree: at most 1 apart, or neighbours where `ks` has gaps.

    Parameters
    ----------
    first, second : int
        Two choices.
    ks : sequence of int
        The numbers of an extended range, in growing order; those above its gapless part count as
        neighbours. Empty: there is no such part.
    """
    if abs(first - second) <= NEAR:
        return True
    if first not in ks or second not in ks:
        return False
    return abs(ks.index(first) - ks.index(second)) <= 1


def recommend(
    choices: Mapping[str, int], ks: Sequence[int] = (), extended: bool = False
) -> Recommendation:
    """Return the k that most criteria come within 1 of, and the reason.

    Of several such k it is the one that most criteria choose. A tie goes to the silhouette's
    choice, and so does complete disagreement.

    Parameters
    ----------
    choices : mapping
        Criterion -> k.
    ks : sequence of int
        The numbers to choose from, for the probability of such an agreement by chance; empty: it
        is not computed.
    extended : bool
        The range was extended in steps of more than 1, whose neighbours agree.

    Examples
    --------
    >>> recommend({"silhouette": 4, "gap": 5, "stability": 9}).reason
    '2 of 3 criteria choose it or a neighbour (silhouette, gap); stability says 9'
    """
    supporters = _supporters_of_each(choices, ks if extended else ())

    def rank(k: int) -> tuple[int, int, bool]:
        votes = list(choices.values()).count(k)
        return len(supporters[k]), votes, choices["silhouette"] == k

    k = max(supporters, key=rank)
    count = len(supporters[k])
    if count == 1:
        reason = (
            "the criteria disagree, so that this is the silhouette's choice and no more than a hint"
        )
        reason += _dissent(choices, supporters[k])
        return Recommendation(k=choices["silhouette"], reason=reason, is_hint=True)

    # Give the reason, and the choices of the other criteria.
    names = ", ".join(supporters[k])
    reason = f"{count} of {len(choices)} criteria choose it or a neighbour ({names})"
    reason += _dissent(choices, supporters[k])
    if not ks:
        return Recommendation(k=k, reason=reason)
    chance = chance_of_agreement(count, len(choices), ks, extended)
    is_hint = chance > LIKELY
    reason += f"; criteria that chose at random would agree so {_often(chance)}"
    if is_hint:
        reason += ", so that it is no more than a hint"
    return Recommendation(k=k, reason=reason, chance=chance, is_hint=is_hint)


def chance_of_agreement(
    count: int, criteria: int, ks: Sequence[int], extended: bool = False
) -> float:
    """Return how often `count` criteria or more agree if each chooses one of `ks` at random.

    The criteria look at the same data, so that in truth they agree more often than this.

    Parameters
    ----------
    count : int
        Criteria that agree, the one they agree with among them.
    criteria : int
        Number of criteria.
    ks : sequence of int
        The numbers to choose from.
    extended : bool
        As for `recommend`.

    Examples
    --------
    >>> chance_of_agreement(2, 5, [2, 3, 4])
    1.0
    """
    gaps = ks if extended else ()
    rows = []
    for first in ks:
        rows.append([agree(first, second, gaps) for second in ks])
    near = np.array(rows)
    drawn = np.random.default_rng(23).integers(0, len(ks), (DRAWS, criteria))
    supporters = near[drawn[:, :, None], drawn[:, None, :]].sum(axis=2)
    return float((supporters.max(axis=1) >= count).mean())


def _supporters_of_each(choices: Mapping[str, int], gaps: Sequence[int]) -> dict[int, list[str]]:
    """Return the criteria that stand behind each k that one of them chooses."""
    supporters = {}
    for k in choices.values():
        supporters[k] = [name for name, choice in choices.items() if agree(choice, k, gaps)]
    return supporters


def _dissent(choices: Mapping[str, int], supporters: Sequence[str]) -> str:
    others = [f"{name} says {k}" for name, k in choices.items() if name not in supporters]
    return f"; {', '.join(others)}" if others else ""


def _often(chance: float) -> str:
    if chance < 0.005:
        return "in less than 1% of cases"
    return f"in {chance:.0%} of cases"
