"""The text of `latentlab choose-encoder`."""

from typing import TYPE_CHECKING

from latentlab.clustering.encoder_criteria import CRITERIA

if TYPE_CHECKING:
    from latentlab.pipeline.encoder_choice import EncoderChoice, JudgedEncoder

WIDTH = 20
NAME_WIDTH = 24


def encoder_choice_text(choice: "EncoderChoice") -> str:
    """Return the encoders as a table, best first, and what to think of it.

    Parameters
    ----------
    choice : EncoderChoice
        What `latentlab.pipeline.choose_encoder` returned.
    """
    titles = "".join(f"{name:>{WIDTH}}" for name in (*CRITERIA, "mean rank"))
    lines = [f"{'encoder':<{NAME_WIDTH}}{titles}  labels used in pretraining"]
    lines += [_line(encoder) for encoder in choice.encoders]
    lines += ["", _recommendation(choice), *_hits(choice)]
    return "\n".join(lines)


def _line(encoder: "JudgedEncoder") -> str:
    cells = []
    for name, rank in zip(CRITERIA, encoder.ranks, strict=True):
        cells.append(f"{encoder.values.value(name):.3f} (#{rank})".rjust(WIDTH))
    cells.append(f"{encoder.mean_rank:.1f}".rjust(WIDTH))
    return f"{encoder.name:<{NAME_WIDTH}}{''.join(cells)}  {encoder.pretraining}"


def _recommendation(choice: "EncoderChoice") -> str:
    best = choice.encoders[0]
    if len(choice.encoders) == 1:
        return f"only one encoder is at hand: {best.encoder}"
    if choice.agree:
        return f"recommended: --encoder {best.encoder}, since all criteria put it first"
    dissent = []
    for number, name in enumerate(CRITERIA):
        firsts = [each.name for each in choice.encoders if each.ranks[number] == 1]
        if best.name not in firsts:
            dissent.append(f"{name} says {firsts[0]}")
    return f"recommended: --encoder {best.encoder}, by its mean rank; {', '.join(dissent)}"


def _hits(choice: "EncoderChoice") -> list[str]:
    """Return how often each criterion was right elsewhere, a line for each."""
    if not choice.hits:
        return []
    lines = [f"How often they were right where classes are known ({choice.hits_source}):"]
    for hit in choice.hits:
        lines.append(
            f"  {hit.criterion:<16} first one best in {hit.best} of {hit.folders} folders;"
            f" {hit.pairs_right} of {hit.pairs} pairs in the order of their purities"
        )
    return lines
