"""Parameters that are NaN or outside their domain, and laws that do not fit together, are refused by name."""

import math

import numpy as np
import pytest
import torch
import torch.distributions as D

from elbo._errors import Error, InputTypeError, InputValueError
from elbo.audit._cases import samples
from elbo.audit._families import FAMILIES
from elbo.distributions import HypersphericalUniform, PowerSpherical, VonMisesFisher
from elbo.divergences import (
    UnregisteredPairError,
    _domain,
    kl,
    kl_pairs,
    mixture_kl_bounds,
    mixture_kl_product,
    mixture_kl_variational,
    renyi,
)
from elbo.divergences._domain import holds_nan, holds_negative

F64, F32 = torch.float64, torch.float32
NAN, RAW = math.nan, {"validate_args": False}
PAIRS = [(p.q.__name__, p.p.__name__) for p in kl_pairs() if p.q.__name__ in FAMILIES and p.p.__name__ in FAMILIES]
DIRECTION = {"mean_direction": np.array([1.0, 0.0, 0.0, 0.0])}
OUTSIDE = {"positive": -1.3, "unit": 1.2, "tril": -1.0, "direction": 1.7, "count": -2.0}


def three(q, p):
    """Parameters of a batch of three of each law."""
    case = next(samples(q, p))
    sides = [values or DIRECTION for values in (case.q, case.p)]
    return [{k: torch.tensor(np.stack([np.asarray(v, float)] * 3)) for k, v in side.items()} for side in sides]


def spoiled(parameter, tensor, number):
    """The second of three, made NaN or taken out of its domain."""
    tensor = tensor.clone()
    if parameter.kind == "tril":
        tensor[1, 1, 1] = number
    elif parameter.kind == "direction":
        tensor[1] = tensor[1] * number
    elif parameter.shape:
        tensor[1].view(-1)[0] = number
    else:
        tensor[1] = number
    return tensor


def made(names, values, dtype=F64, grad=False):
    """The two laws, or None where torch itself refuses to make one (it factorises a matrix, or normalises)."""
    laws = []
    for name, side in zip(names, values, strict=True):
        tensors = {k: v.to(dtype).clone().requires_grad_(grad) for k, v in side.items()}
        try:
            laws.append(FAMILIES[name].make(tensors))
        except (ValueError, RuntimeError):
            return None
    return laws


@pytest.mark.parametrize("grad", [False, True])
@pytest.mark.parametrize("dtype", [F64, F32])
def test_nan_in_any_parameter_of_any_pair_is_named(dtype, grad):
    seen = 0
    for names in PAIRS:
        values = three(*names)
        for side in (0, 1):
            for parameter in FAMILIES[names[side]].parameters:
                changed = [dict(v) for v in values]
                changed[side][parameter.name] = spoiled(parameter, changed[side][parameter.name], NAN)
                laws = made(names, changed, dtype, grad)
                if laws is None:
                    continue
                with pytest.raises(
                    InputValueError, match=rf"^{'qp'[side]}\.[a-z_.]*{parameter.name} holds \d+ NaN"
                ) as e:
                    kl(*laws)
                assert "at index" in str(e.value)
                seen += 1
    assert seen > 230


def outcome(q, p):
    """The second value, or NaN and the text of the error."""
    try:
        return kl(q, p)[1].item(), ""
    except InputValueError as error:
        return NAN, str(error)


def test_a_parameter_outside_its_domain_is_refused_and_never_a_finite_number():
    seen = 0
    for names in PAIRS:
        values = three(*names)
        sides = [[(side, x) for x in FAMILIES[names[side]].parameters if x.kind in OUTSIDE] for side in (0, 1)]
        singles = [[x] for x in sides[0] + sides[1]]
        both = [[x, y] for x in sides[0] for y in sides[1] if x[1].kind == y[1].kind]
        for chosen in singles + both:
            changed = [dict(v) for v in values]
            for side, parameter in chosen:
                number = OUTSIDE[parameter.kind] * (1.0 + 0.1 * side)
                changed[side][parameter.name] = spoiled(parameter, changed[side][parameter.name], number)
            laws = made(names, changed)
            if laws is None:
                continue
            seen += 1
            value, text = outcome(*laws)
            assert value in (NAN, math.inf), (names, chosen, value)
            assert value == math.inf or any(f"{'qp'[side]}." in text for side, _ in chosen), (names, chosen, text)
    assert seen > 110


