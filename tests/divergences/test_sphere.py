"""KL between laws on the sphere: golden values, mpmath over all scales, gradients, errors."""

import doctest
import re

import mpmath as mp
import numpy as np
import pytest
import torch
from torch.nn.functional import normalize

from elbo._errors import InputTypeError, InputValueError
from elbo.distributions import HypersphericalUniform, PowerSpherical, VonMisesFisher
from elbo.distributions._power import divergence_from_uniform
from elbo.distributions._resultant import bregman, mean_resultant_length
from elbo.divergences import kl, kl_pairs, sphere
from elbo.divergences.sphere import ACCURACY, one_minus_cosine, vmf_kl

EPS = 2.0**-52
LAWS = (VonMisesFisher, PowerSpherical, HypersphericalUniform)


def close(got: float, want: str | mp.mpf, ulps: float = ACCURACY, eps: float = EPS) -> bool:
    want = mp.mpf(want)
    return bool(abs(mp.mpf(got) - want) <= ulps * eps * abs(want))


def number(value: float) -> torch.Tensor:
    return torch.tensor(value, dtype=torch.float64, requires_grad=True)


def test_golden_cases_against_the_uniform_law(golden):
    functions = {"vmf_uniform": vmf_kl, "power_spherical_uniform": divergence_from_uniform}
    cases = [c for c in golden("kl_pairs")["cases"] if c["inputs"]["pair"] in functions]
    assert len(cases) > 40
    for case in cases:
        q, expected = case["inputs"]["q"], case["expected"]
        kappa = number(q["concentration"])
        value = functions[case["inputs"]["pair"]](kappa, q["dimension"])
        assert close(value.item(), expected["kl"]), case
        if "gradient" in expected:
            value.backward()
            assert close(kappa.grad.item(), expected["gradient"]["q.concentration"]), case


def test_golden_cases_between_two_von_mises_fisher_laws(golden):
    cases = [c for c in golden("kl_pairs")["cases"] if c["inputs"]["pair"] == "vmf_vmf"]
    assert len(cases) > 20
    for case in cases:
        q, p, expected = case["inputs"]["q"], case["inputs"]["p"], case["expected"]
        m = len(q["direction"])
        apart = one_minus_cosine(*(torch.tensor(x["direction"], dtype=torch.float64) for x in (q, p)))
        assert close(apart.item(), case["inputs"]["one_minus_cosine"]), case
        kq, kp, cosine = number(q["concentration"]), number(p["concentration"]), number(0.0)
        turned = mean_resultant_length(kq, m) * kp
        value = bregman(kq, kp, m) + turned * (apart - cosine)
        assert close(value.item(), expected["kl"]), case
        value.backward()
        names = {"q.concentration": kq, "p.concentration": kp, "cosine": cosine}
        for name, want in expected.get("gradient", {}).items():
            # towards κ₁ two terms of opposite sign may meet: their sizes bound the rounding
            slopes = torch.autograd.functional.jacobian(lambda a, b, m=m: bregman(a, b, m), (kq, kp))
            size = max(abs(float(want)), *(abs(s.item()) for s in slopes) if name != "cosine" else (0.0,))
            assert abs(mp.mpf(names[name].grad.item()) - mp.mpf(want)) <= ACCURACY * EPS * size, (name, case)
        law_q = VonMisesFisher(normalize(torch.tensor(q["direction"], dtype=torch.float64), dim=-1), q["concentration"])
        law_p = VonMisesFisher(normalize(torch.tensor(p["direction"], dtype=torch.float64), dim=-1), p["concentration"])
        # the rounding of the unit vectors moves the angle by eps
        moved = 4 * EPS * float(turned.item()) * (2 * apart.item()) ** 0.5
        assert abs(kl(law_q, law_p).item() - float(expected["kl"])) <= ACCURACY * EPS * float(expected["kl"]) + moved


