"""The strategies generate what they say, shrink to something readable, and refuse what would test nothing."""

import doctest
import math
import subprocess
import sys

import pytest
import torch
from hypothesis import find, given, settings
from hypothesis import strategies as st
from torch.distributions import Beta, Dirichlet, Gamma, Normal

import elbo.strategies
from elbo import Error, problems
from elbo import strategies as es
from elbo._errors import InputTypeError, InputValueError
from elbo.strategies import _distributions, _numbers, _problems, _tables

FEW = settings(max_examples=25, deadline=None, derandomize=True)


@pytest.mark.parametrize("module", [_numbers, _distributions, _tables, _problems], ids=lambda m: m.__name__)
def test_examples_in_the_docstrings_run(module):
    assert doctest.testmod(module).failed == 0


def test_hypothesis_is_loaded_only_with_the_strategies():
    code = (
        "import sys, elbo, elbo.problems; assert 'hypothesis' not in sys.modules; "
        "elbo.strategies.pairs; assert 'hypothesis' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("family", es.families(), ids=lambda f: f.__name__)
def test_laws_have_the_shape_and_a_proper_density_at_their_own_draws(family):
    @FEW
    @given(es.distributions(family, (2,), log_between=(-1.5, 1.5)))
    def check(law):
        assert law.batch_shape == (2,)
        torch.manual_seed(0)
        draw = law.sample()
        assert torch.isfinite(law.log_prob(draw)).all()

    with torch.random.fork_rng():
        check()


@pytest.mark.parametrize("family", es.families(), ids=lambda f: f.__name__)
def test_nearly_equal_laws_differ_and_are_close(family):
    @FEW
    @given(es.near_equal_pairs(family, log10_distance=(-6.0, -5.0)))
    def check(both):
        q, p = both
        gaps = [
            (getattr(q, n) - getattr(p, n)).abs() / (1 + getattr(q, n).abs()) for n in _distributions.FAMILIES[family]
        ]
        largest = max(gap.max().item() for gap in gaps)
        assert 0 < largest < 1e-4

    check()


def test_numbers_stay_in_their_range_in_every_dtype():
    def check(dtype, x, y):
        assert x.dtype == y.dtype == dtype
        assert (x.abs() <= torch.tensor(0.1, dtype=dtype)).all()
        assert ((y >= 0.999 * math.exp(-3)) & (y <= 1.001 * math.exp(3))).all()

    for dtype in (torch.float64, torch.float32):
        x, y = es.real_tensors((3,), between=(-0.1, 0.1), dtype=dtype), es.positive_tensors((2,), dtype=dtype)
        FEW(given(st.just(dtype), x, y)(check))()


@FEW
@given(es.probability_tables(3, 2, zeros=True))
def test_tables_have_mass_one_and_no_empty_row(table):
    assert abs(table.sum().item() - 1) < 1e-14
    assert (table.sum(1) > 0).all()
    assert (table >= 0).all()


def test_tables_with_zeros_do_contain_zeros_and_without_do_not():
    found = find(es.probability_tables(2, 2, zeros=True), lambda t: bool((t == 0).any()))
    assert (found == 0).any()

    @FEW
    @given(es.probability_tables(2, 2))
    def positive(table):
        assert (table > 0).all()

    positive()


@FEW
@given(es.log_weights(4, (3,), log_range=60.0, dead=True))
def test_log_weights_stay_in_range_and_keep_one_alive(log_w):
    alive = log_w[log_w > -torch.inf]
    assert log_w.shape == (3, 4)
    assert alive.max() - alive.min() <= 60
    assert (log_w.amax(-1) > -torch.inf).all()


def test_dead_weights_occur():
    assert torch.isneginf(find(es.log_weights(3, dead=True), lambda w: bool(torch.isneginf(w).any()))).any()


@FEW
@given(es.linear_gaussians(2, 3, finite_variance=True))
def test_weights_have_the_variance_that_was_asked_for_diagonal(case):
    assert torch.isfinite(case.problem.log_moment(case.x, case.q, 2.0))


@FEW
@given(es.linear_gaussians(2, 3, finite_variance=True, full=True))
def test_weights_have_the_variance_that_was_asked_for_full(case):
    assert torch.isfinite(case.problem.log_moment(case.x, case.q, 2.0))


def test_infinite_variance_occurs_without_the_condition():
    case = find(es.linear_gaussians(), lambda c: bool(torch.isinf(c.problem.chi2(c.x, c.q))))
    assert case.q.variance < 0.5001 * case.problem.posterior(case.x).variance


@pytest.mark.parametrize("kind", es.problem_kinds(), ids=lambda k: k.__name__)
def test_problems_have_an_observation_inside_the_support_and_a_q_that_fits(kind):
    @FEW
    @given(es.problems(kind))
    def check(case):
        assert isinstance(case.problem, kind)
        assert torch.isfinite(case.problem.log_evidence(case.x))
        assert case.q.event_shape == case.problem.latent.event_shape

    check()


def test_counterexamples_shrink_to_simple_numbers():
    smallest = find(es.distributions(Normal), lambda law: law.scale.item() > 1.5)
    assert smallest.loc.item() == 0
    assert 1.5 < smallest.scale.item() < 3
    assert find(es.real_tensors((2,)), lambda x: bool(x.sum() >= 1)).tolist() in ([0.0, 1.0], [1.0, 0.0])
    case = find(es.problems(problems.GammaPoisson), lambda c: bool(c.x >= 3))
    assert case.x.item() == 3
    assert case.problem.rate.item() == 1


def test_pairs_are_independent_of_each_other():
    found = find(es.pairs(Gamma), lambda both: bool(both[0].rate > 2 * both[1].rate))
    assert found[0].rate > 2 * found[1].rate


@pytest.mark.parametrize(
    "make, words",
    [
        (lambda: es.real_tensors((0,)), "sizes >= 1"),
        (lambda: es.real_tensors((2,), between=(1.0, 1.0)), "same"),
        (lambda: es.real_tensors((2,), between=(0.0, math.inf)), "finite"),
        (lambda: es.positive_tensors((), log_between=(0.0, 800.0)), "overflow"),
        (lambda: es.correlations(1.0), "0.98"),
        (lambda: es.distributions(Normal, (0,)), "sizes >= 1"),
        (lambda: es.distributions(Dirichlet, size=1), "integer >= 2"),
        (lambda: es.distributions(Normal, log_between=(3.0, -3.0)), "same"),
        (lambda: es.near_equal_pairs(Beta, log10_distance=(-20.0, -18.0)), "round to the same number"),
        (lambda: es.near_equal_pairs(Beta, log10_distance=(-1.0, 2.0)), "not close"),
        (lambda: es.near_equal_pairs(Beta, log10_distance=(-8.0, -5.0), dtype=torch.float32), "float32"),
        (lambda: es.probability_tables(), "two states"),
        (lambda: es.probability_tables(1), "two states"),
        (lambda: es.probability_tables(4, 1, zeros=True), "more than one column"),
        (lambda: es.log_weights(1), "is the ELBO"),
        (lambda: es.log_weights(3, log_range=0.0), "bounds agree"),
        (lambda: es.linear_gaussians(0), "nothing to infer"),
        (lambda: es.linear_gaussians(1, 0), "no data"),
        (lambda: es.linear_gaussians(full=True), "no correlations"),
        (lambda: es.linear_gaussians(log_variance_ratio=(-3.0, -1.0), finite_variance=True), "log ½"),
    ],
)
def test_vacuous_arguments_are_refused_with_what_to_write(make, words):
    with pytest.raises(InputValueError, match=words):
        make()


@pytest.mark.parametrize(
    "make",
    [lambda: es.distributions(int), lambda: es.problems(dict), lambda: es.real_tensors((), dtype=torch.int64)],
)
def test_what_cannot_be_drawn_is_refused_with_the_list(make):
    with pytest.raises(InputTypeError, match=r"write"):
        make()
    assert issubclass(InputTypeError, Error)


def test_every_public_name_is_a_strategy_or_a_list():
    assert set(elbo.strategies.__all__) <= set(dir(elbo.strategies))
    assert isinstance(es.correlations(), st.SearchStrategy)
