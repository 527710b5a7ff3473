"""Vector quantisation: all variants have the same value, so that the gradients decide."""

import pytest
import torch
import torch.nn.functional as F

import elbo


def sq(a, b):
    return F.mse_loss(a, b)


VQ = [
    ("right", lambda z, e: sq(e, z.detach()) + 0.25 * sq(z, e.detach()), {}, set(), set()),
    ("β = 1", lambda z, e: sq(e, z.detach()) + sq(z, e.detach()), {}, set(), set()),
    (
        "sums",
        lambda z, e: ((e - z.detach()) ** 2).sum() + 0.5 * ((z - e.detach()) ** 2).sum(),
        {},
        set(),
        set(),
    ),
    ("a moving average", lambda z, e: 0.25 * sq(z, e.detach()), {"ema": True}, set(), {"ema-codebook"}),
    ("β swapped", lambda z, e: 0.25 * sq(e, z.detach()) + sq(z, e.detach()), {}, {"beta-on-codebook"}, set()),
    ("no detach", lambda z, e: 1.25 * sq(z, e), {}, {"stop-gradient-misplaced"}, set()),
    ("codebook forgotten", lambda z, e: 0.25 * sq(z, e.detach()), {"ema": False}, {"codebook-loss-missing"}, set()),
    ("norm", lambda z, e: F.l1_loss(e, z.detach()) + 0.25 * F.l1_loss(z, e.detach()), {}, {"wrong-norm"}, set()),
    (
        "reductions",
        lambda z, e: ((e - z.detach()) ** 2).sum() + 0.25 * sq(z, e.detach()),
        {},
        {"vq-reduction"},
        set(),
    ),
    ("sign", lambda z, e: sq(e, z.detach()) - 0.25 * sq(z, e.detach()), {}, {"sign-flipped"}, set()),
    (
        "after the straight-through line",
        lambda z, e: sq(z + (e - z).detach(), z.detach()) + 0.25 * sq(z, e.detach()),
        {},
        None,
        set(),
    ),
]


@pytest.mark.parametrize(("function", "keywords", "mistakes", "notes"), [c[1:] for c in VQ], ids=[c[0] for c in VQ])
def test_vq(function, keywords, mistakes, notes):
    report = elbo.check(function, "vq", **keywords)
    if mistakes is None:
        assert report.verdict == "wrong"
        assert {"codebook-loss-missing", "stop-gradient-misplaced", "sign-flipped"} & {m.code for m in report.mistakes}
        return
    assert {m.code for m in report.mistakes} == mistakes, report
    assert {n.code for n in report.notes} == notes


def test_a_missing_codebook_loss_may_be_a_moving_average():
    report = elbo.check(lambda z, e: 0.25 * sq(z, e.detach()), "vq")
    assert {"codebook-loss-missing", "ema-codebook"} <= set(report.candidates)


def nearest(z, codes, largest=False):
    d = torch.cdist(z.reshape(-1, z.shape[-1]), codes)
    return codes[d.argmax(1) if largest else d.argmin(1)].view(z.shape)


def quantise(z, codes):
    e = nearest(z, codes)
    return z + (e - z).detach(), sq(e, z.detach()) + 0.25 * sq(z, e.detach())


def no_straight_through(z, codes):
    e = nearest(z, codes)
    return e, sq(e, z.detach()) + 0.25 * sq(z, e.detach())


def swapped(z, codes):
    e = nearest(z, codes)
    return {"z_q": z + (e - z).detach(), "loss": 0.25 * sq(e, z.detach()) + sq(z, e.detach())}


def farthest(z, codes):
    e = nearest(z, codes, largest=True)
    return z + (e - z).detach(), sq(e, z.detach()) + 0.25 * sq(z, e.detach())


@pytest.mark.parametrize(
    ("function", "mistakes"),
    [
        (quantise, set()),
        (no_straight_through, {"stop-gradient-misplaced"}),
        (swapped, {"beta-on-codebook"}),
        (farthest, {"wrong-norm"}),
    ],
)
def test_vq_quantize(function, mistakes):
    report = elbo.check(function, "vq_quantize")
    assert {m.code for m in report.mistakes} == mistakes, report
