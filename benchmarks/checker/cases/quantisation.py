"""Vector quantisation: the two-part loss from (z_e, e), and the straight-through quantiser from (z_e, codebook).

All variants have the same value: what is right or wrong is which argument each part moves. ``beta`` in the facts of a
right case is the weight of its commitment part.
"""

import torch
import torch.nn.functional as F
from torch import nn

from benchmarks.checker._case import Cases, Truth

vq = Cases("vq")
quantise = Cases("vq_quantize")
CASES = [vq, quantise]

# --- loss, right -----------------------------------------------------------------------------------


@vq.right()
def codebook_plus_commitment(z_e, e):
    return F.mse_loss(z_e.detach(), e) + 0.25 * F.mse_loss(z_e, e.detach())


@vq.right()
def commitment_first(z, z_q):
    commitment = torch.mean((z_q.detach() - z) ** 2)
    return 0.25 * commitment + torch.mean((z_q - z.detach()) ** 2)


@vq.right()
def summed_over_dimensions(z_e, e):
    codebook = (z_e.detach() - e).pow(2).sum(-1)
    commitment = (z_e - e.detach()).pow(2).sum(-1)
    return (codebook + 0.5 * commitment).mean()


@vq.right()
def with_clones(z_e, e):
    sg_z, sg_e = z_e.clone().detach(), e.clone().detach()
    return {"loss": torch.square(e - sg_z).mean() + 0.1 * torch.square(z_e - sg_e).mean(), "codes": e}


class VectorQuantizerLoss(nn.Module):
    def __init__(self, commitment_cost):
        super().__init__()
        self.commitment_cost = commitment_cost

    def forward(self, inputs, quantized):
        e_latent_loss = F.mse_loss(quantized.detach(), inputs)
        q_latent_loss = F.mse_loss(quantized, inputs.detach())
        return q_latent_loss + self.commitment_cost * e_latent_loss, q_latent_loss, e_latent_loss


vq.right("module_tuple")(VectorQuantizerLoss(0.25))
vq.right("lambda_einsum")(
    lambda z, e: (
        torch.einsum("...d,...d->...", e - z.detach(), e - z.detach())
        + 0.25 * torch.einsum("...d,...d->...", z - e.detach(), z - e.detach())
    ).sum()
)


@vq.right(keywords={"ema": True}, notes=["ema-codebook"], tags=["ema"])
def commitment_only_with_ema(z_e, e):
    return 0.25 * F.mse_loss(z_e, e.detach())


# --- loss, wrong -----------------------------------------------------------------------------------


@vq.wrong("beta-on-codebook")
def beta_swapped(z_e, e):
    return 0.25 * F.mse_loss(z_e.detach(), e) + F.mse_loss(z_e, e.detach())


@vq.wrong("beta-on-codebook")
def legacy_order(z, z_q):
    return torch.mean((z_q.detach() - z) ** 2) + 0.25 * torch.mean((z_q - z.detach()) ** 2)


class LegacyQuantizer(nn.Module):
    beta = 0.1

    def forward(self, z, z_q):
        loss = ((z_q - z.detach()) ** 2).sum(-1) * self.beta + ((z_q.detach() - z) ** 2).sum(-1)
        return {"loss": loss.mean()}


vq.wrong("beta-on-codebook", name="module_beta_swapped")(LegacyQuantizer())


@vq.wrong("stop-gradient-misplaced")
def no_detach_at_all(z_e, e):
    return F.mse_loss(z_e, e) + 0.25 * F.mse_loss(z_e, e)


# its gradients are those of 5/4 of the loss with β = 0.2, its value is not
@vq.wrong("stop-gradient-misplaced", also=(Truth("correct", notes=frozenset({"overall-scale"})),))
def commitment_not_detached(z_e, e):
    return F.mse_loss(z_e.detach(), e) + 0.25 * F.mse_loss(z_e, e)


@vq.wrong("stop-gradient-misplaced")
def codebook_not_detached(z_e, e):
    return ((z_e - e) ** 2).mean() + 0.25 * ((z_e - e.detach()) ** 2).mean()


@vq.wrong("stop-gradient-misplaced")
def both_on_the_codebook(z_e, e):
    return F.mse_loss(z_e.detach(), e) + 0.25 * F.mse_loss(z_e.detach(), e)


@vq.wrong("stop-gradient-misplaced|codebook-loss-missing")
def loss_on_the_straight_through_output(z_e, e):
    z_q = z_e + (e - z_e).detach()
    return F.mse_loss(z_e.detach(), z_q) + 0.25 * F.mse_loss(z_e, z_q.detach())


@vq.wrong("codebook-loss-missing", keywords={"ema": False})
def commitment_only(z_e, e):
    return 0.25 * F.mse_loss(z_e, e.detach())


@vq.wrong(
    "codebook-loss-missing",
    candidates=["codebook-loss-missing", "ema-codebook"],
    also=(Truth("undecided", candidates=frozenset({"codebook-loss-missing", "ema-codebook"})),),
)
def commitment_only_undeclared(z_e, e):
    return 0.25 * ((z_e - e.detach()) ** 2).mean()


@vq.wrong("vq-reduction")
def codebook_summed_commitment_averaged(z_e, e):
    return F.mse_loss(z_e.detach(), e, reduction="sum") + 0.25 * F.mse_loss(z_e, e.detach())


@vq.wrong("vq-reduction")
def commitment_summed_codebook_averaged(z_e, e):
    return torch.mean((z_e.detach() - e) ** 2) + 0.25 * torch.sum((z_e - e.detach()) ** 2, -1).mean()


@vq.wrong("wrong-norm")
def norm_not_squared(z_e, e):
    return (z_e.detach() - e).norm(dim=-1).mean() + 0.25 * (z_e - e.detach()).norm(dim=-1).mean()


