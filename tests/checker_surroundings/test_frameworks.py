"""Losses of other frameworks as functions of torch tensors: the same values and gradients as in torch."""

import importlib.util
import subprocess
import sys
import types

import numpy as np
import pytest
import torch

from elbo._errors import InputTypeError
from elbo.checking._frameworks import Foreign, wrap


def torch_kl(mu, logvar):
    return 0.5 * (mu**2 + logvar.exp() - 1 - logvar).sum(1).mean()


def numpy_kl(mu, logvar):
    return np.mean(0.5 * np.sum(mu**2 + np.exp(logvar) - 1 - logvar, axis=1))


def numpy_rows(mu, logvar):
    return {"loss": 0.5 * np.sum(np.square(mu) + np.exp(logvar) - 1 - logvar, axis=1), "shape": mu.shape}


def calls_numpy_kl(mu, logvar):
    return numpy_kl(mu, logvar), mu


@pytest.fixture
def arguments(rng):
    return [torch.randn(3, 4, generator=rng, dtype=torch.float64).requires_grad_() for _ in range(2)]


def gradients(function, arguments, read=lambda out: out):
    return torch.autograd.grad(read(function(*arguments)).sum(), arguments)


def test_torch_functions_are_left_alone():
    module = torch.nn.Linear(2, 2)
    assert wrap(torch_kl) is torch_kl
    assert wrap(module) is module


@pytest.mark.parametrize("function", [numpy_kl, numpy_rows, calls_numpy_kl], ids=lambda f: f.__name__)
def test_numpy_values_and_gradients_agree_with_torch(function, arguments):
    wrapped = wrap(function)

    def read(out):
        out = out["loss"] / 3 if isinstance(out, dict) else out
        return out[0] if isinstance(out, tuple) else out

    torch.testing.assert_close(read(wrapped(*arguments)).sum(), torch_kl(*arguments), rtol=1e-14, atol=0)
    assert wrapped.framework == "numpy"
    assert wrapped.gradients == "differences"
    for ours, theirs in zip(gradients(wrapped, arguments, read), gradients(torch_kl, arguments), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-11)


def test_operators_alone_are_torch(arguments):
    def both(mu, logvar):
        unused = np.pi
        return (mu**2 - logvar).sum() / unused

    wrapped = wrap(both)
    assert isinstance(wrapped, Foreign)
    wrapped(*arguments)
    assert wrapped.framework == "torch"


def test_names_and_signature_are_kept():
    import inspect

    assert wrap(numpy_kl).__name__ == "numpy_kl"
    assert list(inspect.signature(wrap(numpy_kl)).parameters) == ["mu", "logvar"]


def test_the_first_error_of_the_user_comes_out(arguments):
    def broken(mu, logvar):
        raise RuntimeError(f"no such axis {np.e:.1f}")

    with pytest.raises(RuntimeError, match=r"no such axis 2\.7"):
        wrap(broken)(*arguments)


def test_inputs_are_copies(arguments):
    def mutates(mu, logvar):
        mu = np.asarray(mu)
        mu += 1.0
        return np.sum(mu * logvar)

    before = arguments[0].detach().clone()
    gradients(wrap(mutates), arguments)
    assert torch.equal(arguments[0], before)


def test_objects_with_a_loss(arguments):
    def answer(mu, logvar):
        return types.SimpleNamespace(loss=np.sum(np.exp(mu) * logvar))

    ours = gradients(wrap(answer), arguments, lambda out: out.loss)
    torch.testing.assert_close(ours[1], arguments[0].exp().detach(), rtol=0, atol=1e-10)


def test_float32_stays_float32():
    mu, logvar = torch.ones(2, 3), torch.zeros(2, 3)
    out = wrap(numpy_kl)(mu, logvar)
    assert out.dtype == torch.float32
    assert float(out) == pytest.approx(1.5)


