"""elbo.testing and the labels of the checker's benchmark: planted faults, measured false-alarm rates."""

import dataclasses

import numpy as np
import pytest
import torch
from scipy import stats

from benchmarks.checker._case import Truth
from benchmarks.checker._score import Result
from benchmarks.checker.cases import collect
from elbo.checking import _frameworks
from elbo.testing import assert_kl_accurate, assert_sampler, assert_unbiased

RUNS, ALPHA = 300, 1e-2
# a binomial count with success probability alpha exceeds this with probability 1e-9
MOST = int(stats.binom.isf(1e-9, RUNS, ALPHA))


def failures(assertion):
    count = 0
    for seed in range(RUNS):
        try:
            assertion(seed)
        except AssertionError:
            count += 1
    return count


def skewed(n, generator):
    """Mean 0 and variance 1, with a long right tail."""
    return -torch.log1p(-torch.rand(n, generator=generator, dtype=torch.float64)) - 1


def test_unbiased_skewed_draws_are_rejected_at_most_as_often_as_stated():
    def once(seed):
        assert_unbiased(skewed, 0.0, variance_bound=1.0, draws=2000, alpha=ALPHA, seed=seed)

    assert failures(once) <= MOST


def test_right_samplers_are_rejected_at_most_as_often_as_stated():
    def once(seed):
        assert_sampler(lambda n, g: torch.rand(n, generator=g), lambda x: x, draws=2000, alpha=ALPHA, seed=seed)

    assert failures(once) <= MOST


FAULTS = {
    "sign": lambda n, g: -(skewed(n, g) + 0.2),
    "shifted": lambda n, g: skewed(n, g) + 0.2,
    "constant": lambda n, g: torch.full((n,), 0.2),
    "variance above the bound": lambda n, g: 3 * skewed(n, g),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_faulty_estimators_are_rejected_within_the_budget(fault):
    expected = 0.2 if fault == "sign" else 0.0
    with pytest.raises(AssertionError):
        assert_unbiased(FAULTS[fault], expected, variance_bound=1.0, smallest_shift=0.2, alpha=1e-6)


@pytest.mark.parametrize(
    "sampler",
    [lambda n, g: 0.97 * torch.rand(n, generator=g), lambda n, g: torch.rand(n, generator=g) ** 1.05],
    ids=["scaled", "bent"],
)
def test_faulty_samplers_are_rejected(sampler):
    with pytest.raises(AssertionError):
        assert_sampler(sampler, lambda x: x.clamp(0, 1))


@pytest.mark.parametrize(
    "kl",
    [
        lambda m, v: 0.5 * (torch.expm1(v) - v + m**2),
        lambda m, v: 0.5 * (v**2 / 2 + m**2),
        lambda m, v: torch.zeros_like(m),
    ],
    ids=["expm1", "series of second order", "zero"],
)
def test_inaccurate_forms_are_rejected(kl):
    with pytest.raises(AssertionError):
        assert_kl_accurate(kl)


def test_a_stencil_with_a_slip_gives_other_gradients(monkeypatch):
    def loss(x):
        return np.sum(np.exp(x))

    x = torch.tensor([0.3, -0.5], dtype=torch.float64, requires_grad=True)
    right = torch.autograd.grad(_frameworks.wrap(loss)(x), x)[0]
    torch.testing.assert_close(right, x.exp().detach(), rtol=0, atol=1e-11)
    monkeypatch.setattr(_frameworks, "_STENCIL", ((-2, 1 / 12), (-1, -8 / 12), (1, 8 / 12), (2, 1 / 12)))
    slipped = torch.autograd.grad(_frameworks.wrap(loss)(x), x)[0]
    assert not torch.allclose(slipped, right)


class TestScore:
    """The benchmark's arithmetic: an answer that is short of the truth is counted as such."""

    cases = collect()
    right = next(c for c in cases if c.right and not c.truth.notes)
    wrong = next(c for c in cases if not c.right and len(c.truth.mistakes) == 1 and not c.also)

    def result(self, case, verdict, mistakes=(), **more):
        return Result(case, 0, verdict, frozenset(mistakes), **more)

    def test_a_right_function_that_is_flagged_is_a_false_alarm(self):
        assert self.result(self.right, "wrong", ["reverse-kl"]).false_alarm
        assert not self.result(self.right, "correct").false_alarm

    def test_a_wrong_function_that_passes_is_missed(self):
        assert self.result(self.wrong, "correct").missed
        assert self.result(self.wrong, "undecided").missed

    def test_another_code_is_not_the_right_code(self):
        (group,) = self.wrong.truth.mistakes
        code = group.split("|")[0]
        assert self.result(self.wrong, "wrong", [code]).named
        other = self.result(self.wrong, "wrong", ["padding-counted"])
        assert not other.named
        assert other.spurious == {"padding-counted"}
        assert self.result(self.wrong, "wrong", candidates=frozenset([code])).among_candidates

    def test_every_mistake_of_a_pair_must_be_named(self):
        pair = next(c for c in self.cases if len(c.truth.mistakes) == 2)
        first, second = (group.split("|")[0] for group in pair.truth.mistakes)
        assert not self.result(pair, "wrong", [first]).named
        assert self.result(pair, "wrong", [first, second]).named

    def test_a_missing_note_is_a_complaint(self):
        noted = next(c for c in self.cases if c.right and c.truth.notes and not c.also)
        assert "expected also" in self.result(noted, "correct").complaint()

    def test_an_error_is_a_complaint(self):
        assert self.result(self.right, "error", error="ValueError: no").complaint().startswith("raised")

    def test_the_second_reading_counts_only_with_its_own_verdict(self):
        open_case = dataclasses.replace(self.right, also=(Truth("undecided"),))
        assert not self.result(open_case, "undecided").complaint()
        assert self.result(open_case, "wrong", ["reverse-kl"]).false_alarm
