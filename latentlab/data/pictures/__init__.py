"""Picture files: what they are, how they are decoded, scaled and brought to one size."""
