"""The compiled kernels say what the formulas say, wherever and however they are called."""

import math

import numpy as np
import pytest
import torch

from elbo.divergences import _compiled, gaussian
from elbo.divergences._elementwise import PIECE, SMALL
from elbo.evidence import generator

pytestmark = pytest.mark.skipif(
    _compiled._native is None, reason="the kernels were not compiled here: no C compiler, or no fused multiply-add"
)
FUNCTIONS = {"normal_by_std": (gaussian.by_std, ("real", "positive", "real", "positive"))}
DTYPES = pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
NAMES = pytest.mark.parametrize("name", FUNCTIONS)


def inputs_of(name: str, shape: tuple[int, ...], dtype: torch.dtype) -> list[torch.Tensor]:
    source = generator(5, "compiled", name, str(dtype))
    drawn = [torch.randn(shape, generator=source, dtype=torch.float64) for _ in FUNCTIONS[name][1]]
    return [(x if kind == "real" else x.exp()).to(dtype) for x, kind in zip(drawn, FUNCTIONS[name][1], strict=True)]


def by_formula(function, inputs, gradient):
    """Value and products by the formula alone."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_compiled.Kernel, "value", lambda *_: False)
        patch.setattr(_compiled.Kernel, "products", lambda *_: False)
        return by_kernel(function, inputs, gradient)


def by_kernel(function, inputs, gradient):
    leaves = [x.clone().requires_grad_() for x in inputs]
    value = function(*leaves)
    return [value.detach(), *torch.autograd.grad(value, leaves, gradient.expand(value.shape))]


def agree(got, want, dtype, ulps=6):
    for x, y in zip(got, want, strict=True):
        assert x.dtype == y.dtype == dtype
        assert x.shape == y.shape
        torch.testing.assert_close(x, y, rtol=ulps * torch.finfo(dtype).eps, atol=0.0)


def test_every_kernel_is_used_and_tried_here():
    assert set(_compiled._native.KERNELS) == set(FUNCTIONS)


@NAMES
@DTYPES
@pytest.mark.parametrize("size", [1, 7, 1000, SMALL, SMALL + 1, PIECE // 4 + 3])
def test_any_size(name, dtype, size):
    function, _ = FUNCTIONS[name]
    inputs = inputs_of(name, (size,), dtype)
    gradient = torch.linspace(-1.0, 2.0, size, dtype=dtype)
    agree(by_kernel(function, inputs, gradient), by_formula(function, inputs, gradient), dtype)


@NAMES
@DTYPES
@pytest.mark.parametrize("shapes", ["scalar", "rows", "columns", "transposed", "strided"])
def test_any_shape(name, dtype, shapes):
    function, _ = FUNCTIONS[name]
    first, *others = inputs_of(name, (30, 500), dtype)
    last = {
        "scalar": lambda x: x[0, 0],
        "rows": lambda x: x[0],
        "columns": lambda x: x[:, :1],
        "transposed": lambda x: x.T.contiguous().T,
        "strided": lambda x: torch.cat([x, x], 1)[:, ::2],
    }[shapes]
    inputs = [first, *map(last, others)]
    gradient = torch.tensor(0.5, dtype=dtype)
    agree(by_kernel(function, inputs, gradient), by_formula(function, inputs, gradient), dtype, ulps=60)
    wide = [x.expand(first.shape) for x in inputs]
    agree(by_kernel(function, wide, gradient), by_formula(function, wide, gradient), dtype, ulps=60)


@NAMES
@DTYPES
def test_an_element_beyond_the_range_changes_no_other(name, dtype):
    function, kinds = FUNCTIONS[name]
    inputs = inputs_of(name, (5000,), dtype)
    alone = function(*inputs)
    for number, kind in enumerate(kinds):
        for value in [math.nan, math.inf, 1e-320, *([-1.0, 0.0] if kind == "positive" else [])]:
            changed = [x.clone() for x in inputs]
            changed[number][1234] = value
            others = torch.arange(5000) != 1234
            assert torch.equal(function(*changed)[others], alone[others])


@NAMES
def test_only_the_gradients_asked_for(name):
    function, kinds = FUNCTIONS[name]
    inputs = inputs_of(name, (100,), torch.float64)
    everything = by_kernel(function, inputs, torch.ones(()).double())
    for number in range(len(kinds)):
        leaves = [x.clone().requires_grad_(i == number) for i, x in enumerate(inputs)]
        function(*leaves).sum().backward()
        assert torch.equal(leaves[number].grad, everything[1 + number])


@NAMES
def test_a_fault_in_a_kernel_is_seen(name, monkeypatch):
    """Ten ulps too many, in one element of a thousand: the comparison above would tell."""
    function, _ = FUNCTIONS[name]
    inputs = inputs_of(name, (1000,), torch.float64)
    true = _compiled.Kernel.value

    def faulty(self, pieces, out, formula):
        done = true(self, pieces, out, formula)
        out[500] *= 1 + 10 * np.finfo(np.float64).eps
        return done

    monkeypatch.setattr(_compiled.Kernel, "value", faulty)
    got = by_kernel(function, inputs, torch.ones(()).double())
    with pytest.raises(AssertionError):
        agree(got, by_formula(function, inputs, torch.ones(()).double()), torch.float64)


def test_what_a_kernel_is_given_is_checked():
    number, x = _compiled._native.KERNELS["normal_by_std"], np.ones(3)
    for wrong, error in [
        ((number, x, x, x), ValueError),
        ((number, x, x, x, x, np.ones(2)), ValueError),
        ((number, x, x, x, np.ones(2), x.copy()), ValueError),
        ((number, x, x, x, x.astype(np.float32), x.copy()), TypeError),
        ((number, x, x, x, x, np.ones(3, dtype=np.int64)), TypeError),
        ((number, x, x, x, np.ones(6)[::2], x.copy()), ValueError),
        ((-1, x), ValueError),
        ((len(_compiled._native.KERNELS), x), ValueError),
        ((), ValueError),
    ]:
        with pytest.raises(error):
            _compiled._native.value(*wrong)
