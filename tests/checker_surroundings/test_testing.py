"""The assertions: silent on what is right, and as clear as the report on what is not."""

import doctest

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import elbo.pytest_plugin
import elbo.testing
from elbo._errors import InputValueError
from elbo.divergences import gaussian_kl
from elbo.testing import assert_correct, assert_finds, assert_kl_accurate, assert_sampler, assert_unbiased


def right(mean, log_var):
    return 0.5 * (mean**2 + log_var.exp() - 1 - log_var).sum(-1).mean()


def averaged(mean, log_var):
    return 0.5 * (mean**2 + log_var.exp() - 1 - log_var).mean()


def test_assert_correct_returns_the_report():
    assert assert_correct(right, "gaussian_kl").verdict == "correct"


def test_assert_correct_fails_with_the_whole_report():
    with pytest.raises(AssertionError) as caught:
        assert_correct(averaged, "gaussian_kl", seed=3)
    text = str(caught.value)
    for part in ("averaged against gaussian_kl: WRONG", "kl-averaged-over-latent", "effect:", "write:", "seed 3"):
        assert part in text


def test_assert_finds_names_what_is_missing():
    assert_finds(averaged, "gaussian_kl", "kl-averaged-over-latent")
    with pytest.raises(AssertionError, match="reverse-kl not found"):
        assert_finds(averaged, "gaussian_kl", "reverse-kl")
    with pytest.raises(AssertionError, match="no mistake was found"):
        assert_finds(right, "gaussian_kl")
    with pytest.raises(InputValueError, match="known codes"):
        assert_finds(right, "gaussian_kl", "kl-is-bad")


def test_unbiased_estimators_pass_and_vectors_are_allowed():
    result = assert_unbiased(
        lambda n, g: torch.randn(n, 3, generator=g) + torch.arange(3),
        torch.arange(3.0),
        variance_bound=1.0,
        smallest_shift=0.2,
    )
    assert not result.rejected


@pytest.mark.parametrize("shift", [0.1, -0.1])
def test_a_shift_of_the_stated_size_is_found(shift):
    with pytest.raises(AssertionError, match=r"biased.*expected 0.*seed 0"):
        assert_unbiased(lambda n, g: torch.randn(n, generator=g) + shift, 0.0, variance_bound=1.0, smallest_shift=0.1)


def test_one_biased_coordinate_is_found():
    bias = torch.tensor([0.0, 0.0, 0.3])
    with pytest.raises(AssertionError, match=r"rejected at draw \d+"):
        assert_unbiased(lambda n, g: torch.randn(n, 3, generator=g) + bias, torch.zeros(3), variance_bound=1.0)


def test_draws_that_are_not_finite_are_an_error():
    with pytest.raises(elbo.Error):
        assert_unbiased(lambda n, g: torch.full((n,), torch.nan), 0.0, variance_bound=1.0)


def test_samplers():
    normal = torch.distributions.Normal(0.0, 1.0)
    assert assert_sampler(lambda n, g: torch.randn(n, generator=g), normal.cdf) < 0.006
    with pytest.raises(AssertionError, match="the draws have another distribution"):
        assert_sampler(lambda n, g: 1.05 * torch.randn(n, generator=g), normal.cdf)
    with pytest.raises(AssertionError, match="not finite"):
        assert_sampler(lambda n, g: torch.randn(n, generator=g).log(), normal.cdf)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["float32", "float64"])
@pytest.mark.parametrize("spread", ["log_variance", "log_std", "variance", "std"])
def test_the_library_is_accurate_and_the_textbook_is_not(spread, dtype):
    worst = assert_kl_accurate(lambda m, s: gaussian_kl(m, **{spread: s}), spread=spread, dtype=dtype)
    assert worst <= 4

    def textbook(m, s):
        log_var = {"log_variance": s, "log_std": 2 * s, "variance": s.log(), "std": 2 * s.log()}[spread]
        return -0.5 * (1 + log_var - m**2 - log_var.exp()).sum(-1)

    with pytest.raises(AssertionError, match=r"values are off by more than 4 ulps.*\n.*got.*wanted"):
        assert_kl_accurate(textbook, spread=spread, dtype=dtype)


def test_reduced_and_misnamed_arguments_are_refused():
    with pytest.raises(InputValueError, match="one value a row"):
        assert_kl_accurate(lambda m, s: (m * s).sum())
    with pytest.raises(InputValueError, match="expected one of log_variance"):
        assert_kl_accurate(lambda m, s: m * s, spread="precision")


@given(st.integers(0, 2**32 - 1))
def test_the_random_state_is_left_alone(seed):
    torch.manual_seed(seed)
    before = torch.get_rng_state()
    assert_sampler(lambda n, g: torch.rand(n, generator=g), lambda x: x, draws=100, alpha=1e-9)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("module", [elbo.testing, elbo.pytest_plugin], ids=lambda m: m.__name__)
def test_the_examples_in_the_docstrings_run(module):
    result = doctest.testmod(module)
    assert result.attempted > 0
    assert result.failed == 0
