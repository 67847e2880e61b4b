"""PPO's loss on a CUDA device, by three kernels; `engram.agents.ppo.loss` defines it."""
