"""Pictures that are all different."""

import numpy as np
from PIL import Image


def pictures(count=60, seed=0):
    """Return smooth random pictures, uint8 (count, 32, 32, 3), all different."""
    rng = np.random.default_rng(seed)
    small = rng.uniform(0, 255, (count, 6, 6, 3)).astype(np.uint8)
    return np.stack(
        [
            np.asarray(Image.fromarray(one).resize((32, 32), Image.Resampling.BICUBIC))
            for one in small
        ]
    )
