"""Words of the command line: composing a configuration from them, help, and what is wrong with them."""
