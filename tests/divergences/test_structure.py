"""Laws made of laws, several dimensions, infinite pairs, and the ways in which torch evaluates a function."""

import math

import pytest
import torch
import torch.distributions as D
from mpmath import mp, mpf

from elbo._errors import InputTypeError
from elbo.divergences import kl, kl_by_quadrature
from elbo.divergences._registry import UnregisteredPairError, find
from elbo.divergences.infinite import PAIRS

F64 = torch.float64
mp.dps = 60
EXAMPLES = {
    D.Beta: lambda: D.Beta(*torch.tensor([2.0, 3.0])),
    D.ContinuousBernoulli: lambda: D.ContinuousBernoulli(torch.tensor(0.3)),
    D.Exponential: lambda: D.Exponential(torch.tensor(2.0)),
    D.Gamma: lambda: D.Gamma(*torch.tensor([2.0, 3.0])),
    D.Gumbel: lambda: D.Gumbel(*torch.tensor([0.0, 1.0])),
    D.Laplace: lambda: D.Laplace(*torch.tensor([0.0, 1.0])),
    D.Normal: lambda: D.Normal(*torch.tensor([0.0, 1.0])),
    D.Pareto: lambda: D.Pareto(*torch.tensor([1.0, 3.0])),
    D.Poisson: lambda: D.Poisson(torch.tensor(2.0)),
    D.Bernoulli: lambda: D.Bernoulli(torch.tensor(0.3)),
    D.Binomial: lambda: D.Binomial(3, torch.tensor(0.3)),
    D.Uniform: lambda: D.Uniform(*torch.tensor([0.0, 1.0])),
}


def test_supports_that_do_not_fit_give_infinity():
    pairs = [(q, p) for q, others in PAIRS for p in others]
    assert len(pairs) == 33
    for q, p in pairs:
        value = kl(EXAMPLES[q](), EXAMPLES[p]())
        assert value.shape == ()
        assert value.item() == math.inf
        assert D.kl_divergence(EXAMPLES[q](), EXAMPLES[p]()).item() == math.inf
        assert find(q, p).accuracy == 0


@pytest.mark.parametrize(
    "q, p, want",
    [
        (D.Uniform(0.0, 2.0), D.Uniform(0.0, 1.0), math.inf),
        (D.Uniform(0.0, 1.0), D.Uniform(0.0, 2.0), math.log(2)),
        (D.Uniform(0.0, 1.0), D.Beta(1.0, 1.0), 0.0),
        (D.Uniform(-0.5, 1.0), D.Beta(1.0, 1.0), math.inf),
        (D.Uniform(-0.5, 1.0), D.Exponential(1.0), math.inf),
        (D.Uniform(-0.5, 1.0), D.Gamma(2.0, 1.0), math.inf),
        (D.Uniform(0.5, 1.5), D.Pareto(1.0, 2.0), math.inf),
        (D.Uniform(0.5, 1.5), D.ContinuousBernoulli(torch.tensor(0.3)), math.inf),
        (D.Beta(2.0, 2.0), D.Uniform(0.1, 1.0), math.inf),
        (D.Pareto(1.0, 2.0), D.Pareto(2.0, 2.0), math.inf),
        (D.Pareto(1.0, 1.0), D.Exponential(1.0), math.inf),
        (D.Pareto(1.0, 1.0), D.Gamma(2.0, 1.0), math.inf),
        (D.Pareto(1.0, 2.0), D.Normal(0.0, 1.0), math.inf),
        (D.Poisson(0.0), D.Poisson(2.0), 2.0),
        (D.Poisson(2.0), D.Poisson(0.0), math.inf),
        (D.Poisson(0.0), D.Poisson(0.0), 0.0),
        (D.Bernoulli(0.0), D.Poisson(2.0), 2.0),
        (D.Bernoulli(torch.tensor(1.0)), D.Bernoulli(torch.tensor(0.25)), math.log(4)),
        (D.Bernoulli(torch.tensor(0.5)), D.Bernoulli(torch.tensor(0.0)), math.inf),
        (D.Categorical(torch.tensor([0.0, 1.0])), D.Categorical(torch.tensor([0.5, 0.5])), math.log(2)),
        (D.Categorical(torch.tensor([0.5, 0.5])), D.Categorical(torch.tensor([0.0, 1.0])), math.inf),
    ],
    ids=str,
)
def test_boundary_values(q, p, want):
    assert kl(q, p).item() == pytest.approx(want, rel=1e-6)


