"""Shapes, dtypes, refusals, examples in the documentation, and the page."""

import doctest
import importlib
import pkgutil

import pytest
import torch
from torch.distributions import (
    Beta,
    Categorical,
    Dirichlet,
    Gamma,
    Independent,
    Laplace,
    MultivariateNormal,
    Normal,
    Uniform,
    Weibull,
)

import elbo.problems
from elbo import problems as P
from elbo._errors import Error, InputTypeError, InputValueError
from elbo.problems import catalogue
from elbo.problems._page import number, write

QUANTITIES = ("elbo", "gap", "eubo", "chi2", "cubo", "variance_log_weight", "tail_index")
ENTRIES = pytest.mark.parametrize("entry", [e for e in catalogue() if e.is_problem], ids=lambda e: e.name)


def t(value):
    return torch.tensor(value, dtype=torch.float64)


def modules():
    for info in pkgutil.walk_packages(elbo.problems.__path__, "elbo.problems."):
        if not info.name.endswith("__main__"):
            yield info.name


@pytest.mark.parametrize("name", list(modules()))
def test_examples_in_the_docstrings_run(name):
    assert doctest.testmod(importlib.import_module(name)).failed == 0


@pytest.mark.parametrize(
    "entry", [e for e in catalogue() if e.is_problem and e.example()[1] is not None], ids=lambda e: e.name
)
def test_values_are_batched_over_x_and_agree_with_one_at_a_time(entry):
    problem, x, q = entry.example()
    batch = torch.stack([x, x, x])
    for what in QUANTITIES:
        values, one = getattr(problem, what)(batch, q), getattr(problem, what)(x, q)
        if what == "tail_index":
            values = values.expand(3)
        assert values.shape == (3,)
        assert torch.allclose(values, one.expand(3), rtol=1e-12)
    assert problem.log_evidence(batch).shape == (3,)


@ENTRIES
def test_log_joint_has_the_sample_and_batch_shape(entry):
    problem, x, q = entry.example()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        z = q.sample((4, 2))
    assert problem.log_joint(x, z).shape == (4, 2)
    assert problem.log_weight(x, z, q).shape == (4, 2)
    if x is not None:
        assert problem.log_joint(torch.stack([x, x]), z).shape == (4, 2)


@ENTRIES
def test_the_latent_is_described(entry):
    problem, x, q = entry.example()
    latent = problem.latent
    assert latent.event_shape == q.event_shape
    assert latent.dimension == max(q.event_shape.numel(), 1)
    assert latent.discrete == isinstance(problem, P.FiniteProblem)
    if latent.discrete:
        assert bool(latent.support.check(latent.states).all())
        assert problem.log_joint_table(x).shape[-1] == problem.size == len(latent.states)
        assert problem.log_q_table(q).exp().sum().item() == pytest.approx(1, rel=1e-13)


@ENTRIES
def test_results_are_float64_and_nothing_global_moves(entry):
    before = torch.get_default_dtype(), torch.random.get_rng_state(), torch.is_grad_enabled(), torch.get_num_threads()
    problem, x, q = entry.example()
    for what in QUANTITIES:
        assert getattr(problem, what)(x, q).dtype == torch.float64
    after = torch.get_default_dtype(), torch.random.get_rng_state(), torch.is_grad_enabled(), torch.get_num_threads()
    assert before[0] == after[0]
    assert torch.equal(before[1], after[1])
    assert before[2:] == after[2:]


def test_dtype_follows_the_inputs():
    x = torch.tensor([0.3, 0.4])
    assert P.LinearGaussian(torch.tensor([1.0, 2.0])).elbo(x, Normal(x, 1.0)).dtype == torch.float32
    assert P.GammaPoisson(torch.ones(2), torch.ones(2)).elbo(torch.tensor([1, 2]), Gamma(x, 1.0)).dtype == torch.float32
    single = P.ProbabilisticPCA(torch.ones(3, 1), 0.0, 0.5)
    q = Independent(Normal(torch.zeros(1), 1.0), 1)
    assert single.gap(torch.zeros(3), q).dtype == torch.float32


def test_parameters_broadcast_against_the_batch_of_x():
    problem = P.LinearGaussian(t([[0.5], [1.0]]), 0.0, 0.7)
    x, q = t([0.1, 0.2, 0.3]), Normal(t([0.0, 0.1, 0.2]), t(0.8))
    assert problem.elbo(x, q).shape == problem.chi2(x, q).shape == (2, 3)
    line = P.SquareDecoder(t([[0.5], [1.0]]))
    assert line.elbo(x, q).shape == line.log_evidence(x).shape == line.cubo(x, q).shape == (2, 3)
    one = P.SquareDecoder(1.0)
    assert torch.allclose(line.log_evidence(x)[1], one.log_evidence(x), rtol=1e-13)


