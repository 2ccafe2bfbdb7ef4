"""Every shipped encoder keeps the contract of encoders."""

import pytest

from latentlab.encoders.conformance import check_encoder
from latentlab.encoders.encoder import Encoder


@pytest.mark.parametrize("arch", Encoder.names())
def test_every_encoder_keeps_the_contract(arch):
    check_encoder(Encoder.named(arch))
