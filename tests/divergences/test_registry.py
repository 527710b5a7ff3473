import doctest
import importlib

import pytest
import torch
import torch.distributions as D
from torch.distributions.kl import _KL_REGISTRY

import elbo
from elbo._errors import Error, InputTypeError, InputValueError
from elbo.divergences import (
    UnregisteredPairError,
    bernoulli_kl,
    categorical_kl,
    gaussian_kl,
    gaussian_kl_pair,
    kl,
    kl_pairs,
    register,
    unregister,
)


def test_every_pair_of_torch_is_here():
    ours = {(pair.q, pair.p) for pair in kl_pairs()}
    assert len(_KL_REGISTRY) == 87
    assert set(_KL_REGISTRY) <= ours
    assert {(D.Weibull, D.Weibull), (D.Weibull, D.Gamma), (D.LogNormal, D.Gamma), (D.Kumaraswamy, D.Beta)} <= ours


def test_pairs_say_what_they_are():
    for pair in kl_pairs():
        assert pair.formula
        assert pair.source
        assert pair.accuracy >= 0
        assert pair.note or pair.accuracy < float("inf")
        assert str(pair).startswith(f"KL[{pair.q.__name__} ‖ {pair.p.__name__}]")


@pytest.mark.parametrize(
    "module", ["gaussian", "bernoulli", "categorical", "_renyi", "mixtures", "numerical", "_registry"]
)
def test_examples_hold(module):
    found = doctest.testmod(importlib.import_module(f"elbo.divergences.{module}"))
    assert found.attempted > 0
    assert found.failed == 0


def test_users_can_register_and_subclasses_inherit():
    class Mine(D.Normal):
        pass

    assert kl(Mine(0.0, 1.0), D.Normal(0.0, 1.0)) == 0

    @register(Mine, D.Normal, formula="42", source="me", accuracy=0)
    def _mine(q, p):
        return 42 + 0 * q.loc

    try:
        assert kl(Mine(0.0, 1.0), D.Normal(0.0, 1.0)) == 42
        assert kl(D.Normal(0.0, 1.0), Mine(0.0, 1.0)) == 0
        assert any(pair.q is Mine and pair.formula == "42" for pair in kl_pairs())
    finally:
        unregister(Mine, D.Normal)
    assert kl(Mine(0.0, 1.0), D.Normal(0.0, 1.0)) == 0


class Mine(D.Normal):
    pass


@pytest.mark.parametrize(
    "returned, error, message",
    [
        (0.5, InputTypeError, r"Mine ‖ Mine\], test_registry.\S*mine, returned 0.5, expected a tensor"),
        (None, InputTypeError, "returned None, expected a tensor"),
        (torch.zeros(2), InputValueError, r"returned shape \(2,\), expected \(4, 3\), one value"),
        (torch.zeros(()), InputValueError, r"returned shape \(\), expected \(4, 3\)"),
        (torch.zeros(4, 3), None, ""),
    ],
)
def test_what_a_users_function_returns_is_looked_at(returned, error, message):
    @register(Mine, Mine)
    def mine(q, p):
        return returned

    try:
        q, p = Mine(torch.zeros(4, 1), 1.0), Mine(torch.zeros(3), 1.0)
        if error is None:
            assert kl(q, p) is returned
        else:
            with pytest.raises(error, match=message):
                kl(q, p)
    finally:
        unregister(Mine, Mine)


def test_functions_without_a_module_or_a_name_can_be_registered():
    class Callable:
        def __call__(self, q, p):
            return q.loc

    without_module = eval("lambda q, p: q.loc", {})
    without_module.__module__ = None
    for function, name in ((Callable(), r"<test_registry.*Callable object"), (without_module, "<lambda>, returned")):
        register(Mine, Mine)(function)
        try:
            with pytest.raises(InputValueError, match=name):
                kl(Mine(torch.zeros(1), 1.0), Mine(torch.zeros(2), 1.0))
        finally:
            unregister(Mine, Mine)


def test_unregistering_restores_what_was_replaced():
    q, p = D.Normal(0.0, 1.0), D.Normal(1.0, 1.0)
    before = kl_pairs()
    for name, value in (("first", 1.0), ("second", 2.0), ("second", 3.0)):

        def function(q, p, value=value):
            return value + 0 * q.loc

        function.__qualname__ = name
        register(D.Normal, D.Normal)(function)
        assert kl(q, p) == value
    unregister(D.Normal, D.Normal)  # what was registered once more under its name was one
    assert kl(q, p) == 1
    unregister(D.Normal, D.Normal)
    assert kl(q, p) == 0.5
    assert kl_pairs() == before


def test_what_is_not_registered_cannot_be_unregistered():
    with pytest.raises(InputTypeError, match="type_q is 1, expected a subclass"):
        unregister(1, 2)
    with pytest.raises(InputTypeError, match=r"type_p is .*Tensor"):
        unregister(D.Normal, torch.Tensor)
    with pytest.raises(InputValueError, match=r"nothing is registered for exactly KL\[Mine ‖ Normal\]"):
        unregister(Mine, D.Normal)


def test_an_unregistered_pair_names_the_nearest_and_the_numerical_route():
    with pytest.raises(UnregisteredPairError, match=r"Laplace ‖ Normal.*kl_by_quadrature") as error:
        kl(D.Laplace(0.0, 1.0), D.Cauchy(0.0, 1.0))
    assert "Cauchy ‖ Cauchy" in str(error.value)
    assert isinstance(error.value, NotImplementedError)


