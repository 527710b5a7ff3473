"""A straight-through quantiser with its loss, of (z_e, codebook)."""

from typing import Any

import torch
from torch import Tensor

from elbo.checking._case import Case, evidence
from elbo.checking._fit import number
from elbo.checking._guard import FunctionError
from elbo.checking._subject import as_tensor
from elbo.checking.targets import Target
from elbo.checking.targets.vq import FIX, Pull, judge_pulls, pull

ROLES = {"z_e": "BND", "codebook": "MD"}
RIGHT = "z_q = nearest code, passed straight through (∂z_q/∂z_e = 1); loss = ‖sg(z_e) − e‖² + β‖z_e − sg(e)‖²"
SHAPES = ((2, 3, 3), (4, 3, 3), (2, 3, 6))


def judge(case: Case) -> None:
    """Fill in the case."""
    case.contract = RIGHT
    pulls: list[Pull] = []
    for b, n, d in SHAPES:
        z, codes = case.normal((b, n, d)), case.normal((7, d))
        leaves = [z.requires_grad_(), codes.requires_grad_()]
        parts = _tensors(case.subject.raw(*leaves))
        quantised = [(name, t) for name, t in parts if t.shape == z.shape]
        losses = [(name, t) for name, t in parts if t.numel() == 1 or t.shape in ((b,), (b, n))]
        if not quantised or not losses:
            case.undecided = (
                f"expected a quantised tensor of shape {tuple(z.shape)} and a scalar loss, got "
                f"{[tuple(t.shape) for _, t in parts]}"
            )
            return
        e = nearest(z.detach(), codes.detach())
        if not pulls:
            case.adopted["quantised"], case.adopted["loss"] = quantised[0][0], losses[0][0]
            judge_codes(case, z, codes, quantised[0][1], e)
            judge_straight_through(case, quantised[0][1], leaves)
            if not case.wrong:
                judge_telling_codes(case, quantised[0][0])
        loss = losses[0][1].sum()
        used = quantised[0][1].detach()
        found = _loss_pull(case, loss, leaves, used)
        if found is None:
            return
        pulls.append(found)
    judge_pulls(case, pulls)


def nearest(z: Tensor, codes: Tensor) -> Tensor:
    """The nearest code of each vector, in squared Euclidean distance."""
    index = torch.cdist(z.reshape(-1, z.shape[-1]), codes).argmin(1)
    return codes[index].reshape(z.shape)


def judge_codes(case: Case, z: Tensor, codes: Tensor, quantised: Tensor, e: Tensor) -> None:
    """Whether the value is the nearest code."""
    value = quantised.detach()
    if torch.allclose(value, e, rtol=1e-6, atol=1e-9):
        return
    is_code = torch.cdist(value.reshape(-1, z.shape[-1]), codes.detach()).min(1).values.max() < 1e-6
    if bool(is_code):
        share = float((value - e).abs().sum(-1).gt(1e-6).double().mean())
        case.find(
            "wrong-norm",
            f"the code that is chosen is not the nearest in squared Euclidean distance for {share:.0%} of the vectors",
            evidence=evidence(
                float(((value - z.detach()) ** 2).sum()), float(((e - z.detach()) ** 2).sum()), "Σ‖z_e − code‖²"
            ),
            fix="torch.cdist(z_e.reshape(-1, D), codebook).argmin(1)",
        )
        case.maybe("wrong-norm", "algebra-slip")
        return
    if torch.allclose(value, z.detach(), rtol=1e-6, atol=1e-9):
        case.find(
            "stop-gradient-misplaced",
            "the quantised output has the value of z_e and not of the code: the straight-through line is "
            "the wrong way round",
            fix="z_q = z_e + (e - z_e).detach()",
            evidence=evidence(float(value.flatten()[0]), float(e.flatten()[0]), "first entry of the quantised output"),
        )
        return
    case.find("algebra-slip", "the quantised output is no code of the codebook", fix="z_q = z_e + (e - z_e).detach()")


def judge_telling_codes(case: Case, name: str) -> None:
    """The choice of the code where the usual slips of the distance choose another, whatever the seed."""
    for z, codes in telling_codes(case):
        try:
            parts = dict(_tensors(case.subject.raw(z, codes)))
        except FunctionError:
            case.not_seen("the choice of the code where a slip in the distance would show: the function raises there")
            continue
        if name in parts and parts[name].shape == z.shape:
            judge_codes(case, z, codes, parts[name], nearest(z, codes))


