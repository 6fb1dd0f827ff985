"""The paper's sentence encoder: token embeddings, post-norm attention blocks, mean pooling, linear + tanh pooler."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Self, cast

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from tokenizers import Tokenizer
from torch import Tensor, nn

from ..config import ModelConfig
from ..device import target_device
from ..embeddings.basis import check_id_type, check_token_ids
from ..embeddings.fourier import GeGLU, SiLUMLP
from ..embeddings.interface import ReadsWords, check_embedding
from ..embeddings.registry import EMBEDDINGS, FEED_FORWARDS
from ..errors import ConfigError, check_kind, list_of
from ..text.batches import PackedSentences, check_length, check_rows, chunk_by_tokens, pack, pack_padded
from ..text.tokenizer import token_words
from ..text.vocabulary import roles
from .bags import BagVectors
from .encoding import encode_sentences
from .token_weights import TokenWeights

if TYPE_CHECKING:
    from ..training.records import RunRecord

_ENCODE_TOKENS = 8192


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
    (the departure ``padding_mean``) do not attend to padding, but padding attends to them.
    """

    def __init__(self, config: ModelConfig):
        super().__init__()
        d = config.d_model
        self.n_heads = config.n_heads
        self.rotate = rotate_as_published if "published_rotary" in config.departures else rotate
        silu = config.projections == "silu"
        self.qkv = SiLUProjections(d) if silu else nn.Linear(d, 3 * d)
        self.out = SiLUMLP(d) if silu else nn.Linear(d, d)
        self.values_projected = self.n_heads == 1 and not silu

    def project(self, x: Tensor) -> Tensor:
        """Return queries, keys and values of token states, ``(n, d) -> (n, 3 d)``."""
        qkv = self.qkv(x)
        if not self.values_projected:
            return qkv
        d = x.shape[-1]
        return torch.cat((qkv[:, : 2 * d], self.out(qkv[:, 2 * d :])), dim=-1)

    def forward(self, qkv: Tensor, packed: PackedSentences, cosine: Tensor, sine: Tensor) -> Tensor:
        q, k, v = qkv.unflatten(1, (3, self.n_heads, -1)).unbind(1)  # each (n_tokens, heads, width)
        q, k = self.rotate(q, cosine, sine).to(v.dtype), self.rotate(k, cosine, sine).to(v.dtype)
        mask = None if packed.mask is None else packed.mask[:, None, None]  # (count, 1, 1, length): one for all queries
        mixed = [
            self._within(block, count, length, mask)
            for (count, length), *block in zip(packed.groups, *map(packed.blocks, (q, k, v)), strict=True)
        ]
        return torch.cat(mixed) if self.values_projected else self.out(torch.cat(mixed))

    def _within(self, block: list[Tensor], count: int, length: int, mask: Tensor | None) -> Tensor:
        """Attend within ``count`` sentences of one length; queries, keys, values ``(count * length, heads, width)``."""
        q, k, v = (t.unflatten(0, (count, length)).transpose(1, 2) for t in block)
        return F.scaled_dot_product_attention(q, k, v, attn_mask=mask).transpose(1, 2).flatten(2).flatten(0, 1)


class Block(nn.Module):
    """One encoder layer: attention and feed-forward, each followed by residual and RMSNorm (post-norm).

    Under the departure ``dead_feed_forward`` the attention's output takes the place of the feed-forward's, whose weights
    then get no gradient but count as parameters.
    """

    def __init__(self, config: ModelConfig):
        super().__init__()
        d = config.d_model
        self.dead = "dead_feed_forward" in config.departures
        self.attention = Attention(config)
        self.norm1 = nn.RMSNorm(d)
        self.feed_forward = build_feed_forward(config)
        self.norm2 = nn.RMSNorm(d)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, x: Tensor, qkv: Tensor, packed: PackedSentences, cosine: Tensor, sine: Tensor) -> Tensor:
        attended = self.dropout(self.attention(qkv, packed, cosine, sine))
        x = self.norm1(x + attended)
        return self.norm2(x + (attended if self.dead else self.dropout(self.feed_forward(x))))


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
    settings = FEED_FORWARDS.settings_of(config.feed_forward)(**dict(config.feed_forward_options))
    built = FEED_FORWARDS.build(config.feed_forward, (d,), settings)
    with torch.no_grad(), torch.random.fork_rng():
        found = built(torch.zeros(3, d))
    if found.shape != (3, d):
        raise ConfigError(
            f"the feed-forward {config.feed_forward!r} must keep the shape (n_tokens, {d}), but turns (3, {d}) into "
            f"{tuple(found.shape)}. Let its last layer have d_model outputs."
        )
    return built


