"""The formulas that ``kl_pairs()`` states, read as they are written, give what ``kl`` gives."""

import re

import pytest
import torch
from mpmath import mp, mpf

from elbo.divergences import kl, kl_pairs

# what the formula calls the parameters of q and then of p
NAMES = {
    "Bernoulli Bernoulli": "q p", "Bernoulli Poisson": "q λ", "Beta Beta": "a₁ b₁ a₂ b₂",
    "Cauchy Cauchy": "m₁ s₁ m₂ s₂", "Exponential Exponential": "b₁ b₂", "Exponential Gumbel": "r m s",
    "Exponential Normal": "r m s", "Gamma Gamma": "a₁ b₁ a₂ b₂", "Gamma Gumbel": "a b m s", "Gamma Normal": "a b m s",
    "Gumbel Gumbel": "m₁ b₁ m₂ b₂", "Gumbel Normal": "m₁ b m₂ s", "HalfCauchy HalfCauchy": "s₁ s₂",
    "HalfNormal HalfNormal": "s₁ s₂", "InverseGamma InverseGamma": "a₁ b₁ a₂ b₂", "Laplace Laplace": "m₁ b₁ m₂ b₂",
    "Laplace Normal": "m₁ b m₂ s", "LogNormal Gamma": "m s a b", "Normal Gumbel": "m₁ s m₂ b",
    "Normal Laplace": "m₁ s m₂ b", "Normal Normal": "m₁ s₁ m₂ s₂", "Pareto Exponential": "x α r",
    "Pareto Gamma": "x α c r", "Pareto Pareto": "x₁ α₁ x₂ α₂", "Poisson Poisson": "λ₁ λ₂",
    "Uniform Exponential": "l h r", "Uniform Uniform": "l₁ h₁ l₂ h₂", "Weibull Gamma": "l k a b",
    "Weibull Weibull": "l₁ k₁ l₂ k₂",
}  # fmt: skip
VALUES = {  # of each parameter in turn, for q and for p
    "Bernoulli": ((0.3,), (0.45,)), "Poisson": ((1.7,), (0.6,)), "Exponential": ((0.8,), (1.9,)),
    "Uniform": ((0.6, 1.9), (0.2, 2.5)), "Pareto": ((1.4, 3.3), (0.9, 2.2)), "HalfCauchy": ((1.3,), (0.4,)),
    "HalfNormal": ((1.3,), (0.4,)),
}  # fmt: skip
FUNCTIONS = {"log": mp.log, "exp": mp.exp, "erf": mp.erf, "Γ": mp.gamma, "ψ": mp.digamma, "B": mp.beta}
TOKEN = re.compile(r"(\s*)(log|exp|erf|\d+|\w[₀₁₂]?|.)")


class Reader:
    """Sums of products as a mathematician writes them.

    A denominator is what follows without a space, so that m²/2s² is m²/(2 s²); a function without brackets takes the
    whole product that follows.
    """

    def __init__(self, text, values):
        self.tokens = [*TOKEN.findall(text), ("", "")]
        self.values = {"π": mp.pi, "e": mp.e, "γ": mp.euler, "½": mpf(1) / 2, **values}

    @property
    def next(self):
        return self.tokens[0][1]

    def take(self, *expected):
        token = self.tokens.pop(0)[1]
        assert not expected or token in expected, (token, expected)
        return token

    def sum(self):
        total = mpf(0)
        sign = self.take("−") if self.next == "−" else "+"
        while True:
            total += (-1 if sign == "−" else 1) * self.product()
            if self.next not in "+−" or not self.next:
                return total
            sign = self.take()

    def product(self, quotients=True, spaces=True):
        value = self.power()
        while self.next and self.next not in "+−)],|":
            if self.next == "/":
                if not quotients:
                    break
                self.take()
                value /= self.product(quotients=False, spaces=False)
            elif self.tokens[0][0] and not spaces:
                break
            else:
                value *= self.power()
        return value

    def power(self):
        value = self.atom()
        while self.next in ("²", "^"):
            if self.take() == "²":
                value = value**2
            else:
                sign = -1 if self.next == "−" and self.take() else 1
                value = value ** (sign * self.atom())
        return value

    def atom(self):
        token = self.take()
        if token in "([|":
            value = self.sum()
            self.take({"(": ")", "[": "]", "|": "|"}[token])
            return abs(value) if token == "|" else value
        if token == "√":
            return mp.sqrt(self.atom())
        if token not in FUNCTIONS:
            return mpf(token) if token.isdecimal() else self.values[token]
        if self.tokens[0][0] or self.next not in "([":
            return FUNCTIONS[token](self.product(quotients=False))
        close = {"(": ")", "[": "]"}[self.take()]
        arguments = [self.sum()]
        while self.take(",", close) == ",":
            arguments.append(self.sum())
        return FUNCTIONS[token](*arguments)


def read(formula, values):
    formula, *definitions = re.split(r", (?=\w = )", formula)
    for definition in definitions:
        name, text = definition.split(" = ")
        values = {**values, name: read(text, values)}
    reader = Reader(formula, values)
    value = reader.sum()
    assert not reader.next, reader.tokens
    return value


@pytest.mark.parametrize("names", NAMES)
def test_the_stated_formula_is_what_is_computed(names):
    (pair,) = (pair for pair in kl_pairs() if f"{pair.q.__name__} {pair.p.__name__}" == names)
    parameters, laws = [], []
    for kind, side in zip((pair.q, pair.p), (0, 1), strict=True):
        values = VALUES.get(kind.__name__, ((0.4, 1.3), (0.9, 2.1)))[side]
        laws.append(kind(*(torch.tensor(x, dtype=torch.float64) for x in values)))
        parameters += map(mpf, values)
    with mp.workdps(40):
        want = read(pair.formula, dict(zip(NAMES[names].split(), parameters, strict=True)))
    assert abs(kl(*laws).item() - want) <= 1e-14 * want


def test_formulas_are_read_as_they_are_meant():
    values = {"m": mpf(3), "s": mpf(2), "a": mpf(5)}
    for text, want in (
        ("m²/2s²", mpf(9) / 8),
        ("a m/s s", mpf(15)),
        ("−a^−s − |s − a|", -mpf(1) / 25 - 3),
        ("½ log 2πe s² + log (m/s)²", mp.log(8 * mp.pi * mp.e) / 2 + 2 * mp.log(mpf(3) / 2)),
        ("x √(a/m), x = 2 s", 4 * mp.sqrt(mpf(5) / 3)),
    ):
        assert abs(read(text, values) - want) < 1e-14