def telling_codes(case: Case) -> list[tuple[Tensor, Tensor]]:
    """Two inputs (z_e, codebook) of six vectors and seven codes in three dimensions.

    On a ray, codes at 1, 2, …, 7 with a vector near each of 2 … 7: a cross term without its 2 chooses the code nearest
    to z/2, one without the codes' norms the last code, one of the wrong sign the first. In clusters: the nearest code
    by the sum or the largest of the absolute differences, or by the angle, is not the nearest.
    """
    ray = torch.tensor([0.6, 0.48, 0.64], dtype=torch.float64)
    steps = torch.arange(1.0, 8.0, dtype=torch.float64)
    codes = steps[:, None] * ray + case.normal((7, 3), 0.01)
    on_ray = (codes[1:] + case.normal((6, 3), 0.01)).reshape(2, 3, 3), codes
    centres = torch.tensor([[9.0, 0.0, 0.0], [0.0, 9.0, 0.0], [0.0, 0.0, 9.0]], dtype=torch.float64)
    offsets = torch.tensor(
        [
            [[0.6, 0.6, 0.6], [1.2, 0.0, 0.0]],  # lengths 1.04 and 1.2, but 1.8 and 1.2 by the absolute sum
            [[0.8, 0.8, 0.8], [0.0, 1.2, 0.0]],  # lengths 1.39 and 1.2, but 0.8 and 1.2 by the largest entry
            [[0.0, 0.0, 4.0], [3.0, 0.0, 0.0]],  # lengths 4 and 3, but angles 0 and 0.32
        ],
        dtype=torch.float64,
    )
    around = torch.cat([(centres[:, None] + offsets).reshape(6, 3), torch.full((1, 3), -20.0, dtype=torch.float64)])
    vectors = centres.repeat(2, 1) + case.normal((6, 3), 0.01)
    return [on_ray, (vectors.reshape(2, 3, 3), around + case.normal((7, 3), 0.01))]


def judge_straight_through(case: Case, quantised: Tensor, leaves: list[Tensor]) -> None:
    """∂(w·z_q)/∂z_e must be w."""
    if case.has("stop-gradient-misplaced"):
        return
    w = case.normal(quantised.shape)
    out = (quantised * w).sum()
    if not out.requires_grad:
        case.find(
            "stop-gradient-misplaced",
            "no gradient reaches the encoder through the quantised output",
            fix="z_q = z_e + (e - z_e).detach()",
        )
        return
    to_z, to_codes = torch.autograd.grad(out, leaves, allow_unused=True, retain_graph=True)
    if to_z is None or not torch.allclose(to_z, w, rtol=1e-6, atol=1e-9):
        size = 0.0 if to_z is None else float((to_z * w).sum() / (w * w).sum())
        case.find(
            "stop-gradient-misplaced",
            f"the gradient of the quantised output with respect to z_e is {number(size)} times what "
            "straight-through gives",
            fix="z_q = z_e + (e - z_e).detach()",
            evidence=evidence(size, 1.0, "∂z_q/∂z_e"),
        )
    elif to_codes is not None and float(to_codes.abs().max()) > 1e-12:
        case.find("gradient-split", "the decoder's gradient reaches the codebook as well as the encoder")


def _loss_pull(case: Case, loss: Tensor, leaves: list[Tensor], e: Tensor) -> Any:
    z, codes = leaves
    if not loss.requires_grad:
        case.find("stop-gradient-misplaced", "the loss has no gradient", fix=FIX)
        return None
    to_z, to_codes = torch.autograd.grad(loss, leaves, allow_unused=True, retain_graph=True)
    flat = e.reshape(-1, e.shape[-1])
    index = torch.cdist(flat, codes.detach()).argmin(1)
    if torch.allclose(e, z.detach(), rtol=1e-9, atol=1e-12):
        e = nearest(z.detach(), codes.detach())
        index = torch.cdist(e.reshape(-1, e.shape[-1]), codes.detach()).argmin(1)
    d = z.detach() - e
    to_e: Tensor | None = None
    if to_codes is not None:
        # spread each code's gradient over the vectors that chose it, in proportion to their share
        to_e = _spread(to_codes, d, index)
        if to_e is None:
            to_e = _spread(to_codes, d / d.norm(dim=-1, keepdim=True), index)
            if to_e is None:
                case.find("wrong-norm", "the codebook's gradient is not that of a squared distance", fix=FIX)
                return None
    found = pull(case, z.detach(), e, [to_z, to_e], float(loss))
    if found is None:
        case.find("wrong-norm", "the gradients are no multiples of z_e − e: not a squared distance", fix=FIX)
    return found


def _spread(to_codes: Tensor, direction: Tensor, index: Tensor) -> Tensor | None:
    flat = direction.reshape(-1, direction.shape[-1])
    summed = torch.zeros_like(to_codes).index_add_(0, index, flat)
    ratio = float((to_codes * summed).sum() / (summed * summed).sum().clamp(min=1e-300))
    if not torch.allclose(to_codes, ratio * summed, rtol=1e-5, atol=1e-9):
        return None
    return ratio * direction


def _tensors(out: Any) -> list[tuple[str, Tensor]]:
    if isinstance(out, dict):
        items = [(f"entry {k!r}", v) for k, v in out.items()]
    elif isinstance(out, list | tuple):
        items = [(f"element {i}", v) for i, v in enumerate(out)]
    else:
        items = (
            [(f"attribute {k}", v) for k, v in vars(out).items()]
            if hasattr(out, "__dict__") and not isinstance(out, Tensor)
            else [("the value", out)]
        )
    return [
        (name, as_tensor(v, "the function")) for name, v in items if isinstance(v, Tensor) and v.is_floating_point()
    ]


TARGETS = {"vq_quantize": Target("vq_quantize", "straight-through quantiser with its loss", ROLES, judge)}
