"""The reference values of the project: every pair, ordinary, nearly equal, extreme and at the boundary."""

import math
from collections import defaultdict

import pytest
import torch
import torch.distributions as D
from mpmath import mpf

from elbo.divergences import categorical_kl, gaussian_kl, gaussian_kl_pair, kl, renyi

LAWS = {
    kind: getattr(D, name)
    for kind, name in {
        "normal": "Normal", "exponential": "Exponential", "gamma": "Gamma", "inverse_gamma": "InverseGamma",
        "beta": "Beta", "laplace": "Laplace", "weibull": "Weibull", "lognormal": "LogNormal", "poisson": "Poisson",
        "geometric": "Geometric", "negative_binomial": "NegativeBinomial", "binomial": "Binomial",
        "bernoulli": "Bernoulli", "kumaraswamy": "Kumaraswamy", "cauchy": "Cauchy", "gumbel": "Gumbel",
        "uniform": "Uniform", "pareto": "Pareto", "dirichlet": "Dirichlet",
    }.items()
}  # fmt: skip
# ulps allowed for the value and for the gradient, which is relative to its largest entry
ALLOWED = 8, 16
# or, where a derivative all but vanishes between terms 20 times as large, to the largest of all parameters, each entry
# times its parameter
BY_ALL = {"beta_beta"}


def leaves(parameters):
    def number(value):
        return [number(v) for v in value] if isinstance(value, list) else float(value)

    return {
        k: torch.tensor(number(v), dtype=torch.float64, requires_grad=k != "total_count") for k, v in parameters.items()
    }


def evaluate(inputs):
    pair, q = inputs["pair"], leaves(inputs["q"])
    p = leaves(inputs["p"]) if isinstance(inputs["p"], dict) else {}
    if pair == "categorical_categorical":
        return q, p, categorical_kl(q["logits"], p["logits"])
    if pair == "gaussian_diagonal":
        spreads = {"q_log_variance": q["log_variance"], "p_log_variance": p["log_variance"]}
        return q, p, gaussian_kl_pair(q["mean"], p["mean"], event_dims=1, **spreads)
    if pair == "gaussian_full":
        laws = [
            D.MultivariateNormal(next(iter(side.values())), covariance_matrix=list(side.values())[1]) for side in (q, p)
        ]
        return q, p, kl(*laws)
    if pair == "gaussian_low_rank_standard":
        zero = torch.zeros_like(q["loc"])
        low_rank = D.LowRankMultivariateNormal(q["loc"], q["cov_factor"], q["cov_diag"])
        return q, p, kl(low_rank, D.Independent(D.Normal(zero, zero + 1), 1))
    names = (
        ("normal", "normal")
        if pair.startswith("renyi")
        else next((a, b) for a in LAWS for b in LAWS if pair == f"{a}_{b}")
    )
    laws = [LAWS[name](**side, validate_args=False) for name, side in zip(names, (q, p), strict=True)]
    return q, p, renyi(*laws, inputs["alpha"]) if pair.startswith("renyi") else kl(*laws)


def ulps(got: float, want: mpf) -> float:
    return (
        0.0
        if got == want
        else float(abs(mpf(got) - want) / abs(want)) / torch.finfo(torch.float64).eps
        if want
        else math.inf
    )


def test_every_pair_has_its_reference_values(golden):
    sphere = ("vmf_uniform", "vmf_vmf", "power_spherical_uniform")
    by_pair = defaultdict(list)
    for case in golden("kl_pairs")["cases"]:
        if case["inputs"]["pair"] not in sphere:
            by_pair[case["inputs"]["pair"]].append(case)
    assert len(by_pair) == 26
    bad = []
    for pair, cases in by_pair.items():
        value_ulps, gradient_ulps = ALLOWED
        for case in cases:
            inputs, expected = case["inputs"], case["expected"]
            q, p, value = evaluate(inputs)
            error = ulps(value.item(), mpf(expected.get("kl", expected.get("renyi"))))
            if not error <= value_ulps:
                bad.append((pair, inputs["kind"], error, inputs))
            if "gradient" not in expected or not value.requires_grad:
                continue
            value.backward()
            for name, want in expected["gradient"].items():
                side, parameter = name.split(".")
                got = {"q": q, "p": p}[side][parameter].grad.flatten().tolist()
                flat = [mpf(x) for x in _flatten(want)]
                largest = max(abs(x) for x in flat)
                if pair in BY_ALL:
                    own = mpf(inputs[side][parameter])
                    largest = max(
                        abs(mpf(x) * mpf(inputs[of][at]) / own)
                        for key, x in expected["gradient"].items()
                        for of, at in [key.split(".")]
                    )
                for g, w in zip(got, flat, strict=True):
                    error = (
                        float(abs(mpf(g) - w) / largest) / torch.finfo(torch.float64).eps if largest else float(g != 0)
                    )
                    if not error <= gradient_ulps:
                        bad.append((pair, inputs["kind"], name, error, inputs))
    assert not bad, bad[:3]


def _flatten(value):
    return [x for part in value for x in _flatten(part)] if isinstance(value, list) else [value]


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
def test_gaussian_kl_is_right_to_two_ulps(golden, dtype):
    eps = torch.finfo(dtype).eps
    for case in golden("gaussian_kl_float32")["cases"]:
        inputs = {k: torch.tensor(v, dtype=dtype, requires_grad=True) for k, v in case["inputs"].items()}
        value = gaussian_kl(inputs["mu"], log_variance=inputs["logvar"]).sum()
        value.backward()
        want = mpf(case["expected"]["kl"])
        assert value.item() == want or abs(mpf(value.item()) - want) / want <= 2 * eps, case
        for name, slopes in case["expected"].get("gradient", {}).items():
            for g, w in zip(inputs[name].grad.flatten().tolist(), _flatten(slopes), strict=True):
                assert abs(mpf(g) - mpf(w)) <= 2 * eps * abs(mpf(w)), (case, name)