def reference(kappa: float, m: int) -> mp.mpf:
    k, nu = mp.mpf(kappa), mp.mpf(m) / 2 - 1
    mean = mp.besseli(nu + 1, k) / mp.besseli(nu, k)
    return k * mean - mp.log(mp.besseli(nu, k)) - mp.loggamma(nu + 1) + nu * mp.log(k / 2)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("m", [2, 3, 17, 1024])
def test_value_and_gradient_towards_the_uniform_law_at_all_scales(m, dtype):
    kappa = torch.tensor(10.0 ** np.random.default_rng(m).uniform(-8, 6, 40), dtype=dtype, requires_grad=True)
    value = vmf_kl(kappa, m)
    value.sum().backward()
    eps = torch.finfo(dtype).eps
    with mp.workdps(60):
        for k, v, slope in zip(kappa.tolist(), value.tolist(), kappa.grad.tolist(), strict=True):
            assert close(v, reference(k, m), eps=eps), k
            a = mp.besseli(mp.mpf(m) / 2, k) / mp.besseli(mp.mpf(m) / 2 - 1, k)
            assert close(slope, mp.mpf(k) * (1 - a * a - (m - 1) * a / mp.mpf(k)), eps=eps), k


def test_nearly_parallel_directions_keep_their_digits():
    a = torch.tensor([0.3, -0.2, 0.8], dtype=torch.float64)
    for distance in (1.0, 1e-4, 1e-8, 1e-12):
        b = a + distance * torch.tensor([0.1, 0.5, 0.2], dtype=torch.float64)
        with mp.workdps(60):
            x, y = ([mp.mpf(v) for v in t.tolist()] for t in (a, b))
            cosine = sum(u * v for u, v in zip(x, y, strict=True)) / mp.sqrt(
                sum(u * u for u in x) * sum(v * v for v in y)
            )
            assert close(one_minus_cosine(a, b).item(), 1 - cosine)
    assert one_minus_cosine(a, a).item() == 0
    assert one_minus_cosine(a, -a).item() == 2
    assert torch.autograd.gradcheck(one_minus_cosine, (a.requires_grad_(), torch.ones_like(a, requires_grad=True)))
    assert torch.autograd.gradcheck(one_minus_cosine, (a, -a.detach().clone().requires_grad_()), atol=1e-6)


def test_divergences_are_zero_at_equality_and_positive_elsewhere():
    mu = normalize(torch.tensor([0.1, -2.0, 0.3, 0.4], dtype=torch.float64), dim=-1)
    kappa = torch.logspace(-8, 6, 29, dtype=torch.float64)
    law = VonMisesFisher(mu, kappa)
    assert (kl(law, law) == 0).all()
    assert (kl(law, VonMisesFisher(mu, torch.nextafter(kappa, 2 * kappa))) > 0).all()
    uniform = HypersphericalUniform(4, dtype=torch.float64)
    assert kl(uniform, uniform) == 0
    for cls in (VonMisesFisher, PowerSpherical):
        assert (kl(cls(mu, kappa), uniform) > 0).all()
        assert kl(cls(mu, 0.0), uniform) == 0
    assert torch.allclose(kl(uniform, law), kl(VonMisesFisher(mu, 0.0), law), rtol=8 * EPS, atol=0)


@pytest.mark.parametrize(
    ("m", "k1", "k2"),  # 8 to 12 ulps were measured
    [(4, 0.0023171913830675054, 1.6103865340158483), (5, 25.152914487623597, 9.859401801095768),
     (2, 0.038216053509676946, 0.6786943272406274), (2, 12.843294133812067, 6.118729624378936)],
)  # fmt: skip
def test_concentrations_as_far_apart_as_the_nodes_of_one_reach(m, k1, k2):
    mu = normalize(torch.ones(m, dtype=torch.float64), dim=-1)
    laws = [VonMisesFisher(mu, torch.tensor(k, dtype=torch.float64)) for k in (k1, k2)]
    value = kl(*laws).item()
    with mp.workdps(60):
        a, b, half = mp.mpf(k1), mp.mpf(k2), mp.mpf(m) / 2
        g = [mp.log(mp.hyp0f1(half, k * k / 4)) for k in (a, b)]
        mean = a / m * mp.hyp0f1(half + 1, a * a / 4) / mp.hyp0f1(half, a * a / 4)
        assert close(value, g[1] - g[0] - mean * (b - a))


