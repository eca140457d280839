"""What a benchmark ran on."""

import os
import platform
from pathlib import Path


def machine() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = (row.split(": ")[1] for row in lines if row.startswith("model name"))
    processor = next(names, platform.processor() or "unknown processor")
    return f"{processor}, {os.cpu_count()} cores, Python {platform.python_version()}"
