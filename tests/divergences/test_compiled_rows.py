"""The compiled kernels of categorical and Dirichlet laws say what the formulas say, which do what is beyond them."""

import math

import pytest
import torch
from built_kernels import needed
from mpmath import mp, mpf

from elbo.divergences import _rowwise
from elbo.divergences.categorical import _by_logits, _by_weights, _logits_slopes, _weights_slopes, by_logits, by_weights
from elbo.divergences.gamma import _dirichlet, _dirichlet_slopes, dirichlet_kl
from elbo.evidence import generator

pytestmark = needed(_rowwise._native_rows)
mp.dps = 60
F64 = torch.float64
SHAPES = [(1,), (2,), (5, 10), (15, 3), (16, 3), (17, 3), (40, 2, 7), (3, 256), (2, 257)]
FORMULAS = {
    "logits": (by_logits, _rowwise.rowwise(_by_logits, _logits_slopes, "formula")),
    "weights": (by_weights, _rowwise.rowwise(_by_weights, _weights_slopes, "formula")),
    "dirichlet": (dirichlet_kl, _rowwise.rowwise(_dirichlet, _dirichlet_slopes, "formula", double=True)),
}
NAMES = pytest.mark.parametrize("name", FORMULAS)
DTYPES = pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)


def inputs_of(name, shape, dtype, distance, scale=3.0):
    source = generator(7, "rows", name, str(dtype), str(shape), str(distance))
    a, step = (torch.randn(shape, generator=source, dtype=F64) for _ in range(2))
    pair = [scale * a, scale * a + distance * step]
    return [(x if name == "logits" else x.exp()).to(dtype) for x in pair]


def value_and_slopes(function, inputs):
    leaves = [x.clone().requires_grad_() for x in inputs]
    value = function(*leaves)
    weights = torch.linspace(0.5, 2.0, value.numel(), dtype=value.dtype).reshape(value.shape)
    return [value.detach(), *torch.autograd.grad(value, leaves, weights)]


def exact(name, a, b):
    if name == "dirichlet":
        q, p = ([mpf(v) for v in row] for row in (a, b))
        total = mp.digamma(sum(q))
        terms = [mp.loggamma(y) - mp.loggamma(x) + (x - y) * (mp.digamma(x) - total) for x, y in zip(q, p, strict=True)]
        return mp.loggamma(sum(q)) - mp.loggamma(sum(p)) + sum(terms)
    q, p = ([mp.exp(mpf(v)) if name == "logits" else mpf(v) for v in row] for row in (a, b))
    q, p = [v / sum(q) for v in q], [v / sum(p) for v in p]
    return sum(x * mp.log(x / y) for x, y in zip(q, p, strict=True))


@NAMES
@DTYPES
@pytest.mark.parametrize("distance", [10.0, 1.0, 1e-3, 1e-6])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_kernel_and_formula_agree(name, dtype, distance, shape):
    function, formula = FORMULAS[name]
    inputs = inputs_of(name, shape, dtype, distance)
    found, wanted = value_and_slopes(function, inputs), value_and_slopes(formula, [x.double() for x in inputs])
    # float32 is computed in float64 and rounded, but for rows longer than the kernel's
    eps = torch.finfo(dtype).eps * (1 if dtype is F64 or shape[-1] <= 256 else 64)
    for number, (got, want) in enumerate(zip(found, wanted, strict=True)):
        assert got.dtype is dtype
        assert got.shape == want.shape
        atol = 64 * eps * float(want.abs().max()) if number else 0.0
        torch.testing.assert_close(got, want.to(dtype), rtol=(16 if dtype is F64 else 1) * eps, atol=atol)


@NAMES
@pytest.mark.parametrize("distance", [10.0, 1.0, 1e-2, 1e-5, 1e-8])
def test_kernel_keeps_its_digits(name, distance):
    a, b = inputs_of(name, (60, 6), F64, distance)
    for row_a, row_b, got in zip(a.tolist(), b.tolist(), FORMULAS[name][0](a, b).tolist(), strict=True):
        truth = exact(name, row_a, row_b)
        assert abs(mpf(got) - truth) <= 8 * 2.0**-52 * truth


