"""Building blocks of networks: layers, optimizers, random crops, counts of operations."""
