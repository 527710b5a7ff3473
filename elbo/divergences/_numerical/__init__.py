"""The parts of ``kl_by_quadrature``: densities, where their mass is, what is integrated, and over what."""
