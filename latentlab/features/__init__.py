"""Feature steps between an encoder's output and the clusters."""
