"""An embedding engine that needs no download, for dialog in every arm."""

import hashlib

from nemoguardrails.embeddings.providers import EmbeddingModel, register_embedding_provider


class HashedEmbedding(EmbeddingModel):
    """Embeds a text by a hash of it."""

    engine_name = "hashed"

    def __init__(self, embedding_model: str) -> None:
        self.embedding_model, self.embedding_size = embedding_model, 32

    def encode(self, documents: list[str]) -> list[list[float]]:
        return [[b / 255 for b in hashlib.sha256(d.encode()).digest()] for d in documents]

    async def encode_async(self, documents: list[str]) -> list[list[float]]:
        return self.encode(documents)


register_embedding_provider(HashedEmbedding)
