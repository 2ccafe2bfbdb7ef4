"""Every shipped encoder keeps the contract of encoders."""

import pytest

from latentlab.encoders.conformance import check_encoder
from latentlab.encoders.encoder import Encoder

pytestmark = pytest.mark.run  # each check builds and saves a network


@pytest.mark.parametrize("arch", Encoder.names())
def test_every_encoder_keeps_the_contract(arch):
    check_encoder(Encoder.named(arch))
