"""Training an encoder: the loop, its state, what a fit has learnt."""
