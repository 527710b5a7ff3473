"""Negative log-likelihoods of (recon, x) as forms."""

import math

import torch
from torch import Tensor
from torch.nn.functional import softplus

from elbo.checking._gaussian_forms import HALF_LOG_2PI
from elbo.checking._spreads import USUAL
from elbo.checking._terms import Atom, Form

BERNOULLI = [
    Form(
        {"likelihood": "Bernoulli, recon is a probability"},
        (
            Atom("−x log r", lambda r, x: -x * torch.log(r)),
            Atom("−(1−x) log(1−r)", lambda r, x: -(1 - x) * torch.log1p(-r)),
        ),
        (1.0, 1.0),
    ),
    Form(
        {"likelihood": "Bernoulli, recon is a logit"},
        (
            Atom("−x log σ(r)", lambda r, x: x * softplus(-r)),
            Atom("−(1−x) log σ(−r)", lambda r, x: (1 - x) * softplus(r)),
        ),
        (1.0, 1.0),
    ),
]


def _gaussian() -> list[Form]:
    return [
        Form(
            {"likelihood": "Gaussian, recon is the mean"},
            (Atom("(x−r)²", lambda r, x: (x - r) ** 2),),
            (0.5,),
            HALF_LOG_2PI,
        ),
        Form(
            {"likelihood": "Gaussian, sigmoid(recon) is the mean"},
            (Atom("(x−σ(r))²", lambda r, x: (x - torch.sigmoid(r)) ** 2),),
            (0.5,),
            HALF_LOG_2PI,
        ),
    ]


GAUSSIAN = _gaussian()
LAPLACE = [
    Form(
        {"likelihood": "Laplace, recon is the location"},
        (Atom("|x−r|", lambda r, x: (x - r).abs()),),
        (1.0,),
        math.log(2),
    )
]


def gaussian_scaled() -> list[Form]:
    """½(x−r)²/σ² + ½ log σ² + ½ log 2π of (recon, x, spread)."""
    forms = []
    for p in USUAL:
        v, lv = p.variance, p.log_variance
        forms.append(
            Form(
                {"likelihood": "Gaussian, recon is the mean", "spread": p.name},
                (
                    Atom("(x−r)²/σ²", lambda r, x, s, v=v: (x - r) ** 2 / v(s)),
                    Atom("log σ²", lambda r, x, s, lv=lv: lv(s) + 0 * r),
                ),
                (0.5, 0.5),
                HALF_LOG_2PI,
            )
        )
    return forms


def laplace_scaled() -> list[Form]:
    """|x−r|/b + log b + log 2 of (recon, x, b or log b)."""

    def scale_is_log(s: Tensor) -> Tensor:
        return torch.exp(s)

    return [
        Form(
            {"likelihood": "Laplace, recon is the location", "spread": "log-scale"},
            (
                Atom("|x−r|/b", lambda r, x, s: (x - r).abs() / scale_is_log(s)),
                Atom("log b", lambda r, x, s: s + 0 * r),
            ),
            (1.0, 1.0),
            math.log(2),
        ),
        Form(
            {"likelihood": "Laplace, recon is the location", "spread": "scale"},
            (Atom("|x−r|/b", lambda r, x, s: (x - r).abs() / s), Atom("log b", lambda r, x, s: s.log() + 0 * r)),
            (1.0, 1.0),
            math.log(2),
        ),
    ]


def wrong_atoms() -> list[Atom]:
    """What people write by mistake for a likelihood of (recon, x)."""
    return [
        Atom("(x−r)²", lambda r, x: (x - r) ** 2),
        Atom("|x−r|", lambda r, x: (x - r).abs()),
        Atom("(x−r)⁴", lambda r, x: (x - r) ** 4),
        Atom("x log r", lambda r, x: x * torch.log(r)),
        Atom("log r", lambda r, x: torch.log(r) + 0 * x),
        Atom("log(1−r)", lambda r, x: torch.log1p(-r) + 0 * x),
        Atom("x log(1−r)", lambda r, x: x * torch.log1p(-r)),
        Atom("x", lambda r, x: x + 0 * r),
        Atom("r", lambda r, x: r + 0 * x),
        Atom("x·r", lambda r, x: x * r),
    ]
