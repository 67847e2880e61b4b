"""The HiPPO-N initialisation of diagonal state-space models."""

import torch
from torch import Tensor


def hippo_normal(size: int) -> tuple[Tensor, Tensor]:
    """Diagonalise the normal part of the HiPPO-LegS matrix.

    With p_n = √(1 + 2n), A = −(tril(p pᵀ) − diag(0 … size−1)) and P_n = √(n + ½), A + P Pᵀ is normal
    and its diagonal is −½. So the eigenvalues are −½ + i·eig(−i(A + P Pᵀ)), and their vectors unitary.

    Args:
        size: Number of modes, N.

    Returns:
        Eigenvalues [N] by ascending imaginary part and eigenvectors [N, N], both complex128.

    Source: Gupta et al., "Diagonal state spaces are as effective as structured state spaces", 2022.
    """
    index = torch.arange(size, dtype=torch.float64)
    p = (1 + 2 * index).sqrt()
    low_rank = (index + 0.5).sqrt()
    legs = -(torch.outer(p, p).tril() - index.diag())
    normal = legs + torch.outer(low_rank, low_rank)
    imaginary, vectors = torch.linalg.eigh(-1j * normal)
    real = normal.diagonal().mean().expand(size)
    return torch.complex(real, imaginary), vectors


def hippo_blocks(size: int, blocks: int, conj_sym: bool) -> tuple[Tensor, Tensor]:
    """Repeat a smaller HiPPO-N matrix along the diagonal.

    Args:
        size: Number of modes of all blocks together, N.
        blocks: Number of equal blocks; smaller blocks have slower oscillations.
        conj_sym: Keep one of each conjugate pair, the one of negative imaginary part.

    Returns:
        Eigenvalues [P] and eigenvectors [N, P], both complex128; P is N / 2 with `conj_sym`, else N.
    """
    eigenvalues, vectors = hippo_normal(size // blocks)
    kept = len(eigenvalues) // 2 if conj_sym else len(eigenvalues)
    return eigenvalues[:kept].repeat(blocks), torch.block_diag(*[vectors[:, :kept]] * blocks)
