"""Clustering of feature vectors that stay as they are. No label is read here."""