def test_a_number_is_an_observation_too():
    assert P.LinearGaussian().log_evidence(0.5) == P.LinearGaussian().log_evidence(t(0.5))
    assert P.GammaPoisson().log_evidence(3) == P.GammaPoisson().log_evidence(torch.tensor(3))


Q = Normal(t(0.0), t(1.0))


@pytest.mark.parametrize(
    "problem, x",
    [
        (P.LinearGaussian(), t(torch.nan)),
        (P.LinearGaussian(), t([0.0, torch.nan])),
        (P.ProbabilisticPCA([[1.0], [2.0]]), t([0.0, torch.nan])),
        (P.Table([0.5, 0.5]), torch.tensor(1)),
        (P.BetaBinomial(1.0, 1.0, 5), torch.tensor(6)),
        (P.BetaBinomial(1.0, 1.0, 5), t(2.5)),
        (P.GammaPoisson(), torch.tensor(-1)),
        (P.GammaPoisson(), t(0.5)),
        (P.GammaPrecision(), t(torch.nan)),
        (P.ExponentialExponential(), t(-0.1)),
        (P.DirichletMultinomial([1.0, 1.0], 3), torch.tensor([1, 1])),
        (P.DirichletMultinomial([1.0, 1.0], 3), t([1.5, 1.5])),
        (P.PoissonLogNormal(), t(-2.0)),
        (P.LogisticDecoder(), t(0.5)),
        (P.DiscretisedLogistic(), t(0.5)),
        (P.ProbabilisticPCA([[1.0], [2.0]]), t(0.0)),
    ],
    ids=lambda v: type(v).__name__ if isinstance(v, P.Problem) else "",
)
def test_observations_outside_the_support_are_refused_with_the_value(problem, x):
    with pytest.raises(InputValueError, match=r"x has"):
        problem.log_evidence(x)
    with pytest.raises(InputValueError):
        problem.elbo(x, Q)


@pytest.mark.parametrize(
    "make, error",
    [
        (lambda: P.LinearGaussian(noise_variance=0.0), InputValueError),
        (lambda: P.LinearGaussian(slope=torch.nan), InputValueError),
        (lambda: P.LinearGaussian(slope=torch.tensor(1)), InputTypeError),
        (lambda: P.Table([0.5, 0.6]), InputValueError),
        (lambda: P.Table([0.5, -0.1]), InputValueError),
        (lambda: P.Table([[0.5, 0.5], [0.0, 0.0]]), InputValueError),
        (lambda: P.BetaBinomial(1.0, 1.0, -1), InputValueError),
        (lambda: P.BetaBinomial(0.0, 1.0, 1), InputValueError),
        (lambda: P.DirichletMultinomial(1.0, 3), InputValueError),
        (lambda: P.BernoulliLatents([1.0] * 17), InputValueError),
        (lambda: P.BernoulliLatents([1.0], [1.5]), InputValueError),
        (lambda: P.GaussianMixture([0.5, 0.6], [[0.0], [1.0]], [[[1.0]], [[1.0]]]), InputValueError),
        (lambda: P.GaussianMixture([0.5, 0.5], [[0.0]], [[[1.0]], [[1.0]]]), InputValueError),
        (lambda: P.VectorQuantised([[0.0]], [[1.0, 2.0]]), InputValueError),
        (lambda: P.CorrelatedGaussian(1.0), InputValueError),
        (lambda: P.IsotropicGaussian(0), InputValueError),
        (lambda: P.FiniteAnnealing([0.5, 0.6], [1.0, 1.0]), InputValueError),
        (lambda: P.FiniteAnnealing([0.5, 0.5], [1.0, 1.0], temperatures=[0.0, 0.7, 0.5, 1.0]), InputValueError),
        (lambda: P.FiniteAnnealing([0.5, 0.5], [1.0, 1.0], kernel="gibbs"), InputValueError),
        (lambda: P.FiniteAnnealing([0.1] * 10, [1.0] * 10, 6), InputValueError),
        (lambda: P.LinearGaussian().cubo(t(0.0), Q, order=0.5), InputValueError),
        (lambda: P.LinearGaussian().renyi(t(0.0), Q, torch.nan), InputValueError),
        (lambda: P.LinearGaussian().elbo(None, Q), InputTypeError),
        (lambda: P.CorrelatedGaussian(0.5).elbo(t(0.0), Q), InputTypeError),
        (lambda: P.LinearGaussian().elbo(t(0.0), Laplace(t(0.0), t(1.0))), InputTypeError),
        (lambda: P.LinearGaussian().gap(t(0.0), MultivariateNormal(t([0.0]), t([[1.0]]))), InputTypeError),
        (lambda: P.ProbabilisticPCA([[1.0], [2.0]]).elbo(t([0.0, 1.0]), Q), InputTypeError),
        (lambda: P.GammaPoisson().elbo(t(1.0), Q), InputTypeError),
        (lambda: P.BetaBinomial().elbo(t(1.0), Q), InputTypeError),
        (lambda: P.DirichletMultinomial([1.0, 1.0], 1).elbo(t([0.0, 1.0]), Q), InputTypeError),
        (lambda: P.SquareDecoder().elbo(t(1.0), Beta(t(1.0), t(1.0))), InputTypeError),
        (lambda: P.DiscretisedLogistic().elbo(t(1.0), Q), InputTypeError),
        (lambda: P.DiscretisedLogistic().elbo(t(1.0), Uniform(t(0.0), t(0.5))), InputTypeError),
        (lambda: P.Table([0.5, 0.5]).elbo(torch.tensor(0), Categorical(t([0.2, 0.3, 0.5]))), InputTypeError),
        (lambda: P.Table([0.5, 0.5]).elbo(torch.tensor(0), Dirichlet(t([1.0, 1.0]))), InputTypeError),
        (lambda: P.BernoulliLatents([1.0, 2.0]).elbo(t(0.0), Categorical(t([0.5, 0.5]))), InputTypeError),
    ],
)
def test_impossible_arguments_are_refused(make, error):
    with pytest.raises(error) as caught:
        make()
    assert isinstance(caught.value, Error)
    assert len(str(caught.value)) > 20


