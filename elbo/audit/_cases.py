"""Which parameters each pair is tried with, and its reference value."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import mpmath as mp
import numpy as np
import torch

from elbo.audit._direct import DIRECT
from elbo.audit._families import FAMILIES, Family, Parameter, Values, extreme, moved, ordinary, tensors
from elbo.audit._laws import LAWS, kl_of_laws

DISTANCES = {"float64": [10.0**-k for k in range(1, 9)], "float32": [10.0**-k for k in range(1, 7)]}
DIGITS = 120  # of references: what cancellation costs near equality (1e-16) and at extremes (1e-50), and then 40
SLOW = ("Kumaraswamy",)  # references by quadrature: fewer digits, where no case cancels more than 1e-30
ON_HALF_LINE = ("Gamma", "Exponential", "Pareto", "LogNormal", "Weibull", "HalfNormal")
MATRIX = ("MultivariateNormal", "LowRankMultivariateNormal")

# laws that coincide at these parameters, for cases near equality in pairs of different families
MEETING: dict[tuple[str, str], tuple[dict[str, float], dict[str, float]]] = {
    ("Exponential", "Gamma"): ({"rate": 1.7}, {"concentration": 1.0, "rate": 1.7}),
    ("Gamma", "Exponential"): ({"concentration": 1.0, "rate": 1.7}, {"rate": 1.7}),
    ("Beta", "Uniform"): ({"concentration1": 1.0, "concentration0": 1.0}, {"low": 0.0, "high": 1.0}),
    ("Uniform", "Beta"): ({"low": 0.0, "high": 1.0}, {"concentration1": 1.0, "concentration0": 1.0}),
    ("Beta", "ContinuousBernoulli"): ({"concentration1": 1.0, "concentration0": 1.0}, {"probs": 0.5}),
    ("ContinuousBernoulli", "Uniform"): ({"probs": 0.5}, {"low": 0.0, "high": 1.0}),
    ("Uniform", "ContinuousBernoulli"): ({"low": 0.0, "high": 1.0}, {"probs": 0.5}),
    ("Weibull", "Gamma"): ({"scale": 2.0, "concentration": 1.0}, {"concentration": 1.0, "rate": 0.5}),
    ("Kumaraswamy", "Beta"): (
        {"concentration1": 1.5, "concentration0": 1.0},
        {"concentration1": 1.5, "concentration0": 1.0},
    ),
}

# parameters at the edge of their domains, and where formulas are known to break
BOUNDARY: dict[tuple[str, str], list[tuple[dict[str, Any], dict[str, Any]]]] = {
    ("Poisson", "Poisson"): [
        ({"rate": 0.0}, {"rate": 2.0}),
        ({"rate": 2.0}, {"rate": 0.0}),
        ({"rate": 0.0}, {"rate": 0.0}),
    ],
    ("Bernoulli", "Bernoulli"): [
        ({"logits": np.inf}, {"logits": 0.3}),
        ({"logits": -np.inf}, {"logits": 0.3}),
        ({"logits": 0.3}, {"logits": np.inf}),
        ({"logits": 40.0}, {"logits": 41.0}),
        ({"logits": -100.0}, {"logits": -101.0}),
    ],
    ("Categorical", "Categorical"): [
        ({"logits": [0.0, -np.inf, 1.0, 0.5]}, {"logits": [0.2, 0.1, 0.3, 0.0]}),
        ({"logits": [0.0, 0.3, 1.0, 0.5]}, {"logits": [0.2, -np.inf, 0.3, 0.0]}),
    ],
    ("Geometric", "Geometric"): [({"probs": 1.0}, {"probs": 0.5}), ({"probs": 0.5}, {"probs": 1.0})],
    ("Binomial", "Binomial"): [
        ({"total_count": 9.0, "logits": 0.2}, {"total_count": 7.0, "logits": 0.5}),
        ({"total_count": 7.0, "logits": -np.inf}, {"total_count": 7.0, "logits": 0.5}),
    ],
    ("Bernoulli", "Poisson"): [({"logits": -np.inf}, {"rate": 2.0}), ({"logits": np.inf}, {"rate": 2.0})],
    ("Uniform", "Beta"): [
        ({"low": 0.0, "high": 1.0}, {"concentration1": 1.0, "concentration0": 1.0}),
        ({"low": 0.0, "high": 1.0}, {"concentration1": 2.0, "concentration0": 3.0}),
        ({"low": 0.0, "high": 0.5}, {"concentration1": 0.5, "concentration0": 2.0}),
    ],
    ("Uniform", "Gamma"): [({"low": 0.0, "high": 1.0}, {"concentration": 2.0, "rate": 1.0})],
    ("Uniform", "Uniform"): [
        ({"low": 0.0, "high": 1.0}, {"low": 0.0, "high": 2.0}),
        ({"low": 0.0, "high": 2.0}, {"low": 0.0, "high": 1.0}),
    ],
    ("Pareto", "Exponential"): [({"scale": 1.0, "alpha": 1.0}, {"rate": 1.0})],
    ("Pareto", "Gamma"): [({"scale": 1.0, "alpha": 1.0}, {"concentration": 2.0, "rate": 1.0})],
    ("Pareto", "Normal"): [
        ({"scale": 1.0, "alpha": 2.0}, {"loc": 0.0, "scale": 1.0}),
        ({"scale": 1.0, "alpha": 1.5}, {"loc": 0.0, "scale": 1.0}),
    ],
    ("Pareto", "Pareto"): [({"scale": 1.0, "alpha": 1.0}, {"scale": 2.0, "alpha": 1.0})],
    ("ContinuousBernoulli", "ContinuousBernoulli"): [
        ({"probs": 0.5}, {"probs": 0.25}),
        ({"probs": 0.25}, {"probs": 0.5}),
    ],
    ("VonMisesFisher", "HypersphericalUniform"): [
        ({"mean_direction": [1.0, 0.0, 0.0, 0.0], "concentration": 0.0}, {}),
    ],
}
BOUNDARY["OneHotCategorical", "OneHotCategorical"] = BOUNDARY["Categorical", "Categorical"]


@dataclass
class Case:
    """One pair of parameters: what kind of case it is, its distance from equality, and its reference value."""

    kind: str
    q: Values
    p: Values
    distance: float | None = None
    reference: Any = field(default=None, repr=False)


def digits(q: str, p: str) -> int:
    """How many digits a reference is computed with."""
    return 80 if q in SLOW or p in SLOW else DIGITS


Reference = Callable[..., Any]


def reference(q: str, p: str) -> Reference | None:
    """A function of the parameters of q and then of p (``mpf``, nested lists), or None where there is none."""
    if (q, p) in DIRECT:
        return DIRECT[q, p]
    if q == p == "TransformedDistribution":
        return reference("Normal", "Normal")
    if q not in LAWS or p not in LAWS:
        return None
    split = len(FAMILIES[q].parameters)
    return lambda *parameters: kl_of_laws(LAWS[q](*parameters[:split]), LAWS[p](*parameters[split:]))


def as_mpf(values: Any) -> Any:
    """Nested lists of exact ``mpf``."""
    return [as_mpf(v) for v in values] if isinstance(values, list) else mp.mpf(float(values))


def known_pairs() -> Iterator[tuple[str, str]]:
    """Every pair of families for which there is a reference."""
    for q in FAMILIES:
        for p in FAMILIES:
            if reference(q, p) is not None and _defined(q, p):
                yield q, p


def _defined(q: str, p: str) -> bool:
    """Whether the reference of a pair of continuous laws knows the expectations that it needs (or is infinite)."""
    if (q, p) in DIRECT or q not in LAWS:
        return True
    rng = np.random.default_rng(0)
    try:
        for case in _ordinary(FAMILIES[q], FAMILIES[p], rng, 6):  # the first may be infinite before it comes to the gap
            _evaluate(q, p, case, 15)
    except NotImplementedError:
        return False
    return True


def _evaluate(q: str, p: str, case: Case, digits: int) -> Any:
    function = reference(q, p)
    assert function is not None
    with mp.workdps(digits):
        return +function(*arguments(q, case.q), *arguments(p, case.p))


def arguments(name: str, values: Values) -> list[Any]:
    """The parameters of a law in the order of its constructor, exactly."""
    return [
        as_mpf((values[f"_{p.name}"] if f"_{p.name}" in values else values[p.name]).tolist())
        for p in FAMILIES[name].parameters
    ]


def _arrange(q: Family, p: Family, case: Case) -> Case:
    """Make sense of pairs whose parameters constrain each other: bounds in order, one number of trials, one support."""
    for family, values in ((q, case.q), (p, case.p)):
        if family.name == "Uniform" and not case.kind.startswith("near"):
            values["high"] = values["low"] + np.exp(np.clip(values["high"] / 2, -14, 14))
    if q.name == "Uniform" and p.name in ("Beta", "ContinuousBernoulli", "Kumaraswamy"):
        width = case.q["high"] - case.q["low"]
        case.q["low"] = np.abs(np.sin(case.q["low"])) / 2
        case.q["high"] = case.q["low"] + (1 - case.q["low"]) * width / (1 + width)
    elif q.name == "Uniform" and p.name in ON_HALF_LINE:
        width = case.q["high"] - case.q["low"]
        case.q["low"] = np.abs(case.q["low"])
        case.q["high"] = case.q["low"] + width
        if p.name == "Pareto":
            case.p["scale"] = case.q["low"] * (0.5 if case.q["low"] > 0 else 0) + 1e-3
    return case


def _ordinary(q: Family, p: Family, rng: np.random.Generator, n: int) -> Iterator[Case]:
    for i in range(n):
        case = Case(
            "ordinary",
            {x.name: ordinary(x, rng) for x in q.parameters},
            {x.name: ordinary(x, rng) for x in p.parameters},
        )
        case = _arrange(q, p, case)
        if i % 2 == 0:
            _nest(q, p, case, 1.0)
        yield case


def _nest(q: Family, p: Family, case: Case, distance: float) -> None:
    """Put the support of q inside that of p, for the two families whose supports are parameters."""
    if q.name == p.name == "Uniform":
        width = case.q["high"] - case.q["low"]
        case.p["low"] = case.q["low"] - 0.7 * distance * width
        case.p["high"] = case.q["high"] + 0.4 * distance * width
    if q.name == p.name == "Pareto":
        case.p["scale"] = case.q["scale"] * (1 - 0.6 * distance)


def _extreme(q: Family, p: Family, rng: np.random.Generator, n: int) -> Iterator[Case]:
    def draw(parameter: Parameter, wild: bool) -> Any:
        return extreme(parameter, rng) if wild else ordinary(parameter, rng)

    for i in range(n):
        # q alone, p alone, both
        wild_q, wild_p = i % 3 != 1, i % 3 != 0
        case = Case(
            "extreme",
            {x.name: draw(x, wild_q) for x in q.parameters},
            {x.name: draw(x, wild_p) for x in p.parameters},
        )
        if q.name in ("Binomial", "NegativeBinomial"):
            case.p["total_count"] = case.q["total_count"]
        yield _arrange(q, p, case)


def _near(q: Family, p: Family, rng: np.random.Generator, distances: list[float], n: int) -> Iterator[Case]:
    meeting = MEETING.get((q.name, p.name))
    if q.name != p.name and meeting is None:
        return
    for distance in distances:
        for _ in range(n):
            if meeting is None:
                base = next(_ordinary(q, p, rng, 1)).q
                other = {x.name: moved(x, base[x.name], distance, rng) for x in p.parameters}
            else:
                fixed_q, fixed_p = ({k: np.array(v) for k, v in side.items()} for side in meeting)
                base, other = fixed_q, fixed_p
                move_q = any(x.kind in ("low", "high") for x in p.parameters)
                family, side = (q, base) if move_q else (p, other)
                changed = {x.name: moved(x, side[x.name], distance, rng) for x in family.parameters}
                base, other = (changed, other) if move_q else (base, changed)
            case = Case("near", base, other, distance)
            _nest(q, p, case, distance)
            yield case


def _boundary(q: Family, p: Family, rng: np.random.Generator) -> Iterator[Case]:
    if q.name == p.name:
        base = next(_ordinary(q, p, rng, 1)).q
        yield Case("equal", base, dict(base))
    for left, right in BOUNDARY.get((q.name, p.name), []):
        yield Case(
            "boundary",
            {k: np.array(v, float) for k, v in left.items()},
            {k: np.array(v, float) for k, v in right.items()},
        )


def cases(q_name: str, p_name: str, dtype: str, times: int = 1, seed: int = 0) -> list[Case]:
    """All cases of a pair in one dtype, ``times`` as many as usual, rounded to it, with their reference values."""
    q, p = FAMILIES[q_name], FAMILIES[p_name]
    rng = np.random.default_rng([seed, *map(ord, f"{q_name} {p_name} {dtype}")])
    few = q_name in MATRIX
    infinite = _always_infinite(q_name, p_name)
    found = list(_ordinary(q, p, rng, times * (3 if infinite or few else 6)))
    if not infinite:
        found += _near(q, p, rng, DISTANCES[dtype], times * (1 if few else 2))
        found += _extreme(q, p, rng, times * (3 if few else 9))
        found += _boundary(q, p, rng)
    narrow = np.dtype(dtype)
    good = []
    for case in found:
        for values in (case.q, case.p):
            for name, value in values.items():
                values[name] = np.asarray(value, narrow).astype(np.float64)
        if any((values["low"] >= values["high"]).any() for values in (case.q, case.p) if "low" in values):
            continue
        _store(q, case.q, dtype)
        _store(p, case.p, dtype)
        case.reference = mp.mpf(0) if case.kind == "equal" else _evaluate(q_name, p_name, case, digits(q_name, p_name))
        good.append(case)
    return good


def samples(q: str, p: str, count: int = 3) -> Iterator[Case]:
    """A few ordinary cases without reference values."""
    yield from _ordinary(FAMILIES[q], FAMILIES[p], np.random.default_rng(0), count)


def _store(family: Family, values: Values, dtype: str) -> None:
    """Where the constructor itself rounds its arguments, add what the object holds as ``_name``: a function of objects
    cannot know more. (Categorical subtracts the logarithm of the sum from its logits.)"""
    for parameter in family.parameters:
        if parameter.kind == "logits":
            law = family.make(tensors(family, [values], getattr(torch, dtype)))
            values[f"_{parameter.name}"] = getattr(law, parameter.name)[0].double().numpy()


def _always_infinite(q: str, p: str) -> bool:
    if (q, p) in DIRECT:
        return q == "Poisson" and p != "Poisson"
    if q not in LAWS or p not in LAWS or q == "Uniform":
        return False
    supports = []
    for name in (q, p):
        rng = np.random.default_rng(1)
        family = FAMILIES[name]
        first, second = ({x.name: ordinary(x, rng) for x in family.parameters} for _ in range(2))
        case = _arrange(family, family, Case("ordinary", first, second))
        supports.append(LAWS[name](*arguments(name, case.q)).support())
    (low, high), (p_low, p_high) = supports
    return q != p and p != "Uniform" and bool(low < p_low or high > p_high)
