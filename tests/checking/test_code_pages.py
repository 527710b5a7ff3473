"""Where a finding says that the right formula is derived, it is derived."""

import pytest

from derivations import catalogue
from elbo.checking.codes import CODES


@pytest.mark.parametrize("code", [code for code in CODES.values() if code.page], ids=lambda code: code.name)
def test_the_derivation_that_a_finding_points_to_exists(code) -> None:
    assert code.page in {derivation.slug for derivation in catalogue()}


def test_only_a_finding_about_a_quantity_without_derivation_points_nowhere() -> None:
    assert {code.name for code in CODES.values() if not code.page} == {"mmd-normalisation"}
