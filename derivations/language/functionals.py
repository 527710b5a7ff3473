"""Terms that bind variables or act on whole terms: expectations, divergences, derivatives."""

from collections.abc import Iterable
from dataclasses import dataclass

from derivations.language.terms import Density, Exact, Log, Parameter, Product, Term, Variable, _set, _tuple, term
from elbo._errors import InputValueError


@dataclass(frozen=True, init=False)
class E(Term):
    """Expectation of ``body`` under ``density``, which binds its variables.

    >>> z = Variable("z")
    >>> print(E(Density("q", z), Log(Density("p", z))))
    E_{q(z)}[log p(z)]
    """

    density: Density
    body: Term

    def __init__(self, density: Density, body: Exact) -> None:
        _set(self, density=density, body=term(body))


@dataclass(frozen=True)
class KL(Term):
    """KL[q ‖ p], q first; p may be a product of densities that together range over the variables of q."""

    q: Density
    p: Term

    def __post_init__(self) -> None:
        over = {v for d in densities_of(self.p) for v in d.variables}
        if over != set(self.q.variables):
            names = sorted(v.name for v in over)
            raise InputValueError(
                f"KL[{self.q} || {self.p}] compares a density of {sorted(v.name for v in self.q.variables)} with"
                f" one of "
                f"{names}; write two densities of the same variables"
            )

    @property
    def expanded(self) -> Term:
        """E_q log(q/p)."""
        return E(self.q, Log(self.q / self.p))


@dataclass(frozen=True)
class Entropy(Term):
    """H[q] = −E_q log q, in nats; differential where q is a density, and then it may be negative."""

    q: Density

    @property
    def expanded(self) -> Term:
        """−E_q log q."""
        return -E(self.q, Log(self.q))


@dataclass(frozen=True)
class CrossEntropy(Term):
    """H[q, p] = −E_q log p."""

    q: Density
    p: Term

    @property
    def expanded(self) -> Term:
        """−E_q log p."""
        return -E(self.q, Log(self.p))


@dataclass(frozen=True, init=False)
class MutualInformation(Term):
    """I(a; b) of a joint density: KL[joint ‖ product of its two marginals]."""

    joint: Density
    first: tuple[Variable, ...]
    second: tuple[Variable, ...]

    def __init__(
        self, joint: Density, first: Variable | Iterable[Variable], second: Variable | Iterable[Variable]
    ) -> None:
        a, b = _tuple(first), _tuple(second)
        if set(a) | set(b) != set(joint.variables) or set(a) & set(b):
            raise InputValueError(f"I of {joint} needs its variables split in two; got {a} and {b}")
        _set(self, joint=joint, first=a, second=b)

    @property
    def expanded(self) -> Term:
        """The divergence that it is."""
        return KL(self.joint, self.joint.over(self.first) * self.joint.over(self.second))


@dataclass(frozen=True)
class TotalCorrelation(Term):
    """TC[q] = KL[q ‖ product of its one-variable marginals]."""

    q: Density

    @property
    def expanded(self) -> Term:
        """The divergence that it is."""
        return KL(self.q, Product(tuple(self.q.over((v,)) for v in self.q.variables)))


@dataclass(frozen=True)
class Derivative(Term):
    """∂ body / ∂ by; ``by`` is a parameter, or a variable that is free in the body."""

    body: Term
    by: Parameter | Variable


@dataclass(frozen=True)
class At(Term):
    """``body`` with ``variable`` replaced by ``value``: f(z) at z = g(ε)."""

    body: Term
    variable: Variable
    value: Term


@dataclass(frozen=True)
class StopGradient(Term):
    """``body``, of which every derivative is taken to be zero."""

    body: Term


Abbreviation = KL | Entropy | CrossEntropy | MutualInformation | TotalCorrelation


def densities_of(p: Term) -> tuple[Density, ...]:
    """The factors of a product of densities."""
    factors = p.factors if isinstance(p, Product) else (p,)
    found = tuple(f for f in factors if isinstance(f, Density))
    if len(found) != len(factors):
        raise InputValueError(f"{p} is not a density, nor a product of densities")
    return found
