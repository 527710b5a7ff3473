"""Truth without sampling: quadrature and enumeration with error bounds, and what rests on them."""

from elbo.exact.quadrature import (
    Integral,
    IntegrationError,
    gauss_hermite,
    gauss_legendre,
    integrate,
    integrate_box,
    normal_expectation,
    tensor_rule,
    trapezoid,
)

__all__ = [
    "Integral",
    "IntegrationError",
    "gauss_hermite",
    "gauss_legendre",
    "integrate",
    "integrate_box",
    "normal_expectation",
    "tensor_rule",
    "trapezoid",
]
