"""What the rule for pictures of another shape has done to them, in a sentence."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class FormSummary:
    """How many pictures were cropped, padded, stretched or enlarged, and how much.

    Summaries of parts are added with "+".

    Attributes
    ----------
    rule : {"crop", "pad", "stretch"}
        See `latentlab.data.pictures.resizing.resize`.
    size : int
        Height and width to which the pictures were brought, in pixels.
    pictures : int
        Number of pictures.
    not_square : int
        Those whose sides differ.
    change : float
        Sum over these pictures. crop: the share of the picture that is left out. pad: the share of
        the result that is black. stretch: the longer side divided by the shorter one.
    enlarged : int
        Pictures that had fewer pixels than the result.
    """

    rule: str
    size: int
    pictures: int = 0
    not_square: int = 0
    change: float = 0.0
    enlarged: int = 0

    @classmethod
    def of(cls, sizes: np.ndarray, rule: str, size: int) -> "FormSummary":
        """Return the summary of some pictures.

        Parameters
        ----------
        sizes : ndarray of shape (n, 2), int
            Width and height of each picture in pixels, upright.
        rule : {"crop", "pad", "stretch"}
            The rule that was applied.
        size : int
            Height and width of the result in pixels.

        Examples
        --------
        >>> FormSummary.of(np.array([[400, 300], [50, 50]]), "crop", 224)
        FormSummary(rule='crop', size=224, pictures=2, not_square=1, change=0.25, enlarged=1)
        """
        sizes = np.asarray(sizes).reshape(-1, 2)
        shorter, longer = sizes.min(axis=1), sizes.max(axis=1)
        decisive = longer if rule == "pad" else shorter
        differ = shorter < longer
        ratio = longer[differ] / shorter[differ]
        change = ratio if rule == "stretch" else 1 - 1 / ratio
        return cls(
            rule=rule,
            size=size,
            pictures=len(sizes),
            not_square=int(differ.sum()),
            change=float(change.sum()),
            enlarged=int((decisive < size).sum()),
        )

    def __add__(self, other: "FormSummary") -> "FormSummary":
        if (self.rule, self.size) != (other.rule, other.size):
            raise ValueError(f"summaries of two forms cannot be added: {self}, {other}")
        return FormSummary(
            rule=self.rule,
            size=self.size,
            pictures=self.pictures + other.pictures,
            not_square=self.not_square + other.not_square,
            change=self.change + other.change,
            enlarged=self.enlarged + other.enlarged,
        )

    @property
    def text(self) -> str:
        """One or two sentences for the report.

        Examples
        --------
        >>> print(FormSummary.of(np.array([[400, 300], [50, 50]]), "crop", 224).text)
        1 of 2 pictures is not square: its centre was cropped to 224x224 pixels (25% of its area \
is left out). 1 of 2 was smaller than that and was enlarged.
        """
        return f"{self._shape_text()}{self._enlarged_text()}"

    def _shape_text(self) -> str:
        square = f"{self.size}x{self.size} pixels"
        if self.pictures == 0:
            return "No picture was read."
        if self.not_square == 0:
            return f"All pictures are square; they were brought to {square}."
        is_one = self.not_square == 1
        beginning = f"{self.not_square:,} of {self.pictures:,} pictures"
        sentence = _ONE[self.rule] if is_one else _SEVERAL[self.rule]
        mean = self.change / self.not_square
        change = f"{mean:.2f}" if self.rule == "stretch" else f"{mean:.0%}"
        return f"{beginning} {sentence.format(square=square, change=change)}"

    def _enlarged_text(self) -> str:
        if self.enlarged == 0:
            return ""
        was = "was" if self.enlarged == 1 else "were"
        if self.enlarged == self.pictures > 1:
            return " All were smaller than that and were enlarged."
        count = f"{self.enlarged:,} of {self.pictures:,}"
        return f" {count} {was} smaller than that and {was} enlarged."


_ONE = {
    "crop": "is not square: its centre was cropped to {square} ({change} of its area is left out).",
    "pad": "is not square: black bars were added to {square} ({change} of the area is black).",
    "stretch": "is not square: it was stretched to {square} (by a factor of {change}).",
}
_SEVERAL = {
    "crop": "are not square: the centre was cropped to {square} "
    "(on average {change} of the area is left out).",
    "pad": "are not square: black bars were added to {square} "
    "(on average {change} of the area is black).",
    "stretch": "are not square: they were stretched to {square} "
    "(on average by a factor of {change}).",
}
