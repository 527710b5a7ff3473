"""Planted faults: derivations with a mistake in them, which the witnesses and the report must find and name."""

from dataclasses import replace
from fractions import Fraction

import pytest

import derivations
from derivations.language import (
    KL,
    Condition,
    Definition,
    Density,
    Derivation,
    E,
    Instance,
    Law,
    Model,
    Number,
    Parameter,
    Source,
    Step,
    Term,
    Variable,
    Wrong,
    log,
)
from derivations.witnesses import Finding, witness
from derivations.witnesses.statement import Statement
from elbo._errors import InputValueError

x, z = Variable("x"), Variable("z")
q, prior, lik = Density("q", z, given=x), Density("p", z), Density("p", x, given=z)
post, ev = Density("p", z, given=x), Density("p", x)
good = derivations.find("posterior-kl")
truth = good.last


def mutants() -> list[tuple[str, Term]]:
    """The right-hand side with one thing wrong in it: signs, halves, dropped terms, exchanged arguments, wrong
    measures.
    """
    kl, rec, evidence = KL(q, prior), E(q, log(lik)), log(ev)
    half = Fraction(1, 2)
    return [
        ("divergence negative", -kl - rec + evidence),
        ("reconstruction positive", kl + rec + evidence),
        ("evidence negative", kl - rec - evidence),
        ("divergence dropped", -rec + evidence),
        ("reconstruction dropped", kl + evidence),
        ("evidence dropped", kl - rec),
        ("divergence halved", half * kl - rec + evidence),
        ("reconstruction halved", kl - half * rec + evidence),
        ("evidence halved", kl - rec + half * evidence),
        ("divergence doubled", 2 * kl - rec + evidence),
        ("divergence turned around", KL(prior, q) - rec + evidence),
        ("divergence from the posterior", KL(q, post) - rec + evidence),
        ("expectation under the prior", kl - E(prior, log(lik)) + evidence),
        ("expectation under the posterior", kl - E(post, log(lik)) + evidence),
        ("posterior for likelihood", kl - E(q, log(post)) + evidence),
        ("constant added", truth + log(2)),
    ]


@pytest.mark.parametrize("name, mutant", mutants(), ids=[name for name, _ in mutants()])
@pytest.mark.parametrize("by", ["rules", "tables", "moments", "quadrature"])
def test_every_witness_rejects_every_mutant(name: str, mutant: Term, by: str) -> None:
    judge = witness(good, by)
    assert judge.ask(Statement(good.start, "=", truth)).confirmed
    assert judge.ask(Statement(good.start, "=", mutant)).finding is Finding.REFUTED


def with_step(expression: Term, by: tuple[str, ...], start: Term = good.start, **more: object) -> Derivation:
    return replace(good, start=start, steps=(Step(expression, by),), wrong=(), **more)  # type: ignore[arg-type]


def test_a_wrong_axiom_fools_the_rules_and_not_the_tables() -> None:
    model = Model(primitives=(prior, lik, q), definitions=(Definition("Bayes", post, lik * prior),))
    d = replace(
        good,
        model=model,
        wrong=(),
        steps=(Step(KL(q, prior) - E(q, log(lik)), ("definition of KL", "Bayes", "log of a product", "linearity")),),
    )
    report = derivations.judge(d)
    assert report.steps[0].judgements[0].confirmed
    assert any("definition 'Bayes' is not confirmed" in p for p in report.problems())
    assert {j.witness for j in report.steps[0].judgements if j.refuted} >= {"tables", "moments", "quadrature"}


def test_a_wrong_axiom_about_particular_laws_is_seen_by_moments_and_quadrature() -> None:
    entry = derivations.find("gaussian-kl")
    m, s = Parameter("m"), Parameter("s", positive=True)
    swapped = tuple(
        Definition(d.name, d.left, m**2 + s, of_instances=True) if d.name == "second moment of q" else d
        for d in entry.model.definitions
    )
    report = derivations.judge(replace(entry, model=replace(entry.model, definitions=swapped)))
    (axiom,) = [a for a in report.axioms if a.definition.name == "second moment of q"]
    assert {j.witness for j in axiom.judgements if j.refuted} == {"moments", "quadrature"}
    assert not report.proved


def test_a_missing_rule_is_named() -> None:
    d = with_step(E(q, log(q)) - E(q, log(post)), ("definition of KL", "linearity"))
    (problem,) = derivations.judge(d).problems()
    assert "there remains" in problem
    assert "It would follow with 'log of a product' added to by=" in problem


