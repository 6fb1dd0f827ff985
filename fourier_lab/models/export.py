"""An encoder as an ONNX graph: padded batches of any size, and ids looked at where they come in."""

import copy
import warnings
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..embeddings.interface import rows_of
from ..errors import ConfigError, MissingPackageError, RecordError, way_out
from ..text.batches import PackedSentences
from .sentence_encoder import SentenceEncoder

_PACKAGES = ("onnx", "onnxscript")
INPUTS, OUTPUT = ("input_ids", "attention_mask"), "sentence_embedding"


class PaddedEncoder(nn.Module):
    """The same vectors as the encoder's, computed without a look at values, so that a graph can hold all of it.

    Args:
        encoder: In eval mode.
    """

    def __init__(self, encoder: SentenceEncoder):
        super().__init__()
        self.encoder = encoder

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Encode int64 ids and mask ``(batch, seq)``, padded on the right, into ``(batch, d_model)``."""
        count, length = input_ids.shape
        mask = attention_mask > 0
        lengths = mask.sum(1, keepdim=True)
        place = torch.arange(length, device=input_ids.device)
        # A graph can raise no error, but a look-up outside a table does: every wrong id, and every id after a hole in the
        # mask or beyond the longest sentence, is sent to V, which a table of V zeros does not have.
        v = self.encoder.config.vocab_size
        wrong = (mask != (place < lengths)) | (input_ids < 0) | (place >= self.encoder.config.max_seq_len)
        ids = input_ids + torch.zeros(v, dtype=torch.int8)[torch.where(wrong, v, input_ids)]
        packed = PackedSentences(
            distinct=ids.flatten(),
            places=torch.arange(count * length),
            positions=place.repeat(count),
            groups=((count, length),),
            restore=torch.arange(count),
            mask=mask | (lengths == 0),  # attention over nothing would be nan
        )
        states = self.encoder.pooled_states(packed).unflatten(0, (count, length))
        weights = mask.to(states.dtype)
        if self.encoder.token_weights is not None:
            weights = weights * self.encoder.token_weights(packed.distinct).unflatten(0, (count, length))
        sums = (states * weights.unsqueeze(-1)).sum(1)
        return self.encoder.finish(sums / weights.sum(1, keepdim=True).where(lengths > 0, 1)) * (lengths > 0)


def export_encoder(encoder: SentenceEncoder, path: Path, table: bool) -> Path:
    """Write a graph as :meth:`fourier_lab.SentenceEncoder.export` says."""
    if missing := [name for name in _PACKAGES if find_spec(name) is None]:
        raise MissingPackageError(" and ".join(missing), "onnx")
    if "padding_mean" in encoder.config.departures:
        raise ConfigError(
            "the departure 'padding_mean' averages padding, which the graph leaves out. Train without it."
        )
    if encoder.config.attention != "full":
        raise ConfigError(
            f"attention {encoder.config.attention!r} reads no padding, which the graph has. Train with attention 'full'."
        )
    encoder = copy.deepcopy(encoder).cpu().eval()
    if table:
        encoder.embedding = nn.Embedding.from_pretrained(rows_of(encoder.embedding).clone())
    ids = torch.zeros(2, min(3, encoder.config.max_seq_len), dtype=torch.int64)
    sizes = {0: torch.export.Dim("batch"), 1: torch.export.Dim("seq", max=encoder.config.max_seq_len)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", (UserWarning, FutureWarning))  # of torch, about its own insides
        program: Any = torch.onnx.export(
            PaddedEncoder(encoder).eval(), (ids, torch.ones_like(ids)), dynamo=True, verbose=False,
            input_names=list(INPUTS), output_names=[OUTPUT], dynamic_shapes=dict.fromkeys(INPUTS, sizes),
        )  # fmt: skip
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        program.save(path)
    except OSError as error:
        raise RecordError(f"cannot write {path} ({error}). {way_out(error) or 'Mend that'}, and repeat.") from error
    return path