def gaussians(rng, dimension):
    a = torch.randn(2, dimension, dimension, generator=rng, dtype=F64)
    covariances = a @ a.mT / dimension + torch.eye(dimension, dtype=F64)
    means = torch.randn(2, dimension, generator=rng, dtype=F64)
    return means, covariances


def reference(m1, s1, m2, s2):
    m1, m2 = (mp.matrix(m.tolist()) for m in (m1, m2))
    s1, s2 = (mp.matrix(s.tolist()) if isinstance(s, torch.Tensor) else s for s in (s1, s2))
    inverse = s2**-1
    ratio = inverse * s1
    d = m1 - m2
    trace = sum(ratio[i, i] for i in range(ratio.rows))
    return (trace - ratio.rows - mp.log(mp.det(s1) / mp.det(s2)) + (d.T * inverse * d)[0]) / 2


@pytest.mark.parametrize("distance", [1.0, 1e-2, 1e-4, 1e-6, 1e-8])
@pytest.mark.parametrize("way", ["covariance_matrix", "scale_tril", "precision_matrix"])
def test_full_gaussians_keep_their_digits(way, distance, rng):
    means, covariances = gaussians(rng, 4)
    step = torch.randn(4, 4, generator=rng, dtype=F64) * distance * 0.1
    means[1] = means[0] + distance * means[1]
    matrices = [covariances[0], covariances[0] + (step + step.mT) / 2]
    if way == "scale_tril":
        matrices = [torch.linalg.cholesky(m) for m in matrices]
    laws = [D.MultivariateNormal(m, **{way: s}) for m, s in zip(means, matrices, strict=True)]
    exact = [mp.matrix(m.tolist()) for m in matrices]
    if way == "scale_tril":
        exact = [m * m.T for m in exact]
    if way == "precision_matrix":
        exact = [m**-1 for m in exact]
    with mp.workdps(60):
        want = reference(means[0], exact[0], means[1], exact[1])
    condition = float(torch.linalg.cond(covariances[0]))
    assert abs(mpf(kl(*laws).item()) - want) / want <= 8 * condition**0.5 * 2 * torch.finfo(F64).eps


def test_every_way_of_writing_a_gaussian_vector_agrees(rng):
    means, covariances = gaussians(rng, 3)
    scale = torch.rand(3, generator=rng, dtype=F64) + 0.5
    factor = torch.randn(3, 2, generator=rng, dtype=F64)
    diagonal = torch.rand(3, generator=rng, dtype=F64) + 0.3
    full = D.MultivariateNormal(means[0], covariances[0])
    low = D.LowRankMultivariateNormal(means[1], factor, diagonal)
    dense = D.MultivariateNormal(means[1], factor @ factor.mT + torch.diag(diagonal))
    plain = D.Independent(D.Normal(means[0], scale), 1)
    square = D.MultivariateNormal(means[0], torch.diag(scale**2))
    for q, q_dense in ((full, full), (low, dense), (plain, square)):
        for p, p_dense in ((full, full), (low, dense), (plain, square)):
            want = reference(q_dense.loc, q_dense.covariance_matrix, p_dense.loc, p_dense.covariance_matrix)
            assert kl(q, p).item() == pytest.approx(float(want), rel=1e-13, abs=1e-15)


