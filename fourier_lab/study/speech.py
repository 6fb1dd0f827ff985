"""How much each part of speech counts in the attention of a trained encoder."""

import numpy as np
import torch

from ..errors import ConfigError
from ..models.token_weights import ClassWeights
from ..text.speech import CLASSES
from .finished_runs import FinishedRun


def speech_weights(run: FinishedRun) -> dict[str, float]:
    """Return the weight of each part of speech, in units of the mean over the tokens of the training text.

    A factor that all weights share changes no attention, which is why they are told beside their mean.

    Raises:
        ConfigError: If the run has no such weights.
    """
    learned = run.encoder.attention_weights
    if not isinstance(learned, ClassWeights):
        raise ConfigError(
            f"{run.record.config.digest()} has attention_weights {run.record.config.attention_weights!r}, which are not of "
            "parts of speech. Train with --attention-weights speech."
        )
    with torch.no_grad():
        weights = learned.log_of(torch.arange(len(learned.classes))).exp()
    counts = np.bincount(np.concatenate(run.corpus.train.sentences), minlength=len(weights))
    mean = float(weights.double() @ torch.from_numpy(counts).double()) / counts.sum()
    each = dict(zip(learned.classes.tolist(), weights.tolist(), strict=True))
    return {name: float(each[i] / mean) for i, name in enumerate(CLASSES) if i in each}
