"""What is asserted about the checker: silent on right functions, and each planted mistake named."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from elbo.verification import Claim, Context, Outcome

TORCH = {
    "binary_cross_entropy": ("bernoulli_nll", {"reconstruction-averaged"}),
    "binary_cross_entropy_with_logits": ("bernoulli_nll", {"reconstruction-averaged"}),
    "mse_loss": ("gaussian_nll", {"reconstruction-averaged"}),
    "l1_loss": ("laplace_nll", {"reconstruction-averaged"}),
}
"""Functions of torch.nn.functional whose default mean over the pixels must be recognised for what it is."""


def claims() -> Iterator[Claim]:
    """Own functions pass, torch's defaults are recognised, planted mistakes are named, expectations are exact."""
    for target in OURS:
        yield Claim(
            f"checking.silent.{target}",
            f"this library's own function for {target} is judged correct, at three seeds",
            "reference",
            partial(_silent, target=target),
        )
    for name, (target, codes) in TORCH.items():
        yield Claim(
            f"checking.torch.{name}",
            f"torch's {name} with its default reduction, as {target}: {', '.join(sorted(codes))}",
            "reference",
            partial(_torch_default, name=name, target=target, codes=tuple(sorted(codes))),
        )
    yield Claim(
        "checking.planted",
        "nine planted mistakes of a VAE loss, alone and in pairs, are named exactly",
        "reference",
        _planted,
    )
    yield Claim(
        "checking.expectation",
        "with its noise replaced by nodes, a one-sample KL has the value and gradient of the closed form",
        "quadrature",
        _expectation,
    )


def _gaussian_kl(mean: Any, log_variance: Any) -> Any:
    from elbo.divergences import gaussian_kl

    return gaussian_kl(mean, log_variance=log_variance)


def _pair(q_mean: Any, q_log_var: Any, p_mean: Any, p_log_var: Any) -> Any:
    from elbo.divergences import gaussian_kl_pair

    return gaussian_kl_pair(q_mean, p_mean, q_log_variance=q_log_var, p_log_variance=p_log_var)


def _iwae(log_w: Any) -> Any:
    from elbo.bounds import negative_iwae

    return negative_iwae(log_w)


def _mmd(x: Any, y: Any, bandwidth: float) -> Any:
    from elbo.bounds import mmd

    return mmd(x, y, bandwidth)


def _vmf(kappa: Any, m: int) -> Any:
    from elbo.divergences.sphere import vmf_kl

    return vmf_kl(kappa, m)


def _total_correlation(z: Any, mean: Any, log_var: Any, n_data: int) -> Any:
    import math

    from elbo.bounds import total_correlation

    square = (z[:, None] - mean[None]) ** 2 * (-log_var[None]).exp()
    return total_correlation(-0.5 * (square + log_var[None] + math.log(2 * math.pi)), n_data)


OURS: dict[str, Callable[..., Any]] = {
    "gaussian_kl": _gaussian_kl,
    "gaussian_kl_pair": _pair,
    "iwae": _iwae,
    "mmd": _mmd,
    "vmf_kl": _vmf,
    "total_correlation": _total_correlation,
}


def _silent(context: Context, target: str) -> Outcome:
    from elbo.checking import check

    reports = [check(OURS[target], target, seed=seed) for seed in range(3)]
    said = [f"{m.code}: {m.message}" for report in reports for m in report.mistakes]
    return Outcome.holds(all(reports), said[0] if said else f"{[r.verdict for r in reports]}")


def _torch_default(context: Context, name: str, target: str, codes: tuple[str, ...]) -> Outcome:
    import torch

    from elbo.checking import check

    report = check(getattr(torch.nn.functional, name), target)
    found = tuple(sorted(m.code for m in report.mistakes))
    return Outcome.holds(found == codes, f"named {', '.join(found) or 'nothing'}")


def _planted(context: Context) -> Outcome:
    from elbo.checking import check

    wrong = []
    for (kl_name, nll_name), codes in PLANTED.items():
        report = check(partial(_loss, kl_name, nll_name), "negative_elbo")
        found = {m.code for m in report.mistakes}
        if found != set(codes):
            wrong.append(f"{kl_name} with {nll_name}: {sorted(found)} instead of {sorted(codes)}")
    return Outcome.holds(not wrong, wrong[0] if wrong else f"{len(PLANTED)} losses")


PLANTED: dict[tuple[str, str], tuple[str, ...]] = {
    ("right", "right"): (),
    ("averaged", "right"): ("kl-averaged-over-latent",),
    ("right", "averaged"): ("reconstruction-averaged",),
    ("averaged", "averaged"): ("kl-averaged-over-latent", "reconstruction-averaged"),
    ("doubled", "right"): ("effective-beta",),
    ("reverse", "right"): ("reverse-kl",),
    ("reverse", "averaged"): ("reverse-kl", "reconstruction-averaged"),
    ("negative", "right"): ("sign-flipped",),
    ("summed over the batch", "right"): ("batch-reduction-mismatch",),
}


def _loss(kl_name: str, nll_name: str, recon: Any, x: Any, mean: Any, log_var: Any) -> Any:
    import torch

    nll = torch.nn.functional.binary_cross_entropy(recon, x, reduction="none")
    kl = 0.5 * (mean**2 + log_var.exp() - 1 - log_var)
    if kl_name == "reverse":
        kl = 0.5 * ((1 + mean**2) * (-log_var).exp() + log_var - 1)
    kl = {"averaged": kl.mean(), "summed over the batch": kl.sum()}.get(kl_name, kl.sum(1).mean())
    kl = {"doubled": 2.0, "negative": -1.0}.get(kl_name, 1.0) * kl
    return kl + (nll.mean() if nll_name == "averaged" else nll.sum(1).mean())


def _expectation(context: Context) -> Outcome:
    import torch

    from elbo.checking._intercept import exact_rule, record
    from elbo.divergences import gaussian_kl

    generator = context.generator("point")
    mean, log_var = (torch.randn(2, 3, generator=generator, dtype=torch.float64).requires_grad_() for _ in range(2))

    def one_sample() -> torch.Tensor:
        z = mean + torch.exp(0.5 * log_var) * torch.randn_like(mean)
        return 0.5 * (z**2 - (z - mean) ** 2 / log_var.exp() - log_var).sum()

    value = exact_rule(one_sample, record(one_sample)).expectation(one_sample)
    exact = gaussian_kl(mean, log_variance=log_var).sum()
    gaps = [float((value - exact).abs().detach())]
    for ours, theirs in zip(*(torch.autograd.grad(f, [mean, log_var]) for f in (value, exact)), strict=True):
        gaps.append(float((ours - theirs).abs().max()))
    # nine nodes integrate the quadratic exactly: what is left is rounding of sums of about 100 terms of size 10
    return Outcome.within(max(gaps), 1e-12, "value and gradients in mean and log-variance")
