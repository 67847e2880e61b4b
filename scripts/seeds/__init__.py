"""Several runs that differ by their seed alone, in one folder: what `engram train seeds=8` is made of."""
