"""Whether the compiled kernels can be tested here: they must, wherever they could have been built."""

import os
import platform
import shutil
from pathlib import Path

import pytest

REASON = "the kernels were not compiled here: no C compiler, or no fused multiply-add"


def buildable() -> bool:
    """Whether there is a C compiler and a processor with fused multiply-add."""
    if shutil.which(os.environ.get("CC", "cc").split()[0]) is None:
        return False
    information = Path("/proc/cpuinfo")
    flags = information.read_text() if information.is_file() else ""
    return platform.machine() in ("aarch64", "arm64") or (" fma " in flags and " avx2 " in flags)


def needed(module: object) -> pytest.MarkDecorator:
    """Skip without kernels, but not where a build of them has failed: there the tests fail, and so they should."""
    return pytest.mark.skipif(module is None and not buildable(), reason=REASON)
