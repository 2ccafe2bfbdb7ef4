"""Files on disk: atomic writes, the run folder, tables, checkpoints. Touches disk, never a network or a label."""
