"""The labels of the padded cases: masked positions count neither by their values nor by their number."""

import pytest
import torch

from benchmarks.checker.cases import collect

PADDED = [case for case in collect() if "padded" in case.tags]


def inputs(positions: int) -> list[torch.Tensor]:
    g = torch.Generator().manual_seed(1)
    recon, x = torch.rand(2, 3, 7, generator=g, dtype=torch.float64) * 0.8 + 0.1
    mean, log_variance = torch.randn(2, 3, 4, generator=g, dtype=torch.float64)
    return [recon[:, :positions], x[:, :positions], mean, log_variance]


@pytest.mark.parametrize("case", PADDED, ids=[case.name for case in PADDED])
def test_masked_positions_count_exactly_if_the_label_says_so(case) -> None:
    n = 2 if case.target == "bernoulli_nll" else 4
    mask = torch.ones(3, 7, dtype=torch.float64)
    mask[:, 5:] = 0
    whole, short = inputs(7)[:n], inputs(5)[:n]
    same = torch.allclose(case.function(*whole, mask), case.function(*short, mask[:, :5]), rtol=1e-12)
    assert same == ("padding-counted" not in case.truth.mistakes)


def test_there_are_right_and_wrong_ones() -> None:
    assert sorted({case.right for case in PADDED}) == [False, True]