def test_a_thousand_dimensions(rng):
    mean, scale = torch.randn(2, 1024, generator=rng, dtype=F64)
    scale = scale.exp()
    near = [D.Independent(D.Normal(m, s), 1) for m, s in ((mean, scale), (mean * (1 + 1e-8), scale * (1 - 1e-8)))]
    with mp.workdps(40):
        want = mpf(0)
        for m1, s1, m2, s2 in zip(mean.tolist(), scale.tolist(), near[1].base_dist.loc.tolist(),
                                  near[1].base_dist.scale.tolist(), strict=True):  # fmt: skip
            r = (mpf(s1) / mpf(s2)) ** 2
            want += (r - 1 - mp.log(r) + ((mpf(m1) - mpf(m2)) / mpf(s2)) ** 2) / 2
    assert abs(mpf(kl(*near).item()) - want) / want <= 4 * torch.finfo(F64).eps
    full = D.MultivariateNormal(mean, scale_tril=torch.diag(scale))
    torch.testing.assert_close(kl(full, near[1]), kl(*near), rtol=1e-12, atol=0)


def test_transformed_laws_sum_over_the_event_and_not_over_the_batch():
    scales = torch.tensor([1.0, 2.0, 3.0], dtype=F64)
    transform = [D.transforms.ExpTransform()]
    q = D.TransformedDistribution(D.Normal(torch.zeros(3, dtype=F64), scales), transform)
    p = D.TransformedDistribution(D.Normal(torch.ones(3, dtype=F64), scales), transform)
    torch.testing.assert_close(kl(q, p), 0.5 / scales**2)
    torch.testing.assert_close(kl(D.Independent(q, 1), D.Independent(p, 1)), (0.5 / scales**2).sum())
    stick = [D.transforms.StickBreakingTransform()]
    q = D.TransformedDistribution(D.Normal(torch.zeros(2, 3, dtype=F64), 1.0 + 0 * scales), stick)
    p = D.TransformedDistribution(D.Normal(torch.ones(2, 3, dtype=F64), 1.0 + 0 * scales), stick)
    assert q.event_shape == (4,)
    torch.testing.assert_close(kl(q, p), torch.full((2,), 1.5, dtype=F64))
    with pytest.raises(NotImplementedError, match="equal transforms"):
        kl(D.TransformedDistribution(D.Normal(0.0, 1.0), [D.transforms.TanhTransform()]),
           D.TransformedDistribution(D.Normal(0.0, 1.0), [D.transforms.SigmoidTransform()]))  # fmt: skip


class Rate(D.ExponentialFamily):
    """An exponential law as a user writes a family of his own."""

    arg_constraints = {"rate": D.constraints.positive}  # noqa: RUF012

    def __init__(self, rate):
        self.rate = rate
        super().__init__(rate.shape, validate_args=False)

    @property
    def _natural_params(self):
        return (-self.rate,)

    def _log_normalizer(self, eta):
        return -torch.log(-eta)


@pytest.mark.parametrize(
    "make",
    [
        lambda loc: D.TransformedDistribution(D.Normal(loc, 1.0), D.transforms.AbsTransform()),
        lambda loc: D.TransformedDistribution(
            D.Normal(loc, 1.0), [D.transforms.ExpTransform(), D.transforms.AbsTransform()]
        ),
        lambda loc: D.TransformedDistribution(
            D.Normal(loc, 1.0), D.transforms.ComposeTransform([D.transforms.AbsTransform()])
        ),
        lambda loc: D.TransformedDistribution(D.Normal(loc * torch.ones(2), 1.0), D.transforms.SoftmaxTransform()),
    ],
)
def test_transforms_that_are_no_bijections_are_refused(make):
    """The laws of |x| for x ~ N(1, 1) and N(−1, 1) are equal, and KL of the base laws is 2."""
    with pytest.raises(UnregisteredPairError, match=r"Transform\([^=]*expected bijections.*kl_by_quadrature"):
        kl(make(torch.tensor(1.0)), make(torch.tensor(-1.0)))