def test_a_step_that_is_false_is_not_offered_rules() -> None:
    d = with_step(E(q, log(q)) + E(q, log(post)), ("definition of KL", "linearity"))
    (problem,) = derivations.judge(d).problems()
    assert "It would follow" not in problem
    assert "tables: refuted" in problem


def test_a_rule_that_is_not_needed_is_named() -> None:
    (problem,) = derivations.judge(with_step(E(q, log(q / post)), ("definition of KL", "tower"))).problems()
    assert "cites 'tower' without need" in problem


def test_a_definition_that_nothing_needs_is_named() -> None:
    idle = Definition("conditional density", post, Density("p", (x, z)) / ev)  # true, and no step cites it
    model = replace(good.model, definitions=(*good.model.definitions, idle))
    report = derivations.judge(replace(good, model=model), only=("rules", "tables"))
    assert [p for p in report.problems() if "'conditional density' is cited by no step" in p] == report.problems()
    assert len(report.problems()) == 1


def test_a_definition_that_says_what_a_density_is_needs_no_citation() -> None:
    other = Density("r", z)
    given = Definition("what r is", other, prior)
    wrong = Wrong(KL(q, other), "Another law.")
    model = replace(good.model, definitions=(*good.model.definitions, given))
    assert given not in replace(good, model=model, wrong=(wrong,)).idle()
    assert given in replace(good, model=model).idle()


def test_a_model_with_only_some_definitions_refuses_names_that_it_does_not_have() -> None:
    assert good.model.only().definitions == ()
    with pytest.raises(InputValueError, match="no definition is called 'Baies'"):
        good.model.only("Baies")


def test_a_wrong_variant_that_is_right_is_reported() -> None:
    d = replace(good, wrong=(Wrong(truth, "nothing is wrong with it"),))
    assert any("is not rejected by 2 witnesses" in p for p in derivations.judge(d).problems())


def test_one_witness_alone_is_not_enough() -> None:
    report = derivations.judge(good, only=("rules",))
    assert len([p for p in report.problems() if "is not confirmed by 2 witnesses" in p]) == len(good.steps)


def test_conditions_that_nothing_meets_are_vacuous() -> None:
    beta = Parameter("b", positive=True)
    d = replace(good, requirements=(Condition(">", (Number(Fraction(0)), beta)),), instances=())
    assert "no parameters meet" in derivations.judge(d).vacuous


def test_an_instance_where_the_divergence_is_infinite_is_vacuous() -> None:
    """q on [-1, 1] against p on [0, 1]: q is not absolutely continuous with respect to p."""
    u, p = Density("u", z), Density("w", z)
    inside = Law(-log(Number(Fraction(2))), -1.0, 1.0)
    ramp = Law(log(2 * z), 0.0, 1.0)
    d = Derivation(
        "t",
        "t",
        "s",
        Model(primitives=(u, p), definitions=(Definition("law", log(p), log(2 * z), of_instances=True),)),
        KL(u, p),
        (Step(E(u, log(u) - log(2 * z)), ("definition of KL", "log of a product", "law")),),
        (Source("none", "p. 1"),),
        instances=(Instance("too narrow", {u: inside, p: ramp}),),
    )
    assert derivations.judge(d).vacuous


def test_an_inequality_in_the_wrong_direction_is_refuted_by_rules_tables_and_quadrature() -> None:
    elbo = E(q, log(lik)) - KL(q, prior)
    for by in ("rules", "tables", "quadrature"):
        judge = witness(derivations.find("evidence-decomposition"), by)
        assert judge.ask(Statement(log(ev), ">=", elbo)).confirmed
        assert judge.ask(Statement(log(ev), "<=", elbo)).refuted


def test_a_false_alarm_of_the_draws_is_rarer_than_stated() -> None:
    """Under a true identity a test at alpha = 1e-2 rejects in at most 1 % of the runs (here: 60 runs, Markov)."""
    from derivations.witnesses.by_draws import ByDraws

    d = derivations.find("gaussian-kl")
    before, step = d.links()[-1]
    rejected = 0
    for seed in range(60):
        rejected += ByDraws(d, seed, 1e-2).ask(Statement(before, "=", step.expression, step.by)).refuted
    assert rejected <= 4  # a binomial(60, 0.01) exceeds 4 with probability 4e-4; seeds are fixed
