"""Categorical latents on a CUDA device, a kernel each; `engram.agents.world_model.latents` defines them."""
