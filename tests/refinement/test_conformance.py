"""Every refinement method keeps the contract, and the check says what a broken one has to mend."""

import pytest

from latentlab.refinement.conformance import check_refiner
from latentlab.refinement.refiner import Refiner

pytestmark = pytest.mark.run  # each check trains a network


# These differ from selftrain in their images and losses alone, and have less state.
ALIKE = ("consistency", "selflabel")


@pytest.mark.parametrize("method", [name for name in Refiner.names() if name not in ALIKE])
def test_every_method_keeps_the_contract(method):
    check_refiner(Refiner.named(method))


class Broken(Refiner):
    """A method whose `Refinement` has one method replaced."""

    def __init__(self, method, name, replacement):
        self.method = Refiner.named(method)
        self.Options, self.capabilities = self.method.Options, self.method.capabilities
        self.replaced, self.replacement = name, replacement

    def start(self, start, options):
        refinement = self.method.start(start, options)
        setattr(refinement, self.replaced, self.replacement)
        return refinement


@pytest.mark.parametrize(
    ("method", "name", "replacement", "message"),
    [
        ("idec", "reorder", lambda order: None, "must renumber the soft assignments"),
        ("idec", "set_centers", lambda centers: None, "what set_centers"),
        ("idec", "step", lambda batch, positions: {}, "at least one loss"),
        ("vade", "set_extras", lambda arrays: None, "must give the same losses"),
    ],
)
def test_a_broken_method_is_told_what_to_mend(method, name, replacement, message):
    with pytest.raises(AssertionError, match=message):
        check_refiner(Broken(method, name, replacement))
