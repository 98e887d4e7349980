"""Our encoder as an embedding engine of NeMo, so that one model in memory serves both.

::

    models:
      - {type: embeddings, engine: corroborator, model: builtin}
"""

import asyncio

from nemoguardrails.embeddings.providers import EmbeddingModel, register_embedding_provider
from nemoguardrails.embeddings.providers.registry import EmbeddingProviderRegistry

from corroborator.integrations.nemo.settings import shared_encoder

ENGINE = "corroborator"


class CorroboratorEmbedding(EmbeddingModel):
    """Embeds NeMo's examples and documents.

    Args:
        embedding_model: ``builtin``, or ``sentence-transformers:<name or path>``.

    Raises:
        EncoderError: there is no such encoder, or it cannot be loaded.
    """

    engine_name = ENGINE

    def __init__(self, embedding_model: str = "builtin") -> None:
        self._encoder = shared_encoder(embedding_model)
        self.embedding_size = self._encoder.dimensions

    def encode(self, documents: list[str]) -> list[list[float]]:
        """Return one vector of length 1 for each text."""
        vectors: list[list[float]] = self._encoder.encode(documents).tolist()
        return vectors

    async def encode_async(self, documents: list[str]) -> list[list[float]]:
        """Do what `encode` does, off the event loop."""
        return await asyncio.to_thread(self.encode, documents)


def register() -> None:
    """Make the engine known to NeMo, which refuses a second registration in a process."""
    if ENGINE not in EmbeddingProviderRegistry().items:
        register_embedding_provider(CorroboratorEmbedding)
