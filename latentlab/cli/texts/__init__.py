"""What commands print for people: one module per command, functions of results."""
