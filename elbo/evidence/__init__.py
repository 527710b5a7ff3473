"""Statistics with a stated false-alarm rate: sequential tests, DKW, the ledger, verdicts, seeds.

Every test here rejects a true hypothesis with probability at most ``alpha``, exactly and not asymptotically.
None retries, none stops because it passes, and a NaN among the draws is an error.
"""

from elbo.evidence._bounded import BoundedTest, betting_test, hoeffding_test
from elbo.evidence._distribution import DistributionTest, dkw_draws, dkw_test, permutation_test
from elbo.evidence._ledger import Ledger
from elbo.evidence._seeds import generator, seed
from elbo.evidence._sequential import MeanTest, SequentialMean, mean_test, required_draws, smallest_visible_shift
from elbo.evidence._verdict import Verdict

__all__ = [
    "BoundedTest",
    "DistributionTest",
    "Ledger",
    "MeanTest",
    "SequentialMean",
    "Verdict",
    "betting_test",
    "dkw_draws",
    "dkw_test",
    "generator",
    "hoeffding_test",
    "mean_test",
    "permutation_test",
    "required_draws",
    "seed",
    "smallest_visible_shift",
]
