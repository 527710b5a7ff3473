"""Kumaraswamy laws against beta laws: values and derivatives for parameters of 1e-6 to 1e6, and the nodes."""

import mpmath as mp
import numpy as np
import pytest
import torch
from torch.distributions import Beta, Kumaraswamy

from elbo.audit import _cases as audit_cases
from elbo.divergences import kl
from elbo.divergences import kumaraswamy as formulas
from elbo.divergences._kumaraswamy_nodes import nodes_of_one, points, total
from elbo.divergences._registry import find

EPS = torch.finfo(torch.float64).eps
TRUE = audit_cases.reference("Kumaraswamy", "Beta")


def wide(rng, count):
    return 10 ** rng.uniform(-6, 6, count)


def about(rng, x, spread):
    return x * np.exp(spread * rng.normal(size=x.shape))


def nearly_equal(rng, n):
    """Where the families meet, a = c and b = d = 1 or the reverse, but for 1e-9 to 0.1 of the parameters."""
    x, first = wide(rng, n), rng.random(n) < 0.5
    a, b = np.where(first, 1.0, x), np.where(first, x, 1.0)
    away = 10 ** rng.uniform(-9, -1, (4, n)) * rng.choice([-1, 1], (4, n)) * [[0], [1], [1], [1]]
    return [a, b, a, b] * (1 + away)


DRAWS = {
    "any": lambda rng, n: [wide(rng, n) for _ in range(4)],
    "ordinary": lambda rng, n: np.exp(rng.normal(size=(4, n))),
    "alike": lambda rng, n: (lambda a, b: [a, b, about(rng, a, 1), about(rng, b, 1)])(wide(rng, n), wide(rng, n)),
    "nearly equal": nearly_equal,
    # all of q at zero but for a share a, and p at zero or not
    "at zero": lambda rng, n: (
        lambda a: [a, about(rng, np.ones(n), 0.3), about(rng, a, 0.3), wide(rng, n)]
    )(10 ** rng.uniform(-6, -0.3, n)),
    # all of q and p at one but for a share b
    "at one": lambda rng, n: (lambda b: [wide(rng, n), b, wide(rng, n), b])(10 ** rng.uniform(-6, -0.3, n)),
}  # fmt: skip


def value_of(*parameters):
    return kl(
        Kumaraswamy(*parameters[:2], validate_args=False),
        Beta(*parameters[2:], validate_args=False),
    )


def error_in_ulps(given):
    with mp.workdps(50):
        want = TRUE(*map(mp.mpf, given))
        return float(abs(value_of(*torch.tensor(given, dtype=torch.float64)).item() / want - 1)) / EPS


def slope(given, number):
    step = given[number] * mp.mpf(10) ** -13
    up, down = (TRUE(*[x + s * step * (i == number) for i, x in enumerate(given)]) for s in (1, -1))
    return (up - down) / (2 * step)


@pytest.mark.parametrize("kind", DRAWS)
def test_values_and_gradients_over_the_whole_domain(kind):
    drawn = np.array(DRAWS[kind](np.random.default_rng(1), 40))
    leaves = [torch.tensor(x, requires_grad=True) for x in drawn]
    values = value_of(*leaves)
    slopes = torch.autograd.grad(values.sum(), leaves)
    narrow = value_of(*(x.detach().float() for x in leaves))
    with mp.workdps(50):
        for i, got in enumerate(values.tolist()):
            given = [mp.mpf(x) for x in drawn[:, i].tolist()]
            want = TRUE(*given)
            assert abs(got - want) <= 8 * EPS * want, drawn[:, i]
            want = TRUE(*(mp.mpf(x.detach().float()[i].item()) for x in leaves))
            assert abs(narrow[i].item() - want) <= torch.finfo(torch.float32).eps * want, drawn[:, i]
            if i < 8:
                true = [slope(given, number) * given[number] for number in range(4)]
                for number, t in enumerate(true):
                    # 11 measured in two thousand: relative to what is left where terms of opposite signs cancel
                    assert abs(slopes[number][i].item() * given[number] - t) <= 16 * EPS * max(map(abs, true))


@pytest.mark.parametrize(
    "given",
    [
        # errors of 1e3 to 1e16 ulps were measured here with fixed nodes, or on the way to those of now
        (83.9971530, 8.84356163e-04, 1668.0305, 3.46814232e-04),
        (1.10405471e-05, 1.59655525, 1.16890168e-05, 69381.44914960876),
        (208671.10735, 2.2582783e-05, 8.96546107e-05, 2.05126340e-05),
        (9.88117412e-06, 1.28109341, 1.09482988e-05, 1.22194181e-05),
        (0.35192407, 90.1644155, 0.25212336, 11447.449100939284),
        (690.4130261, 7.32885265e-05, 184.577494, 7.32885265e-05),
        (1.0, 2646.0, 1.0000012, 2482.9),
        (251.30853822355647, 876086.0000046336, 2322.095578273851, 128.87820391815418),
        (49725.192836396884, 22.373146150088406, 147556.83152256845, 17.994675199337298),
    ],
)
def test_where_digits_were_lost(given):
    assert error_in_ulps(given) <= 8


