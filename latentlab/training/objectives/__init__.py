"""Training objectives, one file per objective; the name of the file is its name."""
