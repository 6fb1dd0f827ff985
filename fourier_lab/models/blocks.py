"""Token states by attention: rotary positions, attention blocks, and what encoders and language models share of them."""

from collections.abc import Callable, Iterable
from typing import Self, cast

import torch
import torch.nn.functional as F
from tokenizers import Tokenizer
from torch import Tensor, nn

from ..config import ModelConfig
from ..device import target_device
from ..embeddings.basis import check_token_ids
from ..embeddings.fourier import GeGLU, SiLUMLP
from ..embeddings.interface import ReadsWords, check_embedding
from ..embeddings.registry import ATTENTIONS, EMBEDDINGS, FEED_FORWARDS
from ..errors import ConfigError, check_kind
from ..text.batches import PackedSentences, check_length
from ..text.speech import CLASSES
from ..text.tokenizer import token_words
from .token_weights import ClassWeights, TokenWeights


def rotary_table(max_seq_len: int, head_width: int) -> Tensor:
    """Return cosine and sine, float32 ``(2, max_seq_len, head_width / 2)``, of position times ``10000^(-2 i / head_width)``.

    Source: Su et al. 2021 (arXiv:2104.09864).
    """
    rates = 10000.0 ** (-torch.arange(0, head_width, 2, dtype=torch.float64) / head_width)
    angles = torch.arange(max_seq_len, dtype=torch.float64).unsqueeze(-1) * rates
    return torch.stack((angles.cos(), angles.sin())).float()