def _build_pooler(config: ModelConfig) -> nn.Module:
    """Return what comes between mean and tanh."""
    if config.pooler == "none":
        return nn.Identity()
    return SiLUMLP(config.d_model) if config.projections == "silu" else nn.Linear(config.d_model, config.d_model)


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


class SentenceEncoder(nn.Module):
    """Encode sentences as vectors ``(batch, d_model)``, in (-1, 1) unless ``config.pooler`` is ``none``.

    Args:
        config: Shape of the encoder; ``config.arm`` chooses the token embedding.
        tokenizer: Needed by :meth:`encode` only; must have ``config.vocab_size`` ids.

    Raises:
        ConfigError: If ``config`` is no ``ModelConfig``, or as :meth:`set_tokenizer`.

    Source: Ndubuaku & Talhi 2025 (arXiv:2505.02266), with masked mean pooling and norm-preserving, relative rotary
    positions where the published code averages padding and distorts norms.
    """

    def __init__(self, config: ModelConfig, tokenizer: Tokenizer | None = None):
        super().__init__()
        remedy = "Write ModelConfig('fourier', vocab_size, d_model), or RunConfig(...).model(vocab_size)."
        check_kind(config, ModelConfig, "SentenceEncoder takes a ModelConfig", remedy)
        self.config = config
        d = config.d_model
        self.embedding = build_embedding(config)
        self.dropout = nn.Dropout(config.dropout)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.n_layers))
        self.token_weights = None if config.token_weights == "none" else TokenWeights(config.vocab_size)
        self.pooler = _build_pooler(config)
        self.pad_id = 0  # until a tokenizer names its own
        with torch.device("cpu"):
            self.rotary = rotary_table(config.max_seq_len, d // config.n_heads)
        self.tokenizer: Tokenizer | None = None
        if tokenizer is not None:
            self.set_tokenizer(tokenizer)

    def set_tokenizer(self, tokenizer: Tokenizer) -> None:
        """Attach the tokenizer that :meth:`encode` uses; an embedding that reads the spelling takes its tokens over.

        Raises:
            ConfigError: If it is none of the tokenizers library, or has another number of ids than the encoder.
        """
        remedy = "Write tokenizers.Tokenizer.from_file(path)."
        check_kind(tokenizer, Tokenizer, "the tokenizer must be one of the tokenizers library", remedy)
        size = tokenizer.get_vocab_size(with_added_tokens=True)
        if size != self.config.vocab_size:
            raise ConfigError(
                f"the tokenizer has {size} ids but the encoder was built for vocab_size {self.config.vocab_size}. "
                "Load the tokenizer that the weights were trained with."
            )
        pad = roles(tokenizer).pad
        if pad is None and "padding_mean" in self.config.departures:
            raise ConfigError(
                "the departure 'padding_mean' pads sentences, and this tokenizer has no padding token. Leave the departure "
                "out, or add a token [PAD] to the tokenizer."
            )
        if isinstance(self.embedding, ReadsWords):
            self.embedding.set_words(token_words(tokenizer))
        self.tokenizer = tokenizer
        self.pad_id = self.pad_id if pad is None else pad

    @property
    def is_bag(self) -> bool:
        """Whether the order of tokens is not read: an encoder without layers, and without padding in its mean."""
        return not len(self.blocks) and "padding_mean" not in self.config.departures

    def pack(self, sentences: Sequence[np.ndarray]) -> PackedSentences:
        """Batch id arrays the way this encoder reads them: without padding, unless it follows the published mean."""
        rule, remedy = "pack takes a list of id arrays", "Write [np.array(ids)], or encode_ids([ids])."
        sentences = list_of(sentences, np.ndarray, rule, remedy)
        if "padding_mean" in self.config.departures:
            return pack_padded(sentences, self.config.max_seq_len, self.pad_id)
        return pack(sentences)

    def forward(self, token_ids: Tensor, mask: Tensor | None = None) -> Tensor:
        """Encode a padded batch.

        Args:
            token_ids: int64 ``(batch, seq)``, seq <= ``max_seq_len``.
            mask: bool ``(batch, seq)``, or integers 0 and 1: True on tokens, False on padding at the end; all True if None.

        Returns:
            Tensor: ``(batch, d_model)``; padding has no influence on it.

        Raises:
            ConfigError: If ids or mask have another shape or type, padding comes before a token, or a sentence is too long.
            DataError: If there is no sentence, or one has no token.
        """
        check_id_type(token_ids)
        if token_ids.dim() != 2:
            raise ConfigError(
                f"token_ids must be (batch, seq), got shape {tuple(token_ids.shape)}. For one sentence pass token_ids[None]."
            )
        if mask is None:
            mask = torch.ones_like(token_ids, dtype=torch.bool)
        if mask.is_floating_point() or mask.shape != token_ids.shape:
            raise ConfigError(
                f"mask must be bool of the ids' shape {tuple(token_ids.shape)}, got {mask.dtype} of shape "
                f"{tuple(mask.shape)}. Write mask > 0."
            )
        mask = mask.bool()
        if bool((mask[:, 1:] & ~mask[:, :-1]).any()):
            raise ConfigError("mask has padding before a token; only padding at the end is read. Pad on the right.")
        lengths = mask.sum(1).tolist()
        rows = [row[:length].cpu().numpy() for row, length in zip(token_ids, lengths, strict=True)]
        return self.encode_packed(self.pack(rows).to(token_ids.device))

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        super()._apply(fn, recurse)
        self.rotary = self.rotary.to(target_device(fn, self.rotary))
        return self

    def encode_packed(self, packed: PackedSentences) -> Tensor:
        """Encode a packed batch into ``(n_sentences, d_model)``, in the order given to :meth:`pack`."""
        return self.pool(self.hidden_states(packed)[-1], packed)

    def hidden_states(self, packed: PackedSentences) -> list[Tensor]:
        """Return the token states ``(n_tokens, d_model)`` of a packed batch: the embeddings, then each layer's output."""
        check_length(packed.groups[-1][1], self.config.max_seq_len)
        rotary = self.rotary.to(packed.positions.device)
        cosine, sine = rotary[:, packed.positions].unsqueeze(2)  # each (n_tokens, 1, width / 2), shared by heads
        check_token_ids(packed.distinct, self.config.vocab_size)
        rows = self.embedding(packed.distinct)
        states = [self.dropout(F.embedding(packed.places, rows))]
        for i, block in enumerate(cast(Iterable[Block], self.blocks)):
            if i == 0 and not (self.training and self.config.dropout):
                # Before positions and context come in, equal ids have equal projections: compute each once.
                # Gathered in full precision, because the backward pass sums over all occurrences of an id.
                qkv = F.embedding(packed.places, block.attention.project(rows).to(rows.dtype))
            else:
                qkv = block.attention.project(states[-1])
            states.append(block(states[-1], qkv, packed, cosine, sine))
        return states

    def pool(self, states: Tensor, packed: PackedSentences) -> Tensor:
        """Average token states over each sentence, restore the sentence order, apply the pooler."""
        blocks = zip(packed.groups, states.split(packed.sizes), strict=True)
        if self.token_weights is None:
            means = torch.cat([block.view(count, length, -1).mean(1) for (count, length), block in blocks])
        else:
            weights = self.token_weights(packed.distinct)[packed.places].unsqueeze(1).split(packed.sizes)
            parts = (
                _weighted_mean(block.unflatten(0, group), weight.unflatten(0, group))
                for (group, block), weight in zip(blocks, weights, strict=True)
            )
            means = torch.cat([*parts])
        return self.finish(means[packed.restore])

    def finish(self, means: Tensor) -> Tensor:
        """Turn the means over sentences ``(n, d)`` into their vectors."""
        return means if self.config.pooler == "none" else torch.tanh(self.pooler(means))

    @torch.no_grad()
    def encode_ids(self, sentences: Sequence[np.ndarray]) -> Tensor:
        """Encode any number of id arrays or lists in eval mode; float32 ``(n_sentences, d_model)`` on the CPU.

        Raises:
            ConfigError: If a sentence is longer than ``max_seq_len``, no row of ids, or its ids are no integers of the
                vocabulary.
            DataError: If one has no token.
        """
        sentences = list_of(sentences, object, "encode_ids takes a list of rows of ids", "Write encode_ids([ids]).")
        sentences = [np.asarray(sentence) for sentence in sentences]
        if wrong := [sentence.shape for sentence in sentences if sentence.ndim != 1]:
            raise ConfigError(
                f"each sentence must be a row of ids, got one of shape {wrong[0]}. Write encode_ids([ids]) for one sentence."
            )
        was_training, device = self.training, next(self.parameters()).device
        self.eval()
        try:
            if self.is_bag and sentences:
                check_length(max(check_rows(sentences)), self.config.max_seq_len)
                return BagVectors(self)(sentences)
            result = torch.empty(len(sentences), self.config.d_model, dtype=torch.float32)
            padded = self.config.max_seq_len if "padding_mean" in self.config.departures else 0
            for chunk in chunk_by_tokens([max(len(s), padded) for s in sentences], _ENCODE_TOKENS):
                packed = self.pack([sentences[i] for i in chunk]).to(device)
                result[torch.from_numpy(chunk)] = self.encode_packed(packed).float().cpu()
        finally:
            self.train(was_training)
        return result

    def encode(
        self,
        sentences: str | Sequence[str],
        *,
        batch_size: int = 4096,
        normalize: bool = False,
        show_progress: bool = False,
    ) -> NDArray[np.float32]:
        """Encode sentences in eval mode.

        A sentence without text, such as the empty one, gets the vector of what the tokenizer puts around every sentence,
        such as [CLS] and [SEP], or zeros where it puts nothing.

        Args:
            sentences: One sentence or any number of them.
            batch_size: Sentences tokenised and sorted by length at a time; more take more memory beside the result.
            normalize: Whether to divide each vector by its norm; zeros stay zeros.
            show_progress: Whether to draw a bar to standard error.

        Returns:
            NDArray: float32 ``(n_sentences, d_model)``, or ``(d_model,)`` of a single sentence.

        Raises:
            DataError: If a sentence is not text; names it by its place.
            ConfigError: If no tokenizer is attached.

        Example:
            >>> from fourier_lab import ModelConfig, SentenceEncoder
            >>> from fourier_lab.text.tokenizer import toy_tokenizer
            >>> tokenizer = toy_tokenizer(vocab_size=5000)
            >>> encoder = SentenceEncoder(ModelConfig("fourier", 5000, d_model=16), tokenizer)
            >>> encoder.encode([tokenizer.id_to_token(7), "unknown words"]).shape
            (2, 16)
        """
        return encode_sentences(self, sentences, batch_size, normalize, show_progress)

    def save_pretrained(
        self,
        folder: str | Path,
        *,
        name: str | None = None,
        record: "RunRecord | None" = None,
        license: str = "unknown",
    ) -> Path:
        """Write a folder that :meth:`from_pretrained`, sentence-transformers and the Hugging Face hub read.

        It holds ``model.safetensors``, ``config.json`` with every setting of the model, ``tokenizer.json``, a card
        ``README.md``, and what sentence-transformers asks for. ``huggingface_hub.upload_folder`` takes it as it is.

        Args:
            folder: Where to; made if it is not there, and files of these names are replaced.
            name: What the card calls the encoder; the folder's name if None.
            record: The run that trained it, whose data and scores the card then tells.
            license: Licence of the weights, as the hub spells it, such as ``cc-by-sa-4.0``.

        Returns:
            Path: The folder.

        Raises:
            ConfigError: If no tokenizer is attached, or ``record`` is of another model.
            RecordError: If the folder cannot be written.
        """
        from .pretrained import save_encoder

        return save_encoder(self, Path(folder), name, record, license)

    @classmethod
    def from_pretrained(cls, folder_or_name: str | Path) -> "SentenceEncoder":
        """Load an encoder, in eval mode, from a folder of :meth:`save_pretrained` or by the name of one that is shipped.

        Nothing is fetched and no code of others is imported: an embedding ``module:Class`` works once its module is.

        Raises:
            RecordError: If there is no such folder, or it is damaged.
        """
        from .pretrained import load_pretrained

        return load_pretrained(folder_or_name)

    def export(self, path: str | Path, *, table: bool = False) -> Path:
        """Write the encoder as an ONNX graph from ``input_ids`` and ``attention_mask`` to ``sentence_embedding``.

        Both inputs are int64 ``(batch, seq)``, of any size up to ``max_seq_len``, padded on the right. A call with an id
        outside ``0..V-1`` or padding before a token is refused. Needs ``pip install 'fourier-lab[onnx]'``.

        Args:
            path: The file, such as ``model.onnx``.
            table: Whether to store the rows of all ids instead of computing them: a larger file, a faster look-up.

        Returns:
            Path: The file.

        Raises:
            MissingPackageError: If onnx or onnxscript is not installed.
            ConfigError: If the encoder averages padding (departure ``padding_mean``).
        """
        from .export import export_encoder

        return export_encoder(self, Path(path), table)


def _weighted_mean(states: Tensor, weights: Tensor) -> Tensor:
    """Return the means of states ``(count, length, d)`` by weights ``(count, length, 1)``."""
    return (states * weights).sum(1) / weights.sum(1)


def count_parameters(encoder: nn.Module) -> int:
    """Return the number of trainable numbers in a module."""
    return sum(p.numel() for p in encoder.parameters() if p.requires_grad)
