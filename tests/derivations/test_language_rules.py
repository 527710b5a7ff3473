"""Each rule as a theorem: it proves what it says, and nothing without it."""

import pytest

from derivations.language import (
    KL,
    RULES,
    At,
    Definition,
    Density,
    Derivative,
    E,
    Entropy,
    Function,
    Model,
    MutualInformation,
    Parameter,
    StopGradient,
    Term,
    TotalCorrelation,
    Variable,
    exp,
    log,
    missing,
    prove,
)
from derivations.witnesses.tables import Tables
from elbo._errors import InputValueError

a, b, e, x, z = (Variable(n) for n in ("a", "b", "e", "x", "z"))
u, v = Variable("u"), Variable("v")
phi, m = Parameter("phi"), Parameter("m", positive=True)
q = Density("q", z, given=x, parameters=phi)
qz, pz = Density("qz", z), Density("pz", z)
qab, qa, qb = Density("q2", (a, b)), Density("q2", a), Density("q2", b)
qa_b = Density("q2", a, given=b)
px, lik = Density("p", x), Density("p", x, given=z)
prior = Density("p", z)
qu, qv, pair = Density("r", u), Density("r", v), Density("pair", (u, v))
noise = Density("s", e)
f, g = Function("f", a), Function("g", b)
h, w = Function("h", z), Function("w", z, positive=True)
move = Function("move", e, phi)

MODEL = Model(
    primitives=(q, qz, pz, qab, prior, lik, Density("r", z), noise),
    definitions=(Definition("pair", pair, qu * qv),),
    copies={u: z, v: z},
    reparameterisations={q: (noise, move)},
)

THEOREMS: dict[str, tuple[Term, str, Term, tuple[str, ...]]] = {
    "definition of KL": (KL(qz, pz), "=", E(qz, log(qz / pz)), ()),
    "definition of entropy": (Entropy(qz), "=", -E(qz, log(qz)), ()),
    "definition of mutual information": (MutualInformation(qab, a, b), "=", TotalCorrelation(qab), ()),
    "log of a product": (log(qz * pz / 2), "=", log(qz) + log(pz) - log(2), ()),
    "linearity": (E(qz, 2 * h + m * w), "=", 2 * E(qz, h) + m * E(qz, w), ()),
    "normalisation": (E(qz, 1), "=", 1 + 0 * m, ()),
    "tower": (E(qb, E(qa_b, f * g)), "=", E(qab, f * g), ()),
    "marginal": (E(qab, f), "=", E(qa, f), ()),
    "total probability": (E(prior, lik), "=", px, ()),
    "change of measure": (E(qz, pz / qz * h), "=", E(pz, h), ()),
    "derivative": (Derivative(log(m) * m, m), "=", log(m) + 1, ()),
    "differentiation under the integral": (
        Derivative(E(q, h), phi),
        "=",
        E(q, h * Derivative(log(q), phi)),
        ("derivative",),
    ),
    "score identity": (E(q, Derivative(log(q), phi)), "=", 0 * m, ("derivative",)),
    "reparameterisation": (E(q, h), "=", E(noise, At(h, z, move)), ()),
    "integration by parts": (E(q, h * Derivative(log(q), z)), "=", -E(q, Derivative(h, z)), ()),
    "independence": (
        E(pair, Function("h", u) * Function("w", v, positive=True)),
        "=",
        E(qu, Function("h", u)) * E(qv, Function("w", v, positive=True)),
        ("pair", "linearity"),
    ),
    "same law": (E(qu, Function("h", u)), "=", E(Density("r", z), h), ()),
    "stop-gradient": (Derivative(StopGradient(w) * w, z), "=", w * Derivative(w, z), ("derivative",)),
    "Gibbs": (KL(qz, pz) + m, ">=", m, ()),
    "Jensen": (log(E(qz, w)), ">=", E(qz, log(w)), ()),
    "tangent": (w - 1, ">=", log(w), ()),
    "square": (E(qz, h**2), ">=", 0 * m, ()),
    "positivity": (E(qz, m * w), ">=", 0 * m, ()),
}


def test_every_rule_is_tried() -> None:
    assert set(THEOREMS) == set(RULES)


@pytest.mark.parametrize("name", RULES)
def test_a_rule_proves_its_theorem_and_without_it_nothing_follows(name: str) -> None:
    left, relation, right, others = THEOREMS[name]
    assert prove(left, relation, right, MODEL, (name, *others)).holds  # type: ignore[arg-type]
    assert not prove(left, relation, right, MODEL, others).holds  # type: ignore[arg-type]


