"""Bounds on log p(x), and the objectives of the VAE family, as functions of log weights, likelihoods and divergences.

Objectives are to be maximised; losses carry ``negative_`` in their name. Each returns one value a datum, in nats.
"""

from elbo.bounds.aggregate import (
    aggregate_log_density,
    beta_tcvae,
    index_code_information,
    stratified_log_weights,
    total_correlation,
)
from elbo.bounds.discrepancy import mmd, mmd_diagonal_gaussians
from elbo.bounds.importance_weighted import (
    cubo,
    effective_sample_size,
    iwae,
    jackknife,
    negative_iwae,
    normalised_weights,
    renyi,
)
from elbo.bounds.single_sample import (
    beta_objective,
    elbo,
    elbo_analytic_kl,
    elbo_entropy,
    free_bits,
    negative_elbo,
)
from elbo.bounds.vector_quantisation import (
    negative_vq,
    perplexity,
    quantise,
    quantised_kl,
    straight_through,
    vq_loss,
)

__all__ = [
    "aggregate_log_density",
    "beta_objective",
    "beta_tcvae",
    "cubo",
    "effective_sample_size",
    "elbo",
    "elbo_analytic_kl",
    "elbo_entropy",
    "free_bits",
    "index_code_information",
    "iwae",
    "jackknife",
    "mmd",
    "mmd_diagonal_gaussians",
    "negative_elbo",
    "negative_iwae",
    "negative_vq",
    "normalised_weights",
    "perplexity",
    "quantise",
    "quantised_kl",
    "renyi",
    "straight_through",
    "stratified_log_weights",
    "total_correlation",
    "vq_loss",
]