def rotate(x: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
    """Turn the pairs ``(x[i], x[i + w/2])`` of ``x (..., w)`` by the given angles; keeps norms, so scores are relative."""
    a, b = x.chunk(2, dim=-1)
    return torch.cat((a * cosine - b * sine, b * cosine + a * sine), dim=-1)


def rotate_as_published(x: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
    """Turn ``x (..., w)`` as the published code does: neither norm-preserving nor relative.

    It swaps the interleaved pairs ``(x[2j], x[2j+1])`` but uses the angles of half-split pairs, replaces ``x`` by its
    quarter turn before the cosine term, and takes the sine term from the neighbour of that, cyclically.
    """
    turned = torch.stack((-x[..., 1::2], x[..., ::2]), dim=-1).flatten(-2)
    return turned * cosine.repeat(1, 1, 2) + turned.roll(1, -1) * sine.repeat(1, 1, 2)


class SiLUProjections(nn.Module):
    """Queries, keys and values by one SiLU MLP each, ``(n, d) -> (n, 3 d)``: the projections of Table 2's network."""

    def __init__(self, d_model: int):
        super().__init__()
        self.parts = nn.ModuleList(SiLUMLP(d_model) for _ in range(3))

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([part(x) for part in self.parts], dim=-1)


class Attention(nn.Module):
    """Multi-head self-attention within each sentence of a packed batch, ``(n_tokens, 3 d) -> (n_tokens, d)``.

    Takes the output of :meth:`project` and not its input, so that the caller may share projections between tokens. A single
    head's output projection is applied to the values: weights that sum to 1 mix projected values into the projected mix,
    and equal tokens of the first layer then share this projection as well.
    Sentences of one length form a dense block, so no mask is needed and no padding is computed; sentences padded on purpose
    (the departure ``padding_mean``) do not attend to padding, but padding attends to them. In a language model, which has a
    head, a token attends to itself and those before it.
    """

    def __init__(self, config: ModelConfig):
        super().__init__()
        d = config.d_model
        self.n_heads, self.causal = config.n_heads, config.head != "none"
        self.rotate = rotate_as_published if "published_rotary" in config.departures else rotate
        silu = config.projections == "silu"
        self.qkv = SiLUProjections(d) if silu else nn.Linear(d, 3 * d)
        self.out = SiLUMLP(d) if silu else nn.Linear(d, d)
        self.values_projected = self.n_heads == 1 and not silu
        self.mix = build_attention(config)

    def project(self, x: Tensor) -> Tensor:
        """Return queries, keys and values of token states, ``(n, d) -> (n, 3 d)``."""
        qkv = self.qkv(x)
        if not self.values_projected:
            return qkv
        d = x.shape[-1]
        return torch.cat((qkv[:, : 2 * d], self.out(qkv[:, 2 * d :])), dim=-1)

    def forward(
        self, qkv: Tensor, packed: PackedSentences, cosine: Tensor, sine: Tensor, log_weights: Tensor | None = None
    ) -> Tensor:
        q, k, v = qkv.unflatten(1, (3, self.n_heads, -1)).unbind(1)  # each (n_tokens, heads, width)
        q, k = self.rotate(q, cosine, sine).to(v.dtype), self.rotate(k, cosine, sine).to(v.dtype)
        mask = None if packed.mask is None else packed.mask[:, None, None]  # (count, 1, 1, length): one for all queries
        biases: list[Tensor | None] = [mask] * len(packed.groups)
        if log_weights is not None:
            parts = zip(packed.groups, packed.blocks(log_weights.to(v.dtype)), strict=True)
            biases = [_hidden(part.view(count, 1, 1, length), mask) for (count, length), part in parts]
        mixed = [
            self._within(block, count, length, bias)
            for (count, length), bias, *block in zip(packed.groups, biases, *map(packed.blocks, (q, k, v)), strict=True)
        ]
        return torch.cat(mixed) if self.values_projected else self.out(torch.cat(mixed))

    def _within(self, block: list[Tensor], count: int, length: int, bias: Tensor | None) -> Tensor:
        """Attend within ``count`` sentences of one length; queries, keys, values ``(count * length, heads, width)``."""
        q, k, v = (t.unflatten(0, (count, length)).transpose(1, 2) for t in block)
        return self.mix(q, k, v, bias, self.causal).transpose(1, 2).flatten(2).flatten(0, 1)


def _hidden(bias: Tensor, mask: Tensor | None) -> Tensor:
    """Return a bias of keys that keeps those where ``mask`` is False out of every mix."""
    return bias if mask is None else bias.masked_fill(~mask, -torch.inf)


class Block(nn.Module):
    """One layer: attention and feed-forward, each followed by residual and RMSNorm (post-norm), or after one (pre-norm).

    Under the departure ``dead_feed_forward`` the attention's output takes the place of the feed-forward's, whose weights
    then get no gradient but count as parameters.
    """

    def __init__(self, config: ModelConfig):
        super().__init__()
        d = config.d_model
        self.dead, self.pre = "dead_feed_forward" in config.departures, config.norm == "pre"
        self.attention = Attention(config)
        self.norm1 = nn.RMSNorm(d)
        self.feed_forward = build_feed_forward(config)
        self.reads_ids = reads_ids(self.feed_forward)
        self.norm2 = nn.RMSNorm(d)
        self.dropout = nn.Dropout(config.dropout)

    def project(self, x: Tensor) -> Tensor:
        """Return queries, keys and values of token states, ``(n, d) -> (n, 3 d)``."""
        return self.attention.project(self.norm1(x) if self.pre else x)

    def forward(
        self, x: Tensor, qkv: Tensor, packed: PackedSentences, cosine: Tensor, sine: Tensor,
        log_weights: Tensor | None = None,
    ) -> Tensor:  # fmt: skip
        attended = self.dropout(self.attention(qkv, packed, cosine, sine, log_weights))
        if self.pre:
            x = x + attended
            return x + self.dropout(self._fed(self.norm2(x), packed))
        x = self.norm1(x + attended)
        return self.norm2(x + (attended if self.dead else self.dropout(self._fed(x, packed))))

    def _fed(self, x: Tensor, packed: PackedSentences) -> Tensor:
        return self.feed_forward(x, packed.token_ids) if self.reads_ids else self.feed_forward(x)


def reads_ids(feed_forward: nn.Module) -> bool:
    """Say whether a feed-forward is called with token states and with the tokens' ids, int64 ``(n_tokens,)``."""
    return bool(getattr(feed_forward, "reads_ids", False))


def build_feed_forward(config: ModelConfig) -> nn.Module:
    """Return the feed-forward of one block, ``(n_tokens, d) -> (n_tokens, d)``: GeGLU, SiLU MLP, or the named one.

    Raises:
        ConfigError: If a named one gives another shape.
    """
    d = config.d_model
    if config.projections == "silu":
        return SiLUMLP(d)
    if not isinstance(config.feed_forward, str):
        return GeGLU(d, int(config.feed_forward * d))
    built = FEED_FORWARDS.build(config.feed_forward, (d,), config.feed_forward_settings())
    ids = (torch.zeros(3, dtype=torch.int64),) if reads_ids(built) else ()
    with torch.no_grad(), torch.random.fork_rng():
        found = built(torch.zeros(3, d), *ids)
    if found.shape != (3, d):
        raise ConfigError(
            f"the feed-forward {config.feed_forward!r} must keep the shape (n_tokens, {d}), but turns (3, {d}) into "
            f"{tuple(found.shape)}. Let its last layer have d_model outputs."
        )
    return built


def build_attention(config: ModelConfig) -> nn.Module:
    """Return what mixes values by queries and keys, see :mod:`fourier_lab.models.attentions`.

    Raises:
        ConfigError: If it gives another shape than that of the values.
    """
    built = ATTENTIONS.build(config.attention, (config.d_model,), config.attention_settings())
    if config.attention not in ATTENTIONS.built_in:
        values = torch.zeros(2, config.n_heads, 3, config.d_model // config.n_heads)
        with torch.no_grad(), torch.random.fork_rng():
            found = built(values, values, values, None, config.head != "none")
        if found.shape != values.shape:
            raise ConfigError(
                f"the attention {config.attention!r} must keep the shape of values, but turns {tuple(values.shape)} into "
                f"{tuple(found.shape)}. Let it return (count, heads, length, width)."
            )
    return built


def build_embedding(config: ModelConfig) -> nn.Module:
    """Return the token embedding of an encoder; one that is not the library's own is checked first.

    Raises:
        ConfigError: If it breaks a rule of :func:`fourier_lab.check_embedding`, or is of another size than asked for.
    """
    sizes = config.vocab_size, config.d_model
    embedding = EMBEDDINGS.build(config.arm, sizes, config.embedding_settings(), config.frequency_seed)
    if config.arm not in EMBEDDINGS.built_in:
        check_embedding(embedding)
        if (embedding.num_embeddings, embedding.embedding_dim) != sizes:
            raise ConfigError(
                f"{type(embedding).__name__} was asked for {sizes[0]} ids and width {sizes[1]} but has "
                f"{embedding.num_embeddings} and {embedding.embedding_dim}. Let it keep what __init__ is given."
            )
    return embedding


class Backbone(nn.Module):
    """Embedding and blocks, from packed ids to token states, with the tokenizer that the ids are of.

    Raises:
        ConfigError: If ``config`` is no ``ModelConfig``.
    """

    def __init__(self, config: ModelConfig):
        super().__init__()
        remedy = "Write ModelConfig('fourier', vocab_size, d_model), or RunConfig(...).model(vocab_size)."
        check_kind(config, ModelConfig, f"{type(self).__name__} takes a ModelConfig", remedy)
        self.config = config
        self.embedding = build_embedding(config)
        self.dropout = nn.Dropout(config.dropout)
        self.attention_weights = None if config.attention_weights == "none" else TokenWeights(config.vocab_size)
        if config.attention_weights == "speech":
            self.attention_weights = ClassWeights(config.vocab_size, len(CLASSES))
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.n_layers))
        with torch.device("cpu"):
            self.rotary = rotary_table(config.max_seq_len, config.d_model // config.n_heads)
        self.tokenizer: Tokenizer | None = None

    def set_tokenizer(self, tokenizer: Tokenizer) -> None:
        """Attach the tokenizer that text is read with; an embedding that reads the spelling takes its tokens over.

        Raises:
            ConfigError: If it is none of the tokenizers library, or has another number of ids than the model.
        """
        remedy = "Write tokenizers.Tokenizer.from_file(path)."
        check_kind(tokenizer, Tokenizer, "the tokenizer must be one of the tokenizers library", remedy)
        size = tokenizer.get_vocab_size(with_added_tokens=True)
        if size != self.config.vocab_size:
            raise ConfigError(
                f"the tokenizer has {size} ids but the encoder was built for vocab_size {self.config.vocab_size}. "
                "Load the tokenizer that the weights were trained with."
            )
        if isinstance(self.embedding, ReadsWords):
            self.embedding.set_words(token_words(tokenizer))
        self.tokenizer = tokenizer

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        super()._apply(fn, recurse)
        self.rotary = self.rotary.to(target_device(fn, self.rotary))
        return self

    def hidden_states(
        self, packed: PackedSentences, after: Callable[[int, Tensor], Tensor] | None = None
    ) -> list[Tensor]:
        """Return the token states ``(n_tokens, d_model)`` of a packed batch: the embeddings, then each layer's output.

        ``after`` is called with the number of a layer and its output, and returns what goes on in place of it.
        """
        check_length(packed.groups[-1][1], self.config.max_seq_len)
        rotary = self.rotary.to(packed.positions.device)
        cosine, sine = rotary[:, packed.positions].unsqueeze(2)  # each (n_tokens, 1, width / 2), shared by heads
        check_token_ids(packed.distinct, self.config.vocab_size)
        rows = self.embedding(packed.distinct)
        states = [self.dropout(F.embedding(packed.places, rows))]
        log_weights = None
        if self.attention_weights is not None:
            log_weights = self.attention_weights.log_of(packed.distinct)[packed.places]
        for i, block in enumerate(cast(Iterable[Block], self.blocks)):
            if i == 0 and not (self.training and self.config.dropout):
                # Before positions and context come in, equal ids have equal projections: compute each once.
                # Gathered in full precision, because the backward pass sums over all occurrences of an id.
                qkv = F.embedding(packed.places, block.project(rows).to(rows.dtype))
            else:
                qkv = block.project(states[-1])
            state = block(states[-1], qkv, packed, cosine, sine, log_weights)
            states.append(state if after is None else after(i, state))
        return states


def count_parameters(encoder: nn.Module) -> int:
    """Return the number of trainable numbers in a module."""
    return sum(p.numel() for p in encoder.parameters() if p.requires_grad)