@vq.wrong("wrong-norm")
def absolute_difference(z_e, e):
    return F.l1_loss(z_e.detach(), e) + 0.25 * F.l1_loss(z_e, e.detach())


@vq.wrong("wrong-norm")
def huber_difference(z_e, e):
    return F.smooth_l1_loss(e, z_e.detach()) + 0.25 * F.smooth_l1_loss(z_e, e.detach())


@vq.wrong("sign-flipped")
def commitment_subtracted(z_e, e):
    return F.mse_loss(z_e.detach(), e) - 0.25 * F.mse_loss(z_e, e.detach())


@vq.wrong("beta-on-codebook", "wrong-norm")
def swapped_and_absolute(z_e, e):
    return 0.25 * F.l1_loss(z_e.detach(), e) + F.l1_loss(z_e, e.detach())


@vq.wrong("beta-on-codebook", "vq-reduction")
def swapped_and_mixed(z_e, e):
    codebook = (z_e.detach() - e).pow(2).sum(-1).mean()
    return 0.25 * codebook + (z_e - e.detach()).pow(2).sum()


# --- quantiser -------------------------------------------------------------------------------------


def nearest(z, codebook):
    return torch.cdist(z.reshape(-1, z.shape[-1]), codebook).argmin(1).view(z.shape[:-1])


@quantise.right()
def straight_through(z_e, codebook):
    e = F.embedding(nearest(z_e, codebook), codebook)
    loss = F.mse_loss(e, z_e.detach()) + 0.25 * F.mse_loss(e.detach(), z_e)
    return z_e + (e - z_e).detach(), loss


@quantise.right()
def loss_first_and_indices(z, weight):
    flat = z.reshape(-1, z.shape[-1])
    distances = (flat**2).sum(1, keepdim=True) + (weight**2).sum(1) - 2 * flat @ weight.t()
    indices = torch.argmin(distances, dim=1)
    one_hot = torch.zeros(len(indices), len(weight), dtype=z.dtype).scatter_(1, indices[:, None], 1)
    quantized = (one_hot @ weight).view(z.shape)
    loss = F.mse_loss(quantized, z.detach()) + 0.25 * F.mse_loss(quantized.detach(), z)
    return loss, z + (quantized - z).detach(), indices


@quantise.right()
def dictionary_and_sums(z, codebook):
    e = codebook[nearest(z, codebook)]
    codebook_loss = ((e - z.detach()) ** 2).sum(-1).mean()
    commitment = ((e.detach() - z) ** 2).sum(-1).mean()
    return {"z_q": (e - z).detach() + z, "loss": codebook_loss + 0.5 * commitment}


@quantise.wrong("stop-gradient-misplaced")
def no_straight_through(z_e, codebook):
    e = codebook[nearest(z_e, codebook)]
    loss = F.mse_loss(e, z_e.detach()) + 0.25 * F.mse_loss(e.detach(), z_e)
    return e, loss


@quantise.wrong("stop-gradient-misplaced")
def straight_through_backwards(z_e, codebook):
    e = codebook[nearest(z_e, codebook)]
    loss = F.mse_loss(e, z_e.detach()) + 0.25 * F.mse_loss(e.detach(), z_e)
    return e + (z_e - e).detach(), loss


@quantise.wrong("stop-gradient-misplaced|codebook-loss-missing")
def patched_before_the_loss(z_e, codebook):
    e = codebook[nearest(z_e, codebook)]
    z_q = z_e + (e - z_e).detach()
    return z_q, F.mse_loss(z_q, z_e.detach()) + 0.25 * F.mse_loss(z_q.detach(), z_e)


@quantise.wrong("beta-on-codebook")
def quantiser_beta_swapped(z, codebook):
    e = codebook[nearest(z, codebook)]
    loss = torch.mean((e.detach() - z) ** 2) + 0.25 * torch.mean((e - z.detach()) ** 2)
    return z + (e - z).detach(), loss


@quantise.wrong("codebook-loss-missing", keywords={"ema": False})
def quantiser_commitment_only(z, codebook):
    e = codebook[nearest(z, codebook)]
    return z + (e - z).detach(), 0.25 * F.mse_loss(e.detach(), z)


@quantise.wrong("algebra-slip|wrong-norm")
def cross_term_not_doubled(z, codebook):
    flat = z.reshape(-1, z.shape[-1])
    distances = (flat**2).sum(1, keepdim=True) + (codebook**2).sum(1) - flat @ codebook.t()
    e = codebook[distances.argmin(1)].view(z.shape)
    loss = F.mse_loss(e, z.detach()) + 0.25 * F.mse_loss(e.detach(), z)
    return z + (e - z).detach(), loss


@quantise.wrong("algebra-slip|sign-flipped|wrong-norm")
def farthest_code(z, codebook):
    flat = z.reshape(-1, z.shape[-1])
    e = codebook[torch.cdist(flat, codebook).argmax(1)].view(z.shape)
    loss = F.mse_loss(e, z.detach()) + 0.25 * F.mse_loss(e.detach(), z)
    return z + (e - z).detach(), loss


@quantise.wrong("wrong-norm")
def quantiser_norm_not_squared(z, codebook):
    e = codebook[nearest(z, codebook)]
    loss = (e - z.detach()).norm(dim=-1).mean() + 0.25 * (e.detach() - z).norm(dim=-1).mean()
    return z + (e - z).detach(), loss


@quantise.wrong("stop-gradient-misplaced", "beta-on-codebook")
def no_straight_through_and_swapped(z, codebook):
    e = codebook[nearest(z, codebook)]
    return e, torch.mean((e.detach() - z) ** 2) + 0.25 * torch.mean((e - z.detach()) ** 2)
