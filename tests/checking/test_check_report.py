"""The report itself, and the table of codes it is written from."""

import json

import pytest
import torch

import elbo
from elbo.checking import CODES, MISTAKES, NOTES, TARGETS
from elbo.checking._fit import exponent, formula, number, sparse


def averaged(mu, logvar):
    return 0.5 * (mu**2 + logvar.exp() - 1 - logvar).mean()


@pytest.fixture(scope="module")
def report():
    return elbo.check(averaged, "gaussian_kl")


def test_a_report_is_true_only_if_correct(report):
    assert not report
    assert elbo.check(lambda mu, logvar: averaged(mu, logvar) * mu[0].numel(), "gaussian_kl")


def test_every_mistake_carries_numbers_an_effect_and_a_line_to_write(report):
    (mistake,) = report.mistakes
    assert {"yours", "expected", "where"} <= set(mistake.evidence)
    assert mistake.effect == "equals a β-VAE with β = 1/D"
    assert "sum(dim=-1)" in mistake.fix
    assert mistake.page.startswith("derivations/")


def test_a_report_is_json_ready(report):
    content = json.loads(json.dumps(report.to_dict()))
    assert content["verdict"] == "wrong"
    assert content["counterexample"]["yours"] != content["counterexample"]["expected"]


def test_a_report_reads_in_a_terminal_and_in_a_notebook(report):
    text, page = str(report), report._repr_html_()
    for word in ("WRONG", "kl-averaged-over-latent", "write:", "smallest counterexample"):
        assert word in text
    assert "kl-averaged-over-latent" in page
    assert "<script" not in page
    assert max(len(line) for line in text.splitlines()) <= 120


def test_the_table_of_codes_is_complete():
    assert len(NOTES) == 15
    assert len(CODES) == len(NOTES) + len(MISTAKES)
    for code in CODES.values():
        assert code.definition
        assert code.fingerprint
        assert code.effect
        assert code.fix


def test_every_target_has_a_judge_with_its_roles():
    from elbo.checking.targets import load

    assert len(TARGETS) == 18
    for name in TARGETS:
        target = load(name)
        assert target.name == name
        assert target.roles


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.5, "½"), (-1.0, "−1"), (1 / 784, "1/784"), (0.75, "3/4"), (1.4426950408889634, "1/log 2"), (0.123, "0.123")],
)
def test_familiar_numbers_are_written_as_people_write_them(value, text):
    assert number(value) == text


def test_a_formula_is_written_in_the_given_order():
    assert formula([0.5, -0.5], ["μ²", "log σ²"], -0.5) == "½·μ² − ½·log σ² − ½"
    assert formula([-1.0], ["x"]) == "−x"


def test_exponents_are_read_off_two_sizes():
    assert exponent(1.0, 0.5) == -1.0
    assert exponent(2.0, 2.0, 21 / 20) == 0.0
    assert exponent(1.0, 0.9) is None
    assert exponent(1.0, -1.0) is None


def test_sparse_fits_keep_only_what_explains(rng):
    x = torch.randn(40, 6, generator=rng, dtype=torch.float64).numpy()
    kept, fit = sparse(x, 2 * x[:, 1] - 0.5 * x[:, 4] + 3)
    assert sorted(kept) == [1, 4]
    assert fit.intercept == pytest.approx(3)
    assert sparse(x, x[:, 0] ** 2) is None
