"""What torch does to functions gives the same KL for every registered pair: vmap, grad, jacfwd, hessian, compile,
broadcasting, memory in any order, and batches of no dimension and of no element.

Two ways to one number agree to the accuracy that the pair states, twice. Derivatives are compared to 1e-10 of the
largest, far above rounding for parameters of the size of one and far below any mistake of a formula.
"""

import math

import numpy as np
import pytest
import torch
from torch.autograd import forward_ad
from torch.distributions import ContinuousBernoulli

from elbo.audit._cases import samples
from elbo.audit._families import FAMILIES
from elbo.divergences import kl, kl_pairs

pytestmark = [
    # by torch itself, in jvp and where it traces
    pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:.*should not be instantiated:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf:UserWarning"),
]

F64 = torch.float64
EPS = torch.finfo(F64).eps
SAME = 1e-10
DRAWS = 40  # of which the first with a finite KL are taken


class Case:
    """One pair: a row holds the parameters of both laws that can be differentiated, one after the other."""

    def __init__(self, pair):
        self.names = pair.q.__name__, pair.p.__name__
        self.accuracy = pair.accuracy
        self.parameters = [(side, x) for side in (0, 1) for x in FAMILIES[self.names[side]].parameters]
        self.moving = [(side, x) for side, x in self.parameters if x.kind != "count"]
        self.sizes = [math.prod(x.shape) for _, x in self.moving]
        self.width = sum(self.sizes)
        lower = [torch.ones(x.shape).tril() if x.kind == "tril" else torch.ones(x.shape) for _, x in self.moving]
        self.is_parameter = torch.cat([torch.zeros(0), *(ones.flatten() for ones in lower)]) > 0
        self.of_q = sum(size for (side, _), size in zip(self.moving, self.sizes, strict=True) if side == 0)
        found = [self.row(case) for case in samples(*self.names, DRAWS)]
        finite = [row for row in found if self(row).isfinite()]
        self.infinite = not finite
        self.rows = torch.stack(((finite or found) * 6)[:6])

    def row(self, case):
        sides = case.q, case.p
        parts = [np.asarray(sides[side][x.name], float).reshape(-1) for side, x in self.moving]
        return torch.tensor(np.concatenate([[], *parts]))

    def side(self, number, row):
        """A law from its part of rows ``[..., n]``."""
        values, start, other = {}, 0, "VonMisesFisher"
        for side, x in self.parameters:
            if side == number and x.kind == "count":
                values[x.name] = torch.full(row.shape[:-1], 7.0, dtype=row.dtype)
            elif side == number:
                stop = start + math.prod(x.shape)
                values[x.name] = row[..., start:stop].reshape((*row.shape[:-1], *x.shape))
                start = stop
        if not values:  # the uniform law on the sphere
            values["mean_direction"] = torch.ones(*row.shape[:-1], FAMILIES[other].parameters[0].shape[0], dtype=F64)
        if self.names[number] == "ContinuousBernoulli":  # whose constructor looks at values if it is given probs
            return ContinuousBernoulli(logits=torch.logit(values["probs"]), validate_args=False)
        return FAMILIES[self.names[number]].make(values)

    def apart(self, q, p):
        return kl(self.side(0, q), self.side(1, p))

    def __call__(self, row):
        return self.apart(row[..., : self.of_q], row[..., self.of_q :])

    def assert_same_value(self, got, wanted):
        torch.testing.assert_close(got, wanted, rtol=2 * self.accuracy * EPS, atol=0.0)

    def gradient(self, rows):
        rows = rows.detach().clone().requires_grad_()
        return torch.autograd.grad(self(rows).sum(), rows)[0]


ALL = [Case(pair) for pair in kl_pairs() if pair.q.__name__ in FAMILIES and pair.p.__name__ in FAMILIES]
SMOOTH = [case for case in ALL if not case.infinite and case.width]


def every(cases):
    return pytest.mark.parametrize("case", cases, ids=lambda case: "-".join(case.names))


def assert_near(got, wanted, tolerance=SAME):
    torch.testing.assert_close(got, wanted, rtol=0.0, atol=tolerance * wanted.abs().max().item())


def test_every_pair_is_here():
    missing = {(p.q.__name__, p.p.__name__) for p in kl_pairs()} - {case.names for case in ALL}
    assert missing == {("ExponentialFamily", "ExponentialFamily")}  # for families of users
    assert len(SMOOTH) > 60


@every(ALL)
def test_vmap_is_the_batched_call(case):
    wanted = case(case.rows)
    case.assert_same_value(torch.func.vmap(case)(case.rows), wanted)
    case.assert_same_value(torch.func.vmap(case, in_dims=1)(case.rows.mT), wanted)
    pairs = case.rows.unflatten(0, (2, -1))
    case.assert_same_value(torch.func.vmap(torch.func.vmap(case))(pairs), wanted.unflatten(0, (2, -1)))
    q, p = case.rows[:, : case.of_q], case.rows[0, case.of_q :]
    if not case.infinite and case.of_q:
        case.assert_same_value(torch.func.vmap(case.apart, in_dims=(0, None))(q, p), case.apart(q, p))


