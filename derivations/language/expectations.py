"""The rules about expectations, on canonical bodies."""

from fractions import Fraction
from typing import Any

from derivations.language import terms as t
from derivations.language.free import free, rename
from derivations.language.model import Model
from derivations.language.polynomial import ONE, Logarithm, Mean, Monomial, Poly, Slope, atom_free


class Expectations:
    """Part of the normaliser."""

    model: Model
    rules: frozenset[str]
    densities: dict[t.Density, t.Term]

    def assume(self, kind: str, *about: Any) -> None:
        """Record a side condition."""
        raise NotImplementedError

    def atom(self, a: t.Term) -> Poly:
        """An atom, or what a cited lemma says that it is."""
        raise NotImplementedError

    def derivative(self, body: Poly, by: Any) -> Poly:
        """Derivative of a canonical body."""
        raise NotImplementedError

    def put(self, body: Poly, variable: t.Variable, value: Poly) -> Poly:
        """``body`` at ``variable = value``."""
        raise NotImplementedError

    def __call__(self, term: t.Term) -> Poly:
        raise NotImplementedError

    def expectation(self, q: t.Density, body: Poly) -> Poly:
        """E_q of a canonical body."""
        if "reparameterisation" in self.rules:
            for density, (noise, value) in self.model.reparameterisations.items():
                if _same(density, q):
                    (z,) = density.variables
                    self.assume("reparameterised", density, value)
                    return self.expectation(noise, self.put(body, z, self(value)))
        if "linearity" not in self.rules:
            return self._bare(q, body)
        out, bound = Poly({}), frozenset(q.variables)
        several = len(body.terms) > 1
        for constant, rest in body.split(bound):
            if several and rest:
                self.assume("integrable", q, Poly({rest: Fraction(1)}))
            out = out + constant * self._one(q, rest)
        return out

    def _bare(self, q: t.Density, body: Poly) -> Poly:
        """Without linearity: rules apply only to a body that is a single product."""
        if len(body.terms) == 1:
            ((monomial, c),) = body.terms.items()
            if c == 1:
                return self._one(q, monomial)
        return self.atom(Mean(q, body))

    def _one(self, q: t.Density, rest: Any) -> Poly:
        """E_q of one monomial."""
        if not rest:
            return Poly.constant(1) if "normalisation" in self.rules else self.atom(Mean(q, Poly({ONE: Fraction(1)})))
        for method in (
            self._change,
            self._parts,
            self._score,
            self._tower,
            self._probability,
            self._independent,
            self._marginal,
            self._renamed,
        ):
            found = method(q, rest)
            if found is not None:
                return found
        return self.atom(Mean(q, Poly({rest: Fraction(1)})))

    def _change(self, q: t.Density, rest: Any) -> Poly | None:
        if "change of measure" not in self.rules:
            return None
        powers = dict(rest)
        below = self._factors_of(q)
        if any(powers.get(d, 0) > -1 for d in below):
            return None
        for p in sorted((a for a, k in rest if isinstance(a, t.Density) and k >= 1), key=str):
            if set(p.variables) == set(q.variables) and p not in below:
                self.assume("absolutely continuous", p, q)
                body = Poly({rest: Fraction(1)}) * Poly.atom(p, -1)
                for d in below:
                    body = body * Poly.atom(d)
                return self.expectation(p, body)
        return None

    def _factors_of(self, q: t.Density) -> tuple[t.Density, ...]:
        """The densities whose product q is, by a cited definition; otherwise itself."""
        if q in self.densities:
            poly = self(self.densities[q])
            if len(poly.terms) == 1:
                ((monomial, c),) = poly.terms.items()
                if c == 1 and all(isinstance(a, t.Density) and k == 1 for a, k in monomial):
                    return tuple(a for a, _ in monomial)
        return (q,)

    def _parts(self, q: t.Density, rest: Any) -> Poly | None:
        if "integration by parts" not in self.rules:
            return None
        for z in q.variables:
            score = Slope(Poly.atom(Logarithm(Poly.atom(q))), z)
            if (score, Fraction(1)) in rest:
                body = Poly({rest - {(score, Fraction(1))}: Fraction(1)})
                self.assume("boundary", body, q)
                return self.expectation(q, self.derivative(body, z)).scaled(Fraction(-1))
        return None

    def _score(self, q: t.Density, rest: Any) -> Poly | None:
        if "score identity" not in self.rules or len(rest) != 1:
            return None
        ((a, k),) = rest
        if k == 1 and isinstance(a, Slope) and a.by not in q.variables and a.body == Poly.atom(Logarithm(Poly.atom(q))):
            self.assume("domination", q, a.by)
            return Poly({})
        return None

    def _tower(self, q: t.Density, rest: Any) -> Poly | None:
        if "tower" not in self.rules:
            return None
        inner = [
            (a, k)
            for a, k in rest
            if isinstance(a, Mean)
            and k == 1
            and not {v for b, _ in rest if b != a for v in atom_free(b)} & set(a.density.variables)
        ]
        for a, k in sorted(inner, key=lambda item: str(item[0])) if len(inner) > 1 else inner:
            joint = self._joint(q, a.density)
            if joint is not None:
                outer = Poly({rest - {(a, k)}: Fraction(1)})
                return self.expectation(joint, outer * a.body)
        return None

    def _joint(self, outer: t.Density, inner: t.Density) -> t.Density | None:
        """The density whose factors these are."""
        if set(outer.variables) & set(inner.variables):
            return None
        for joint in sorted(self.densities, key=str):
            if set(joint.variables) == set(outer.variables) | set(inner.variables):
                factors = self._factors_of(joint)
                if set(factors) == set(self._factors_of(outer)) | set(self._factors_of(inner)):
                    return joint
        if outer.name == inner.name and set(inner.given) == set(outer.variables) | set(outer.given):
            variables = sorted((*outer.variables, *inner.variables), key=lambda v: v.name)
            parameters = tuple(dict.fromkeys((*outer.parameters, *inner.parameters)))
            return t.Density(outer.name, variables, outer.given, parameters, outer.latex)
        return None

    def _probability(self, q: t.Density, rest: Any) -> Poly | None:
        if "total probability" not in self.rules or len(rest) != 1:
            return None
        ((a, k),) = rest
        if not isinstance(a, t.Density) or k != 1 or a.name != q.name or not set(q.variables) <= set(a.given):
            return None
        left = set(a.given) - set(q.variables)
        if left == set(q.given) or (not q.given and not left):
            return self(
                t.Density(a.name, a.variables, q.given, tuple(dict.fromkeys((*a.parameters, *q.parameters))), a.latex)
            )
        return None

    def _independent(self, q: t.Density, rest: Any) -> Poly | None:
        """E over a product density splits into factors, and drops the variables that are not used."""
        if "independence" not in self.rules:
            return None
        factors = self._factors_of(q)
        if len(factors) < 2 or any(set(d.given) & set(q.variables) for d in factors):
            return None
        groups: list[tuple[set[t.Density], Any]] = []
        for a, k in rest:
            touched = {d for d in factors if set(d.variables) & atom_free(a)}
            merged: Any = frozenset(((a, k),))
            for group in [g for g in groups if g[0] & touched]:
                groups.remove(group)
                touched, merged = touched | group[0], merged | group[1]
            groups.append((touched, merged))
        if len(groups) == 1 and groups[0][0] == set(factors):
            return None
        out = Poly.constant(1)
        for touched, merged in groups:
            if len(touched) == 1:
                (d,) = touched
                out = out * self._one(d, merged)
            else:
                nested = Poly({merged: Fraction(1)})
                for d in sorted(touched, key=str):
                    nested = self.expectation(d, nested)
                out = out * nested
        return out

    def _marginal(self, q: t.Density, rest: Any) -> Poly | None:
        if "marginal" not in self.rules or q in self.densities:
            return None
        used = {v for a, _ in rest for v in atom_free(a)}
        kept = [v for v in q.variables if v in used]
        return self._one(q.over(kept), rest) if kept and len(kept) < len(q.variables) else None

    def _renamed(self, q: t.Density, rest: Any) -> Poly | None:
        """A bound copy of a variable gets the name of the original."""
        if "same law" not in self.rules:
            return None
        names = {v: self.model.copies[v] for v in q.variables if v in self.model.copies}
        taken = {v for a, _ in rest for v in atom_free(a)} | set(free(q))
        if not names or set(names.values()) & taken or len(set(names.values())) < len(names):
            return None
        renamed = rename(q, names)
        body = Poly({rest: Fraction(1)}).to_term()
        return self.expectation(_sorted(renamed), self(rename(body, names)))


def _sorted(d: t.Density) -> t.Density:
    return d.over(sorted(d.variables, key=lambda v: v.name), sorted(d.given, key=lambda v: v.name))


def _same(a: t.Density, b: t.Density) -> bool:
    return _sorted(a) == _sorted(b)


__all__ = ["Expectations", "Monomial"]