@pytest.mark.parametrize("name", [n for n, (_, r, _, _) in THEOREMS.items() if r == "="])
def test_tables_agree_with_each_identity_that_they_can_see(name: str) -> None:
    from derivations.witnesses.verdict import NotApplicable

    left, _, right, _ = THEOREMS[name]
    try:
        holds, _ = Tables(MODEL, [left, right], {}).decide(left, right)
    except NotApplicable:
        assert name in {"reparameterisation", "integration by parts", "stop-gradient"}
    else:
        assert holds


@pytest.mark.parametrize("name", RULES)
def test_a_rule_says_its_statement_conditions_and_source(name: str) -> None:
    rule = RULES[name]
    assert rule.statement
    assert rule.conditions
    assert rule.source


@pytest.mark.parametrize(
    "left, right",
    [
        (E(qz, h) * E(qz, w), E(qz, h * w)),
        (log(qz + pz), log(qz) + log(pz)),
        (E(qz, h), E(pz, h)),
        (E(qb, E(qa, f * g)), E(qab, f * g)),
        (E(qz, h**2), E(qz, h) ** 2),
        (KL(qz, pz), KL(pz, qz)),
        (E(pair, Function("h", u) * Function("h", v)), E(Density("r", z), h**2)),
        (Derivative(E(q, h), phi), E(q, Derivative(log(q), phi)) * E(q, h)),
        (exp(m + m), exp(m) + exp(m)),
    ],
)
def test_what_is_false_follows_from_no_rules(left: Term, right: Term) -> None:
    assert not prove(left, "=", right, MODEL, (*RULES, "pair")).holds


def test_inequalities_have_a_direction() -> None:
    for name in ("Gibbs", "Jensen", "tangent", "square", "positivity"):
        left, _, right, others = THEOREMS[name]
        assert not prove(left, "<=", right, MODEL, (name, *others)).holds


def test_the_tangent_goes_into_expectations_and_bounds_from_below_by_the_reciprocal() -> None:
    assert prove(E(qz, log(w)), "<=", E(qz, w - 1), MODEL, ("tangent",)).holds
    assert prove(E(qz, log(w)), ">=", E(qz, 1 - 1 / w), MODEL, ("tangent", "linearity")).holds
    assert not prove(E(qz, log(w)), ">=", E(qz, w - 1), MODEL, RULES).holds
    assert not prove(log(w), "<=", w - 2, MODEL, RULES).holds


def test_a_positive_multiple_of_a_square_is_not_negative_and_another_multiple_may_be() -> None:
    by = ("square", "positivity")
    square = (w - 2) ** 2
    assert prove(E(qz, m * w / 2 * square), ">=", 0 * m, MODEL, by).holds
    assert not prove(E(qz, m * w / 2 * square), ">=", 0 * m, MODEL, ("square",)).holds
    assert not prove(E(qz, m * w / 2 * square), ">=", 0 * m, MODEL, ("positivity",)).holds
    assert not prove(E(qz, h * square), ">=", 0 * m, MODEL, by).holds
    assert not prove(E(qz, -1 * w * square), ">=", 0 * m, MODEL, by).holds
    assert not prove(E(qz, w * (w**2 - 5 * w + 4)), ">=", 0 * m, MODEL, by).holds


def test_side_conditions_are_collected() -> None:
    conditions = [str(c) for c in prove(KL(qz, pz), "=", E(qz, log(qz)) - E(qz, log(pz)), MODEL, RULES).conditions]
    assert "qz(z) is absolutely continuous with respect to pz(z)" in conditions
    assert "under qz(z), log pz(z) is integrable" in conditions


def test_the_residue_says_what_remains_and_missing_says_what_would_mend_it() -> None:
    left, right = KL(qz, pz), E(qz, log(qz)) - E(qz, log(pz))
    assert str(prove(left, "=", right + log(2), MODEL, RULES).residue) == "-log(2)"
    assert missing(left, "=", right, MODEL, ("definition of KL",)) == ("log of a product", "linearity")
    assert missing(left, "=", right + 1, MODEL, ()) is None


def test_an_unknown_rule_is_refused_with_the_known_ones() -> None:
    with pytest.raises(InputValueError, match=r"rule 'lineraity' is not known; write one of: .*linearity"):
        prove(h, "=", h, MODEL, ("lineraity",))
