"""Scores: the only wing that reads labels."""