def test_uniform_law_is_reached_through_a_von_mises_fisher_law_of_concentration_zero():
    mu = normalize(torch.tensor([0.1, -2.0, 0.3], dtype=torch.float64), dim=-1)
    law = VonMisesFisher(mu, torch.tensor([0.5, 20.0], dtype=torch.float64))
    assert torch.equal(kl(law, VonMisesFisher(-mu, 0.0)), kl(law, HypersphericalUniform(3, dtype=torch.float64)))


def test_divergences_agree_with_averages_over_exact_nodes():
    """The densities themselves, by quadrature over the circle."""
    angle = 2 * torch.pi * torch.arange(400, dtype=torch.float64) / 400
    x = torch.stack([angle.cos(), angle.sin()], -1)
    q = VonMisesFisher(normalize(torch.tensor([1.0, 2.0]).double(), dim=-1), 3.0)
    p = VonMisesFisher(normalize(torch.tensor([-1.0, 0.5]).double(), dim=-1), 1.2)
    uniform = HypersphericalUniform(2, dtype=torch.float64)
    for other in (p, uniform):
        log_q, log_p = q.log_prob(x), other.log_prob(x)
        want = (log_q.exp() * (log_q - log_p)).sum() * 2 * torch.pi / 400
        assert kl(q, other).item() == pytest.approx(want.item(), rel=1e-13)


def test_second_derivatives_and_transforms():
    kappa = torch.tensor([0.1, 2.0, 80.0], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradgradcheck(lambda k: vmf_kl(k, 3), kappa)
    slopes = torch.func.vmap(torch.func.grad(lambda k: vmf_kl(k, 3)))(kappa.detach())
    (loop,) = torch.autograd.grad(vmf_kl(kappa, 3).sum(), kappa)
    assert torch.allclose(slopes, loop, rtol=4 * EPS, atol=0)


def test_batches_broadcast_as_in_torch():
    mu = normalize(torch.randn(4, 1, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64), dim=-1)
    q, p = VonMisesFisher(mu, torch.ones(3).double()), VonMisesFisher(mu[0, 0], 2.0)
    assert kl(q, p).shape == kl(p, q).shape == (4, 3)
    assert kl(p, HypersphericalUniform(5, batch_shape=(7,))).shape == (7,)


def test_bad_input_is_refused():
    with pytest.raises(InputValueError, match=re.escape("-1.0")):
        vmf_kl(torch.tensor([1.0, -1.0]), 3)
    with pytest.raises(InputValueError, match="nan"):
        vmf_kl(torch.tensor(float("nan")), 3)
    with pytest.raises(InputValueError, match="at least 2"):
        vmf_kl(torch.tensor(1.0), 1)
    with pytest.raises(InputTypeError, match="floating-point"):
        vmf_kl(torch.tensor(1), 3)
    mu = normalize(torch.ones(3), dim=-1)
    with pytest.raises(InputValueError, match="event shape"):
        kl(VonMisesFisher(mu, 1.0), HypersphericalUniform(4))


def test_pairs_are_listed_with_their_accuracy():
    listed = [pair for pair in kl_pairs() if pair.q in LAWS]
    assert len(listed) == 5
    assert all(pair.accuracy <= ACCURACY and pair.formula and pair.source for pair in listed)


def test_examples_in_docstrings_are_true():
    assert doctest.testmod(sphere).failed == 0