def test_a_torch_function_among_the_arguments_is_refused(arguments):
    def surrogate(f, logits, b):
        return np.sum(np.exp(logits) * b)

    wrapped = wrap(surrogate)
    wrapped.framework = "numpy"
    with pytest.raises(InputTypeError, match="write the surrogate in torch"):
        wrapped(torch.exp, *arguments)


class TestJax:
    jax = pytest.importorskip("jax")

    @pytest.fixture(autouse=True)
    def names(self):
        global jnp, lax
        import jax.numpy as jnp
        from jax import lax

    def test_values_and_gradients(self, arguments):
        def kl(mu, logvar):
            return jnp.mean(0.5 * jnp.sum(mu**2 + jnp.exp(logvar) - 1 - logvar, axis=1))

        wrapped = wrap(kl)
        out = wrapped(*arguments)
        assert wrapped.framework == "jax"
        assert out.dtype == torch.float64
        torch.testing.assert_close(out, torch_kl(*arguments), rtol=1e-14, atol=0)
        for ours, theirs in zip(gradients(wrapped, arguments), gradients(torch_kl, arguments), strict=True):
            torch.testing.assert_close(ours, theirs, rtol=1e-13, atol=1e-14)

    def test_stop_gradient_is_seen(self, arguments):
        def loss(z, e):
            return {
                "loss": jnp.sum((lax.stop_gradient(z) - e) ** 2) + 0.25 * jnp.sum((z - lax.stop_gradient(e)) ** 2),
                "codes": jnp.argmin(z, 1),
            }

        gz, ge = gradients(wrap(loss), arguments, lambda out: out["loss"])
        step = 2 * (arguments[0] - arguments[1]).detach()
        torch.testing.assert_close(gz, 0.25 * step)
        torch.testing.assert_close(ge, -step)

    def test_precision_is_as_before(self, arguments):
        before = self.jax.config.read("jax_enable_x64")
        wrap(lambda m, s: jnp.sum(m * s))(*arguments)
        assert self.jax.config.read("jax_enable_x64") == before

    def test_jitted_functions(self, arguments):
        @self.jax.jit
        def kl(mu, logvar):
            return 0.5 * jnp.sum(mu**2 + jnp.exp(logvar) - 1 - logvar)

        for ours, theirs in zip(gradients(wrap(kl), arguments), gradients(torch_kl, arguments), strict=True):
            torch.testing.assert_close(ours, 3 * theirs)


KERAS = """
import os
os.environ["KERAS_BACKEND"] = {backend!r}
import keras
from keras import ops
import torch
from elbo.checking._frameworks import wrap

def loss(recon, x, mu, logvar):
    rec = ops.sum(keras.losses.binary_crossentropy(x, recon), axis=-1) * 4
    return ops.mean(rec - 0.5 * ops.sum(1 + logvar - ops.square(mu) - ops.exp(logvar), axis=-1)) if rec.ndim else rec

def plain(mu, logvar):
    return ops.mean(-0.5 * ops.sum(1 + logvar - ops.square(mu) - ops.exp(logvar), axis=-1))

torch.manual_seed(0)
mu, lv = (torch.randn(3, 4, dtype=torch.float64).requires_grad_() for _ in range(2))
wrapped = wrap(plain)
truth = (0.5 * (mu**2 + lv.exp() - 1 - lv)).sum(1).mean()
out = wrapped(mu, lv)
assert abs(float(out.detach()) - float(truth.detach())) < 1e-12, (float(out), float(truth))
for a, b in zip(torch.autograd.grad(out, [mu, lv]), torch.autograd.grad(truth, [mu, lv])):
    torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-13)
assert keras.config.floatx() == "float32"
print(wrapped.framework)
"""


@pytest.mark.parametrize("backend, framework", [("torch", "torch"), ("jax", "jax")])
def test_keras_on_both_backends(backend, framework):
    if importlib.util.find_spec("keras") is None:
        pytest.skip("keras is not installed")
    code = KERAS.format(backend=backend)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == framework
