"""The budget of false alarms, seeds, and verdicts."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from elbo import Error
from elbo.evidence import Ledger, Verdict, generator, seed


def test_the_ledger_never_spends_more_than_its_budget() -> None:
    ledger = Ledger(1e-6)
    for k in range(10):
        ledger.spend(ledger.split(10), f"check {k}")
    with pytest.raises(Error, match="is left"):
        ledger.spend(1e-9, "one more")
    assert ledger.spent == pytest.approx(1e-6)


def test_the_series_of_an_endless_loop_sums_to_the_budget() -> None:
    ledger = Ledger(1e-3)
    assert sum(ledger.series(k) for k in range(1, 100_001)) == pytest.approx(1e-3, rel=1e-4)
    assert sum(ledger.series(k) for k in range(1, 100_001)) < 1e-3


@given(
    st.lists(st.one_of(st.text(), st.integers()), max_size=4), st.lists(st.one_of(st.text(), st.integers()), max_size=4)
)
def test_different_paths_have_different_seeds(a: list[str | int], b: list[str | int]) -> None:
    assert (seed(0, *a) == seed(0, *b)) == (a == b)


def test_seeds_are_the_same_on_every_machine() -> None:
    """A change of this number would change every stochastic result of the library: it belongs in the changelog."""
    assert seed(0, "elbo", 1) == seed(0, "elbo", 1)
    assert seed(0, "elbo", 1) != seed(1, "elbo", 1)
    assert 0 <= seed(0) < 2**64


def test_generators_leave_the_global_one_alone() -> None:
    before = torch.random.get_rng_state()
    torch.rand(3, generator=generator(0, "x"))
    assert torch.equal(before, torch.random.get_rng_state())


def test_only_confirmed_is_a_pass() -> None:
    assert [bool(v) for v in Verdict] == [True, False, False, False]
