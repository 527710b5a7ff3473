"""Every derivation of the catalogue, whatever files it has: a new file needs no new test."""

import importlib

import pytest

import derivations
from derivations.catalogue import catalogue
from derivations.language import needless, prove
from derivations.language.derivation import Derivation
from derivations.witnesses import NEEDED, WITNESSES, findings
from derivations.witnesses.reach import reach
from elbo._errors import InputValueError

ENTRIES = [pytest.param(d, id=d.slug) for d in catalogue()]


@pytest.mark.parametrize("d", ENTRIES)
def test_every_step_definition_and_wrong_variant_is_judged_as_it_should(d: Derivation) -> None:
    report = derivations.judge(d, cached=True)
    assert report.problems() == []
    assert all(sum(j.confirmed for j in s.judgements) >= NEEDED for s in report.steps)
    assert all(sum(j.refuted for j in w.judgements) >= NEEDED for w in report.wrong)


@pytest.mark.parametrize("d", ENTRIES)
def test_the_cited_rules_suffice_and_each_is_needed(d: Derivation) -> None:
    for before, step in d.links():
        assert prove(before, step.relation, step.expression, d.model, step.by).holds
        assert needless(before, step.relation, step.expression, d.model, step.by) == ()


@pytest.mark.parametrize("d", ENTRIES)
def test_a_witness_named_silent_is_silent_and_the_others_speak(d: Derivation) -> None:
    speaking = {name for name in WITNESSES if any(j.confirmed for j in findings(d, name, cached=True).steps)}
    assert not speaking & set(d.silent)
    assert set(reach(d)) <= speaking


@pytest.mark.parametrize("d", ENTRIES)
def test_a_derivation_says_what_people_get_wrong_and_where_it_is_found(d: Derivation) -> None:
    assert d.wrong
    assert all(w.why.strip() for w in d.wrong)
    assert all(s.locator.strip() for s in d.sources)


@pytest.mark.parametrize("d", ENTRIES)
def test_the_functions_that_implement_it_exist(d: Derivation) -> None:
    for name in d.implements:
        module, _, attribute = name.rpartition(".")
        assert hasattr(importlib.import_module(module), attribute), name


def test_the_catalogue_finds_by_slug_and_refuses_what_it_does_not_have() -> None:
    assert derivations.find("posterior-kl").slug == "posterior-kl"
    with pytest.raises(InputValueError, match="no derivation is called 'nothing'"):
        derivations.find("nothing")