INFINITE = {(pair.q.__name__, pair.p.__name__) for pair in kl_pairs() if pair.formula == "∞"}
REVERSED = [names for names in PAIRS if "Uniform" in names and names not in INFINITE]


@pytest.mark.parametrize("reversed_ends", [(0.8, 0.2), (2.0, -5.0), (-1.0, -3.0), (0.5, -0.2), (3.0, 0.5)])
@pytest.mark.parametrize("names", REVERSED, ids="-".join)
def test_a_uniform_law_whose_ends_are_reversed_is_refused(names, reversed_ends):
    ends = {k: torch.tensor([0.3, x, 0.3], dtype=F64) for k, x in zip(("low", "high"), reversed_ends, strict=True)}
    ends["high"][::2] = 0.6
    sides = [side for side in (0, 1) if names[side] == "Uniform"]
    for chosen in [[side] for side in sides] + [sides]:
        for dtype, grad in ((F64, False), (F64, True), (F32, False)):
            values = three(*names)
            for side in chosen:
                values[side] = ends
            with pytest.raises(InputValueError, match=rf"{'qp'[chosen[0]]}.low holds .* at index 1, expected LessThan"):
                kl(*made(names, values, dtype, grad))


@pytest.mark.parametrize("spoilt", [0, 1, 2, 3])
def test_an_infinite_value_does_not_hide_a_nan(spoilt):
    given = {
        (D.Pareto, D.Exponential): [1.0, 0.5, 2.0],
        (D.Pareto, D.Gamma): [1.0, 0.5, 2.0, 2.0],
        (D.Pareto, D.Normal): [1.0, 1.5, 0.0, 1.0],
        (D.Beta, D.Uniform): [1.0, 2.0, 0.5, 1.0],
        (D.Uniform, D.Beta): [-1.0, 2.0, 0.5, 1.0],
        (D.Uniform, D.Gamma): [-1.0, 2.0, 0.5, 1.0],
        (D.Uniform, D.Uniform): [-1.0, 2.0, 0.5, 1.0],
        (lambda x, **o: D.ContinuousBernoulli(logits=x, **o), D.Uniform): [1.0, 0.5, 1.0],
    }
    for (q, p), numbers in given.items():
        parameters = torch.tensor(numbers, dtype=F64).unsqueeze(1).repeat(1, 3)
        count = len(numbers) - 2 if p is not D.Exponential else 2

        def laws(x, q=q, p=p, count=count):
            return q(*x[:count], **RAW), p(*x[count:], **RAW)

        assert kl(*laws(parameters)).tolist() == [math.inf] * 3
        if spoilt < len(numbers):
            parameters[spoilt, 1] = NAN
            with pytest.raises(InputValueError, match=rf"{'qp'[spoilt >= count]}.* holds .* NaN"):
                kl(*laws(parameters))


@pytest.mark.parametrize(
    "make, a, b, name",
    [
        (lambda x: D.Bernoulli(x, **RAW), [0.3, 1.2], [0.3, 1.4], "probs"),
        (lambda x: D.Binomial(3, x, **RAW), [0.3, 1.2], [0.3, 1.4], "probs"),
        (lambda x: D.Geometric(x, **RAW), [0.3, 1.2], [0.3, 1.4], "probs"),
        (lambda x: D.NegativeBinomial(3, x, **RAW), [0.3, 1.2], [0.3, 1.4], "probs"),
        (lambda x: D.NegativeBinomial(3, x, **RAW), [0.3, -0.2], [0.3, -0.1], "probs"),
        (lambda x: D.Poisson(x, **RAW), [0.3, -0.2], [0.3, -0.1], "rate"),
        (lambda x: D.Binomial(x, 0.0 * x + 0.5, **RAW), [3.0, -2.0], [3.0, -2.0], "total_count"),
        (lambda x: D.MultivariateNormal(0 * x, scale_tril=x.diag(), **RAW), [1.0, -2.0], [1.0, -3.0], "scale_tril"),
        (lambda x: D.Independent(D.Normal(0 * x, x, **RAW), 1), [1.0, -2.0], [1.0, -3.0], "scale"),
        (lambda x: D.Categorical(x, **RAW), [0.9, 0.2, -0.1], [0.9, 0.3, -0.2], "probs"),
    ],
)  # fmt: skip
def test_two_that_are_outside_alike_do_not_make_it_good(make, a, b, name):
    with pytest.raises(InputValueError, match=rf"q\.{name} holds"):
        kl(make(torch.tensor(a, dtype=F64)), make(torch.tensor(b, dtype=F64)))