@pytest.mark.parametrize(
    "transform",
    [
        D.transforms.PowerTransform(torch.tensor(2.0)),
        D.transforms.ExpTransform().inv,
        D.transforms.TanhTransform().inv,
        D.transforms.SigmoidTransform().inv,
    ],
    ids=str,
)
def test_base_laws_beyond_the_domain_of_the_transform_are_refused(transform):
    """A power is a bijection of positive numbers alone."""
    laws = [D.TransformedDistribution(D.Normal(loc, torch.ones(2)), [transform]) for loc in (1.0, -1.0)]
    with pytest.raises(InputTypeError, match="within the domain"):
        kl(*laws)
    inner = [D.TransformedDistribution(D.Beta(torch.tensor(a), 2.0), [transform]) for a in (1.0, 3.0)]
    assert kl(*inner) == kl(*(law.base_dist for law in inner))


def test_half_cauchy_laws_are_as_far_apart_as_cauchy_laws():
    s, t = torch.tensor([1.0, 3.0, 1e6], dtype=F64), torch.tensor([2.0, 3.0, 1e-6], dtype=F64)
    zero = torch.zeros_like(s)
    value = kl(D.HalfCauchy(s), D.HalfCauchy(t))
    assert torch.equal(value, kl(D.Cauchy(zero, s), D.Cauchy(zero, t)))
    found = kl_by_quadrature(D.HalfCauchy(s[0]), D.HalfCauchy(t[0]))
    assert abs(found.value - value[0]) <= found.error_bound + 1e-15
    assert not value[1]
    with pytest.raises(UnregisteredPairError, match="kl_by_quadrature"):
        kl(D.HalfCauchy(s), D.HalfNormal(t))


def test_a_users_exponential_family_uses_its_normaliser():
    rates = torch.tensor([0.5, 2.0], dtype=F64, requires_grad=True)
    value = kl(Rate(rates), Rate(torch.ones(2, dtype=F64)))
    want = kl(D.Exponential(rates), D.Exponential(torch.ones(2, dtype=F64)))
    torch.testing.assert_close(value, want)
    torch.testing.assert_close(*(torch.autograd.grad(v.sum(), rates)[0] for v in (value, want)))
    plain = rates.detach()
    assert not kl(Rate(plain), Rate(1.0 + 0 * plain)).requires_grad
    mapped = torch.func.vmap(lambda rate: kl(Rate(rate), Rate(torch.ones_like(rate))))(plain)
    torch.testing.assert_close(mapped, want.detach())
    with pytest.raises(UnregisteredPairError, match=r"Poisson ‖ Binomial.*Gumbel ‖ Normal.*@elbo.register"):
        kl(D.Poisson(plain), D.Normal(plain, 1.0 + 0 * plain))


def test_exponential_families_of_matrices_sum_each_parameter_over_its_own_dimensions():
    """Wishart laws have a matrix and a number for natural parameters."""
    first, second = torch.tensor([[2.0, 0.3], [0.3, 1.0]], dtype=F64), torch.eye(2, dtype=F64)
    n, m = torch.tensor([3.0, 4.5, 6.0], dtype=F64), torch.tensor(4.0, dtype=F64)

    def closed(n, v, m, w):
        half = torch.tensor([0.0, 0.5], dtype=F64)
        slope = torch.digamma(n[..., None] / 2 - half).sum(-1)
        logs = torch.logdet(w) - torch.logdet(v)
        trace = torch.linalg.solve(w, v).diagonal().sum()
        return (m * logs + n * (trace - 2) + (n - m) * slope) / 2 + torch.mvlgamma(m / 2, 2) - torch.mvlgamma(n / 2, 2)

    several, one = D.Wishart(n, first), D.Wishart(m, second)
    torch.testing.assert_close(kl(several, one), closed(n, first, m, second), rtol=1e-12, atol=0)
    torch.testing.assert_close(kl(one, several), closed(m, second, n, first), rtol=1e-12, atol=0)


