"""Terms keep what was written, and refuse what cannot be meant."""

from fractions import Fraction

import pytest

from derivations.language import (
    KL,
    Density,
    Derivation,
    E,
    Model,
    MutualInformation,
    Parameter,
    Source,
    Step,
    Variable,
    latex,
    log,
    text,
)
from elbo._errors import InputTypeError, InputValueError

x, z = Variable("x"), Variable("z")
q, p = Density("q", z, given=x), Density("p", z)


def test_order_survives_and_nothing_cancels() -> None:
    assert text(log(q / q)) == "log(q(z | x) / q(z | x))"
    assert text(log(p) + log(q)) == "log p(z) + log q(z | x)"
    assert text(log(q) + log(p)) == "log q(z | x) + log p(z)"
    assert latex(E(q, log(q / p))) == r"\mathbb{E}_{q(z \mid x)}\left[\log \frac{q(z \mid x)}{p(z)}\right]"


@pytest.mark.parametrize(
    "written, shown",
    [
        (lambda a: a - (a - 1), "a - a + 1"),
        (lambda a: a * (a + 1), "a (a + 1)"),
        (lambda a: -(a + 1), "-(a + 1)"),
        (lambda a: a / (a * 2), "a / (a 2)"),
        (lambda a: (a + 1) ** 2 / 2, "(a + 1)^2 / 2"),
        (lambda a: Fraction(1, 2) * a, "(1/2) a"),
        (lambda a: 2 * (-a), "2 (-1) a"),
    ],
)
def test_text_of_arithmetic(written, shown) -> None:  # type: ignore[no-untyped-def]
    assert text(written(Parameter("a"))) == shown


def test_a_parameter_of_a_density_shows_below_its_name() -> None:
    assert latex(Density("q", z, given=x, parameters=Parameter("f", r"\varphi"))) == r"q_{\varphi}(z \mid x)"


def test_floats_are_refused_with_what_to_write() -> None:
    with pytest.raises(InputTypeError, match=r"0\.5 is a float; write a term, an int or a Fraction"):
        log(p) * 0.5  # type: ignore[operator]


def test_divergence_of_densities_over_different_variables_is_refused() -> None:
    with pytest.raises(InputValueError, match="write two densities of the same variables"):
        KL(q, Density("p", x))


def test_mutual_information_needs_a_split() -> None:
    with pytest.raises(InputValueError, match="split in two"):
        MutualInformation(Density("q", (x, z)), x, x)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"slug": "Not A Slug"}, "lower case words joined by hyphens"),
        ({"steps": ()}, "has no steps"),
        ({"sources": ()}, "has no source"),
        ({"steps": (Step(log(p), "Gibbs", "<="), Step(log(p), "Gibbs", ">="))}, "mixes <= and >="),
    ],
)
def test_a_derivation_that_cannot_be_judged_is_refused(change, message) -> None:  # type: ignore[no-untyped-def]
    fields = {
        "title": "t",
        "slug": "t",
        "statement": "s",
        "model": Model(),
        "start": log(p),
        "steps": (Step(log(p), "linearity"),),
        "sources": (Source("w", "p. 1"),),
    }
    with pytest.raises(InputValueError, match=message):
        Derivation(**{**fields, **change})


def test_a_source_needs_a_locator_and_a_step_a_rule() -> None:
    with pytest.raises(InputValueError, match="has no locator"):
        Source("a book", " ")
    with pytest.raises(InputValueError, match="cites no rule"):
        Step(log(p), ())
