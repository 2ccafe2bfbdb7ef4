"""Images in: sources, decoding, one size for all. No label is read here."""