def test_what_is_not_known_says_so():
    for ask in (
        lambda: P.SquareDecoder().posterior(t(0.0)),
        lambda: P.Table([0.2, 0.3]).prior,
        lambda: P.CorrelatedGaussian(0.5).prior,
        lambda: P.DiscretisedLogistic().likelihood(t(0.5)),
        lambda: P.IsotropicGaussian(2).expected_log_likelihood(None, Q),
    ):
        with pytest.raises(P.UnknownAnswerError):
            ask()


def test_weibull_is_a_gamma_with_shape_one_at_concentration_one():
    problem, x = P.GammaPoisson(2.0, 1.5), torch.tensor(3)
    gamma, weibull = Gamma(t(1.0), t(2.0)), Weibull(t(0.5), t(1.0))
    for what in ("elbo", "gap", "eubo", "cubo", "variance_log_weight", "tail_index"):
        a, b = getattr(problem, what)(x, gamma).item(), getattr(problem, what)(x, weibull).item()
        assert a == pytest.approx(b, rel=1e-12), what


def test_catalogue_lists_every_public_model_with_its_facts():
    entries = catalogue()
    listed = {e.kind for e in entries}
    bases = {P.Problem, P.ConjugateProblem, P.FiniteProblem, P.LineProblem}
    public = {getattr(P, n) for n in P.__all__}
    models = {k for k in public if isinstance(k, type) and (issubclass(k, P.Problem) or hasattr(k, "formula"))}
    assert listed == models - bases - {P.Entry}
    assert len({e.title for e in entries}) == len(entries)
    for entry in entries:
        assert min(len(entry.formula), len(entry.known), len(entry.conditions), len(entry.source)) > 3


def test_page_is_the_same_every_time_and_shows_each_model(tmp_path):
    first, second = write(tmp_path / "a"), write(tmp_path / "b")
    assert [p.name for p in first] == [p.name for p in second]
    assert all(a.read_bytes() == b.read_bytes() for a, b in zip(first, second, strict=True))
    text = (tmp_path / "a" / "known-answers.md").read_text()
    for entry in catalogue():
        assert f"## {entry.title}\n" in text
    pictures = {p.stem for p in first if p.suffix == ".svg"}
    assert {"LinearGaussian", "SquareDecoder", "GammaPoisson", "BetaBinomial", "Table"} <= pictures
    assert all(p.stat().st_size < 60_000 for p in first)
    assert not any(b"<dc:date>" in p.read_bytes() for p in first)


def test_numbers_of_the_page():
    assert [number(v) for v in (float("inf"), -float("inf"), 1e-17, 1.23456789)] == ["∞", "-∞", "0", "1.23457"]
