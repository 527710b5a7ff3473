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
with install_import_hook(["elbo"], "numeric_tower.check"):
    for package in ("elbo", "derivations"):
        root = importlib.import_module(package)
        for info in pkgutil.walk_packages(root.__path__, package + "."):
            if info.name.endswith("__main__"):
                continue
            result = doctest.testmod(importlib.import_module(info.name))
            counts[info.name.split(".")[1]] = counts.get(info.name.split(".")[1], 0) + result.attempted
            failed += [info.name] * (result.failed > 0)
print(counts, "failed:", failed)
sys.exit(bool(failed))
"""


def test_examples_are_true_and_shapes_are_as_annotated() -> None:
    here = Path(__file__).parent
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(here)}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", RUN], capture_output=True, text=True, check=False, env=environment
    )
    assert done.returncode == 0, done.stdout + done.stderr
    counts = ast.literal_eval(done.stdout.splitlines()[-1].split(" failed:")[0])
    for package in ("noise", "evidence", "exact", "distributions", "divergences", "problems", "bounds", "gradients"):
        assert counts.get(package, 0) > 0, f"{package} has no example"
