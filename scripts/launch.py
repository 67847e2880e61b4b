"""Process settings that must be in place before Python starts."""

from __future__ import annotations

import os
import platform
import sys

# glibc gives blocks above 32 MB back to the kernel at once; page faults then cost several times the
# arithmetic on large tensors. These thresholds make it keep them.
_TUNABLES = "glibc.malloc.mmap_threshold=8589934592:glibc.malloc.trim_threshold=17179869184"


def keep_large_blocks() -> None:
    """Start this process once more with an allocator that keeps large blocks, where that helps (glibc)."""
    if platform.libc_ver()[0] != "glibc" or "GLIBC_TUNABLES" in os.environ or not sys.orig_argv:
        return
    os.environ["GLIBC_TUNABLES"] = _TUNABLES
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])
