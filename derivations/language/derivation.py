"""A derivation as data: a start, steps with the rules that they use, mistakes that people make, instances, sources."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from derivations.language import matrices as m
from derivations.language.conditions import Condition
from derivations.language.free import walk
from derivations.language.model import Definition, Model
from derivations.language.terms import Density, Exact, Parameter, Term, Variable, _set, term
from elbo._errors import InputTypeError, InputValueError

Relation = Literal["=", "<=", ">="]


@dataclass(frozen=True, init=False)
class Step:
    """``previous relation expression``, by the rules (and definitions of the model) that ``by`` names; ``note`` is
    for the reader.
    """

    expression: Term
    by: tuple[str, ...]
    relation: Relation
    note: str

    def __init__(
        self, expression: Exact, by: str | tuple[str, ...] | list[str], relation: Relation = "=", note: str = ""
    ) -> None:
        names = (by,) if isinstance(by, str) else tuple(by)
        if relation not in ("=", "<=", ">="):
            raise InputValueError(f"relation is {relation!r}; write '=', '<=' or '>='")
        if not names:
            raise InputValueError(f"the step to {term(expression)} cites no rule; write by=(...)")
        _set(self, expression=term(expression), by=names, relation=relation, note=note)


@dataclass(frozen=True, init=False)
class Wrong:
    """A mistake that people make: ``left relation expression`` (``left`` is the start of the derivation unless
    given).
    """

    expression: Term
    why: str
    left: Term | None
    relation: Relation
    source: str

    def __init__(
        self, expression: Exact, why: str, left: Exact | None = None, relation: Relation = "=", source: str = ""
    ) -> None:
        _set(
            self,
            expression=term(expression),
            why=why,
            left=None if left is None else term(left),
            relation=relation,
            source=source,
        )


@dataclass(frozen=True)
class Source:
    """Where a derivation is found: a work and a place in it."""

    work: str
    locator: str

    def __post_init__(self) -> None:
        if not self.locator.strip():
            raise InputValueError(f"source {self.work!r} has no locator; write the equation, section or page")


@dataclass(frozen=True, init=False)
class Normal:
    """The law N(mean, scale²), or N(mean, scale scaleᵀ) where these are a column and a lower triangular matrix."""

    mean: Term | m.MatrixTerm
    scale: Term | m.MatrixTerm

    def __init__(self, mean: Exact | m.MatrixTerm, scale: Exact | m.MatrixTerm) -> None:
        _set(
            self,
            mean=mean if isinstance(mean, m.MatrixTerm) else term(mean),
            scale=scale if isinstance(scale, m.MatrixTerm) else term(scale),
        )


@dataclass(frozen=True)
class Law:
    """Any other law of one real variable: its log density as a term in that variable, and an interval that carries it.

    The density is zero outside the interval; its mass on it must be one, which quadrature checks.
    """

    log_density: Term
    lower: float
    upper: float


@dataclass(frozen=True)
class Instance:
    """A continuous model in which the numeric witnesses evaluate a derivation.

    Args:
        name: how it is called in the report.
        laws: for each primitive density (and each density that no primitive gives) its law.
        values: observed values of the free variables.
        parameters: values of parameters; what is not given gets a generic value.
        functions: by name, what an arbitrary function is here: a Python function of SymPy or NumPy or Torch values
        (arithmetic only).
        dimension: of the vectors.
        ranges: interval of a variable for quadrature, where the laws do not tell it.
    """

    name: str
    laws: Mapping[Density, Normal | Law]
    values: Mapping[Variable, float] = field(default_factory=dict)
    parameters: Mapping[Parameter, float] = field(default_factory=dict)
    functions: Mapping[str, Callable[..., Any]] = field(default_factory=dict)
    dimension: int = 1
    ranges: Mapping[Variable, tuple[float, float]] = field(default_factory=dict)


@dataclass(frozen=True)
class Derivation:
    """A chain ``start = ... = last``, each link judged by several witnesses.

    Args:
        title: for people.
        slug: for addresses; lower case words joined by hyphens, unique.
        statement: what is shown, in one sentence; mathematics between dollars.
        model: what the densities are.
        start: the left-hand side.
        steps: the chain.
        sources: at least one.
        wrong: mistakes that people make.
        instances: continuous models for moments, quadrature and draws.
        conditions: what is assumed beyond the side conditions that the rules collect, in words.
        requirements: the same as relations that an instance must meet: ``Condition(">=", (beta, Number(1)))`` or
        ``">"``.
        implements: names of the functions of ``elbo`` that compute what is shown.
        depends_on: slugs of derivations whose result is used as a definition here.
        sizes: number of values of each variable in the finite tables; 2 for what is not named.
        silent: witnesses in whose reach no step lies although their kinds of terms do not show it (it is checked
        that none does).
    """

    title: str
    slug: str
    statement: str
    model: Model
    start: Term
    steps: tuple[Step, ...]
    sources: tuple[Source, ...]
    wrong: tuple[Wrong, ...] = ()
    instances: tuple[Instance, ...] = ()
    conditions: tuple[str, ...] = ()
    requirements: tuple[Condition, ...] = ()
    implements: tuple[str, ...] = ()
    depends_on: tuple[str, ...] = ()
    sizes: Mapping[Variable, int] = field(default_factory=dict)
    silent: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", self.slug):
            raise InputValueError(f"slug is {self.slug!r}; write lower case words joined by hyphens")
        if not isinstance(self.start, Term):
            raise InputTypeError(f"start of {self.slug!r} is a {type(self.start).__name__}; write a term")
        if not self.steps:
            raise InputValueError(f"derivation {self.slug!r} has no steps; write steps=(Step(...), ...)")
        if not self.sources:
            raise InputValueError(f"derivation {self.slug!r} has no source; write sources=(Source(work, locator),)")
        if len({s.relation for s in self.steps} - {"="}) > 1:
            raise InputValueError(f"derivation {self.slug!r} mixes <= and >=; its ends could not be compared")

    @property
    def relation(self) -> Relation:
        """How the start compares with the last expression."""
        return next((s.relation for s in self.steps if s.relation != "="), "=")

    @property
    def last(self) -> Term:
        """The right-hand side."""
        return self.steps[-1].expression

    def idle(self) -> tuple[Definition, ...]:
        """Definitions that no step cites and that no density of the derivation or of its instances rests on."""
        cited = {name for step in self.steps for name in step.by}
        primitives = {d.name for d in self.model.primitives} | set(self.model.joints)
        spoken: list[object] = [
            self.start,
            *(s.expression for s in self.steps),
            *(t for w in self.wrong for t in (w.left, w.expression) if t is not None),
            *(t for r in self.requirements for t in r.about),
            *(d for i in self.instances for d in i.laws),
            *self.model.joints.values(),
            *(d.right for d in self.model.definitions if d.name in cited),
        ]
        names = {x.name for x in walk(tuple(spoken)) if isinstance(x, Density)} - primitives
        return tuple(
            d
            for d in self.model.definitions
            if d.name not in cited and not (isinstance(d.left, Density) and d.left.name in names)
        )

    def links(self) -> tuple[tuple[Term, Step], ...]:
        """(expression before, step) for each step."""
        before = (self.start, *(s.expression for s in self.steps[:-1]))
        return tuple(zip(before, self.steps, strict=True))
