"""Laws that are no type of torch's: the density of one of torch's, or a wrong one, and little else."""

import torch.distributions as D


def unchanged(law, x):
    return law.log_prob(x)


class Bare(D.Distribution):
    """A law with a density, a support and moments: those of ``law``, but for what ``log_prob(law, x)`` makes of it."""

    arg_constraints = {}  # noqa: RUF012

    def __init__(self, law, log_prob=unchanged):
        self.law, self._log_prob = law, log_prob
        super().__init__(law.batch_shape, law.event_shape, validate_args=False)

    @property
    def support(self):
        return self.law.support

    @property
    def mean(self):
        return self.law.mean

    @property
    def variance(self):
        return self.law.variance

    def log_prob(self, x):
        return self._log_prob(self.law, x)


class Drawn(Bare):
    """One that can also be drawn from."""

    def sample(self, sample_shape=()):
        return self.law.sample(sample_shape)