def test_a_law_whose_tensors_changed_after_it_was_made_is_refused_too():
    scale = torch.tensor([1.0, 2.0, 3.0])
    q, p = D.Normal(torch.zeros(3), scale), D.Normal(torch.zeros(3), torch.ones(3))
    kl(q, p)
    scale[1] = -2.0
    with pytest.raises(
        InputValueError, match=r"q.scale holds -2.0 at index 1, expected GreaterThan\(lower_bound=0.0\)"
    ):
        kl(q, p)
    scale[1] = NAN
    for other in (p, D.Uniform(0.0, torch.ones(3)), D.Exponential(torch.ones(3))):
        with pytest.raises(InputValueError, match=r"q.scale holds 1 NaN of 3 values at index 1"):
            kl(q, other)


@pytest.mark.parametrize("many", [3, 1000, 30_000])
def test_infinite_pairs_find_a_nan_wherever_it_is(many):
    for place in (0, many // 2, many - 1):
        loc = torch.randn(2 * many)[::2]  # not contiguous
        loc[place] = NAN
        for spread in (loc, loc.clone()):
            q = D.Normal(spread, torch.ones(()), **RAW)
            with pytest.raises(InputValueError, match=rf"q.loc holds 1 NaN of {many} values at index {place}"):
                kl(q, D.Beta(torch.ones(()), torch.ones(())))
    one = torch.ones(many)
    good = kl(D.Normal(torch.tensor([math.inf, -math.inf] + [0.0] * (many - 2)), one, **RAW), D.Beta(one, one))
    assert torch.isinf(good).all()  # infinite parameters of both signs are no NaN


def test_infinite_pairs_carry_a_nan_through_vmap(monkeypatch):
    parameter = torch.tensor([1.0, NAN, 2.0], dtype=F64)
    one = torch.ones((), dtype=F64)
    monkeypatch.setattr(D.Distribution, "_validate_args", False)  # of laws inside
    for law in (lambda x: (D.Normal(x, one), D.Beta(one, one)), lambda x: (D.Normal(one, one), D.Beta(x, one))):
        value = torch.func.vmap(lambda x, law=law: kl(*law(x)))(parameter)
        assert torch.equal(value.isnan(), parameter.isnan())
        assert value[::2].isinf().all()


@pytest.mark.parametrize("compiled", [True, False])
def test_what_numbers_hold(compiled, monkeypatch):
    if not compiled:
        monkeypatch.setattr(_domain, "looks_for_nan", None)
    for dtype in (F64, F32):
        for shape in ((), (0,), (5,), (8193,), (1_100_000,), (3, 4)):
            x = torch.rand(shape, dtype=dtype)
            assert not holds_nan(x)
            assert not holds_negative(x)
            if x.numel():
                y = x.clone()
                y.view(-1)[-1] = NAN
                assert holds_nan(y)
                assert holds_negative(y)
                y.view(-1)[-1] = -1.0
                assert holds_negative(y)
                assert not holds_nan(y)
        assert holds_nan(torch.tensor(NAN, dtype=dtype).expand(7, 9))
        assert holds_nan(torch.tensor([[1.0, NAN]], dtype=dtype).expand(7, 2))
        assert not holds_nan(torch.tensor([1.0, -math.inf, math.inf], dtype=dtype))
    assert holds_nan(torch.tensor([1.0, NAN]).half())
    assert not holds_nan(torch.empty(3, device="meta"))


def test_bounds_that_depend_on_each_other_are_told_at_one_element():
    low = torch.linspace(0.0, 3.0, 3000, dtype=F64)
    high = low + 1.0
    high[2017] = low[2017] - 0.5
    with pytest.raises(InputValueError) as error:
        kl(D.Uniform(low, high, **RAW), D.Uniform(low, low + 2.0))
    text = str(error.value)
    assert text.startswith(f"q.low holds {low[2017].item()} at index 2017, expected LessThan(upper_bound={high[2017]})")
    assert "Uniform(low, low + width)" in text
    assert len(text) < 200


@pytest.mark.parametrize(
    "law, message",
    [
        (D.Gamma(torch.ones(2, 2), torch.tensor([[1.0, 1.0], [-1.0, 1.0]]), **RAW),
         r"q.rate holds -1.0 at index \(1, 0\), expected GreaterThan\(lower_bound=0.0\): write .*softplus"),
        (D.Dirichlet(torch.tensor([[1.0, 2.0], [1.0, -3.0]]), **RAW), r"q.concentration holds -3.0 at index \(1, 1\)"),
        (D.Beta(torch.tensor([1.0, NAN]), torch.ones(2), **RAW), r"q.concentration1 holds 1 NaN of 2 values at index"),
        (D.LogNormal(torch.zeros(2), torch.tensor([1.0, -1.0]), **RAW), r"q.scale holds -1.0 at index 1"),
        (D.Geometric(torch.tensor([0.5, 1.5]), **RAW), r"q.probs holds 1.5 at index 1.*sigmoid"),
        (D.MultivariateNormal(torch.zeros(2, 2), scale_tril=torch.stack((torch.eye(2), -torch.eye(2))), **RAW),
         r"q.scale_tril holds .* at index 1, expected LowerCholesky: write torch.linalg.cholesky"),
        (D.Independent(D.Laplace(torch.zeros(2), torch.tensor([1.0, -1.0]), **RAW), 1), r"q.scale holds -1.0 at index"),
    ],
)  # fmt: skip
def test_the_element_and_the_remedy_are_named(law, message):
    with pytest.raises(InputValueError, match=message):
        kl(law, law)


def test_parts_of_laws_are_named_by_their_path():
    q = D.Independent(D.Normal(torch.zeros(3), torch.tensor([1.0, NAN, 1.0]), **RAW), 1)
    with pytest.raises(InputValueError, match=r"q.base_dist.scale holds 1 NaN"):
        kl(q, D.MultivariateNormal(torch.zeros(3), torch.eye(3)))


def vectors(kind, dtype=F64, device="cpu", batch=(3,), size=3):
    """A law of each kind with a parameter of each shape."""
    zero, one = (torch.full((*batch, size), x, dtype=dtype, device=device) for x in (0, 1))
    flat, unit = one[..., 0], torch.nn.functional.normalize(one.to(F64), dim=-1).to(dtype)
    eye = torch.eye(size, dtype=dtype, device=device)
    return {
        "Normal": lambda: D.Normal(0 * flat, flat, **RAW),
        "Gamma": lambda: D.Gamma(flat, flat, **RAW),
        "Beta": lambda: D.Beta(flat, flat, **RAW),
        "HalfNormal": lambda: D.HalfNormal(flat, **RAW),
        "LogNormal": lambda: D.LogNormal(0 * flat, flat, **RAW),
        "Poisson": lambda: D.Poisson(flat, **RAW),
        "Categorical": lambda: D.Categorical(logits=one, **RAW),
        "MultivariateNormal": lambda: D.MultivariateNormal(zero, scale_tril=eye, **RAW),
        "LowRank": lambda: D.LowRankMultivariateNormal(zero, one.unsqueeze(-1), one, **RAW),
        "Dirichlet": lambda: D.Dirichlet(one, **RAW),
        "Independent": lambda: D.Independent(D.Normal(zero, one, **RAW), 1),
        "IndependentGamma": lambda: D.Independent(D.Gamma(one, one, **RAW), 1),
        "Transformed": lambda: D.TransformedDistribution(D.Normal(zero, one, **RAW), [D.ExpTransform()], **RAW),
        "VonMisesFisher": lambda: VonMisesFisher(unit, flat, **RAW),
        "PowerSpherical": lambda: PowerSpherical(unit, flat, **RAW),
        "Mixture": lambda: D.MixtureSameFamily(
            D.Categorical(logits=one, **RAW), D.Normal(zero, one, **RAW), **RAW
        ),
    }[kind]()  # fmt: skip


KINDS = ["Normal", "Gamma", "Beta", "HalfNormal", "LogNormal", "Poisson", "Categorical", "MultivariateNormal",
         "LowRank", "Dirichlet", "Independent", "IndependentGamma", "Transformed", "VonMisesFisher",
         "Mixture"]  # fmt: skip
WITH_RENYI = ["Normal", "Gamma", "Beta", "LogNormal", "Poisson", "Categorical", "MultivariateNormal", "Dirichlet",
              "Independent", "IndependentGamma"]  # fmt: skip
CALLS = [(kl, kind) for kind in KINDS if kind != "Mixture"] + [(mixture_kl_bounds, "Mixture")]
CALLS += [(lambda q, p, a=alpha: renyi(q, p, a), kind) for alpha in (0.5, 2.0) for kind in WITH_RENYI]


@pytest.mark.parametrize("call, kind", CALLS)
def test_laws_that_do_not_fit_together_are_refused(call, kind):
    q = vectors(kind)
    with pytest.raises(InputTypeError, match=r"torch.float64 on cpu.*torch.float32 on cpu.*\.to\(dtype"):
        call(q, vectors(kind, F32))
    with pytest.raises(InputTypeError, match=r"on cpu.*on meta"):
        call(q, vectors(kind, device="meta"))
    with pytest.raises(InputValueError, match=r"q has batch shape \(3,.*\) and p has \(4,.*\)"):
        call(q, vectors(kind, batch=(4,)))
    if q.event_shape or kind == "Categorical":
        with pytest.raises(InputValueError, match=r"event shape|outcomes"):
            call(q, vectors(kind, size=4))


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in ("Categorical", "VonMisesFisher", "LowRank")])
def test_integers_are_refused(kind):
    q = vectors(kind, torch.int64)
    with pytest.raises(Error):
        (mixture_kl_bounds if kind == "Mixture" else kl)(q, q)


