"""The parametrisations of a Gaussian's width, and what each makes of the same number."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import softplus


@dataclass(frozen=True)
class Spread:
    """σ² and log σ² as functions of the argument ``s``.

    Args:
        name: as it stands in ``report.adopted``.
        keyword: the value of ``spread=`` that asks for it; empty for the two that a softplus makes.
        symbol: how formulas call the argument.
        positive: whether the argument must be positive.
        variance, log_variance: the two functions.
        hints: parts of parameter names that promise this parametrisation.
    """

    name: str
    keyword: str
    symbol: str
    positive: bool
    variance: Callable[[Tensor], Tensor]
    log_variance: Callable[[Tensor], Tensor]
    hints: tuple[str, ...]


LOG_VARIANCE = Spread(
    "log-variance", "log_variance", "log σ²", False, torch.exp, lambda s: s * 1.0,
    ("logvar", "log_var", "logv", "lv", "log_sigma2", "log_sigma_sq", "logsigma2", "log_variance", "log_s2"),
)  # fmt: skip
LOG_STD = Spread(
    "log-std", "log_std", "log σ", False, lambda s: torch.exp(2 * s), lambda s: 2 * s,
    ("log_std", "logstd", "log_sigma", "logsigma", "ls", "log_scale", "logscale", "log_sd"),
)  # fmt: skip
VARIANCE = Spread(
    "variance", "variance", "σ²", True, lambda s: s * 1.0, torch.log,
    ("var", "variance", "sigma2", "sigma_sq", "s2", "v"),
)  # fmt: skip
STD = Spread(
    "std", "std", "σ", True, lambda s: s**2, lambda s: 2 * torch.log(s),
    ("std", "sigma", "scale", "sd", "stddev", "stdev"),
)  # fmt: skip
SOFTPLUS_STD = Spread(
    "softplus of it is the std", "", "softplus⁻¹ σ", False,
    lambda s: softplus(s) ** 2, lambda s: 2 * torch.log(softplus(s)), (),
)  # fmt: skip
SOFTPLUS_VARIANCE = Spread(
    "softplus of it is the variance", "", "softplus⁻¹ σ²", False,
    lambda s: softplus(s), lambda s: torch.log(softplus(s)), (),
)  # fmt: skip

USUAL = (LOG_VARIANCE, LOG_STD, VARIANCE, STD)
ALL = (*USUAL, SOFTPLUS_STD, SOFTPLUS_VARIANCE)
BY_NAME = {spread.name: spread for spread in ALL}
BY_KEYWORD = {spread.keyword: spread for spread in USUAL}


def promised(parameter: str) -> Spread | None:
    """The parametrisation that a parameter's name promises, if it promises one."""
    words = parameter.lower()
    best: tuple[int, Spread] | None = None
    for spread in USUAL:
        for hint in spread.hints:
            fits = words == hint if len(hint) <= 2 else words == hint or hint in words
            if fits and (best is None or len(hint) > best[0]):
                best = (len(hint), spread)
    return best[1] if best else None
