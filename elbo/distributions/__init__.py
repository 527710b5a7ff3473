"""Laws that torch lacks, as ``torch.distributions`` classes: the unit sphere of R^m.

Exact draws with unbiased gradients in every dimension, and log densities, entropies and means to a few ulps at every
scale.
"""

from elbo.distributions._hyperspherical_uniform import HypersphericalUniform
from elbo.distributions._power_spherical import PowerSpherical
from elbo.distributions._sphere import unit_vector
from elbo.distributions._von_mises_fisher import VonMisesFisher

__all__ = ["HypersphericalUniform", "PowerSpherical", "VonMisesFisher", "unit_vector"]
