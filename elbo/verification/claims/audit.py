"""The audit of KL registries: it finds what is known to be wrong, and nothing where nothing is."""

from collections.abc import Iterator
from functools import partial

from elbo.verification import Claim, Context, Outcome


def claims() -> Iterator[Claim]:
    """Claims on :mod:`elbo.audit`."""
    yield Claim(
        "audit.torch.poisson_at_zero",
        "torch's KL[Poisson(0) ‖ Poisson(2)] is NaN, where it is 2",
        "reference",
        partial(_finds, "Poisson ‖ Poisson"),
    )
    yield Claim(
        "audit.torch.no_false_alarm",
        "torch's KL from Exponential, Gumbel, Laplace and Uniform to Normal are right",
        "reference",
        _sound,
    )


def _finds(name: str, context: Context) -> Outcome:
    from elbo.audit import audit

    (pair,) = audit(only=name).pairs
    return Outcome.holds(pair.status == "wrong" and bool(pair.nan), f"{pair.name}: {pair.status}, {len(pair.nan)} NaN")


def _sound(context: Context) -> Outcome:
    from elbo.audit import audit

    pairs = [
        pair for q in ("Exponential", "Gumbel", "Laplace", "Uniform") for pair in audit(only=f"{q} ‖ Normal").pairs
    ]
    wrong = [pair.name for pair in pairs if pair.status != "right"]
    return Outcome.holds(len(pairs) == 4 and not wrong, f"not right: {', '.join(wrong) or 'none'}")
