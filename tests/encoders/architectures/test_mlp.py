"""The fully connected encoder of the DEC paper."""

from latentlab.encoders import networks


def test_mlp_has_the_papers_weights_and_takes_any_size():
    # 784-500-500-2000-10
    assert (
        networks.build("mlp", (28, 28, 1)).encoder.count_params()
        == 392_500 + 250_500 + 1_002_000 + 20_010
    )
    assert networks.build("mlp", (7, 9, 3), {"code_dim": 4}).autoencoder.output_shape[1:] == (
        7,
        9,
        3,
    )
