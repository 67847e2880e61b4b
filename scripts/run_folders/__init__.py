"""Which run a command is for: a new folder, one to continue, one to evaluate."""
