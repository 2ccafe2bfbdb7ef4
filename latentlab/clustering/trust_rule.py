"""From what is measured of clusters to "trust", "with care" or "do not trust".

The bounds were set on CIFAR-10's training pictures, the first of scikit-learn's digits and such
features shuffled, with labels at hand; reports/trust tries them on other pictures. A verdict reads
no label.

In the trial a clustering is called useful if its adjusted Rand index with the classes is at least
`USEFUL`. "do not trust" is right for the others; "trust" and "with care" are right for useful ones.
"""

import enum
from dataclasses import dataclass

from latentlab.clustering.trust import Measures

USEFUL = 0.2  # adjusted Rand index from which clusters are called useful, in the trial

# Above a null that has no groups, of what is to be had. Useful clusters had 0.34 and more, those of
# one class, of shuffled features, of pixels and of an untrained encoder 0.23 and less.
LEAST_EXCESS = 0.3
GOOD_EXCESS = 0.5

# Agreement of clusters that are made again from half of the images. Useful clusters had 0.43 and
# more; what lies below 0.35 was cut into far too many or has no groups.
LEAST_AGREEMENT = 0.35
GOOD_AGREEMENT = 0.6

# Gain of the silhouette, as a share of the best number's. Two clusters of ten classes had 0.35 and
# less; the number of classes itself had 0.69 and more.
LEAST_SUPPORT = 0.45
GOOD_SUPPORT = 0.65

# Adjusted mutual information with clusters of colours or of pixels. Repeating them is no fault
# where pixels are enough, as with digits: it costs one grade where clusters stand far apart.
# Digits had an excess of 0.57 and more, and pictures of a single digit 0.50.
MUCH_REPEATED = 0.45
REPEATED_EXCESS = 0.55

# Neighbours that picture and mirror image share. Encoders that know the pictures had 0.74 and more,
# untrained ones 0.49. Digits are no longer digits in the mirror, so that it costs one grade.
LEAST_FAMILIAR = 0.5


class Grade(enum.StrEnum):
    """How far clusters can be trusted."""

    TRUST = "trust"
    WITH_CARE = "with care"
    DO_NOT_TRUST = "do not trust"


@dataclass(frozen=True)
class Verdict:
    """A grade and what speaks against more.

    Attributes
    ----------
    grade : str
        "trust", "with care" or "do not trust".
    reasons : tuple of str
        Parts of a sentence, the weightiest first; what speaks for the clusters if nothing is
        against them.
    """

    grade: str
    reasons: tuple[str, ...]

    @property
    def sentence(self) -> str:
        """The verdict with its reasons."""
        openings = {
            Grade.TRUST: "These clusters can be trusted",
            Grade.WITH_CARE: "Take these clusters with care",
            Grade.DO_NOT_TRUST: "Do not trust these clusters",
        }
        return f"{openings[Grade(self.grade)]}: {'; '.join(self.reasons)}."


def judge(measures: Measures) -> Verdict:
    """Return the verdict on clusters.

    Parameters
    ----------
    measures : Measures
        From `latentlab.clustering.trust.measure`.
    """
    against = _faults(measures)
    doubts = _doubts(measures)
    if against:
        return Verdict(Grade.DO_NOT_TRUST, tuple(against))
    if _repeats(measures) and measures.separation.excess < REPEATED_EXCESS:
        return Verdict(Grade.DO_NOT_TRUST, tuple(doubts))
    if doubts:
        return Verdict(Grade.WITH_CARE, tuple(doubts))
    return Verdict(
        Grade.TRUST,
        (
            "they stand apart far more than clusters of data without groups, and come out alike"
            " from other seeds and halves of the images",
        ),
    )


def _faults(measures: Measures) -> list[str]:
    """Return what each by itself forbids trust."""
    separation = measures.separation
    faults = []
    if separation.excess < LEAST_EXCESS:
        faults.append(
            "they hardly stand apart more than clusters of data without groups"
            f" ({separation.neighbours:.2f} of the neighbours above chance, there"
            f" {separation.null:.2f})"
        )
    if measures.agreement < LEAST_AGREEMENT:
        faults.append(
            "other seeds and halves of the images give other clusters (agreement"
            f" {measures.agreement:.2f})"
        )
    if measures.number.support < LEAST_SUPPORT:
        faults.append(
            f"another number of clusters stands apart much further than {measures.k}, such as"
            f" {measures.number.best}"
        )
    return faults


def _doubts(measures: Measures) -> list[str]:
    """Return what asks for care."""
    doubts = []
    if measures.separation.excess < GOOD_EXCESS:
        doubts.append("they overlap, though less than clusters of data without groups")
    if measures.agreement < GOOD_AGREEMENT:
        doubts.append(
            f"other seeds and halves of the images agree only in part ({measures.agreement:.2f})"
        )
    if measures.number.support < GOOD_SUPPORT:
        doubts.append(f"{measures.number.best} clusters stand apart further than {measures.k}")
    if _repeats(measures):
        doubts.append("they largely repeat what colours or pixels give without any encoder")
    if measures.familiarity is not None and measures.familiarity < LEAST_FAMILIAR:
        doubts.append(
            "the encoder places pictures and their mirror images apart, as it does with pictures"
            " that it does not know"
        )
    return doubts


def _repeats(measures: Measures) -> bool:
    repeated = measures.repetition
    return repeated is not None and max(repeated.colours, repeated.pixels) > MUCH_REPEATED
