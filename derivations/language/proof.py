"""Does a step follow by the rules that it cites? Which of them does it need? What would mend it?"""

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations, product
from math import isqrt

from derivations.language import functionals as f
from derivations.language import terms as t
from derivations.language.conditions import Condition
from derivations.language.derivation import Relation
from derivations.language.model import Model
from derivations.language.normal import Normaliser
from derivations.language.polynomial import Logarithm, Mean, Poly
from derivations.language.rules import RULES


@dataclass(frozen=True)
class Proof:
    """Whether the relation follows, what remains if not, and what was assumed."""

    holds: bool
    left_over: Poly | t.Term
    conditions: tuple[Condition, ...]

    @property
    def residue(self) -> t.Term:
        """Left minus right, in normal form if there is one."""
        return self.left_over.to_term() if isinstance(self.left_over, Poly) else self.left_over


def prove(left: t.Term, relation: Relation, right: t.Term, model: Model, rules: Iterable[str]) -> Proof:
    """Whether ``left relation right`` follows from exactly ``rules``; the residue is ``left - right`` in normal
    form.
    """
    cited = frozenset(rules)
    normal = Normaliser(model, cited)
    try:
        residue = normal.unstopped(normal(left) - normal(right)).cleared()
    except (ZeroDivisionError, RecursionError):  # a rule that applies to its own result for ever proves nothing
        return Proof(False, left - right, tuple(normal.conditions))
    if relation == "=":
        holds = not residue
    else:
        gap = residue if relation == ">=" else residue.scaled(Fraction(-1))
        holds = _not_negative(gap, normal)
    return Proof(holds, residue, tuple(normal.conditions))


def _not_negative(gap: Poly, normal: Normaliser) -> bool:
    """Whether ``gap >= 0`` by the inequalities among the rules."""
    if "Jensen" in normal.rules:
        gap = _jensen(gap, normal)
    if "tangent" in normal.rules and _signed(tangent := _tangent(gap, normal), normal) and tangent != gap:
        return True
    return _signed(gap, normal)


def _signed(gap: Poly, normal: Normaliser) -> bool:
    """Whether ``gap >= 0`` as a square, a positive multiple of one, or term by term."""
    if "square" in normal.rules and gap:
        content, monomial, rest = gap.primitive()
        multiple = rest is not None and content > 0 and all(_atom_not_negative(a, k, normal) for a, k in monomial)
        if _is_square(gap) or (multiple and rest is not None and _is_square(rest)):
            return True
    return all(c > 0 and all(_atom_not_negative(a, k, normal) for a, k in m) for m, c in gap.terms.items())


def _is_square(p: Poly) -> bool:
    """Whether ``p`` is the square of a sum of at most four terms."""
    roots = []
    for m, c in p.terms.items():
        if c > 0 and all(k.denominator == 1 and k.numerator % 2 == 0 for _, k in m):
            size = Fraction(isqrt(c.numerator), isqrt(c.denominator))
            if size**2 == c:
                roots.append(Poly({frozenset((a, k / 2) for a, k in m): size}))
    if not 1 <= len(roots) <= 4:
        return False
    for signs in product((1, -1), repeat=len(roots) - 1):
        total = roots[0]
        for sign, root in zip(signs, roots[1:], strict=True):
            total = total + root.scaled(Fraction(sign))
        if total * total == p:
            return True
    return False


def _jensen(gap: Poly, normal: Normaliser) -> Poly:
    """Use log E f >= E log f for each logarithm of an expectation."""
    for m, c in list(gap.terms.items()):
        a = Poly({m: Fraction(1)}).single_atom()
        if c > 0 and isinstance(a, Logarithm):
            mean = a.argument.single_atom()
            if isinstance(mean, Mean):
                normal.assume("positive", mean.body)
                inner = normal.expectation(mean.density, normal.logarithm(mean.body))
                gap = gap - Poly({m: c}) + inner.scaled(c)
    return gap


def _tangent(gap: Poly, normal: Normaliser) -> Poly:
    """Use log f <= f - 1 for each logarithm, and each expectation of one; where log f >= ... is needed, for 1/f."""
    for m, c in list(gap.terms.items()):
        a = Poly({m: Fraction(1)}).single_atom()
        inner = a.body.single_atom() if isinstance(a, Mean) else a
        if not isinstance(inner, Logarithm):
            continue
        normal.assume("positive", inner.argument)
        f = inner.argument if c < 0 else inner.argument.power(Fraction(-1))
        line = f - Poly.constant(1)
        if isinstance(a, Mean):
            line = normal.expectation(a.density, line)
        gap = gap - Poly({m: c}) + line.scaled(-abs(c))
    return gap


def _atom_not_negative(a: t.Term, k: Fraction, normal: Normaliser) -> bool:
    if "square" in normal.rules and k.denominator == 1 and k.numerator % 2 == 0:
        return True
    if "Gibbs" in normal.rules and isinstance(a, f.KL | f.MutualInformation | f.TotalCorrelation):
        return True
    if isinstance(a, Mean) and {"Gibbs", "square", "positivity"} & normal.rules:
        return _not_negative(a.body, normal)
    if "positivity" in normal.rules:
        return isinstance(a, t.Density) or (isinstance(a, t.Parameter | t.Function) and a.positive)
    return False


def needless(left: t.Term, relation: Relation, right: t.Term, model: Model, rules: tuple[str, ...]) -> tuple[str, ...]:
    """The rules without which the step would follow all the same."""
    return tuple(r for r in rules if prove(left, relation, right, model, [s for s in rules if s != r]).holds)


def missing(
    left: t.Term, relation: Relation, right: t.Term, model: Model, rules: tuple[str, ...]
) -> tuple[str, ...] | None:
    """The one or two further rules with which the step would follow; None if no one or two do."""
    others = [r for r in (*RULES, *(d.name for d in model.definitions)) if r not in rules]
    for n in (1, 2):
        for extra in combinations(others, n):
            if prove(left, relation, right, model, (*rules, *extra)).holds:
                return extra
    return None
