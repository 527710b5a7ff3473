"""The gamma family and its normalised kin: exponential, gamma, inverse gamma, chi-squared, beta, Dirichlet.

    KL[Γ(a₁, b₁) ‖ Γ(a₂, b₂)] = a₂ Λ(e/a₂) + B(a₁ → a₂),      e = a₁ b₂/b₁ − a₂
    KL[Dir(α) ‖ Dir(β)] = Σ βᵢ Λ(eᵢ) + Σ B(αᵢ → βᵢ) − B(α₀ → β₀),      eᵢ = αᵢ β₀ / (α₀ βᵢ) − 1

B is the Bregman divergence of log Γ(a) − a log a + a (``_stirling``). The textbook form is a sum of log Γ and ψ of
the size of a log a, which near equality, or for concentrated laws, is nothing but rounding.
"""

from collections.abc import Callable, Sequence

from torch import Tensor
from torch.distributions import Beta, Dirichlet, Exponential, Gamma, InverseGamma

from elbo.divergences import _array as xp
from elbo.divergences._array import Array
from elbo.divergences._elementwise import elementwise
from elbo.divergences._kernels import itakura_saito, itakura_saito_of, log_of
from elbo.divergences._products import product_difference, rounding_error
from elbo.divergences._registry import register
from elbo.divergences._rowwise import rowwise
from elbo.divergences._stirling import bregman, curvature, slope_difference
from elbo.divergences._widening import (
    both_narrow,
    curvature_rise,
    narrow,
    spread_out,
    widening,
    widening_far,
    widening_slope,
)

Slopes = tuple[Array | None, ...]
SOURCE = "Nielsen and Garcia 2009, arXiv 0911.4863; the form without cancellation is derived in elbo.divergences.gamma"


def _excess(a1: Array, b1: Array, a2: Array, b2: Array) -> Array:
    """e = a₁ b₂/b₁ − a₂."""
    return product_difference(a1, b2, a2, b1) / b1


def _gamma(a1: Array, b1: Array, a2: Array, b2: Array) -> Array:
    d = _excess(a1, b1, a2, b2) / a2
    return a2 * itakura_saito_of(d, a1 / a2 * (b2 / b1)) + bregman(a1, a2, a2 - a1)


def _gamma_slopes(a1: Array, b1: Array, a2: Array, b2: Array, needs: Sequence[bool]) -> Slopes:
    e = _excess(a1, b1, a2, b2)
    d = e / a2
    log = xp.where(d < -0.5, xp.log(a1 / a2 * (b2 / b1)), xp.log1p(d))
    q_shape = e / a1 - (a2 - a1) * curvature(a1) if needs[0] else None
    p_shape = slope_difference(a1, a2, a2 - a1) - log if needs[2] else None
    return q_shape, -e / b1, p_shape, e / b2


gamma_kl = elementwise(
    _gamma, _gamma_slopes, "gamma_kl", double=True, width=4, compiled="gamma_laws", nonnegative=range(4)
)


def _beta_parts(a1: Array, b1: Array, a2: Array, b2: Array) -> Array:
    """All but B(a₁ → a₂) and B(a₁ + b₁ → a₂ + b₂)."""
    total1, total2, w = a1 + b1, a2 + b2, product_difference(a1, b2, b1, a2)
    one = itakura_saito_of(w / (total1 * a2), a1 * total2 / (total1 * a2))
    two = itakura_saito_of(-w / (total1 * b2), b1 * total2 / (total1 * b2))
    return a2 * one + b2 * two + bregman(b1, b2, b2 - b1)


def _beta_by(form: Callable[..., Array]) -> Callable[..., Array]:
    """KL where the larger concentration of q dwarfs the other: W, of that and the total, is by the given form."""

    def value(a1: Array, b1: Array, a2: Array, b2: Array) -> Array:
        first = a1 > b1
        a1, b1 = xp.where(first, a1, b1), xp.where(first, b1, a1)
        a2, b2 = xp.where(first, a2, b2), xp.where(first, b2, a2)
        return _beta_parts(a1, b1, a2, b2) - form(a1, b1, a2, b2, b2 - b1)

    return value


def _beta(a1: Array, b1: Array, a2: Array, b2: Array) -> Array:
    da, total1 = a2 - a1, a1 + b1
    total = bregman(total1, a2 + b2, da + (b2 - b1))
    value = _beta_parts(a1, b1, a2, b2) + (bregman(a1, a2, da) - total)
    for mask, form in ((both_narrow, widening), (spread_out, widening_far)):
        either = mask(a1, b1, a2, b2) | mask(b1, a1, b2, a2)
        value = xp.replaced(value, either, _beta_by(form), a1, b1, a2, b2)
    return value


