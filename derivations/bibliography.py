"""The five documents that this project started from, and how to refer to their lines."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Document:
    """One of the five source documents.

    Args:
        key: ``"S0"`` to ``"S4"``.
        title: as it stands on the document.
        description: author and kind, as far as the document says.
        contents: what it derives, in our words.
    """

    key: str
    title: str
    description: str
    contents: str


DOCUMENTS: dict[str, Document] = {
    document.key: document
    for document in (
        Document(
            "S0",
            "(untitled: deriving the VAE from the posterior)",
            "a note in Chinese without a title; this description of it is ours",
            "the route from the divergence to the posterior",
        ),
        Document(
            "S1",
            "从完美KL距离推导VAE (the VAE from a perfect KL distance)",
            "a blog article, in Chinese",
            "the route from the divergence of joint laws",
        ),
        Document(
            "S2",
            "VAE",
            "a blog article of 13 September 2020, in Chinese",
            "mixtures, expectation maximisation, the objective, reparameterisation",
        ),
        Document(
            "S3",
            "UC Berkeley非监督学习--Latent Variable Models -- VAE(潜变量模型--VAE)",
            "Luna's notes on lecture 4 of CS294-158 (2020), in Chinese",
            "importance sampling, importance-weighted bounds, gradients, variants of the VAE",
        ),
        Document(
            "S4",
            "Understanding Variational Autoencoders (VAEs)",
            "Joseph Rocca, 24 September 2019, in a Chinese translation",
            "dimension reduction, principal components, autoencoders, variational inference",
        ),
    )
}
