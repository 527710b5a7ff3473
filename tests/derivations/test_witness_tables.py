"""Tables decide: what they confirm holds for all tables of that size, what they refute fails for some."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from derivations.language import KL, Definition, Density, E, Function, Model, Parameter, Variable, log
from derivations.witnesses.numeric import Numeric
from derivations.witnesses.spaces import TableSpace
from derivations.witnesses.tables import Tables
from derivations.witnesses.verdict import NotApplicable

x, z = Variable("x"), Variable("z")
q, prior, lik = Density("q", z, given=x), Density("p", z), Density("p", x, given=z)
post, ev, joint = Density("p", z, given=x), Density("p", x), Density("p", (x, z))
model = Model(primitives=(prior, lik, q))
truth = KL(q, prior) - E(q, log(lik)) + log(ev)


@pytest.mark.parametrize("sizes", [{}, {z: 3}, {x: 3}, {z: 3, x: 3}, {z: 4, x: 3}], ids=str)
def test_the_divergence_from_the_posterior_is_decided_at_every_size(sizes) -> None:  # type: ignore[no-untyped-def]
    tables = Tables(model, [truth], sizes)
    assert tables.decide(KL(q, post), truth) == (True, "")
    assert tables.decide(KL(q, post), truth + log(2) - log(2)) == (True, "")
    assert tables.decide(KL(q, post), truth - log(ev))[0] is False
    assert tables.decide(KL(q, post), truth + log(2))[0] is False


def test_a_derived_density_comes_from_the_joint_and_sums_to_one() -> None:
    tables = Tables(model, [truth], {z: 3})
    assert tables.decide(post, joint / ev) == (True, "")
    assert tables.decide(ev, E(prior, lik)) == (True, "")
    assert all(tables.normalised(d) for d in (prior, lik, q, post, ev, joint))


def test_logarithms_of_primes_are_told_apart() -> None:
    tables = Tables(model, [truth], {})
    assert tables.decide(log(12), 2 * log(2) + log(3))[0] is True
    assert tables.decide(log(12), log(11))[0] is False
    assert tables.decide(log(2) * log(3), log(3) * log(2))[0] is True
    assert tables.decide(log(2) * log(6), log(4) * log(3))[0] is None


def test_what_tables_cannot_say_is_not_applicable_with_the_reason() -> None:
    s = Parameter("s", positive=True)
    tables = Tables(model, [truth, log(s)], {})
    with pytest.raises(NotApplicable, match="a root"):
        tables.decide(s ** (1 / __import__("fractions").Fraction(2)), s)
    with pytest.raises(NotApplicable, match="nothing says what"):
        tables.decide(log(Density("w", z)), log(prior))


def test_a_definition_that_does_not_sum_to_one_is_seen() -> None:
    half = Density("h", z)
    bad = Model(primitives=(prior,), definitions=(Definition("half", half, prior / 2),))
    assert not Tables(bad, [half], {}).normalised(half)


_LEAVES = [log(q), log(prior), log(lik), log(post), log(ev), log(joint), Function("f", z)]


@given(
    st.lists(st.tuples(st.integers(-2, 2), st.sampled_from(range(len(_LEAVES)))), min_size=1, max_size=4),
    st.integers(0, 99),
)
def test_the_decision_agrees_with_random_numbers(pieces: list[tuple[int, int]], seed: int) -> None:
    """A combination of logarithms is decided zero iff it is zero on a table with random entries."""
    body = sum((c * _LEAVES[i] for c, i in pieces), start=0 * log(q))
    left, right = E(q, body), 0 * log(ev)
    holds, _ = Tables(model, [left], {}).decide(left, right)

    class Fake:
        sizes: dict[Variable, int] = {}  # noqa: RUF012

    fake = Fake()
    fake.model = model  # type: ignore[attr-defined]
    space = TableSpace(fake, random.Random(seed).randrange(10**6), 1.0)  # type: ignore[arg-type]
    numeric = Numeric(model, space)
    values = [float(numeric.value(left, place)) for place in space.places((x,))]
    assert holds is (max(map(abs, values)) < 1e-9)
