"""Moments, quadrature and draws: right answers for what is known, and no answer where there is none."""

import math
import threading
import time
from fractions import Fraction

import pytest
import torch
from scipy import integrate, stats

from derivations.language import (
    KL,
    PI,
    Density,
    Derivation,
    Derivative,
    E,
    Function,
    Instance,
    Law,
    Model,
    Normal,
    Parameter,
    Source,
    Step,
    Variable,
    exp,
    log,
)
from derivations.language.matrices import Identity, Inverse, LogDet, Lower, Quadratic, Trace, Vector, Zero
from derivations.witnesses import Finding, witness
from derivations.witnesses.gaussian import Gaussian
from derivations.witnesses.numeric import Numeric
from derivations.witnesses.place import Place
from derivations.witnesses.spaces import InstanceSpace
from derivations.witnesses.statement import Statement
from derivations.witnesses.timelimit import time_limit
from derivations.witnesses.verdict import OutOfTime

x, z = Variable("x"), Variable("z")
prior, lik, q = Density("p", z), Density("p", x, given=z), Density("q", z)
post, ev = Density("p", z, given=x), Density("p", x)
a, b = Parameter("a"), Parameter("b")
s, m, v = Parameter("s", positive=True), Parameter("m"), Parameter("v", positive=True)
model = Model(primitives=(prior, lik, q))
VALUES = {a: 1.3, b: -0.4, s: 0.7, m: 0.5, v: 0.6}
linear = Instance("linear", {prior: Normal(0, 1), lik: Normal(a * z + b, s), q: Normal(m, v)}, {x: 0.9}, VALUES)
SOURCE = (Source("a book", "p. 1"),)


def derivation(start, step, instance=linear, **more) -> Derivation:  # type: ignore[no-untyped-def]
    return Derivation("t", "t", "s", model, start, (step,), SOURCE, instances=(instance,), **more)


def numeric(points: int = 200, width: float = 9.5) -> tuple[Numeric, Place]:
    space = InstanceSpace(linear, {}, points, width)
    return Numeric(model, space), next(iter(space.places((x,))))


def test_evidence_and_posterior_agree_with_scipy() -> None:
    evaluator, place = numeric()
    by_quad = integrate.quad(
        lambda t: stats.norm.pdf(0.9, 1.3 * t - 0.4, 0.7) * stats.norm.pdf(t), -12, 12, epsabs=1e-13
    )
    assert float(evaluator.value(ev, place)) == pytest.approx(by_quad[0], abs=1e-13)
    tau = 1.3**2 + 0.7**2
    mean, sd = 1.3 * 1.3 / tau, 0.7 / math.sqrt(tau)
    exact = math.log(sd / 0.6) + (0.36 + (0.5 - mean) ** 2) / (2 * sd**2) - 0.5
    assert float(evaluator.value(KL(q, post), place)) == pytest.approx(exact, abs=1e-12)


@pytest.mark.parametrize("power, moment", [(1, 0.5), (2, 0.61), (3, 0.665), (4, 0.9913)])
def test_moments_are_exact(power: int, moment: float) -> None:
    gaussian = Gaussian(model, linear, [E(q, z**power)])
    value = gaussian.value(E(q, z**power), {}).rational("the value")
    point = {"par_m": Fraction(1, 2), "par_v": Fraction(3, 5)}
    total = Fraction(0)
    for exponents, c in value.numerator.terms():
        term = Fraction(int(c), value.divisor)
        for name, k in zip(gaussian.field.names, exponents, strict=True):
            term *= point.get(name, Fraction(1)) ** k if k else 1
        total += term
    assert not value.powers
    assert float(total) == pytest.approx(moment, abs=1e-15)


def test_moments_integrate_out_what_is_not_observed() -> None:
    d = derivation(log(ev), Step(-log(2 * PI * (a**2 + s**2)) / 2 - (x - b) ** 2 / (2 * (a**2 + s**2)), "linearity"))
    assert witness(d, "moments").ask(Statement(d.start, "=", d.last)).confirmed
    wrong = -log(2 * PI * (a**2 + s**2)) / 2 - (x - b) ** 2 / (2 * s**2)
    assert witness(d, "moments").ask(Statement(d.start, "=", wrong)).refuted


