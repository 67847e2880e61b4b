"""A pretended CUDA device: tensors that say `cuda:0` and hold real values in host memory.

What a card would refuse is refused here (tensors of two devices, waits inside a recording), and every launch, wait
and copy is counted with the function that asked for it. Hand-written kernels and the library's recurrent ones are
the CPU's own. It knows nothing of speed.
"""
