"""Every example in a docstring is run, with the shapes of jaxtyping checked by beartype while it runs."""

import ast
import os
import subprocess
import sys
from pathlib import Path

RUN = """
import doctest, importlib, pkgutil, sys, warnings
from jaxtyping import install_import_hook

failed, counts = [], {}
only, hooked = sys.argv[1:]
with install_import_hook(hooked.split(), "numeric_tower.check"):
    for package in ("elbo", "derivations"):
        root = importlib.import_module(package)
        for info in pkgutil.walk_packages(root.__path__, package + "."):
            if info.name.endswith("__main__") or info.name.startswith("elbo.strategies") != (only == "strategies"):
                continue
            result = doctest.testmod(importlib.import_module(info.name), optionflags=doctest.ELLIPSIS)
            counts[info.name.split(".")[1]] = counts.get(info.name.split(".")[1], 0) + result.attempted
            failed += [info.name] * (result.failed > 0)
print(counts, "failed:", failed)
sys.exit(bool(failed))
"""


NAMES = [
    "noise",
    "evidence",
    "exact",
    "distributions",
    "divergences",
    "audit",
    "bounds",
    "gradients",
    "checking",
    "testing",
]
SHAPED = [f"elbo.{name}" for name in NAMES]
"""Where annotations are checked: all but the problems, which take ``None`` for x where there are no data."""


def run(only: str, hooked: str) -> dict[str, int]:
    """How many examples each package has, all of them true."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).parent)}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", RUN, only, hooked],
        capture_output=True, text=True, check=False, env=environment,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    counts: dict[str, int] = ast.literal_eval(done.stdout.splitlines()[-1].split(" failed:")[0])
    return counts


def test_examples_are_true_and_shapes_are_as_annotated() -> None:
    counts = run("all", " ".join(SHAPED))
    for package in ("noise", "evidence", "exact", "distributions", "divergences", "problems", "bounds", "gradients"):
        assert counts.get(package, 0) > 0, f"{package} has no example"


def test_examples_of_the_strategies_are_true() -> None:
    """Without beartype, which chooses what it looks at by ``random``: Hypothesis refuses that inside a strategy."""
    assert run("strategies", "")["strategies"] > 0