@every(SMOOTH)
def test_first_derivatives_agree(case):
    wanted = case.gradient(case.rows)
    assert_near(torch.func.vmap(torch.func.grad(case))(case.rows), wanted)
    assert_near(torch.func.vmap(torch.func.jacfwd(case))(case.rows), wanted)
    for row, slope in zip(case.rows[:2], wanted, strict=False):
        assert_near(torch.func.grad(case)(row), slope)
        assert_near(torch.func.jacrev(case)(row), slope)
    direction = torch.cos(torch.arange(case.width, dtype=F64))
    with forward_ad.dual_level():
        dual = forward_ad.make_dual(case.rows, direction.expand_as(case.rows))
        tangent = forward_ad.unpack_dual(case(dual)).tangent
    assert_near(tangent, wanted @ direction)


@every(SMOOTH)
def test_second_derivatives_agree_with_each_other_and_with_differences(case):
    row = case.rows[0]
    leaf = row.clone().requires_grad_()
    (slope,) = torch.autograd.grad(case(leaf), leaf, create_graph=True)
    twice = torch.stack([torch.autograd.grad(s, leaf, retain_graph=True)[0] for s in slope])
    for function in (
        torch.func.hessian(case),
        torch.func.jacrev(torch.func.jacrev(case)),
        torch.func.jacrev(torch.func.jacfwd(case)),
    ):
        assert_near(function(row), twice)
    # error of a central difference: h² of the third derivative, and ε/h of the gradient
    steps = torch.diag(1e-5 * row.abs().clamp(1e-3, 1.0))[case.is_parameter]
    up, down = row + steps, row - steps
    differences = (case.gradient(up) - case.gradient(down)) / (up - down).sum(-1, keepdim=True)
    assert_near(differences, twice[case.is_parameter], 1e-6)


@every(ALL)
def test_broadcasting_is_the_expanded_call(case):
    q, p = case.rows[:3, None, : case.of_q], case.rows[:2, case.of_q :]
    wide = [side.expand(3, 2, -1).contiguous() for side in (q, p)]
    wanted = case.apart(*wide)
    assert wanted.shape == (3, 2)
    case.assert_same_value(case.apart(q, p), wanted)
    if case.infinite or not case.width:
        return
    gradients = []
    for sides in ((q, p), wide):
        leaves = [side.clone().requires_grad_(bool(side.shape[-1])) for side in sides]
        value = case.apart(*leaves)
        value.masked_fill(value.isinf(), 0.0).sum().backward()
        gradients.append([leaf.grad for leaf in leaves if leaf.requires_grad])
    for got, full in zip(*gradients, strict=True):
        assert_near(got, full.sum_to_size(got.shape))


@every(ALL)
def test_the_order_in_memory_does_not_matter(case):
    grid = case.rows.unflatten(0, (2, -1))
    wanted = case(grid)
    strided = torch.full((*grid.shape[:-1], 2 * case.width), math.nan, dtype=F64)[..., ::2].copy_(grid)
    transposed = grid.transpose(0, 1).contiguous().transpose(0, 1)
    for view in (strided, transposed, grid.flip(0).flip(0), grid.movedim(-1, 0).contiguous().movedim(0, -1)):
        case.assert_same_value(case(view), wanted)
        if not case.infinite and case.width:
            assert_near(case.gradient(view), case.gradient(grid))


@every(ALL)
def test_batches_of_no_element_and_of_no_dimension(case):
    for shape in () if "OneHotCategorical" in case.names else ((0,), (3, 0), (0, 2)):  # which torch cannot make
        rows = case.rows[0].expand(*shape, -1).clone().requires_grad_(bool(case.width))
        value = case(rows)
        assert value.shape == shape
        assert value.dtype == F64
        if not case.infinite and case.width:
            value.sum().backward()
            assert rows.grad.shape == rows.shape
    for row, wanted in zip(case.rows, case(case.rows), strict=True):
        value = case(row)
        assert value.shape == ()
        case.assert_same_value(value, wanted)
    if not case.infinite and case.width:
        assert_near(case.gradient(case.rows[0]), case.gradient(case.rows)[0])


@every(SMOOTH)
def test_a_gradient_towards_one_side_alone(case):
    whole = case.gradient(case.rows)
    parts = [case.rows[:, : case.of_q], case.rows[:, case.of_q :]]
    for side, wanted in enumerate((whole[:, : case.of_q], whole[:, case.of_q :])):
        if parts[side].shape[-1] == 0:
            continue
        leaves = [part.detach().clone().requires_grad_(side == i) for i, part in enumerate(parts)]
        value = case.apart(*leaves)
        (got,) = torch.autograd.grad(value.sum(), leaves[side])
        assert_near(got, wanted, SAME)
        forward = torch.func.jacfwd(lambda x, p=parts, s=side: case.apart(*(x if i == s else p[i] for i in (0, 1))))
        assert_near(forward(parts[side]).sum(1), got)


COMPILED = [
    case
    for case in ALL
    if case.names in {("Normal", "Normal"), ("Gamma", "Gamma"), ("Beta", "Beta"), ("Uniform", "Gumbel"),
                      ("Categorical", "Categorical"), ("Normal", "Laplace"), ("Normal", "Beta")}
]  # fmt: skip


@every(COMPILED)
def test_compile_gives_the_same(case):
    torch._dynamo.reset()  # it counts compilations by code object
    compiled = torch.compile(case, backend="eager", fullgraph=True)
    case.assert_same_value(compiled(case.rows), case(case.rows))
    if not case.infinite:
        rows = case.rows.clone().requires_grad_()
        (slope,) = torch.autograd.grad(compiled(rows).sum(), rows)
        assert_near(slope, case.gradient(case.rows))