def test_a_law_and_its_base_are_of_one_dtype():
    """Laws that hold their parameters in a law inside."""
    for make in (D.HalfNormal, lambda x: D.LogNormal(0 * x, x), lambda x: D.InverseGamma(x, x), lambda x: D.Beta(x, x)):
        with pytest.raises(InputTypeError, match=r"torch.float64.*torch.float32"):
            kl(make(torch.ones(2, dtype=F64)), make(torch.ones(2)))


def test_one_outcome_is_not_stretched_to_many():
    with pytest.raises(InputValueError, match="q has 1 outcomes and p has 4"):
        kl(D.Categorical(logits=torch.zeros(1)), D.Categorical(logits=torch.zeros(4)))


def test_counts_that_differ_are_told_at_one_element():
    q = D.Binomial(torch.tensor([3.0, 5.0, 7.0]), torch.full((3,), 0.5))
    p = D.Binomial(torch.tensor([3.0, 6.0, 7.0]), torch.full((3,), 0.5))
    with pytest.raises(InputValueError, match=r"q.total_count is 5 and p.total_count is 6 at index \(1,\).*kl_by_quad"):
        kl(q, p)


def test_what_torch_cannot_compute_is_said():
    q = vectors("MultivariateNormal", torch.float16)
    for call in (kl, lambda q, p: renyi(q, p, 0.5)):
        with pytest.raises(InputTypeError, match=r"torch.float16: write .double\(\)"):
            call(q, q)


