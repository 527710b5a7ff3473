"""One check under way: the subject, the options, the source of randomness, and what has been found so far."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from elbo.checking._guard import FunctionError
from elbo.checking._report import Counterexample, Finding, finding
from elbo.checking._subject import Subject
from elbo.checking.codes import CODES

SPREADS = ("log_variance", "variance", "std", "log_std")


@dataclass(frozen=True)
class Options:
    """The keywords of :func:`elbo.check` that resolve what probes cannot."""

    spread: str | None = None
    maximise: bool | None = None
    sample_axis: int | None = None
    n_data: int | None = None
    ema: bool | None = None
    shapes: Any = None
    alpha: float = 1e-6
    seed: int = 0


@dataclass
class Case:
    """What a target's judge works on and writes into."""

    subject: Subject
    options: Options
    letters: tuple[str, ...]
    generator: torch.Generator
    found: list[Finding] = field(default_factory=list)
    adopted: dict[str, Any] = field(default_factory=dict)
    candidates: list[str] = field(default_factory=list)
    unseen: list[str] = field(default_factory=list)
    undecided: str = ""
    noisy: str = ""
    look_for_noise: bool = False
    suspect: Callable[[], bool] | None = None
    computes: str = ""
    contract: str = ""
    counterexample: Counterexample | None = None
    alpha_spent: float = 0.0

    def find(self, code: str, message: str = "", **texts: Any) -> None:
        """Add a finding, once for each code."""
        if not self.has(code):
            self.found.append(finding(code, message, **texts))

    def has(self, code: str) -> bool:
        """Whether the code was found."""
        return any(f.code == code for f in self.found)

    def found_any(self, *codes: str) -> bool:
        """Whether one of the codes was found."""
        return any(self.has(code) for code in codes)

    @property
    def wrong(self) -> bool:
        """Whether a mistake was found."""
        return any(CODES[f.code].kind == "mistake" for f in self.found)

    def maybe(self, *codes: str) -> None:
        """Add candidates that the probes cannot tell apart."""
        self.candidates += [code for code in codes if code not in self.candidates]

    def not_seen(self, text: str) -> None:
        """Say what no probe could see."""
        if text not in self.unseen:
            self.unseen.append(text)

    def uniform(self, shape: Sequence[int], low: float, high: float) -> Tensor:
        """Float64 draws from U(low, high)."""
        return low + (high - low) * torch.rand(tuple(shape), generator=self.generator, dtype=torch.float64)

    def normal(self, shape: Sequence[int], scale: float = 1.0) -> Tensor:
        """Float64 draws from N(0, scale²)."""
        return scale * torch.randn(tuple(shape), generator=self.generator, dtype=torch.float64)

    def two_sided(self, shape: Sequence[int]) -> Tensor:
        """Float64 draws on both sides of zero and away from it: 0.2 to 1.5, the signs in turn."""
        size = self.uniform(shape, 0.2, 1.5)
        signs = torch.ones(size.numel(), dtype=torch.float64)
        signs[1::2] = -1.0
        return size * signs.reshape(size.shape)

    def binary(self, shape: Sequence[int]) -> Tensor:
        """Fair coin flips as float64."""
        return (torch.rand(tuple(shape), generator=self.generator) < 0.5).to(torch.float64)

    def attempt(self, *tensors: Tensor) -> Tensor | None:
        """The value, or None where the function raises."""
        try:
            return self.subject.value(*tensors)
        except FunctionError:
            return None


def evidence(yours: float, expected: float, where: str, **more: Any) -> Mapping[str, Any]:
    """The numbers of a finding."""
    return {"yours": yours, "expected": expected, "where": where, **more}
