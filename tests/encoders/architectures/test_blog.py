"""The encoder of the blog post, layer by layer."""

from latentlab.encoders import networks


def layers_of(model):
    return [
        (type(layer).__name__, getattr(layer, "filters", None), getattr(layer, "kernel_size", None))
        for layer in model.layers
    ]


def test_blog_is_the_post_layer_by_layer():
    model = networks.build("blog", (32, 32, 3))
    convolutions = [entry for entry in layers_of(model.autoencoder) if "Conv" in entry[0]]
    assert convolutions == [
        ("Conv2D", 32, (6, 6)),
        ("Conv2D", 32, (3, 3)),
        ("Conv2D", 16, (3, 3)),
        ("Conv2DTranspose", 16, (3, 3)),
        ("Conv2DTranspose", 32, (3, 3)),
        ("Conv2DTranspose", 64, (6, 6)),
        ("Conv2DTranspose", 3, (3, 3)),
    ]
    assert [entry[0] for entry in layers_of(model.autoencoder)[-2:]] == [
        "BatchNormalization",
        "Activation",
    ]
