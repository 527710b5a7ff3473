"""Terms as text and as LaTeX, in the order in which they were written."""

from fractions import Fraction

from derivations.language import functionals as f
from derivations.language import matrices as m
from derivations.language import terms as t

_SUM, _PRODUCT, _POWER = 1, 2, 3


def text(term: t.Term) -> str:
    """One line of plain text."""
    return _Printer(False).print(term)


def latex(term: t.Term) -> str:
    """LaTeX mathematics, restricted to what docutils' MathML converter knows."""
    return _Printer(True).print(term)


class _Printer:
    def __init__(self, tex: bool) -> None:
        self.tex = tex

    def print(self, term: t.Term, level: int = 0) -> str:
        """``term``, in parentheses where its operator binds less tightly than ``level``."""
        match term:
            case t.Number(value):
                slash = value.denominator > 1 and not (
                    self.tex and level <= _PRODUCT
                )  # a set fraction needs no brackets
                return self._parenthesise(self._number(value), level > _SUM and (value < 0 or slash))
            case t.Variable(name, tex) | t.Parameter(name, tex):
                return tex or name if self.tex else name
            case t.Sum(terms):
                return self._parenthesise(self._sum(terms), level > 0)
            case t.Product(factors):
                return self._product(factors, level)
            case t.Power(base, exponent):
                return self._power(base, exponent, level)
            case t.Log(argument):
                return self._parenthesise(self._log(argument), level >= _POWER)
            case t.Exp(argument):
                inner = self.print(argument)
                return rf"\exp\left({inner}\right)" if self.tex else f"exp({inner})"
            case t.Function(name, arguments, tex):
                inner = ", ".join(self.print(a) for a in arguments)
                return (
                    f"{(tex or name) if self.tex else name}({inner})"
                    if arguments
                    else (tex or name if self.tex else name)
                )
            case t.Density():
                return self._density(term)
            case f.E(density, body):
                return (
                    rf"\mathbb{{E}}_{{{self.print(density)}}}\left[{self.print(body)}\right]"
                    if self.tex
                    else f"E_{{{self.print(density)}}}[{self.print(body)}]"
                )
            case f.KL(q, p):
                return self._divergence("KL", q, p)
            case f.Entropy(q):
                return rf"\mathrm{{H}}\left[{self.print(q)}\right]" if self.tex else f"H[{self.print(q)}]"
            case f.CrossEntropy(q, p):
                return (
                    rf"\mathrm{{H}}\left[{self.print(q)},\, {self.print(p)}\right]"
                    if self.tex
                    else f"H[{self.print(q)}, {self.print(p)}]"
                )
            case f.MutualInformation(joint, first, second):
                a, b = (", ".join(self.print(v) for v in vs) for vs in (first, second))
                name = f"{joint.latex or joint.name}" if self.tex else joint.name
                return rf"\mathrm{{I}}_{{{name}}}\left({a}; {b}\right)" if self.tex else f"I_{name}({a}; {b})"
            case f.TotalCorrelation(q):
                return rf"\mathrm{{TC}}\left[{self.print(q)}\right]" if self.tex else f"TC[{self.print(q)}]"
            case f.Derivative(body, by):
                inner, by_ = self.print(body, _PRODUCT), self.print(by)
                return self._parenthesise(
                    rf"\frac{{\partial}}{{\partial {by_}}} {inner}" if self.tex else f"d/d{by_} {inner}",
                    level >= _POWER,
                )
            case f.At(body, variable, value):
                inner, at = self.print(body, _PRODUCT), f"{self.print(variable)} = {self.print(value)}"
                return rf"{inner}\Big|_{{{at}}}" if self.tex else f"{inner}|_{{{at}}}"
            case f.StopGradient(body):
                return rf"\mathrm{{sg}}\left[{self.print(body)}\right]" if self.tex else f"sg[{self.print(body)}]"
            case m.MatrixScalar():
                return term.show(self.tex)
        from derivations.language.polynomial import atom_term

        shown = atom_term(term)
        if shown is term:
            raise TypeError(f"cannot print {type(term).__name__}")
        return self.print(shown, level)

    def _number(self, value: Fraction) -> str:
        if value.denominator == 1:
            return str(value.numerator)
        if self.tex:
            return rf"{'-' if value < 0 else ''}\frac{{{abs(value.numerator)}}}{{{value.denominator}}}"
        return f"{value.numerator}/{value.denominator}"

    def _sum(self, terms: tuple[t.Term, ...]) -> str:
        out = ""
        for i, term in enumerate(terms):
            piece = self.print(term, _SUM)
            if piece.startswith("-"):
                out += f" - {piece[1:].lstrip()}" if i else piece
            else:
                out += f" + {piece}" if i else piece
        return out

    def _product(self, factors: tuple[t.Term, ...], level: int) -> str:
        sign, rest = "", list(factors)
        while rest and rest[0] == t.Number(Fraction(-1)) and len(rest) > 1:
            sign, rest = ("" if sign else "-"), rest[1:]
        if self.tex and rest and isinstance(rest[0], t.Number) and rest[0].value < 0 and len(rest) > 1:
            sign, rest = ("" if sign else "-"), [t.Number(-rest[0].value), *rest[1:]]
        above = [x for x in rest if not (isinstance(x, t.Power) and x.exponent < 0)]
        below = [
            t.Power(x.base, -x.exponent) if x.exponent != -1 else x.base
            for x in rest
            if isinstance(x, t.Power) and x.exponent < 0
        ]
        if not below:
            body = self._factors(above)
        elif self.tex:
            body = rf"\frac{{{self._factors(above, alone=True)}}}{{{self._factors(below, alone=True)}}}"
        else:
            bottom = self._factors(below)
            body = f"{self._factors(above)} / {f'({bottom})' if len(below) > 1 else bottom}"
        return self._parenthesise(sign + body, level >= _POWER or (level >= _PRODUCT and bool(sign)))

    def _factors(self, factors: list[t.Term], alone: bool = False) -> str:
        if not factors:
            return "1"
        if len(factors) == 1:
            return self.print(factors[0], 0 if alone else _SUM)
        return (r"\, " if self.tex else " ").join(self.print(x, _PRODUCT) for x in factors)

    def _power(self, base: t.Term, exponent: Fraction, level: int) -> str:
        if exponent < 0:
            return self._product((t.Power(base, exponent),), level)
        if exponent == 1:
            return self.print(base, level)
        if exponent == Fraction(1, 2):
            return rf"\sqrt{{{self.print(base)}}}" if self.tex else f"sqrt({self.print(base)})"
        inner, up = self.print(base, _POWER), self._number(exponent)
        return f"{inner}^{{{up}}}" if self.tex else f"{inner}^{up}"

    def _log(self, argument: t.Term) -> str:
        name = r"\log " if self.tex else "log "
        if isinstance(argument, t.Sum | t.Product | t.Power | t.Number) and not (
            self.tex
            and isinstance(argument, t.Product)
            and any(isinstance(x, t.Power) and x.exponent < 0 for x in argument.factors)
        ):
            inner = self.print(argument)
            return rf"{name}\left({inner}\right)" if self.tex else f"log({inner})"
        return name + self.print(argument, _SUM)

    def _density(self, d: t.Density) -> str:
        v, g = (", ".join(self.print(x) for x in xs) for xs in (d.variables, d.given))
        if self.tex:
            by = ", ".join(self.print(p) for p in d.parameters)
            name = (d.latex or d.name) + (f"_{{{by}}}" if by else "")
            return rf"{name}({v} \mid {g})" if g else f"{name}({v})"
        return f"{d.name}({v} | {g})" if g else f"{d.name}({v})"

    def _divergence(self, name: str, q: t.Density, p: t.Term) -> str:
        if self.tex:
            return rf"\mathrm{{{name}}}\left[{self.print(q)} \,\|\, {self.print(p)}\right]"
        return f"{name}[{self.print(q)} || {self.print(p)}]"

    def _parenthesise(self, inner: str, needed: bool) -> str:
        if not needed:
            return inner
        return rf"\left({inner}\right)" if self.tex else f"({inner})"
