"""A small VAE on real images: the negative ELBO of the scikit-learn digits, and what the checker says about the model.

python examples/digits.py
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def digits() -> Tensor:
    """The 1797 handwritten digits of scikit-learn, 8 × 8, made binary: pixels above half the range are ink."""
    from sklearn.datasets import load_digits

    return (torch.from_numpy(load_digits().data) > 8).float()


class VAE(nn.Module):
    """64 pixels, 32 hidden units, 6 latent dimensions, a Bernoulli decoder."""

    def __init__(self, pixels: int = 64, hidden: int = 32, latent: int = 6) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(pixels, hidden), nn.Tanh(), nn.Linear(hidden, 2 * latent))
        self.decoder = nn.Sequential(nn.Linear(latent, hidden), nn.Tanh(), nn.Linear(hidden, pixels))

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        mean, log_variance = self.encoder(x).chunk(2, dim=1)
        return mean, log_variance

    def decode(self, z: Tensor) -> Tensor:
        """Logits of the pixels."""
        return self.decoder(z)

    def loss(self, x: Tensor) -> dict[str, Tensor]:
        """The negative ELBO in nats, a mean over the batch."""
        mean, log_variance = self.encode(x)
        z = mean + torch.exp(0.5 * log_variance) * torch.randn_like(mean)
        nll = F.binary_cross_entropy_with_logits(self.decode(z), x, reduction="none").sum(dim=1)
        kl = 0.5 * (mean**2 + log_variance.exp() - 1 - log_variance).sum(dim=1)
        return {"loss": (nll + kl).mean(), "kl": kl.mean()}


def train(model: VAE, x: Tensor, steps: int = 600, batch: int = 128, seed: int = 0) -> None:
    """Adam on minibatches."""
    generator = torch.Generator().manual_seed(seed)
    optimiser = torch.optim.Adam(model.parameters(), lr=5e-3)
    for _ in range(steps):
        rows = torch.randint(len(x), (batch,), generator=generator)
        optimiser.zero_grad()
        model.loss(x[rows])["loss"].backward()
        optimiser.step()


def main() -> None:
    import elbo

    torch.manual_seed(0)
    x = digits()
    training, held_out = x[:1500], x[1500:]
    model = VAE()
    with torch.no_grad():
        before = float(model.loss(held_out)["loss"])
    train(model, training)
    report = elbo.check_model(model, held_out, samples=64)
    assert report.negative_elbo is not None
    print(f"negative ELBO of {len(held_out)} held-out digits: {before:.1f} nats before training")
    print(f"after training: {report.negative_elbo} nats a digit\n")
    print(report)


if __name__ == "__main__":
    main()