def _beta_slope(a1: Array, b1: Array, a2: Array, b2: Array) -> Array:
    """∂KL/∂a₂ where a dwarfs b in both laws."""
    total1 = a1 + b1
    w = product_difference(a1, b2, b1, a2)
    return -widening_slope(a1, b1, a2, b2, b2 - b1) - log_of(w / (total1 * a2), a1 * (a2 + b2) / (total1 * a2))


def _beta_slopes(a1: Array, b1: Array, a2: Array, b2: Array, needs: Sequence[bool]) -> Slopes:
    da, db, total1, total2 = a2 - a1, b2 - b1, a1 + b1, a2 + b2
    w = product_difference(a1, b2, b1, a2)
    common_q = curvature(total1)
    common_p = slope_difference(total1, total2, da + db)
    by_a2 = slope_difference(a1, a2, da) - common_p - log_of(w / (total1 * a2), a1 * total2 / (total1 * a2))
    by_b2 = slope_difference(b1, b2, db) - common_p - log_of(-w / (total1 * b2), b1 * total2 / (total1 * b2))
    return (
        w / (total1 * a1) + (db * common_q + da * curvature_rise(a1, total1, b1)),
        -w / (total1 * b1) + (da * common_q + db * curvature_rise(b1, total1, a1)),
        xp.replaced(by_a2, both_narrow(a1, b1, a2, b2), _beta_slope, a1, b1, a2, b2),
        xp.replaced(by_b2, both_narrow(b1, a1, b2, a2), _beta_slope, b1, a1, b2, a2),
    )


beta_kl = elementwise(_beta, _beta_slopes, "beta_kl", double=True, width=4, compiled="beta_laws", nonnegative=range(4))


def _shares(q: Array, p: Array, total_q: Array, total_p: Array) -> tuple[Array, Array]:
    """eᵢ and 1 + eᵢ. Because Σ βᵢ eᵢ = 0, what the totals have lost in rounding is seen in that sum, and taken out."""
    mine, theirs = q * total_p, total_q * p
    e = ((mine - theirs) + (rounding_error(q, total_p, mine) - rounding_error(p, total_q, theirs))) / theirs
    share = mine / theirs
    return e - xp.row_sum(p * e) / total_p * share, share


def _one_and_rest(q: Array, p: Array, d: Array) -> tuple[Array, tuple[Array, ...]]:
    """Where the largest concentration of q is; its a₁, b₁, a₂, b₂ and b₂ − b₁. Of several equal ones b₁ ≥ a₁."""
    top = q >= xp.row_max(q)
    zero = 0.0 * q
    a1, a2 = xp.row_max(q), xp.row_sum(xp.where(top, p, zero))
    b1, b2, db = (xp.row_sum(xp.where(top, zero, x)) for x in (q, p, d))
    return top, (a1, b1 + (xp.row_sum(xp.where(top, q, zero)) - a1), a2, b2, db)


def _dirichlet(q: Array, p: Array) -> Array:
    d, total_q, total_p = p - q, xp.row_sum(q), xp.row_sum(p)
    shape, parts = p * itakura_saito_of(*_shares(q, p, total_q, total_p)), bregman(q, p, d)
    value = xp.row_sum(shape + parts) - bregman(total_q, total_p, xp.row_sum(d))
    # one outcome may dominate both: then its B and that of the totals all but cancel
    top, sums = _one_and_rest(q, p, d)
    others = xp.row_sum(xp.where(top, shape, shape + parts))
    for mask, form in ((both_narrow, widening), (spread_out, widening_far)):
        value = xp.replaced(value, mask(*sums[:4]), lambda rest, *sums, form=form: rest - form(*sums), others, *sums)
    return value


def _top_by_q(share: Array, a1: Array, b1: Array, a2: Array, b2: Array, db: Array) -> Array:
    return share + (db * curvature(a1 + b1) + (a2 - a1) * curvature_rise(a1, a1 + b1, b1))


def _top_by_p(log: Array, a1: Array, b1: Array, a2: Array, b2: Array, db: Array) -> Array:
    return -widening_slope(a1, b1, a2, b2, db) - log


