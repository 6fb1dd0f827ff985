"""A saved encoder as a module of sentence-transformers: the same vectors, its trainer, its folders.

``SentenceTransformer(folder, trust_remote_code=True)`` opens what :meth:`fourier_lab.SentenceEncoder.save_pretrained` wrote.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor

from ..errors import MissingPackageError
from ..models.pretrained import FILES, load_pretrained, write_files
from ..models.sentence_encoder import SentenceEncoder
from ..text.tokenizer import Cutter, check_text

try:
    from sentence_transformers.base.modules.input_module import InputModule
except ImportError as error:
    raise MissingPackageError("sentence-transformers", "hub") from error


class EncoderModule(InputModule):
    """The only module of a ``SentenceTransformer`` over a :class:`fourier_lab.SentenceEncoder`.

    Args:
        encoder: With a tokenizer.

    Example::

        SentenceTransformer(modules=[EncoderModule(encoder)])
    """

    save_in_root = True
    modalities = ["text"]

    def __init__(self, encoder: SentenceEncoder):
        super().__init__()
        self.encoder = encoder

    @property
    def tokenizer(self) -> Any:
        return self.encoder.tokenizer

    @property
    def max_seq_length(self) -> int:
        return self.encoder.config.max_seq_len

    def get_embedding_dimension(self) -> int:
        return self.encoder.config.d_model

    def preprocess(self, inputs: Sequence[str], prompt: str | None = None, **_: Any) -> dict[str, Tensor]:
        """Return ``input_ids`` and ``attention_mask``, int64 ``(batch, seq)``, padded on the right."""
        check_text(inputs)
        texts = [prompt + text for text in inputs] if prompt else list(inputs)
        rows = [torch.from_numpy(row) for row in Cutter(self.tokenizer, self.max_seq_length)(texts)]
        ids, mask = (
            torch.nn.utils.rnn.pad_sequence(each, batch_first=True, padding_value=padding)
            for each, padding in ((rows, self.encoder.pad_id), ([torch.ones_like(row) for row in rows], 0))
        )
        return {"input_ids": ids, "attention_mask": mask}

    def forward(self, features: dict[str, Any], **_: Any) -> dict[str, Any]:
        """Add ``sentence_embedding``, ``(batch, d_model)``; zeros for a sentence without a token."""
        ids, mask = features["input_ids"], features["attention_mask"]
        filled = mask.any(1)
        vectors = ids.new_zeros(len(ids), self.encoder.config.d_model, dtype=torch.float32)
        if bool(filled.any()):
            found = self.encoder(ids[filled], mask[filled])
            vectors = vectors.to(found.dtype).index_put((filled.nonzero().squeeze(1),), found)
        features["sentence_embedding"] = vectors
        return features

    def save(self, output_path: str, *_: Any, **__: Any) -> None:
        write_files(self.encoder, Path(output_path))

    @classmethod
    def load(cls, model_name_or_path: str, subfolder: str = "", **options: Any) -> Self:
        """Load the three files of a folder, or of a model on the hub; the encoder's own settings decide all."""
        hub = {key: options[key] for key in ("token", "cache_folder", "revision", "local_files_only") if key in options}
        found = [cls.load_file_path(model_name_or_path, filename=name, subfolder=subfolder, **hub) for name in FILES]
        return cls(load_pretrained(Path(str(found[0])).parent if found[0] else Path(model_name_or_path)))
