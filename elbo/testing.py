"""Assertions for test suites, whose failures say as much as the report.

    >>> import elbo.testing
    >>> def kl(mean, log_var):
    ...     return 0.5 * (mean**2 + log_var.exp() - 1 - log_var).sum(-1).mean()
    >>> elbo.testing.assert_correct(kl, "gaussian_kl").verdict
    'correct'

A statistical assertion rejects what is true with probability at most its ``alpha``, whatever the number of draws.
"""

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from elbo._errors import InputValueError

if TYPE_CHECKING:
    from elbo.checking import Report
    from elbo.evidence import MeanTest

__all__ = ["assert_correct", "assert_finds", "assert_kl_accurate", "assert_sampler", "assert_unbiased"]


def assert_correct(function: Callable[..., Any], target: str, **options: Any) -> "Report":
    """Assert that ``function`` computes ``target``.

    Args:
        function: the loss.
        target: what it should compute, for example ``"gaussian_kl"``.
        options: the keywords of :func:`elbo.check` (``spread``, ``expected``, ``seed``, ...).

    Returns:
        The report, with its notes.

    Raises:
        AssertionError: the verdict is ``wrong`` or ``undecided``; the message is the report.

    Example:
        >>> assert_correct(lambda mean, log_var: (mean**2 + log_var.exp() - 1 - log_var).sum() / 2, "gaussian_kl").notes
        ()
    """
    __tracebackhide__ = True
    from elbo.checking import check

    report = check(function, target, **options)
    if not report:
        raise AssertionError(f"{report}\n(seed {report.seed})")
    return report


def assert_finds(function: Callable[..., Any], target: str, *codes: str, **options: Any) -> "Report":
    """Assert that ``function`` is wrong, and wrong in the ways that ``codes`` name: for the known-bad of a test suite.

    Args:
        function: the loss.
        target: what it should compute.
        codes: mistakes that must be named, for example ``"kl-averaged-over-latent"``.
        options: the keywords of :func:`elbo.check`.

    Returns:
        The report.

    Raises:
        AssertionError: the verdict is not ``wrong``, or one of the codes is missing; the message has the report.

    Example:
        >>> def kl(mean, log_var):
        ...     return 0.5 * (mean**2 + log_var.exp() - 1 - log_var).mean()
        >>> assert_finds(kl, "gaussian_kl", "kl-averaged-over-latent").verdict
        'wrong'
    """
    __tracebackhide__ = True
    from elbo.checking import CODES, check

    unknown = sorted(set(codes) - set(CODES))
    if unknown:
        raise InputValueError(f"codes has {unknown}; the known codes are the keys of elbo.checking.CODES")
    report = check(function, target, **options)
    found = {finding.code for finding in report.mistakes}
    missing = [code for code in codes if code not in found]
    if report.verdict != "wrong" or missing:
        what = f"{', '.join(missing)} not found" if missing else "no mistake was found"
        raise AssertionError(f"{what} in\n{report}\n(seed {report.seed})")
    return report


def assert_unbiased(
    estimator: Callable[[int, torch.Generator], Tensor],
    expected: Tensor | float,
    *,
    variance_bound: Tensor | float,
    smallest_shift: float | None = None,
    draws: int = 100_000,
    alpha: float = 1e-6,
    seed: int = 0,
) -> "MeanTest":
    """Assert that the mean of an estimator is ``expected``, by a sequential test with a stated false-alarm rate.

        M_n(l) = ∏ᵢ (1 + yᵢ + yᵢ²/2) / (1 + l²s²/2),  yᵢ = l (Xᵢ − expected),  is a supermartingale from 1

    Args:
        estimator: ``estimator(n, generator)`` gives n independent draws, shape (n, *shape of expected).
        expected: the claimed mean.
        variance_bound: an upper bound on the variance of a draw; a number, or one a coordinate.
        smallest_shift: a bias that must be seen; sets the number of draws, ``6 s² log(2/alpha) / shift²``.
        draws: how many draws to take, if ``smallest_shift`` is not given.
        alpha: probability that an unbiased estimator fails.
        seed: root of the draws.

    Returns:
        The test, with the smallest shift that it could see.

    Raises:
        AssertionError: with the observed mean, its distance, and the draw at which it was decided.

    Conditions: the draws are independent and their variance is at most ``variance_bound``; a bound that is too small is
    refuted as a bias would be.

    Example:
        >>> def estimator(n, generator):
        ...     return torch.randn(n, generator=generator)
        >>> test = assert_unbiased(estimator, 0.0, variance_bound=1.0, smallest_shift=0.1)
        >>> test.draws
        8706
    """
    __tracebackhide__ = True
    from elbo.evidence import SequentialMean, generator, required_draws

    bound = torch.as_tensor(variance_bound, dtype=torch.float64)
    if smallest_shift is not None:
        draws = required_draws(smallest_shift, float(bound.max()), alpha)
    test = SequentialMean(torch.as_tensor(expected, dtype=torch.float64).numpy(), bound.numpy(), alpha, draws)
    source, taken, total = generator(seed, "assert_unbiased"), 0, torch.zeros(())
    while taken < draws:
        chunk = estimator(min(4096, draws - taken), source).detach().to(torch.float64)
        if not len(chunk):
            raise InputValueError("estimator returned no draws; return a tensor of shape (n, ...)")
        test.update(chunk.numpy())
        total, taken = total + chunk.sum(0), taken + len(chunk)
        if test.result().rejected:
            break
    result = test.result()
    if result.rejected:
        mean = total / taken
        raise AssertionError(
            f"the estimator is biased, or its variance exceeds {variance_bound}: the mean of {taken} draws is "
            f"{_short(mean)}, expected {_short(expected)}, difference {_short(mean - torch.as_tensor(expected))}; "
            f"rejected at draw {result.stopped_at} (log e-value {result.log_e:.1f} > log(1/alpha) = "
            f"{math.log(1 / alpha):.1f}); an unbiased one fails with probability {alpha:g} (seed {seed})"
        )
    return result