def _dirichlet_slopes(q: Array, p: Array, needs: Sequence[bool]) -> Slopes:
    d, total_q, total_p = p - q, xp.row_sum(q), xp.row_sum(p)
    drift = xp.row_sum(d)
    e, share = _shares(q, p, total_q, total_p)
    top, sums = _one_and_rest(q, p, d)
    by_q = by_p = None
    if needs[0]:
        part = e * p / q
        by_q = part - d * curvature(q) + drift * curvature(total_q)
        by_q = _replaced_at(by_q, top, narrow(*sums[:2]), _top_by_q, part, sums)
    if needs[1]:
        log = log_of(e, share)
        by_p = slope_difference(q, p, d) - slope_difference(total_q, total_p, drift) - log
        by_p = _replaced_at(by_p, top, both_narrow(*sums[:4]), _top_by_p, log, sums)
    return by_q, by_p


def _replaced_at(
    x: Array, top: Array, mask: Array, form: Callable[..., Array], own: Array, sums: tuple[Array, ...]
) -> Array:
    """``x`` with the entry at ``top`` by the form, in those rows where the mask holds."""
    mine = xp.row_sum(xp.where(top, own, 0.0 * own))
    return xp.where(top & mask, xp.replaced(0.0 * mine, mask, form, mine, *sums), x)


dirichlet_kl = rowwise(
    _dirichlet, _dirichlet_slopes, "dirichlet_kl", double=True, width=4, compiled="dirichlet", nonnegative=(0, 1)
)


@register(
    Exponential,
    Exponential,
    formula="log(b₁/b₂) + b₂/b₁ − 1",
    accuracy=8,
    source="Gil, Alajaji and Linder 2013, Information Sciences 249",
)
def _exponential_exponential(q: Exponential, p: Exponential) -> Tensor:
    return itakura_saito(p.rate, q.rate)


GAMMA = "(a₁ − a₂) ψ(a₁) − log Γ(a₁) + log Γ(a₂) + a₂ log(b₁/b₂) + a₁ (b₂ − b₁)/b₁"


@register(
    Gamma,
    Gamma,
    formula=GAMMA,
    accuracy=8,
    source=SOURCE,
    note="8 measured where 1 < a < 4 and the rates move with the shapes; 5 elsewhere",
)
def _gamma_gamma(q: Gamma, p: Gamma) -> Tensor:
    return gamma_kl(q.concentration, q.rate, p.concentration, p.rate)


@register(
    InverseGamma, InverseGamma, formula=GAMMA, accuracy=8, source=SOURCE, note="as Gamma ‖ Gamma: 1/x is a bijection"
)
def _inverse_gamma(q: InverseGamma, p: InverseGamma) -> Tensor:
    return gamma_kl(q.concentration, q.rate, p.concentration, p.rate)


@register(Gamma, Exponential, formula="Gamma ‖ Gamma with a₂ = 1", accuracy=8, source=SOURCE, note="as Gamma ‖ Gamma")
def _gamma_exponential(q: Gamma, p: Exponential) -> Tensor:
    return gamma_kl(q.concentration, q.rate, p.rate.new_ones(()), p.rate)


def concentrations(law: Beta) -> tuple[Tensor, ...]:
    """Both, from the one tensor that holds them: its gradient is gathered once, where two selections fill and add."""
    return law._dirichlet.concentration.unbind(-1)


@register(
    Beta,
    Beta,
    accuracy=8,
    source=SOURCE,
    formula="log B(a₂, b₂) − log B(a₁, b₁) + (a₁ − a₂) ψ(a₁) + (b₁ − b₂) ψ(b₁) + (a₂ − a₁ + b₂ − b₁) ψ(a₁ + b₁)",
    note="9 measured in one of 1e5 where the larger concentration of q is 3 to 4 times the other, and 7 elsewhere",
)
def _beta_beta(q: Beta, p: Beta) -> Tensor:
    return beta_kl(*concentrations(q), *concentrations(p))


@register(
    Dirichlet,
    Dirichlet,
    accuracy=8,
    source=SOURCE,
    formula="log Γ(α₀) − Σ log Γ(αᵢ) − log Γ(β₀) + Σ log Γ(βᵢ) + Σ (αᵢ − βᵢ)(ψ(αᵢ) − ψ(α₀))",
    note="as Beta ‖ Beta, where one concentration exceeds the sum of the others",
)
def _dirichlet_dirichlet(q: Dirichlet, p: Dirichlet) -> Tensor:
    return dirichlet_kl(q.concentration, p.concentration)
