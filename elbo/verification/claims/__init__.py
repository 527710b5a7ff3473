"""One file a package: ``claims()`` yields the :class:`elbo.verification.Claim` objects of that package."""
