"""Blocks are shared out over threads: the same numbers, errors that arrive, and children that do not hang."""

import multiprocessing

import pytest
import torch
from torch.distributions import Normal

import elbo
from elbo.divergences._threads import for_each

N = 300_000


@pytest.fixture
def threads():
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


def divergence_and_slopes(seed: int = 0) -> list[torch.Tensor]:
    g = torch.Generator().manual_seed(seed)
    m1, s1, m2, s2 = (torch.randn(N, generator=g, dtype=torch.float64) for _ in range(4))
    inputs = [t.requires_grad_() for t in (m1, s1.exp(), m2, s2.exp())]
    value = elbo.kl(Normal(inputs[0], inputs[1]), Normal(inputs[2], inputs[3]))
    return [value.detach(), *torch.autograd.grad(value.sum(), inputs)]


def test_the_number_of_threads_does_not_change_a_bit(threads) -> None:
    threads(1)
    alone = divergence_and_slopes()
    for n in (2, 3):
        threads(n)
        assert all(torch.equal(a, b) for a, b in zip(alone, divergence_and_slopes(), strict=True))


def test_every_block_is_worked_on_once(threads) -> None:
    threads(3)
    seen: list[int] = []
    for_each(range(100), seen.append)
    assert sorted(seen) == list(range(100))
    for_each([], seen.append)
    assert len(seen) == 100


def test_an_error_in_a_thread_arrives(threads) -> None:
    threads(2)

    def work(block: int) -> None:
        if block == 7:
            raise ZeroDivisionError("seven")

    with pytest.raises(ZeroDivisionError, match="seven"):
        for_each(range(10), work)


def _child(queue) -> None:
    seen: list[int] = []
    for_each(range(10), seen.append)
    queue.put(len(seen))


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_has_threads_of_its_own(threads) -> None:
    """A data loader forks after the parent has used its threads, which the child does not have."""
    threads(2)
    for_each(range(10), lambda block: None)
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    child = context.Process(target=_child, args=(queue,))
    child.start()
    assert queue.get(timeout=20) == 10
    child.join(timeout=20)
    assert child.exitcode == 0