@pytest.mark.parametrize("n", [1, 2, 3])
def test_a_full_covariance_is_handled_exactly(n: int) -> None:
    mean, low = Vector(Parameter("m")), Lower(Parameter("L"))
    p, column = Density("p", z), Vector(z)
    instance = Instance("vectors", {q: Normal(mean, low), p: Normal(Zero(), Identity())}, dimension=n)
    closed = (Trace(low @ low.T) + Quadratic(mean) - n) / 2 - LogDet(low)
    d = Derivation(
        "t", "t", "s", Model(primitives=(q, p)), KL(q, p), (Step(closed, "linearity"),), SOURCE, instances=(instance,)
    )
    assert witness(d, "moments").ask(Statement(d.start, "=", closed)).confirmed
    assert witness(d, "quadrature").ask(Statement(d.start, "=", closed)).confirmed
    assert witness(d, "moments").ask(Statement(d.start, "=", closed + LogDet(low))).refuted
    mahalanobis = E(q, Quadratic(column - mean, Inverse(low @ low.T)))
    assert witness(d, "moments").ask(Statement(mahalanobis, "=", Trace(Identity()))).confirmed


def test_quadrature_refuses_to_decide_with_a_wide_bound() -> None:
    kink = Law(log(Function("g", z, positive=True)), -30.0, 30.0)
    instance = Instance("narrow", {q: kink}, functions={"g": lambda t: exp(-2000 * t**2) * 25})
    d = Derivation(
        "t",
        "t",
        "s",
        Model(primitives=(q,)),
        E(q, 1),
        (Step(1 + 0 * m, "normalisation"),),
        SOURCE,
        instances=(instance,),
    )
    judgement = witness(d, "quadrature").ask(Statement(E(q, z**2), "=", E(q, z**2) + 0 * m))
    assert judgement.finding in (Finding.UNKNOWN, Finding.REFUTED)


def test_derivatives_of_expectations_by_parameters() -> None:
    evaluator, place = numeric()
    assert float(evaluator.value(Derivative(E(q, z**2), m), place)) == pytest.approx(2 * 0.5, abs=1e-12)
    assert float(evaluator.value(Derivative(E(q, z**2), v), place)) == pytest.approx(2 * 0.6, abs=1e-12)
    second = Derivative(Derivative(E(q, z**2), m), m)
    assert float(evaluator.value(second, place)) == pytest.approx(2.0, abs=1e-11)
    assert float(evaluator.value(E(q, Derivative(log(q), m) ** 2), place)) == pytest.approx(1 / 0.36, abs=1e-11)


def test_rules_for_every_measure_hold_sample_by_sample_and_others_do_not() -> None:
    d = derivation(KL(q, prior), Step(E(q, log(q)) - E(q, log(prior)), ("definition of KL", "linearity")))
    before, step = d.links()[0]
    judgement = witness(d, "draws").ask(Statement(before, "=", step.expression, step.by))
    assert judgement.confirmed
    assert judgement.residual is not None
    assert judgement.residual < 1e-12
    closed = (m**2 + v**2 - 1) / 2 - log(v)
    judgement = witness(d, "draws").ask(Statement(KL(q, prior), "=", closed, ("mean",)))
    assert judgement.finding is Finding.CONFIRMED
    assert "would have been seen" in judgement.detail


def test_draws_reject_a_shifted_mean_and_do_not_vouch_for_what_cites_nothing() -> None:
    d = derivation(E(q, z), Step(m, "linearity"))
    draws = witness(d, "draws")
    assert draws.ask(Statement(E(q, z), "=", m + Fraction(1, 4))).refuted
    assert draws.ask(Statement(E(q, z), "=", m)).finding is Finding.UNKNOWN


def test_the_draws_leave_the_global_generator_alone() -> None:
    before = torch.get_rng_state()
    d = derivation(E(q, z), Step(m, "linearity"))
    witness(d, "draws").ask(Statement(E(q, z), "=", m))
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("in_thread", [False, True])
def test_the_time_limit_holds_in_any_thread(in_thread: bool) -> None:
    seen: list[float] = []

    def work() -> None:
        start = time.perf_counter()
        try:
            with time_limit(0.1):
                while True:
                    sum(range(100))
        except OutOfTime:
            seen.append(time.perf_counter() - start)

    if in_thread:
        thread = threading.Thread(target=work)
        thread.start()
        thread.join(5)
    else:
        work()
    assert len(seen) == 1
    assert seen[0] < 2


def test_a_time_limit_that_is_not_reached_leaves_nothing_behind() -> None:
    for _ in range(20):
        with time_limit(0.3):
            pass
    time.sleep(0.4)
