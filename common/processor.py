"""Which processor this is, as far as its arithmetic units matter."""

import platform
from functools import cache
from pathlib import Path
from typing import NamedTuple


class Processor(NamedTuple):
    """A processor.

    Attributes:
        vendor: As it calls itself, "AuthenticAMD" or "GenuineIntel"; empty if that is not told.
        family: The vendor's number of the design, 25 for Zen 3 and 4, 26 for Zen 5; 0 if it is not told.
        has_avx512: Whether it has vectors of 512 bits.
    """

    vendor: str
    family: int
    has_avx512: bool


@cache
def this_processor() -> Processor:
    """Read what the first core of this machine says; what is not told is empty."""
    path = Path("/proc/cpuinfo")
    if platform.machine() not in ("x86_64", "AMD64") or not path.exists():
        return Processor("", 0, False)
    return read_processor(path.read_text())


def read_processor(text: str) -> Processor:
    """Read a processor from the text of /proc/cpuinfo."""
    lines = (line.partition(":") for line in text.splitlines())
    found: dict[str, str] = {}
    for name, _, value in lines:
        found.setdefault(name.strip(), value.strip())
    family = found.get("cpu family", "")
    flags = found.get("flags", "").split()
    return Processor(found.get("vendor_id", ""), int(family) if family.isdigit() else 0, "avx512f" in flags)
