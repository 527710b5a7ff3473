"""The audit flags planted faults and passes what is right."""

import pytest
import torch
from torch.distributions import Beta, Exponential, Gamma, Laplace, Normal, Poisson, kl_divergence

from elbo.audit import audit
from elbo.divergences._kernels import exp_remainder


def right(q, p):
    """Gaussians, exponentials and Poisson laws without cancellation."""
    if isinstance(q, Normal) and type(p) is type(q) is Normal:
        d = (q.scale - p.scale) / p.scale
        return exp_and_square(d, q.scale / p.scale, ((q.loc - p.loc) / p.scale) ** 2)
    if type(p) is type(q) is Exponential:
        r = (p.rate - q.rate) / q.rate
        return log_part(r, p.rate / q.rate)
    raise NotImplementedError


def log_part(d, ratio):
    """d - log(ratio), ratio = 1 + d."""
    wide, r = d.double(), ratio.double()
    return torch.where(wide.abs() < 0.3, exp_remainder(torch.log1p(wide)), wide - r.log()).to(d.dtype)


def exp_and_square(d, ratio, square):
    return log_part(d, ratio) + (d * d + square) / 2


def plain(q, p):
    """Gaussians as textbooks write them."""
    if not (type(q) is type(p) is Normal):
        raise NotImplementedError
    return torch.log(p.scale / q.scale) + (q.scale**2 + (q.loc - p.loc) ** 2) / (2 * p.scale**2) - 0.5


def test_correct_function_is_found_clean():
    report = audit(right, only="Exponential ‖ Exponential")
    assert report.of("Exponential", "Exponential").status == "right", str(report)
    report = audit(right, only="Normal ‖ Normal")
    assert report.of("Normal", "Normal").status == "right", str(report)


def fault(change):
    return lambda q, p: change(q, p, plain(q, p))


FAULTS = {
    "wrong sign of the logarithm": fault(lambda q, p, kl: kl - 2 * torch.log(p.scale / q.scale)),
    "dropped half": fault(lambda q, p, kl: 2 * kl),
    "dropped constant": fault(lambda q, p, kl: kl + 0.5),
    "arguments exchanged": lambda q, p: plain(p, q),
    "standard deviation for variance": fault(
        lambda q, p, kl: torch.log(p.scale / q.scale) + (q.scale + (q.loc - p.loc) ** 2) / (2 * p.scale) - 0.5
    ),
    "clamped away from zero": fault(lambda q, p, kl: kl.clamp(min=1e-3)),
    "base 2": fault(lambda q, p, kl: kl / 0.6931471805599453),
    "detached scale": lambda q, p: plain(Normal(q.loc, q.scale.detach()), p),
    "NaN for far means": fault(lambda q, p, kl: torch.where((q.loc - p.loc).abs() > 3, torch.nan, kl)),
    "mean over the batch": fault(lambda q, p, kl: kl.mean()),
}


@pytest.mark.parametrize("name", FAULTS)
def test_planted_fault_is_found_wrong(name):
    pair = audit(FAULTS[name], only="Normal ‖ Normal").of("Normal", "Normal")
    assert pair.status == "wrong", name
    assert pair.findings()


def test_textbook_form_is_found_to_lose_digits_and_not_wrong():
    pair = audit(plain, only="Normal ‖ Normal").of("Normal", "Normal")
    assert pair.status == "loses digits"
    assert pair.digits_lost["float32"] > 5
    assert pair.digits_lost["float64"] > 12


def test_cancellation_in_one_dtype_alone_is_found():
    def narrow(q, p):
        if type(q) is not Exponential or type(p) is not Exponential:
            raise NotImplementedError
        return plain_exponential(q, p) if q.rate.dtype == torch.float32 else right(q, p)

    def plain_exponential(q, p):
        ratio = p.rate / q.rate
        return ratio - 1 - torch.log(ratio)

    pair = audit(narrow, only="Exponential ‖ Exponential").of("Exponential", "Exponential")
    assert pair.status == "loses digits"
    assert pair.worst["float64"] < 32 < pair.worst["float32"]


def test_infinity_where_the_truth_is_finite_and_the_reverse_are_found():
    def never_infinite(q, p):
        return torch.nan_to_num(kl_divergence(q, p), posinf=1e4)

    def too_infinite(q, p):
        value = kl_divergence(q, p)
        return torch.where(value > 1, torch.inf, value)

    pair = audit(never_infinite, only="Normal ‖ Beta").of("Normal", "Beta")
    assert pair.status == "wrong"
    assert pair.finite
    pair = audit(too_infinite, only="Gumbel ‖ Normal").of("Gumbel", "Normal")
    assert pair.status == "wrong"
    assert pair.infinite


def test_a_registry_with_one_bad_pair_is_bad_there_only():
    def registry(q, p):
        value = kl_divergence(q, p)
        return value * 1.001 if isinstance(q, Laplace) and isinstance(p, Normal) else value

    report = audit(registry, only="* ‖ Normal")
    assert report.of("Laplace", "Normal").status == "wrong"
    assert report.of("Gumbel", "Normal").status == "right"
    assert report.of("Exponential", "Normal").status == "right"


def test_exception_is_a_finding_and_does_not_stop_the_audit():
    def raises(q, p):
        if isinstance(q, Poisson):
            raise RuntimeError("no")
        return kl_divergence(q, p)

    report = audit(raises, only="Poisson ‖ Poisson")
    assert report.of("Poisson", "Poisson").status == "wrong"
    assert report.of("Poisson", "Poisson").raised


def test_gradient_that_is_wrong_where_the_value_is_right_is_found():
    class Flipped(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x.clone()

        @staticmethod
        def backward(ctx, gradient):
            return -gradient

    def flipped(q, p):
        if type(q) is not Gamma or type(p) is not Beta:
            raise NotImplementedError
        return kl_divergence(q, p)

    def flipped_laplace(q, p):
        if type(q) is not Laplace or type(p) is not Normal:
            raise NotImplementedError
        return kl_divergence(Laplace(Flipped.apply(q.loc), q.scale), p)

    assert audit(flipped).of("Gamma", "Beta").status == "right"
    pair = audit(flipped_laplace).of("Laplace", "Normal")
    assert pair.status == "wrong"
    assert pair.gradients
    assert max(pair.worst.values()) < 32