def assert_sampler(
    sampler: Callable[[int, torch.Generator], Tensor],
    cdf: Callable[[Tensor], Tensor],
    *,
    draws: int = 200_000,
    alpha: float = 1e-6,
    seed: int = 0,
) -> float:
    """Assert that a sampler on the line has the distribution function ``cdf``, by Dvoretzky-Kiefer-Wolfowitz-Massart.

        P(sup |Fₙ − F| > √(log(2/alpha) / 2n)) ≤ alpha

    Args:
        sampler: ``sampler(n, generator)`` gives n independent draws, shape (n,).
        cdf: the claimed distribution function; continuous.
        draws: how many.
        alpha: probability that a right sampler fails.
        seed: root of the draws.

    Returns:
        The largest distance between the empirical and the claimed distribution function.

    Raises:
        AssertionError: with the distance, the bound and the place where it is largest.

    Example:
        >>> distance = assert_sampler(lambda n, g: torch.rand(n, generator=g), lambda x: x.clamp(0, 1))
        >>> distance < 0.01
        True
    """
    __tracebackhide__ = True
    from elbo.evidence import generator

    x = sampler(draws, generator(seed, "assert_sampler")).detach().to(torch.float64).flatten().sort().values
    if not bool(torch.isfinite(x).all()):
        raise AssertionError(
            f"the sampler gave {int((~torch.isfinite(x)).sum())} draws that are not finite (seed {seed})"
        )
    n = len(x)
    claimed = cdf(x).to(torch.float64)
    steps = torch.arange(n + 1, dtype=torch.float64) / n
    gaps = torch.maximum((steps[1:] - claimed).abs(), (claimed - steps[:-1]).abs())
    worst = int(gaps.argmax())
    distance, bound = float(gaps[worst]), math.sqrt(math.log(2 / alpha) / (2 * n))
    if distance > bound:
        raise AssertionError(
            f"the draws have another distribution: at x = {float(x[worst]):.6g} the share of {n} draws below is "
            f"{(worst + 1) / n:.6g} and cdf says {float(claimed[worst]):.6g}; distance {distance:.4g} > {bound:.4g}, "
            f"which a right sampler exceeds with probability {alpha:g} (seed {seed})"
        )
    return distance


def assert_kl_accurate(
    function: Callable[[Tensor, Tensor], Tensor],
    *,
    spread: str = "log_variance",
    dtype: torch.dtype = torch.float32,
    ulps: float = 4.0,
) -> float:
    """Assert that KL[N(mean, spread) ‖ N(0, 1)] is accurate near equality, where the textbook form loses every digit.

        ½ (μ² + σ² − 1 − log σ²),  against 60 digits of mpmath on the same floating-point inputs

    Args:
        function: ``function(mean, spread)`` for tensors of shape (n, 1); elementwise, or summed over the last axis.
        spread: what the second argument is: ``log_variance``, ``variance``, ``std`` or ``log_std``.
        dtype: of the inputs.
        ulps: how many units in the last place the result may be off.

    Returns:
        The worst error, in units in the last place.

    Raises:
        AssertionError: with every bad point, got and wanted, the worst first.

    Example:
        >>> from elbo.divergences import gaussian_kl
        >>> assert_kl_accurate(lambda mean, log_var: gaussian_kl(mean, log_variance=log_var)) < 4
        True
    """
    __tracebackhide__ = True
    from elbo.checking._model_kl import NEAR, exact_gaussian_kl, spread_of

    mean, log_var = (t.to(dtype) for t in NEAR)
    given = spread_of(spread, log_var)
    got = function(mean[:, None], given[:, None]).detach()
    if got.numel() != len(mean):
        raise InputValueError(
            f"function returned shape {tuple(got.shape)} for inputs of shape ({len(mean)}, 1); "
            "give one value a row: do not reduce over the batch"
        )
    bad, worst = [], 0.0
    for m, s, value in zip(mean.tolist(), given.tolist(), got.flatten().tolist(), strict=True):
        wanted = exact_gaussian_kl(m, s, spread)
        unit = torch.finfo(dtype).eps * max(abs(wanted), torch.finfo(dtype).tiny)
        error = abs(value - wanted) / unit if math.isfinite(value) else math.inf
        worst = max(worst, error)
        if error > ulps:
            bad.append(
                (error, f"  mean {m:.6g}, {spread} {s:.9g}: got {value:.9g}, wanted {wanted:.9g} ({error:.3g} ulps)")
            )
    if bad:
        lines = "\n".join(line for _, line in sorted(bad, reverse=True)[:12])
        raise AssertionError(
            f"{len(bad)} of {len(mean)} values are off by more than {ulps:g} ulps of {dtype}, the worst by {worst:.3g}:"
            f"\n{lines}\nwrite elbo.divergences.gaussian_kl(mean, {spread}={spread})"
        )
    return worst


def _short(value: Tensor | float) -> str:
    flat = torch.as_tensor(value).flatten().tolist()
    shown = ", ".join(f"{v:.6g}" for v in flat[:6])
    return shown if len(flat) == 1 else f"[{shown}{', …' if len(flat) > 6 else ''}]"
