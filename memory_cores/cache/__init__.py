"""The cache engine: attention from every row to a bounded store of the episode's rows before it."""
