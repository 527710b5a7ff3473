"""A model: which densities are given, how the others come from them, and what is true of it by definition."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from derivations.language.rules import RULES
from derivations.language.terms import Density, Term, Variable
from elbo._errors import InputValueError


@dataclass(frozen=True)
class Definition:
    """A named equality ``left = right`` that steps may cite, used from left to right.

    ``left`` is a density ("Bayes": p(z | x) = p(x | z) p(z) / p(x)), or any term that the rules see as one thing
    ("normal density": log q(z) = ...; "second moment": E_q[z²] = m² + s²). Each is itself judged, on tables or on
    the instances.
    """

    name: str
    left: Term
    right: Term
    source: str = ""
    of_instances: bool = False

    def __post_init__(self) -> None:
        if self.name in RULES:
            raise InputValueError(f"definition {self.name!r} has the name of a rule; give it another name")


@dataclass(frozen=True)
class Model:
    """What a derivation is about.

    Args:
        primitives: densities that may be anything. The other densities of the same name come from them:
            with primitives p(z) and p(x | z), the densities p(x), p(x, z) and p(z | x) are those of the joint p(x |
            z) p(z).
        definitions: equalities that steps may cite.
        joints: for a name whose joint is not the product of the primitives of that name, the product (or any term)
        that it is:
            ``{"q": d * q}`` for q(x, z) = d(x) q(z | x).
        copies: variables that are further samples of another: ``{z1: z, z2: z}``; q(z1 | x) is then q(z | x) at z1.
        reparameterisations: density to (density of the noise, value of the variable as a term): q(z) is the law of
        g(ε).
    """

    primitives: tuple[Density, ...] = ()
    definitions: tuple[Definition, ...] = ()
    joints: Mapping[str, Term] = field(default_factory=dict)
    copies: Mapping[Variable, Variable] = field(default_factory=dict)
    reparameterisations: Mapping[Density, tuple[Density, Term]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        names = [d.name for d in self.definitions]
        twice = {n for n in names if names.count(n) > 1}
        if twice:
            raise InputValueError(f"two definitions are called {', '.join(sorted(twice))}; names must be unique")

    def definition(self, name: str) -> Definition | None:
        """The definition of that name."""
        return next((d for d in self.definitions if d.name == name), None)

    def only(self, *names: str) -> "Model":
        """The same with only these of its definitions, for a derivation that shares a model and needs no more."""
        known = {d.name for d in self.definitions}
        for name in names:
            if name not in known:
                raise InputValueError(f"no definition is called {name!r}; write some of: {', '.join(sorted(known))}")
        kept = tuple(d for d in self.definitions if d.name in names)
        return Model(self.primitives, kept, self.joints, self.copies, self.reparameterisations)

    def with_primitives(self, *more: Density) -> "Model":
        """The same with more primitives."""
        return Model((*self.primitives, *more), self.definitions, self.joints, self.copies, self.reparameterisations)