SMOOTH = {
    "normal": (D.Normal, [0.3, 1.2], [0.1, 0.7]),
    "laplace": (D.Laplace, [0.3, 1.2], [0.1, 0.7]),
    "cauchy": (D.Cauchy, [0.3, 1.2], [0.1, 0.7]),
    "gumbel": (D.Gumbel, [0.3, 1.2], [0.1, 0.7]),
    "gamma": (D.Gamma, [2.3, 1.2], [5.1, 0.7]),
    "beta": (D.Beta, [2.3, 1.2], [5.1, 0.7]),
    "weibull": (D.Weibull, [2.3, 1.2], [1.1, 0.7]),
    "poisson": (D.Poisson, [2.3], [1.1]),
    "exponential": (D.Exponential, [2.3], [1.1]),
    "bernoulli": (lambda x, **o: D.Bernoulli(logits=x, **o), [0.3], [-1.1]),
    "bernoulli_probs": (D.Bernoulli, [0.3], [0.2]),
    "geometric": (D.Geometric, [0.3], [0.2]),
    "continuous_bernoulli": (lambda x, **o: D.ContinuousBernoulli(logits=x, **o), [0.3], [-1.1]),
    "pareto": (D.Pareto, [1.5, 2.0], [1.2, 3.0]),
}


@pytest.mark.parametrize("name", SMOOTH)
@pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated:DeprecationWarning")
def test_second_order_vmap_grad_and_forward_mode(name):
    make, q, p = SMOOTH[name]
    x = torch.tensor([*q, *p], dtype=F64)

    def f(*parameters):
        return kl(make(*parameters[: len(q)], validate_args=False), make(*parameters[len(q) :], validate_args=False))

    leaves = [v.clone().requires_grad_() for v in x]
    assert torch.autograd.gradcheck(f, leaves, atol=1e-6)
    assert torch.autograd.gradgradcheck(f, leaves, atol=1e-5)
    batch = x + 0.01 * torch.arange(3, dtype=F64).unsqueeze(1)
    mapped = torch.func.vmap(lambda row: f(*row))(batch)
    looped = torch.stack([f(*row) for row in batch])
    torch.testing.assert_close(mapped, looped, rtol=1e-13, atol=0)
    slopes = torch.func.vmap(torch.func.grad(lambda row: f(*row)))(batch)
    looped = torch.stack([torch.stack(torch.autograd.grad(f(*leaf), leaf)) for leaf in
                          ([v.clone().requires_grad_() for v in row] for row in batch)])  # fmt: skip
    torch.testing.assert_close(slopes, looped, rtol=1e-12, atol=1e-14)
    torch.testing.assert_close(torch.func.jacfwd(lambda row: f(*row))(x), torch.func.jacrev(lambda row: f(*row))(x))


# tracing, torch.compile makes instances of autograd functions and looks at .grad of inner tensors, of which torch warns
@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf:UserWarning")
@pytest.mark.filterwarnings("ignore:.*should not be instantiated:DeprecationWarning")
@pytest.mark.parametrize("name", ["normal", "bernoulli", "gamma"])
def test_compiled_code_gives_the_same(name):
    make, q, p = SMOOTH[name]

    def f(x):
        return kl(make(*x[: len(q)], validate_args=False), make(*x[len(q) :], validate_args=False)).sum()

    x = torch.tensor([*q, *p], dtype=F64).unsqueeze(1).repeat(1, 3).requires_grad_()
    eager = f(x)
    (slope,) = torch.autograd.grad(eager, x)
    compiled = torch.compile(f, backend="aot_eager")(x)
    torch.testing.assert_close(compiled, eager, rtol=1e-13, atol=0)
    torch.testing.assert_close(torch.autograd.grad(compiled, x)[0], slope, rtol=1e-12, atol=0)


def test_batches_broadcast_as_in_torch(rng):
    loc = torch.randn(4, 1, 3, generator=rng, dtype=F64, requires_grad=True)
    scale = torch.rand(5, 1, generator=rng, dtype=F64).add(0.5).requires_grad_()
    ours, theirs = (f(D.Normal(loc, scale), D.Normal(scale, 1.0 + 0 * loc)) for f in (kl, D.kl_divergence))
    assert ours.shape == (4, 5, 3)
    torch.testing.assert_close(ours, theirs)
    for a, b in zip(
        torch.autograd.grad(ours.sum(), (loc, scale)), torch.autograd.grad(theirs.sum(), (loc, scale)), strict=True
    ):
        torch.testing.assert_close(a, b)


