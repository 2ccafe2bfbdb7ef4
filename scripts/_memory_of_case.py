"""How much memory a hostile input takes above what its process had before it was read."""

from pathlib import Path

import pyarrow as pa

STATUS = Path("/proc/self/status")
PEAK, NOW = "VmHWM", "VmRSS"
MIB = 1024  # KiB
_before = {"mib": 0}


def begin() -> None:
    """Forget the peak so far; an input that is made by its own case calls this once it is made."""
    pa.default_memory_pool().release_unused()
    Path("/proc/self/clear_refs").write_text("5")  # resets the peak
    _before["mib"] = _mib(NOW)


def above() -> int:
    """Return the MiB that the process took at most since `begin`, above what it had then."""
    return _mib(PEAK) - _before["mib"]


def _mib(entry: str) -> int:
    line = next(line for line in STATUS.read_text().splitlines() if line.startswith(entry))
    return int(line.split()[1]) // MIB
