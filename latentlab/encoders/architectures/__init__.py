"""Encoder architectures, one file per architecture; the name of the file is its name."""
