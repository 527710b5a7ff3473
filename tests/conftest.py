"""What every test can use: the reference values, and seeds that depend on the test alone."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import settings
from torch.distributions import Distribution

from elbo.evidence import generator

GOLDEN = Path(__file__).resolve().parents[2] / "shared" / "golden"

settings.register_profile("elbo", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("elbo")


@pytest.fixture(scope="session")
def golden() -> Callable[[str], dict[str, Any]]:
    """``golden("kl_pairs")`` is the content of that file of reference values; without the folder, the test skips."""

    def load(name: str) -> dict[str, Any]:
        path = GOLDEN / f"{name}.json"
        if not path.is_file():
            pytest.skip(f"the reference values {path.name} are not beside this checkout")
        content: dict[str, Any] = json.loads(path.read_text())
        return content

    return load


@pytest.fixture
def rng(request: pytest.FixtureRequest) -> torch.Generator:
    """A generator seeded from the test's own name."""
    return generator(0, request.node.nodeid)


@pytest.fixture(autouse=True)
def _laws_check_their_parameters() -> Iterator[None]:
    """torch.compile turns the checks of laws off for the whole process; the next test has them again."""
    before = Distribution._validate_args
    yield
    Distribution.set_default_validate_args(before)