@pytest.mark.parametrize("alpha", [0.5, 2.0])
def test_renyi_names_the_parameter(alpha):
    ones = torch.ones(3, dtype=F64)
    bad = torch.tensor([1.0, NAN, 1.0], dtype=F64)
    laws = {
        "scale": lambda x: D.Normal(0 * ones, x, **RAW),
        "rate": lambda x: D.Gamma(ones, x, **RAW),
        "concentration": lambda x: D.Dirichlet(x, **RAW),
        "base_dist.scale|scale": lambda x: D.Independent(D.Normal(0 * ones, x, **RAW), 1),
        "probs": lambda x: D.Geometric(0.5 * x, **RAW),
    }
    for name, make in laws.items():
        with pytest.raises(InputValueError, match=rf"q\.({name}) holds 1 NaN"):
            renyi(make(bad), make(ones), alpha)
        with pytest.raises(InputValueError, match=rf"p\.({name}) holds 1 NaN"):
            renyi(make(ones), make(bad), alpha)
    with pytest.raises(InputValueError, match=r"q.scale holds -1.0"):
        renyi(D.Normal(0 * ones, -ones, **RAW), D.Normal(0 * ones, -2 * ones, **RAW), alpha)


def test_an_unregistered_pair_names_what_can_be_done_for_such_laws():
    mixture = vectors("Mixture")
    with pytest.raises(UnregisteredPairError, match=r"mixture_kl_bounds\(q, p\).*kl_by_quadrature"):
        kl(mixture, mixture)
    with pytest.raises(UnregisteredPairError, match=r"up to three coordinates, of independent coordinates") as error:
        kl(D.Independent(D.Cauchy(torch.zeros(2), torch.ones(2)), 1), D.Independent(D.Normal(torch.zeros(2), 1.0), 1))
    assert "mixture" not in str(error.value)


