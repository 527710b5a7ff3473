"""Code that nobody here wrote: the losses of ``torch.nn.functional``, judged by the checker."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from elbo.verification import Claim, Context, Outcome


def claims() -> Iterator[Claim]:
    """What torch's losses compute when they are used as the parts of a VAE loss."""
    mean_over_pixels = frozenset({"reconstruction-averaged"})
    for name, statement, function, target, expected in (
        (
            "binary_cross_entropy.default",
            "binary_cross_entropy by default is the mean over pixels: 1/P of −log p(x|z)",
            _cross_entropy,
            "bernoulli_nll",
            mean_over_pixels,
        ),
        (
            "binary_cross_entropy.summed",
            "binary_cross_entropy(reduction='sum') is −Σ log p(x|z)",
            _summed_cross_entropy,
            "bernoulli_nll",
            frozenset[str](),
        ),
        (
            "binary_cross_entropy.in_a_vae",
            "a VAE loss with the default binary_cross_entropy and a KL summed over the latent is a β-VAE with β = P",
            _vae_with_default_cross_entropy,
            "negative_elbo",
            mean_over_pixels,
        ),
        (
            "gaussian_nll_loss.default",
            "gaussian_nll_loss by default is the mean over pixels, without its constant",
            _gaussian_nll,
            "gaussian_nll",
            mean_over_pixels,
        ),
        (
            "gaussian_nll_loss.full",
            "gaussian_nll_loss(full=True, reduction='sum') is −Σ log N(x; recon, var)",
            _full_gaussian_nll,
            "gaussian_nll",
            frozenset[str](),
        ),
    ):
        check = partial(_judge, function=function, target=target, expected=expected)
        yield Claim(f"torch.{name}", statement, "reference", check, source="torch.nn.functional")


def _judge(context: Context, *, function: Callable[..., Any], target: str, expected: frozenset[str]) -> Outcome:
    from elbo.checking import check

    report = check(function, target, seed=context.seed)
    found = {finding.code for finding in report.mistakes}
    notes = ", ".join(finding.code for finding in report.notes) or "none"
    detail = f"verdict {report.verdict}; mistakes: {', '.join(sorted(found)) or 'none'}; notes: {notes}"
    return Outcome.holds(found == expected and report.verdict == ("wrong" if expected else "correct"), detail)


def _cross_entropy(recon: Any, x: Any) -> Any:
    from torch.nn.functional import binary_cross_entropy

    return binary_cross_entropy(recon, x)


def _summed_cross_entropy(recon: Any, x: Any) -> Any:
    from torch.nn.functional import binary_cross_entropy

    return binary_cross_entropy(recon, x, reduction="sum")


def _vae_with_default_cross_entropy(recon: Any, x: Any, mean: Any, log_variance: Any) -> Any:
    kl = -0.5 * (1 + log_variance - mean**2 - log_variance.exp()).sum(1).mean()
    return _cross_entropy(recon, x) + kl


def _gaussian_nll(recon: Any, x: Any, variance: Any) -> Any:
    from torch.nn.functional import gaussian_nll_loss

    return gaussian_nll_loss(recon, x, variance)


def _full_gaussian_nll(recon: Any, x: Any, variance: Any) -> Any:
    from torch.nn.functional import gaussian_nll_loss

    return gaussian_nll_loss(recon, x, variance, full=True, reduction="sum")
