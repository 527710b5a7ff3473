"""Every pair against the accuracy that it states: ordinary, nearly equal and extreme parameters, both dtypes."""

import pytest

from elbo.audit._cases import known_pairs
from elbo.audit._judge import judge
from elbo.divergences import kl, kl_pairs

STATED = {(pair.q.__name__, pair.p.__name__): pair for pair in kl_pairs()}
JUDGED = [names for names in known_pairs() if names in STATED]
TIMES = 5
ELSE = 8.0  # of pairs whose accuracy depends on more than a number can say (see their notes), for these parameters


@pytest.mark.parametrize("names", JUDGED, ids=" ‖ ".join)
def test_values_and_gradients_are_as_accurate_as_is_stated(names):
    pair = STATED[names]
    allowed = max(pair.accuracy, 1.0) if pair.accuracy < float("inf") else ELSE
    report = judge(kl, *names, allowed, 2 if "Kumaraswamy" in names else TIMES)
    assert report.status == "right", [str(finding) for finding in report.findings()]
    assert not report.negative
    assert all(error <= 2 * allowed + 8 for error in report.gradient.values()), report.gradient


def test_only_two_pairs_have_no_reference():
    assert {names for names in STATED if names not in JUDGED} == {
        ("ExponentialFamily", "ExponentialFamily"),
        ("HypersphericalUniform", "HypersphericalUniform"),
    }