@pytest.mark.parametrize(
    "given",
    [  # d and c are those of the beta law with the E log x and E log(1 − x) of q, but for a little
        (4273.516237982663, 1.5280167483545857, 5003.883934378102, 1.5066152584514285),
        (1147.2134580372697, 459470.87998123706, 9824.900874208792, 120.61460563548881),
        (4.037263776114883, 0.5409491920800703, 3.6119876644691993, 0.5487627487987119),
    ],
)
def test_at_the_best_beta_law_a_parameters_rounding_is_what_is_left(given):
    assert error_in_ulps(given) <= find(Kumaraswamy, Beta).accuracy


def test_the_two_forms_agree_where_both_hold():
    drawn = DRAWS["ordinary"](np.random.default_rng(2), 300)
    with np.errstate(all="ignore"):
        far, near = (form(*drawn, slopes=True) for form in (formulas._far, formulas._near))
    both = (far[0] > 0.3) & (far[0] < 3)
    assert both.sum() > 100
    for x, y in zip(far, near, strict=True):
        np.testing.assert_allclose(x[both], y[both], rtol=1e-12, atol=1e-14)


def test_zero_where_the_laws_are_the_same():
    x = torch.tensor([1e-6, 1e-3, 0.3, 1.0, 7.0, 1e4, 1e6], dtype=torch.float64)
    one = torch.ones_like(x)
    for given in ((x, one, x, one), (one, x, one, x)):
        leaves = [t.clone().requires_grad_() for t in given]
        values = value_of(*leaves)
        assert (values == 0).all()
        assert all((s == 0).all() for s in torch.autograd.grad(values.sum(), leaves))


def test_finite_and_not_negative_far_beyond_the_domain():
    drawn = 10 ** np.random.default_rng(3).uniform(-60, 60, (4, 2000))
    leaves = [torch.tensor(x, requires_grad=True) for x in drawn]
    values = value_of(*leaves)
    assert (values >= 0).all()
    assert all(s.isfinite().all() for s in torch.autograd.grad(values.sum(), leaves))


@pytest.mark.parametrize("a", [1e-6, 0.02, 1.0, 30.0, 1e6])
@pytest.mark.parametrize("b", [1e-6, 0.02, 1.0, 30.0, 1e6])
def test_nodes_know_the_means_that_are_known(a, b):
    a, b = np.array([a]), np.array([b])
    with np.errstate(all="ignore"):
        at = nodes_of_one(a, b)
        weight = points(at, a, b).weight
    with mp.workdps(30):
        log_y = -float(mp.euler + mp.digamma(1 + mp.mpf(b.item())))
    for got, want in ((weight, 1.0), (weight * at.tail * b, 1.0), (weight * at.log_y, log_y)):
        assert total(got).item() == pytest.approx(want, rel=8 * EPS)


@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated:DeprecationWarning")  # by torch itself, in jvp
@pytest.mark.parametrize(
    "given", [(0.7, 1.3, 0.9, 1.6), (1.2, 0.66, 1.21, 1.26), (3.0, 0.2, 0.4, 5.0), (0.1, 1.1, 0.1, 9.0)]
)
def test_derivatives_are_those_of_the_value(given):
    leaves = [torch.tensor([x, 1.1 * x], dtype=torch.float64, requires_grad=True) for x in given]
    assert torch.autograd.gradcheck(value_of, leaves, rtol=1e-6, atol=1e-9)
    assert torch.autograd.gradgradcheck(value_of, leaves, rtol=1e-6, atol=1e-8)
    bare = [leaf.detach() for leaf in leaves]
    torch.testing.assert_close(torch.func.vmap(value_of)(*bare), value_of(*bare), rtol=1e-12, atol=0)
    reverse = torch.func.vmap(torch.func.jacrev(torch.func.jacrev(value_of, argnums=1), argnums=0))(*bare)
    forward = torch.func.vmap(torch.func.jacfwd(torch.func.jacrev(value_of, argnums=1), argnums=0))(*bare)
    torch.testing.assert_close(reverse, forward, rtol=1e-10, atol=1e-12)


def test_parameters_of_different_shapes_broadcast():
    a, b = torch.tensor([[0.5], [2.0]], dtype=torch.float64), torch.tensor([0.3, 1.0, 4.0], dtype=torch.float64)
    got = value_of(a, b, torch.tensor(1.5, dtype=torch.float64), b)
    assert got.shape == (2, 3)
    torch.testing.assert_close(got[1, 2], value_of(*torch.tensor([2.0, 4.0, 1.5, 4.0], dtype=torch.float64)))
