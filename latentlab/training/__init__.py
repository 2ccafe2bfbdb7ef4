"""Training an encoder: the loop, its state, the objectives."""
