"""The encoder of the DCEC paper."""

from latentlab.encoders import networks


def test_dcec_has_the_papers_weights():
    # 28x28x1: 5*5*1*32+32 + 5*5*32*64+64 + 3*3*64*128+128 + 1152*10+10; the decoder mirrors it.
    encoder = networks.build("dcec", (28, 28, 1)).encoder
    assert encoder.count_params() == 832 + 51_264 + 73_856 + 11_530
