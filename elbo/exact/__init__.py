"""Truth without sampling: quadrature and enumeration with error bounds, and what rests on them."""

from elbo.exact._laws import SupportWarning
from elbo.exact._reference import reference
from elbo.exact.certificate import Certificate, CertificationError, certify
from elbo.exact.evidence import log_evidence, renyi_bound
from elbo.exact.multi_sample import (
    MultiSample,
    cubo_bound,
    iwae_bound,
    iwae_from_weights,
    jackknife,
    jackknife_weights,
    vr_iwae_bound,
)
from elbo.exact.quadrature import (
    Integral,
    IntegrationError,
    gauss_hermite,
    gauss_legendre,
    integrate,
    piecewise_legendre,
    trapezoid,
)
from elbo.exact.ratio import RatioMoments, ratio_moments
from elbo.exact.tensor import integrate_box, normal_expectation, tensor_rule

__all__ = [
    "Certificate",
    "CertificationError",
    "Integral",
    "IntegrationError",
    "MultiSample",
    "RatioMoments",
    "SupportWarning",
    "certify",
    "cubo_bound",
    "gauss_hermite",
    "gauss_legendre",
    "integrate",
    "integrate_box",
    "iwae_bound",
    "iwae_from_weights",
    "jackknife",
    "jackknife_weights",
    "log_evidence",
    "normal_expectation",
    "piecewise_legendre",
    "ratio_moments",
    "reference",
    "renyi_bound",
    "tensor_rule",
    "trapezoid",
    "vr_iwae_bound",
]