@NAMES
@DTYPES
def test_equal_rows_have_divergence_zero_and_no_slope(name, dtype):
    a, _ = inputs_of(name, (50, 9), dtype, 0.0)
    for tensor in value_and_slopes(FORMULAS[name][0], [a, a]):
        assert not tensor.any()


@DTYPES
def test_rows_beyond_the_kernel_are_left_to_the_formula(dtype):
    a = torch.tensor([[0.0, 1.0, -1.0], [0.0, -math.inf, 1.0], [0.0, 900.0, 5.0], [1.0, 2.0, 0.0]], dtype=dtype)
    b = torch.tensor([[0.0, 1.5, -1.0], [0.0, 1.0, 1.0], [3.0, 700.0, 5.0], [1.0, -math.inf, 0.0]], dtype=dtype)
    function, formula = FORMULAS["logits"]
    for got, want in zip(*(value_and_slopes(f, [a, b]) for f in (function, formula)), strict=True):
        torch.testing.assert_close(got, want, equal_nan=True)
    assert function(a, b)[3] == math.inf
    q = torch.tensor([[0.2, 0.8], [0.0, 1.0], [0.5, 0.5]], dtype=dtype)
    p = torch.tensor([[0.3, 0.7], [0.1, 0.9], [1.0, 0.0]], dtype=dtype)
    function, formula = FORMULAS["weights"]
    for got, want in zip(*(value_and_slopes(f, [q, p]) for f in (function, formula)), strict=True):
        torch.testing.assert_close(got, want, equal_nan=True)
    assert function(q, p)[2] == math.inf


@NAMES
def test_many_rows_are_shared_out(name):
    inputs = inputs_of(name, (30_000, 9), F64, 1.0)
    whole = value_and_slopes(FORMULAS[name][0], inputs)
    for start in (0, 14_560, 29_990):
        part = [x[start : start + 10] for x in inputs]
        assert torch.equal(whole[0][start : start + 10], FORMULAS[name][0](*part))


def test_broadcast_and_strided_rows():
    a, b = inputs_of("logits", (4, 5, 6), F64, 1.0)
    for x, y in ((a[0], b), (a, b[:, :1]), (a.transpose(0, 2), b.transpose(0, 2)), (a[..., ::2], b[..., ::2])):
        for got, want in zip(*(value_and_slopes(f, [x, y]) for f in FORMULAS["logits"]), strict=True):
            torch.testing.assert_close(got, want, rtol=1e-14, atol=1e-15)
    nothing = by_logits(a[:0], b[:0])
    assert nothing.shape == (0, 5)


def test_nan_stays_nan_and_an_input_without_gradient_costs_nothing():
    a, b = inputs_of("logits", (4, 5), F64, 1.0)
    a[1, 2] = math.nan
    assert by_logits(a, b).isnan().tolist() == [False, True, False, False]
    leaf = b.clone().requires_grad_()
    (slope,) = torch.autograd.grad(by_logits(a[2:], leaf[2:]).sum(), leaf)
    assert bool(slope[2:].any())
    assert not slope[:2].any()


def test_misuse_of_the_kernel_is_refused():
    native = _rowwise._native_rows
    a = torch.zeros(2, 3, dtype=F64).numpy()
    with pytest.raises(ValueError, match="no kernel 99"):
        native.value(99, 3, a, a, a[:, 0].copy())
    with pytest.raises(ValueError, match="no kernel 0 for rows of 1000"):
        native.value(0, 1000, a, a, a[:, 0].copy())
    with pytest.raises(ValueError, match="array 2 does not fit"):
        native.value(0, 3, a, a, a.copy())
    with pytest.raises(ValueError, match="array 1 does not fit"):
        native.value(0, 3, a, a.astype("float32"), a[:, 0].copy())
