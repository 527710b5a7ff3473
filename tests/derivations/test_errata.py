"""Every erratum is refuted by numbers that its code computes; those stated for it come out."""

import doctest
import math

import pytest

import derivations.errata
from derivations.errata import Comparison, Evaluation, Kind, Refuted, errata, erratum

EVALUATED = [entry for entry in errata() if entry.counterexample is not None]

# figures stated for the counterexamples whose set-up is stated too, to their digits
STATED = {
    "E1": ["0.549306", "0.693147"],
    "E6": ["-5.41894", "-2.51755"],
    "E7": ["1.13278", "-2.22366", "-2.27622", "-2.44193", "-2.51755"],
    "E8": ["0.693147"],
    "E12": ["-3.186"],
    "E14": ["0.26"],
    "E15": ["-1.968"],
    "E17": ["-1.28"],
    "E18": ["0.510826", "1.386", "0.480"],
    "E19": ["1.8", "1.789"],
    "E20": ["0.6"],
    "E21": ["0.6"],
    "E29": ["-0.5108", "-0.693147"],
    "E34": ["0.62", "0.226"],
    "E36": ["-1.32801", "-1.11895", "-1.46523"],
    "E40": ["1.6"],
    "E42": ["0.315", "0.506", "0.289", "0.130", "0.581"],
    "E48": ["0.615"],
}


def _numbers(found: Evaluation) -> list[float]:
    return [value for c in (*found.violates, *found.confirms) for value in (c.found, c.asserted)]


def test_errata_are_numbered_from_1_to_48() -> None:
    assert [entry.label for entry in errata()] == [f"E{i}" for i in range(1, 49)]


@pytest.mark.parametrize("entry", EVALUATED, ids=lambda e: e.label)
def test_the_counterexample_violates_the_statement_and_confirms_the_correct_one(entry: Refuted) -> None:
    found = entry.evaluate()
    assert found.violates
    assert found.confirms, "nothing of the correct statement is evaluated"
    for c in found.violates:
        assert not c.holds, c
    for c in found.confirms:
        assert c.holds, c


@pytest.mark.parametrize("label", STATED)
def test_stated_figures_come_out(label: str) -> None:
    numbers = _numbers(erratum(label).evaluate())
    for text in STATED[label]:
        digits = len(text.partition(".")[2])
        assert any(math.isfinite(v) and abs(v - float(text)) <= 0.5000001 * 10**-digits for v in numbers), (
            text,
            numbers,
        )


def test_chi_squared_of_the_kl_optimal_proposal_is_stated_to_two_digits() -> None:
    numbers = _numbers(erratum("E28").evaluate())
    assert any(3.95e13 < v < 4.15e13 for v in numbers)
    assert any(0.835 < v < 0.845 for v in numbers)


def test_only_remarks_on_wording_lack_a_counterexample() -> None:
    remarks = [entry for entry in errata() if entry.counterexample is None]
    assert [entry.label for entry in remarks] == ["E43", "E44"]
    assert {entry.kind for entry in remarks} == {Kind.NOTATION}
    with pytest.raises(ValueError, match="remark"):
        remarks[0].evaluate()


def test_kinds_are_those_of_the_register() -> None:
    by_kind = {kind: sorted(e.number for e in errata() if e.kind is kind) for kind in Kind}
    assert by_kind[Kind.ERROR] == [1, 2, 5, 6, 7, 8, 10, 11, 12, 14, 16, 18, 22, 28, 29, 32, 35, 37, 39, 42]
    assert by_kind[Kind.CONDITION] == [13, 15, 17, 19, 20, 21, 25, 26, 27, 30, 34, 36, 38, 40, 48]
    assert len(by_kind[Kind.NOTATION]) == 13


@pytest.mark.parametrize("entry", errata(), ids=lambda e: e.label)
def test_each_entry_says_where_and_what(entry: Refuted) -> None:
    assert entry.places
    assert all(p.source in {"S0", "S1", "S2", "S3", "S4"} and p.line > 0 for p in entry.places)
    for text in (entry.said, entry.correct):
        assert text
        assert text.count("$") % 2 == 0
        assert not any("一" <= c <= "鿿" for c in text), "a sentence of a source is quoted"
    assert "\n" not in entry.title


def test_claims_are_the_evaluated_errata() -> None:
    from elbo.verification import Context, collect

    claims = collect("errata.*")
    assert [c.name for c in claims] == [f"errata.{e.label}" for e in EVALUATED]
    outcome = claims[0].check(Context(0, claims[0].name))
    assert outcome.verdict.name == "CONFIRMED"
    assert "0.549306" in outcome.detail


def test_unknown_label_names_the_range() -> None:
    with pytest.raises(KeyError, match="E1 to E48"):
        erratum("E99")


def test_comparison_relations() -> None:
    assert Comparison("", 1.0, "<=", 1.0).holds
    assert Comparison("", 1.0 + 1e-13, "<=", 1.0).holds
    assert not Comparison("", 1.1, "<=", 1.0).holds
    assert Comparison("", 1.1, ">=", 1.0).holds
    assert not Comparison("", math.inf, "=", 1.0).holds
    assert Comparison("", math.inf, "=", math.inf).holds


def test_examples_in_docstrings() -> None:
    assert doctest.testmod(derivations.errata).failed == 0
