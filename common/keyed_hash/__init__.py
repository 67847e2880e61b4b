"""Keyed draws on a CUDA device, one kernel each; `engram.common.random` and `engram.common.streams` define them."""
