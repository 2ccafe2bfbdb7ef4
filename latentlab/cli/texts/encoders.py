"""The list of encoders at hand, as text."""

from collections.abc import Sequence

from latentlab.encoders.at_hand import EncoderEntry

OTHERS = """\
From files and from elsewhere, for --encoder
  FILE.onnx                  an ONNX network, run by ONNX Runtime
  FILE.keras                 a Keras network, which can also be trained further
  keras:NAME:WEIGHTS         a network of Keras Applications with its file of weights
  hf:OWNER/MODEL[:FILE]      an ONNX network of the hub (pip install 'latentlab[hub]')"""
HEADINGS = ("", "images", "numbers", "labels seen", "licence", "images/s", "purity measured")


def encoders_text(entries: Sequence[EncoderEntry]) -> str:
    """Return the encoders at hand as a table, and the other ways to name one.

    Parameters
    ----------
    entries : sequence of EncoderEntry
        From `encoders_at_hand`.
    """
    rows = [HEADINGS, *map(_cells, entries)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["At hand, for --encoder"]
    for row in rows:
        cells = [f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)]
        lines.append("  " + "  ".join(cells).rstrip())
    for entry in entries:
        if not entry.is_at_hand:
            lines.append(f"  {entry.name} is not installed: {entry.way}")
    return "\n".join([*lines, "", OTHERS])


def _cells(entry: EncoderEntry) -> tuple[str, ...]:
    """Return one line of the table."""
    speed = entry.images_per_second
    purity = ", ".join(f"{data} {value:.2f}" for data, value in entry.purity.items())
    return (
        entry.name,
        f"{entry.input_size}x{entry.input_size}",
        str(entry.feature_size or "-"),
        entry.pretraining,
        entry.licence,
        f"{speed:,.0f}" if speed else "-",
        purity or "-",
    )