def test_state_is_left_as_found():
    before = (torch.get_rng_state(), torch.get_default_dtype(), torch.is_grad_enabled(), torch.get_num_threads())
    with pytest.raises(Exception, match="NaN"):
        kl(D.Normal(float("nan"), 1.0, validate_args=False), D.Normal(0.0, 1.0))
    kl(D.Gamma(1.0, 2.0), D.Gamma(2.0, 1.0))
    assert torch.equal(before[0], torch.get_rng_state())
    assert before[1:] == (torch.get_default_dtype(), torch.is_grad_enabled(), torch.get_num_threads())


@pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated:DeprecationWarning")
@pytest.mark.parametrize("batch", [(), (3,)])
def test_gaussian_vectors_have_all_derivatives(rng, batch):
    def f(m1, l1, m2, l2):
        q, p = (D.MultivariateNormal(m, scale_tril=x.tril(), validate_args=False) for m, x in ((m1, l1), (m2, l2)))
        return kl(q, p)

    def factor(*shape):
        x = torch.randn(*shape, 3, 3, generator=rng, dtype=F64)
        return (x.tril(-1) + torch.diag_embed(torch.rand(*shape, 3, generator=rng, dtype=F64) + 0.5)).requires_grad_()

    means = [torch.randn(*shape, 3, generator=rng, dtype=F64, requires_grad=True) for shape in (batch, ())]
    leaves = [means[0], factor(*batch), means[1], factor()]
    assert torch.autograd.gradcheck(f, leaves)
    assert torch.autograd.gradgradcheck(f, leaves)
    slopes = torch.autograd.grad(f(*leaves).sum(), leaves)
    traced = torch.func.grad(lambda *x: f(*x).sum(), argnums=(0, 1, 2, 3))(*[x.detach() for x in leaves])
    torch.testing.assert_close(slopes, traced, rtol=1e-12, atol=1e-13)
    with torch.autograd.forward_ad.dual_level():
        dual = torch.autograd.forward_ad.make_dual(leaves[0].detach(), torch.ones(*batch, 3, dtype=F64))
        tangent = torch.autograd.forward_ad.unpack_dual(f(dual, *[x.detach() for x in leaves[1:]])).tangent
    torch.testing.assert_close(tangent, slopes[0].sum(-1), rtol=1e-12, atol=1e-13)


def vectors(count, device="cpu", dtype=F64, batch=()):
    """A Gaussian vector in each way of writing one, all of them standard but for the low rank."""
    zero, one = (f(*batch, count, dtype=dtype, device=device) for f in (torch.zeros, torch.ones))
    square = torch.eye(count, dtype=dtype, device=device).expand(*batch, count, count)
    ways = ("scale_tril", "covariance_matrix", "precision_matrix")
    laws = [D.MultivariateNormal(zero, **{way: square}, validate_args=False) for way in ways]
    laws.append(D.LowRankMultivariateNormal(zero, one.unsqueeze(-1).repeat_interleave(2, -1), one, validate_args=False))
    return [*laws, D.Independent(D.Normal(zero, one, validate_args=False), 1, validate_args=False)]


@pytest.mark.parametrize("grad", [True, False])
@pytest.mark.parametrize("batch", [(), (4,)])
@pytest.mark.parametrize("dtype", [F64, torch.float32])
def test_gaussian_vectors_have_shapes_without_values(dtype, batch, grad):
    for q in vectors(3, "meta", dtype, batch):
        for p in vectors(3, "meta", dtype, batch):
            (q.base_dist if isinstance(q, D.Independent) else q).loc.requires_grad_(grad)
            value = kl(q, p)
            assert value.shape == batch
            assert value.is_meta
            assert value.dtype is dtype
            if grad:
                value.sum().backward()


@pytest.mark.parametrize("batch", [(), (4,)])
def test_gaussian_vectors_without_coordinates_are_equal(batch):
    for q in vectors(0, batch=batch):
        for p in vectors(0, batch=batch):
            assert torch.equal(kl(q, p), torch.zeros(batch, dtype=F64))
