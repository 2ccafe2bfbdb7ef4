"""Clustering methods on vectors, one file per method; the name of the file is its name."""
