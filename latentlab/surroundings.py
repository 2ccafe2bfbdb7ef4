"""What libraries may take from outside: nothing from the working directory or a run folder."""
