"""A part of the blind test on every run of the suite; ``make bench-checker`` runs all of it."""

import pytest

from benchmarks.checker._generated import generate
from benchmarks.checker._score import run
from benchmarks.checker.cases import collect

SAMPLE = [*collect()[::9], *generate(20, seed=1)]


@pytest.mark.parametrize("case", SAMPLE, ids=[case.name for case in SAMPLE])
@pytest.mark.filterwarnings("ignore")
def test_the_verdict_is_true(case):
    result = run(case)
    assert result.verdict_right, result.complaint()
    assert case.right or result.named or result.among_candidates, result.complaint()
