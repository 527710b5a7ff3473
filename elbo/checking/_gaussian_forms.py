"""The Gaussian formulas as forms: KL to N(0, I), KL of a pair, log-density; each in every parametrisation."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from elbo.checking._spreads import ALL, USUAL, Spread
from elbo.checking._terms import Atom, Form

HALF_LOG_2PI = 0.5 * math.log(2 * math.pi)


def mean_squared(m: Tensor, s: Tensor) -> Tensor:
    """μ²."""
    return m**2


def kl_forms(spreads: Sequence[Spread] = ALL) -> list[Form]:
    """½(μ² + σ² − log σ² − 1), and the reverse direction."""
    forms = []
    for p in spreads:
        v, lv = p.variance, p.log_variance
        forms.append(
            Form(
                {"spread": p.name},
                (
                    Atom("μ²", mean_squared),
                    Atom("σ²", lambda m, s, v=v: v(s) + 0 * m),
                    Atom("log σ²", lambda m, s, lv=lv: lv(s) + 0 * m),
                ),
                (0.5, 0.5, -0.5),
                -0.5,
            )
        )
    for p in spreads:
        v, lv = p.variance, p.log_variance
        forms.append(
            Form(
                {"spread": p.name},
                (
                    Atom("μ²/σ²", lambda m, s, v=v: m**2 / v(s)),
                    Atom("1/σ²", lambda m, s, v=v: 1 / v(s) + 0 * m),
                    Atom("log σ²", lambda m, s, lv=lv: lv(s) + 0 * m),
                ),
                (0.5, 0.5, 0.5),
                -0.5,
                code="reverse-kl",
            )
        )
    return forms


def log_density_forms(sign: float = 1.0, spreads: Sequence[Spread] = ALL) -> list[Form]:
    """±log N(z; m, σ²) = ±(−½(z−m)²/σ² − ½ log σ² − ½ log 2π)."""
    forms = []
    for p in spreads:
        v, lv = p.variance, p.log_variance
        forms.append(
            Form(
                {"spread": p.name},
                (
                    Atom("(z−μ)²/σ²", lambda z, m, s, v=v: (z - m) ** 2 / v(s)),
                    Atom("log σ²", lambda z, m, s, lv=lv: lv(s) + 0 * m),
                ),
                (-0.5 * sign, -0.5 * sign),
                -HALF_LOG_2PI * sign,
            )
        )
    return forms


def pair_forms(spreads: Sequence[Spread] = USUAL) -> list[Form]:
    """½(log σ_p² − log σ_q² + σ_q²/σ_p² + (μ_q−μ_p)²/σ_p² − 1) of (q_mean, q_spread, p_mean, p_spread)."""
    forms = []
    for p in spreads:
        v, lv = p.variance, p.log_variance
        forms.append(
            Form(
                {"spread": p.name},
                (
                    Atom("(μ_q−μ_p)²/σ_p²", lambda a, s, b, t, v=v: (a - b) ** 2 / v(t)),
                    Atom("σ_q²/σ_p²", lambda a, s, b, t, v=v: v(s) / v(t)),
                    Atom("log σ_q²", lambda a, s, b, t, lv=lv: lv(s)),
                    Atom("log σ_p²", lambda a, s, b, t, lv=lv: lv(t)),
                ),
                (0.5, 0.5, -0.5, 0.5),
                -0.5,
            )
        )
    return forms


def log_type_atoms() -> list[Atom]:
    """What people write by mistake when the spread is a logarithm."""
    return [
        Atom("μ²", mean_squared),
        Atom("μ", lambda m, s: m + 0 * s),
        Atom("|μ|", lambda m, s: m.abs() + 0 * s),
        Atom("e^s", lambda m, s: torch.exp(s) + 0 * m),
        Atom("e^{2s}", lambda m, s: torch.exp(2 * s) + 0 * m),
        Atom("e^{s/2}", lambda m, s: torch.exp(s / 2) + 0 * m),
        Atom("s", lambda m, s: s + 0 * m),
        Atom("s²", lambda m, s: s**2 + 0 * m),
        Atom("e^{−s}", lambda m, s: torch.exp(-s) + 0 * m),
        Atom("μ²e^{−s}", lambda m, s: m**2 * torch.exp(-s)),
        Atom("μ²e^{−2s}", lambda m, s: m**2 * torch.exp(-2 * s)),
        Atom("μ²e^{s}", lambda m, s: m**2 * torch.exp(s)),
    ]


def positive_type_atoms() -> list[Atom]:
    """What people write by mistake when the spread is positive."""
    return [
        Atom("μ²", mean_squared),
        Atom("μ", lambda m, s: m + 0 * s),
        Atom("|μ|", lambda m, s: m.abs() + 0 * s),
        Atom("s", lambda m, s: s + 0 * m),
        Atom("s²", lambda m, s: s**2 + 0 * m),
        Atom("s⁴", lambda m, s: s**4 + 0 * m),
        Atom("log s", lambda m, s: s.log() + 0 * m),
        Atom("(log s)²", lambda m, s: s.log() ** 2 + 0 * m),
        Atom("√s", lambda m, s: s.sqrt() + 0 * m),
        Atom("1/s", lambda m, s: 1 / s + 0 * m),
        Atom("μ²/s", lambda m, s: m**2 / s),
        Atom("μ²/s²", lambda m, s: m**2 / s**2),
    ]


SAME = {
    ("log-variance", "σ²"): "e^s", ("log-variance", "log σ²"): "s",
    ("log-std", "σ²"): "e^{2s}", ("log-std", "log σ²"): "s",
    ("variance", "σ²"): "s", ("variance", "log σ²"): "log s",
    ("std", "σ²"): "s²", ("std", "log σ²"): "log s",
}  # fmt: skip
"""Which atom of the two lists above is a form's own atom."""