@pytest.mark.parametrize("given", ["logits", "probs"])
def test_of_logits_and_probs_the_one_that_was_given_is_named(given, monkeypatch):
    monkeypatch.setattr(D.Distribution, "_validate_args", False)  # as torch.compile does, of the law inside too
    bad = torch.tensor([[0.5, 0.5], [NAN, 0.5]])
    with pytest.raises(InputValueError, match=rf"q.{given} holds"):
        kl(D.OneHotCategorical(**{given: bad}), D.OneHotCategorical(logits=torch.zeros(2)))


def test_a_direction_that_is_no_unit_vector_is_refused():
    good, long = torch.tensor([0.6, 0.8, 0.0], dtype=F64), torch.tensor([1.2, 1.6, 0.0], dtype=F64)
    kappa = torch.tensor(2.0, dtype=F64)
    uniform = HypersphericalUniform(3, dtype=F64)
    for q, p in (
        (VonMisesFisher(long, kappa, **RAW), uniform),
        (VonMisesFisher(long, kappa, **RAW), VonMisesFisher(good, kappa)),
        (PowerSpherical(long, kappa, **RAW), uniform),
    ):
        with pytest.raises(InputValueError, match=r"q.mean_direction holds \[1.2, 1.6, 0.0\].*normalize"):
            kl(q, p)
    # a finite difference leaves the sphere by that much
    assert kl(VonMisesFisher(good * (1 + 1e-5), kappa, **RAW), uniform) == kl(VonMisesFisher(good, kappa), uniform)


def mixture(weights, loc, scale=1.0):
    loc = torch.tensor(loc, dtype=torch.float64)
    return D.MixtureSameFamily(
        D.Categorical(weights if torch.is_tensor(weights) else torch.tensor(weights, dtype=torch.float64), **RAW),
        D.Normal(loc, scale + 0 * loc, **RAW),
        **RAW,
    )


@pytest.mark.parametrize("function", [mixture_kl_bounds, mixture_kl_product, mixture_kl_variational])
@pytest.mark.parametrize(
    "bad, error, message",
    [
        (mixture([math.nan, 1.0], [0.0, 1.0]), InputValueError, r"\.mixture_distribution.probs holds 2 NaN"),
        (mixture([0.5, 0.5], [math.nan, 1.0]), InputValueError, r"loc holds 1 NaN"),
        (mixture([0.5, 0.5], [0.0, 1.0], -1.0), InputValueError, r"scale holds -1.0"),
        (mixture(torch.ones(2), [0.0, 1.0]), InputTypeError, r"probs: torch.float32 .*expected floating point, one"),
        (mixture(torch.ones(5, 2, dtype=torch.float64), [[0.0, 1.0]] * 5), InputValueError, "shapes that broadcast"),
    ],
)
def test_mixtures_name_bad_input(function, bad, error, message):
    good = mixture(torch.ones(3, 2, dtype=torch.float64), [[0.0, 1.0]] * 3)
    for q, p in ((good, bad), (bad, good)):
        with pytest.raises(error, match=message):
            function(q, p)
