"""What ends a command: a user's mistake, the machine, a signal."""
