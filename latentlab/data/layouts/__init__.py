"""How data are laid out: which folders, tables and names say splits and classes."""
