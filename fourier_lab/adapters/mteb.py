"""An encoder as mteb asks for it, and mteb's own graded tasks over pairs that lie on this machine.

Example::

    task = on_local_pairs(mteb.get_task("STSBenchmark"), load_pairs("stsb", "test", "folder"))
    mteb.evaluate(MtebEncoder(encoder, "me/my-encoder"), task, cache=None)

Without ``cache=None`` mteb may answer from an earlier evaluation of a model of the same name and revision.
"""

import hashlib
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from ..errors import DataError, MissingPackageError
from ..models.blocks import count_parameters
from ..models.sentence_encoder import SentenceEncoder
from ..text.pairs import SentencePairs

try:
    from mteb.models.model_meta import ModelMeta, ScoringFunction
except ImportError as error:
    raise MissingPackageError("mteb", "mteb") from error


class MtebEncoder:
    """What ``mteb.evaluate`` takes for a model.

    Args:
        encoder: With a tokenizer.
        name: Organisation and name, such as ``me/my-encoder``; results are filed under it and a hash of the weights.
    """

    def __init__(self, encoder: SentenceEncoder, name: str):
        self.encoder = encoder
        contents = hashlib.sha256()
        for key, value in sorted(encoder.state_dict().items()):
            contents.update(key.encode() + value.detach().cpu().numpy().tobytes())
        self.mteb_model_meta = ModelMeta(
            loader=None, name=name, revision=contents.hexdigest()[:12], release_date=None, languages=None,
            n_parameters=count_parameters(encoder), n_embedding_parameters=count_parameters(encoder.embedding),
            memory_usage_mb=None, max_tokens=encoder.config.max_seq_len, embed_dim=encoder.config.d_model, license=None,
            open_weights=None, public_training_code=None, public_training_data=None, framework=["PyTorch"],
            similarity_fn_name=ScoringFunction.COSINE, use_instructions=False, training_datasets=None,
        )  # fmt: skip

    def encode(self, inputs: Any, **_: Any) -> NDArray[np.float32]:
        """Encode the ``text`` of batches into float32 ``(n, d)``."""
        return self.encoder.encode([text for batch in inputs for text in batch["text"]])

    def similarity(self, first: Any, second: Any) -> torch.Tensor:
        """Return the cosines of all pairs of rows, ``(n, m)``."""
        a, b = (F.normalize(torch.as_tensor(each), dim=-1) for each in (first, second))
        return a @ b.T

    def similarity_pairwise(self, first: Any, second: Any) -> torch.Tensor:
        """Return the cosines of aligned rows, ``(n,)``."""
        return F.cosine_similarity(torch.as_tensor(first), torch.as_tensor(second), dim=-1)


def on_local_pairs(task: Any, pairs: SentencePairs) -> Any:
    """Return one of mteb's STS tasks with these pairs as its data for every split that it scores; nothing is fetched.

    Raises:
        DataError: If the pairs have labels in the place of grades.
    """
    from datasets import Dataset

    if not np.issubdtype(pairs.label.dtype, np.floating):
        raise DataError(f"{pairs.name} {pairs.split} has labels, not grades. Use graded pairs such as those of stsb.")
    columns = {"sentence1": pairs.first, "sentence2": pairs.second, "score": pairs.label.tolist()}
    task.dataset = dict.fromkeys(task.eval_splits, Dataset.from_dict(columns))
    task.data_loaded = True
    return task
