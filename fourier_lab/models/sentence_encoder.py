"""The paper's sentence encoder: token embeddings, post-norm attention blocks, mean pooling, linear + tanh pooler."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from torch import Tensor, nn

from ..config import ModelConfig
from ..embeddings.basis import check_id_type
from ..embeddings.fourier import SiLUMLP
from ..errors import ConfigError, list_of
from ..text.batches import PackedSentences, check_length, check_rows, chunk_by_tokens, pack, pack_padded
from ..text.vocabulary import roles
from .bags import BagVectors
from .blocks import Backbone
from .encoding import encode_sentences
from .token_weights import TokenWeights

if TYPE_CHECKING:
    from ..training.records import RunRecord

_ENCODE_TOKENS = 8192
_ENCODE_TOKENS_CPU = 2048  # whose widest states stay near the processor: larger blocks are slower


def _build_pooler(config: ModelConfig) -> nn.Module:
    """Return what comes between mean and tanh."""
    if config.pooler == "none":
        return nn.Identity()
    read = config.d_model * (config.n_layers + 1 if config.pooled_layers == "all" else 1)
    return SiLUMLP(config.d_model) if config.projections == "silu" else nn.Linear(read, config.d_model)


class SentenceEncoder(Backbone):
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
        super().__init__(config)
        self.token_weights = None if config.token_weights == "none" else TokenWeights(config.vocab_size)
        self.pooler = _build_pooler(config)
        self.pad_id = 0  # until a tokenizer names its own
        if tokenizer is not None:
            self.set_tokenizer(tokenizer)

    def set_tokenizer(self, tokenizer: Tokenizer) -> None:
        """Attach the tokenizer that :meth:`encode` uses.

        Raises:
            ConfigError: If it is none of the tokenizers library, or has another number of ids than the encoder.
        """
        super().set_tokenizer(tokenizer)
        pad = roles(tokenizer).pad
        if pad is None and "padding_mean" in self.config.departures:
            raise ConfigError(
                "the departure 'padding_mean' pads sentences, and this tokenizer has no padding token. Leave the departure "
                "out, or add a token [PAD] to the tokenizer."
            )
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

    def encode_packed(self, packed: PackedSentences) -> Tensor:
        """Encode a packed batch into ``(n_sentences, d_model)``, in the order given to :meth:`pack`."""
        return self.pool(self.pooled_states(packed), packed)

    def pooled_states(self, packed: PackedSentences) -> Tensor:
        """Return the states that a sentence is the mean of: those of the last layer, or of all layers side by side."""
        states = self.hidden_states(packed)
        return torch.cat(states, dim=-1) if self.config.pooled_layers == "all" else states[-1]

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
            most = _ENCODE_TOKENS_CPU if device.type == "cpu" else _ENCODE_TOKENS
            for chunk in chunk_by_tokens([max(len(s), padded) for s in sentences], most):
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
            ConfigError: If the encoder averages padding (departure ``padding_mean``), or its attention is not ``full``.
        """
        from .export import export_encoder

        return export_encoder(self, Path(path), table)


def _weighted_mean(states: Tensor, weights: Tensor) -> Tensor:
    """Return the means of states ``(count, length, d)`` by weights ``(count, length, 1)``."""
    return (states * weights).sum(1) / weights.sum(1)
