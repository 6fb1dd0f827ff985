"""One run of a language model: the steps, checkpoints and record of every run, with windows of text in place of pairs."""

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ..config import ModelConfig
from ..evaluation.language import text_scores
from ..models.causal_lm import CausalLM
from ..models.heads import start_at_counts
from ..text.language import LanguageCorpus
from .shares import share
from .trainer import Trainer

VALIDATION_TOKENS = 2**12  # of the validation text, for the loss during training
_WINDOWS = 16  # scored at a time


class LanguageTrainer(Trainer):
    """State of one run of a language model between its first step and its record."""

    corpus: LanguageCorpus  # type: ignore[assignment]  # windows stand where another run has pairs

    def build(self, model: ModelConfig) -> CausalLM:
        built = CausalLM(model, self.corpus.tokenizer)
        start_at_counts(built.head, torch.from_numpy(self.corpus.counts))
        return built

    def parts(self) -> dict[str, nn.Module]:
        return {**super().parts(), "head": self.encoder.head}

    def throughput(self) -> dict[str, float]:
        tokens = self.config.steps * self.config.batch_size * self.config.max_seq_len
        return {"tokens_per_s": round(tokens / self.seconds, 1)}

    def loss(self, pairs: Any, index: np.ndarray) -> tuple[Tensor, Tensor]:
        """Return the mean loss a token of the chosen windows; there is no accuracy."""
        return self._loss(pairs[share(index)], "mean"), torch.tensor(math.nan)

    def _loss(self, windows: np.ndarray, reduction: str) -> Tensor:
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == torch.bfloat16):
            states = self.encoder.states(windows[:, :-1])
        targets = torch.from_numpy(windows[:, 1:].copy()).to(self.device)
        return self.encoder.cross_entropy(states.float(), targets, reduction)

    @torch.no_grad()
    def losses_of(self, windows: np.ndarray) -> np.ndarray:
        """Return the loss of each predicted token in eval mode, ``(n, max_seq_len)``."""
        was_training = self.encoder.training
        self.encoder.eval()
        parts = [self._loss(windows[i : i + _WINDOWS], "none") for i in range(0, len(windows), _WINDOWS)]
        self.encoder.train(was_training)
        return torch.cat(parts).cpu().numpy()

    def validation_loss(self) -> float:
        """Return the mean loss a token in nats over windows spread over the validation text."""
        windows = np.concatenate([*self.corpus.held_out["validation"].values()])
        wanted = max(1, VALIDATION_TOKENS // self.config.max_seq_len)
        return float(self.losses_of(windows[:: max(1, len(windows) // wanted)]).mean())

    def scored(self) -> tuple[dict[str, Any], np.ndarray | None]:
        """Return the scores of each text, where it is of several books also of each, as ``test/NAME``."""
        scores = {}
        for split, books in self.corpus.held_out.items():
            found = {book: (self.losses_of(windows).ravel(), windows[:, 1:].ravel()) for book, windows in books.items()}
            pooled = {split: tuple(map(np.concatenate, zip(*found.values(), strict=True)))}
            pooled |= {f"{split}/{book}": each for book, each in found.items()} if len(found) > 1 else {}
            for name, (losses, targets) in pooled.items():
                scores[name] = text_scores(losses, targets, self.corpus.token_bytes, self.corpus.counts)
        return {"scores": scores, "held_out": {}}, None
