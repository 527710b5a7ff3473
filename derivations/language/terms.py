"""The terms of a derivation: an expression tree that keeps what its author wrote.

Nothing is sorted and nothing cancels when a term is built: ``log(q / q)`` stays ``log(q / q)`` until a rule is cited.
Two terms are equal (``==``) when they were written alike; whether they are equal *by rules* is for the witnesses.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from typing import Union

from elbo._errors import InputTypeError, InputValueError

Exact = Union["Term", int, Fraction]


class Term:
    """Base of all scalar terms; arithmetic on terms builds terms."""

    def __add__(self, other: Exact) -> "Term":
        return Sum((*_terms(self), *_terms(term(other))))

    def __radd__(self, other: Exact) -> "Term":
        return term(other) + self

    def __sub__(self, other: Exact) -> "Term":
        return Sum((*_terms(self), *(-t for t in _terms(term(other)))))

    def __rsub__(self, other: Exact) -> "Term":
        return term(other) - self

    def __neg__(self) -> "Term":
        return Product((Number(Fraction(-1)), *_factors(self)))

    def __mul__(self, other: Exact) -> "Term":
        return Product((*_factors(self), *_factors(term(other))))

    def __rmul__(self, other: Exact) -> "Term":
        return term(other) * self

    def __truediv__(self, other: Exact) -> "Term":
        divisor = term(other)
        if divisor == Number(Fraction(0)):
            raise InputValueError("a term was divided by 0; write a divisor that is not zero")
        return Product((*_factors(self), *(Power(f, Fraction(-1)) for f in _factors(divisor))))

    def __rtruediv__(self, other: Exact) -> "Term":
        return term(other) / self

    def __pow__(self, exponent: int | Fraction) -> "Term":
        if not isinstance(exponent, int | Fraction):
            raise InputTypeError(f"exponent is {exponent!r}; write an int or a Fraction")
        return Power(self, Fraction(exponent))

    def __str__(self) -> str:
        from derivations.language.printing import text

        return text(self)


def term(value: Exact) -> Term:
    """``value`` as a term; floats are refused, because a derivation is exact."""
    if isinstance(value, Term):
        return value
    if isinstance(value, bool) or not isinstance(value, int | Fraction):
        raise InputTypeError(
            f"{value!r} is a {type(value).__name__}; write a term, an int or a Fraction (0.5 is Fraction(1, 2))"
        )
    return Number(Fraction(value))


def _terms(t: Term) -> tuple[Term, ...]:
    return t.terms if isinstance(t, Sum) else (t,)


def _factors(t: Term) -> tuple[Term, ...]:
    return t.factors if isinstance(t, Product) else (t,)


@dataclass(frozen=True)
class Number(Term):
    """A rational number."""

    value: Fraction


@dataclass(frozen=True)
class Variable(Term):
    """A random variable (or its value): bound by an expectation over it, free otherwise."""

    name: str
    latex: str = ""


@dataclass(frozen=True)
class Parameter(Term):
    """A number that the statement holds for every value of (``positive``: every positive value)."""

    name: str
    latex: str = ""
    positive: bool = False


@dataclass(frozen=True)
class Sum(Term):
    """A sum, in the author's order."""

    terms: tuple[Term, ...]


@dataclass(frozen=True)
class Product(Term):
    """A product, in the author's order; a quotient is a product with negative powers."""

    factors: tuple[Term, ...]


@dataclass(frozen=True)
class Power(Term):
    """``base`` to a rational power."""

    base: Term
    exponent: Fraction


@dataclass(frozen=True)
class Log(Term):
    """Natural logarithm."""

    argument: Term


@dataclass(frozen=True)
class Exp(Term):
    """Exponential function."""

    argument: Term


@dataclass(frozen=True, init=False)
class Function(Term):
    """An arbitrary function of variables and parameters: ``Function("f", z)``; ``positive`` if its logarithm is
    wanted.
    """

    name: str
    arguments: tuple[Term, ...]
    latex: str
    positive: bool

    def __init__(self, name: str, *arguments: Term, latex: str = "", positive: bool = False) -> None:
        _set(self, name=name, arguments=tuple(arguments), latex=latex, positive=positive)


@dataclass(frozen=True, init=False)
class Density(Term):
    """``name(variables | given)``: a positive density (or mass function), normalised over its variables.

    All densities of one name are marginals and conditionals of one law, so ``p(z)``, ``p(x | z)`` and ``p(z | x)``
    hang together.

    >>> z, x = Variable("z"), Variable("x")
    >>> print(Density("p", z, given=x))
    p(z | x)
    """

    name: str
    variables: tuple[Variable, ...]
    given: tuple[Variable, ...]
    parameters: tuple[Parameter, ...]
    latex: str

    def __init__(
        self,
        name: str,
        variables: Variable | Iterable[Variable],
        given: Variable | Iterable[Variable] = (),
        parameters: Parameter | Iterable[Parameter] = (),
        latex: str = "",
    ) -> None:
        v, g = _tuple(variables), _tuple(given)
        if not v:
            raise InputValueError(f"density {name!r} has no variables; write Density({name!r}, z)")
        if set(v) & set(g) or len(set(v + g)) < len(v + g):
            raise InputValueError(
                f"density {name!r} names a variable twice: {[a.name for a in v + g]}; write each once"
            )
        _set(self, name=name, variables=v, given=g, parameters=_tuple(parameters), latex=latex)

    def over(self, variables: Iterable[Variable], given: Iterable[Variable] | None = None) -> "Density":
        """The density of the same law over other variables."""
        g = self.given if given is None else tuple(given)
        return Density(self.name, tuple(variables), g, self.parameters, self.latex)


def _set(target: object, **values: object) -> None:
    for key, value in values.items():
        object.__setattr__(target, key, value)


def _tuple(value: object) -> tuple:  # type: ignore[type-arg]
    return tuple(value) if isinstance(value, Iterable) else (value,)


PI = Parameter("pi", r"\pi", positive=True)
"""The number π; every witness knows its value."""


def log(argument: Exact) -> Log:
    """Natural logarithm of a term."""
    return Log(term(argument))


def exp(argument: Exact) -> Exp:
    """Exponential of a term."""
    return Exp(term(argument))


def sqrt(argument: Exact) -> Power:
    """Square root of a positive term."""
    return Power(term(argument), Fraction(1, 2))
