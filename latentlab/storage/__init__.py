"""Files on disk: atomic writes, the run folder, tables, checkpoints. No network, no labels."""
