"""A language model: the encoder's blocks, looking back alone, under an output layer of choice."""

from functools import partial

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor, nn

from ..config import ModelConfig
from ..embeddings.fourier import LearnedEmbedding
from ..errors import ConfigError
from ..text.batches import pack
from ..text.streams import line_end
from .blocks import Backbone
from .heads import build_head, cross_entropy
from .latent import LatentReader
from .posteriors import give_posteriors

# Standard deviation of a learned table's rows at the start, GPT-2's. Their norm makes no difference to what is computed, but
# AdamW turns small rows faster, and a short run would leave rows of N(0, 1) about where they were.
_TABLE_START = 0.02


class CausalLM(Backbone):
    """Predict each token from those before it.

    A tied head reads token states divided by ``sqrt(d)``: the rows of the embeddings here are of norm ``sqrt(d)``, and the
    first logits are then of the size that a dense layer's are.

    Where ``config.bayesian`` says so, each call in training computes with one sample of some matrices, and a call in eval
    mode with their means. With ``config.latent`` vectors every block is followed by a reading of them.

    Args:
        config: Shape of the model; ``config.head`` chooses the output layer.
        tokenizer: Needed by :meth:`generate` only; must have ``config.vocab_size`` ids.

    Raises:
        ConfigError: If ``config`` has no head, or as :meth:`set_tokenizer`.

    Example:
        >>> model = CausalLM(ModelConfig("learned", 500, 16, head="fourier", norm="pre"))
        >>> model(torch.arange(10).view(2, 5)).shape
        torch.Size([2, 5, 500])
    """

    def __init__(self, config: ModelConfig, tokenizer: Tokenizer | None = None):
        super().__init__(config)
        if config.head == "none":
            raise ConfigError("a language model needs a head, and head is 'none'. Try ModelConfig(..., head='tied').")
        self.norm = nn.RMSNorm(config.d_model) if config.norm == "pre" else nn.Identity()
        self.head = build_head(config, self.embedding)
        if isinstance(self.embedding, LearnedEmbedding):
            with torch.no_grad():
                self.embedding.table.weight.mul_(_TABLE_START)
        self.scale = config.d_model**-0.5 if config.head == "tied" else 1.0
        # After all else, so that the rest starts as it does without them.
        self.posteriors = give_posteriors(self, config)
        n_readers = config.n_layers if config.latent else 0
        self.readers = nn.ModuleList(
            LatentReader(config.d_model, config.n_heads, config.latent) for _ in range(n_readers)
        )
        if tokenizer is not None:
            self.set_tokenizer(tokenizer)

    def states(self, token_ids: Tensor | np.ndarray, latents: Tensor | None = None) -> Tensor:
        """Return what the head reads, ``(batch, seq, d)``, for int64 ids ``(batch, seq)``, seq <= ``max_seq_len``.

        Latent vectors, ``(batch, latent, d)``, are those of each row; if none are given, the mean of their prior, 0.
        """
        shape, device = token_ids.shape, next(self.parameters()).device
        packed = pack(list(np.asarray(torch.as_tensor(token_ids).cpu()))).to(device)
        if self.training:
            for posterior in self.posteriors:
                posterior.draw()
        after = None
        if self.readers:
            if latents is None:
                latents = torch.zeros(shape[0], self.config.latent, self.config.d_model, device=device)
            after = partial(self._read_latents, latents)
        return self.scale * self.norm(self.hidden_states(packed, after)[-1]).view(*shape, self.config.d_model)

    def _read_latents(self, latents: Tensor, layer: int, states: Tensor) -> Tensor:
        return self.readers[layer](states, latents)

    def forward(self, token_ids: Tensor) -> Tensor:
        """Return the logits of the token after each, ``(batch, seq, V)``, for int64 ids ``(batch, seq)``.

        Raises:
            ConfigError: If ids are no integers of the vocabulary, or there are more than ``max_seq_len`` in a row.
        """
        return self.head(self.states(token_ids))

    def cross_entropy(self, states: Tensor, targets: Tensor, reduction: str = "mean") -> Tensor:
        """Return the cross-entropy in nats of the ids ``(batch, seq)`` that follow :meth:`states`.

        Its ``mean`` or ``sum``, or with ``none`` that of each token, which need not have gradients.
        """
        return cross_entropy(self.head, states, targets, reduction)

    @torch.no_grad()
    def generate(self, prompt: str, seed: int = 0, *, n_tokens: int = 100, temperature: float = 1.0) -> str:
        """Go on with a text, in eval mode, token by token.

        Args:
            prompt: What the text begins with; if it has no token, the end of a paragraph comes before the first.
            seed: Of the draws; the same gives the same text.
            n_tokens: How many to draw.
            temperature: Above 0; logits are divided by it, so that less is more probable.

        Returns:
            str: The prompt's tokens and those drawn, as text.

        Raises:
            ConfigError: If no tokenizer is attached, or the temperature is not above 0.
        """
        tokenizer, ids = self._read(prompt)
        if not temperature > 0:
            raise ConfigError(f"temperature ({temperature}) must be above 0. Try 1.0, or 0.1 for nearly no chance.")
        generator = torch.Generator().manual_seed(seed)
        for _ in range(n_tokens):
            logits = self.head(self._last_state(ids)).cpu()
            ids.append(int(torch.multinomial((logits / temperature).softmax(-1), 1, generator=generator)))
        return tokenizer.decode(ids)

    @torch.no_grad()
    def state_after(self, prompt: str) -> Tensor:
        """Return what the head reads after a text, ``(d,)``, in eval mode; the end of a paragraph if it has no token.

        Raises:
            ConfigError: If no tokenizer is attached.
        """
        return self._last_state(self._read(prompt)[1])

    def _read(self, prompt: str) -> tuple[Tokenizer, list[int]]:
        if self.tokenizer is None:
            raise ConfigError("this model has no tokenizer to read the prompt with. Call set_tokenizer first.")
        ids = self.tokenizer.encode(prompt, add_special_tokens=False).ids
        return self.tokenizer, ids or [*line_end(self.tokenizer)]

    def _last_state(self, ids: list[int]) -> Tensor:
        was_training = self.training
        self.eval()
        state = self.states(torch.tensor([ids[-self.config.max_seq_len :]]))[0, -1]
        self.train(was_training)
        return state