N, zeros, ones, tensor = D.Normal, torch.zeros, torch.ones, torch.tensor
NAN, INF, RAW = float("nan"), float("inf"), {"validate_args": False}


@pytest.mark.parametrize(
    "q, p, error, message",
    [
        (3.0, N(0.0, 1.0), InputTypeError, "q is a float"),
        (N(0.0, 1.0), "p", InputTypeError, "p is a str"),
        (N(0.0, 1.0), N(zeros((), dtype=torch.float64), 1.0), InputTypeError, "torch.float64 on cpu"),
        (N(tensor(0), tensor(1)), N(tensor(0), tensor(1)), InputTypeError, "torch.int64"),
        (N(zeros(2), ones(2)), N(zeros(3), ones(3)), InputValueError, r"\(2,\) and p has \(3,\)"),
        (D.Dirichlet(ones(2)), D.Dirichlet(ones(3)), InputValueError, "event shape"),
        (N(NAN, 1.0, **RAW), N(0.0, 1.0), InputValueError, "q.loc holds 1 NaN"),
        (N(0.0, 1.0), N(0.0, -1.0, **RAW), InputValueError, "p.scale holds -1.0"),
        (N(INF, 1.0, **RAW), N(INF, 1.0, **RAW), InputValueError, "holds inf"),
        (D.Exponential(NAN, **RAW), D.Uniform(0.0, 1.0), InputValueError, "q.rate holds 1 NaN"),
        (D.Binomial(3, tensor(0.5)), D.Binomial(4, tensor(0.5)), InputValueError, "total_count"),
        (D.Independent(D.Cauchy(zeros(2), ones(2)), 1), D.Independent(D.Laplace(zeros(2), ones(2)), 1),
         UnregisteredPairError, "Cauchy ‖ Laplace"),
    ],
)  # fmt: skip
def test_bad_input_is_named(q, p, error, message):
    with pytest.raises(error, match=message) as caught:
        kl(q, p)
    assert isinstance(caught.value, Error)


ONE = torch.ones(1)


@pytest.mark.parametrize(
    "call, error, message",
    [
        (lambda: gaussian_kl(ONE), InputTypeError, "none given"),
        (lambda: gaussian_kl(ONE, std=ONE, variance=ONE), InputTypeError, "exactly one"),
        (lambda: gaussian_kl(ONE, std=-ONE), InputValueError, "std holds -1.0"),
        (lambda: gaussian_kl(ONE, variance=0 * ONE), InputValueError, "variance holds 0.0"),
        (lambda: gaussian_kl(ONE, variance=ONE * float("nan")), InputValueError, "variance holds nan"),
        (lambda: gaussian_kl(ONE * float("nan"), log_std=ONE), InputValueError, "mean holds nan"),
        (lambda: gaussian_kl(ONE, log_std=torch.ones(1, dtype=torch.int64)), InputTypeError, "torch.int64"),
        (lambda: gaussian_kl(1.0, log_std=ONE), InputTypeError, "mean is a float"),
        (lambda: gaussian_kl(ONE, log_std=ONE.double()), InputTypeError, "torch.float64"),
        (lambda: gaussian_kl(torch.ones(2), log_std=torch.ones(3)), InputValueError, r"\(2,\)"),
        (lambda: gaussian_kl(ONE, std=ONE, event_dims=2), InputValueError, "event_dims is 2"),
        (lambda: gaussian_kl_pair(ONE, ONE, q_std=ONE), InputTypeError, "p_log_variance"),
        (lambda: bernoulli_kl(ONE, ONE * float("nan")), InputValueError, "p_logits holds nan"),
        (lambda: categorical_kl(torch.ones(2), torch.ones(3)), InputValueError, r"\(3,\)"),
    ],
)
def test_the_functional_forms_name_bad_input(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_parametrisations_agree(rng):
    mean, other = torch.randn(2, 50, generator=rng, dtype=torch.float64)
    y, z = torch.randn(2, 50, generator=rng, dtype=torch.float64)
    want = gaussian_kl_pair(mean, other, q_log_variance=y, p_log_variance=z)
    for q in ({"q_variance": y.exp()}, {"q_std": (y / 2).exp()}, {"q_log_std": y / 2}, {"q_log_variance": y}):
        for p in ({"p_variance": z.exp()}, {"p_std": (z / 2).exp()}, {"p_log_std": z / 2}, {"p_log_variance": z}):
            torch.testing.assert_close(gaussian_kl_pair(mean, other, **q, **p), want, rtol=1e-13, atol=1e-15)
    standard = gaussian_kl_pair(mean, 0 * mean, q_log_variance=y, p_log_variance=0 * y)
    for spread in ({"variance": y.exp()}, {"std": (y / 2).exp()}, {"log_std": y / 2}, {"log_variance": y}):
        torch.testing.assert_close(gaussian_kl(mean, **spread), standard, rtol=1e-13, atol=1e-15)
    summed = gaussian_kl(mean.reshape(5, 10), log_variance=y.reshape(5, 10), event_dims=2)
    torch.testing.assert_close(summed, standard.sum())
    assert elbo.kl is kl
