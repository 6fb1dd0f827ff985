"""One run of a language model: the steps, checkpoints and record of every run, with windows of text in place of pairs."""

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ..config import ModelConfig
from ..embeddings.interface import ReadsCounts
from ..evaluation.language import bits_per_byte, calibration_scores, text_scores
from ..models.causal_lm import CausalLM
from ..models.heads import start_at_counts
from ..text.language import SPLITS, LanguageCorpus
from .latent_inference import LatentPosterior, infer
from .shares import share
from .trainer import Trainer

VALIDATION_TOKENS = 2**12  # of the validation text, for the loss during training
CALIBRATION_TOKENS = 2**13  # of each split, for how far probabilities are shares of hits
REPORTED = SPLITS[1:]
_WINDOWS = 16  # scored at a time
_LOGITS = 2**24  # kept at a time


class LanguageTrainer(Trainer):
    """State of one run of a language model between its first step and its record."""

    corpus: LanguageCorpus  # type: ignore[assignment]  # windows stand where another run has pairs

    def build(self, model: ModelConfig) -> CausalLM:
        built = CausalLM(model, self.corpus.tokenizer)
        if isinstance(built.embedding, ReadsCounts):
            built.embedding.set_counts(torch.from_numpy(self.corpus.counts))
        start_at_counts(built.head, torch.from_numpy(self.corpus.counts))
        for posterior in built.posteriors:
            posterior.tokens = self.corpus.account["train_tokens"]
        return built

    def parts(self) -> dict[str, nn.Module]:
        return {**super().parts(), "head": self.encoder.head}

    def throughput(self) -> dict[str, float]:
        tokens = self.config.steps * self.config.batch_size * self.config.max_seq_len
        return {"tokens_per_s": round(tokens / self.seconds, 1)}

    def loss(self, pairs: Any, index: np.ndarray) -> tuple[Tensor, Tensor]:
        """Return the mean loss a token of the chosen windows; there is no accuracy.

        With latent vectors it has their divergence from the prior in it.
        """
        windows, nothing = pairs[share(index)], torch.tensor(math.nan)
        if not self.config.latent:
            return self._loss(windows, "mean"), nothing
        posterior = self._inferred(windows)
        divergence = posterior.divergence().sum() / windows[:, 1:].size
        return self._loss(windows, "mean", posterior.sample()) + divergence, nothing

    def _inferred(self, windows: np.ndarray, generator: torch.Generator | None = None) -> LatentPosterior:
        config, shape = self.config, (len(windows), self.config.latent, self.config.d_model)

        def loss_of(latents: Tensor) -> Tensor:
            return self._loss(windows, "sum", latents)

        return infer(loss_of, shape, config.inference_steps, config.inference_rate, self.device, generator)

    def _loss(self, windows: np.ndarray, reduction: str, latents: Tensor | None = None) -> Tensor:
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == torch.bfloat16):
            states = self.encoder.states(windows[:, :-1], latents)
        targets = torch.from_numpy(windows[:, 1:].copy()).to(self.device)
        return self.encoder.cross_entropy(states.float(), targets, reduction)

    @torch.no_grad()
    def losses_of(self, windows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the loss of each predicted token in eval mode, and its share of its latents' divergence.

        Both ``(n, max_seq_len)`` in nats; without latent vectors the second is 0. With them, those of each window are fitted
        to it and then drawn, all from one fixed seed, so that the sum of both bounds the loss from above, on average.
        """
        was_training, generator = self.encoder.training, torch.Generator().manual_seed(0)
        self.encoder.eval()
        losses, shares = [], []
        for start in range(0, len(windows), _WINDOWS):
            chunk = windows[start : start + _WINDOWS]
            posterior = self._inferred(chunk, generator) if self.config.latent else None
            losses.append(self._loss(chunk, "none", None if posterior is None else posterior.sample(generator)))
            share_of = torch.zeros(len(chunk)) if posterior is None else posterior.divergence() / losses[-1].shape[1]
            shares.append(share_of.unsqueeze(1).expand(losses[-1].shape))
        self.encoder.train(was_training)
        return torch.cat(losses).cpu().numpy(), torch.cat(shares).cpu().numpy()

    @torch.no_grad()
    def calibration(self, windows: np.ndarray) -> dict[str, Any]:
        """Return how far the probability of the most probable token is its share of hits, in eval mode."""
        found, at_once = [], max(1, _LOGITS // (windows[0].size * self.encoder.config.vocab_size))
        for start in range(0, len(windows), at_once):
            chunk = windows[start : start + at_once]
            sure, likeliest = (each.cpu().numpy() for each in self.encoder(chunk[:, :-1]).softmax(-1).max(-1))
            found.append(np.stack((sure.ravel(), (likeliest == chunk[:, 1:]).ravel())))
        return calibration_scores(*np.concatenate(found, axis=1, dtype=np.float64))

    def validation_loss(self) -> float:
        """Return the mean loss a token in nats over windows spread over the validation text."""
        windows = np.concatenate([*self.corpus.held_out["validation"].values()])
        losses, shares = self.losses_of(self._spread(windows, VALIDATION_TOKENS))
        return float((losses + shares).mean())

    def _spread(self, windows: np.ndarray, tokens: int) -> np.ndarray:
        wanted = max(1, tokens // self.config.max_seq_len)
        return windows[:: max(1, len(windows) // wanted)]

    def scored(self) -> tuple[dict[str, Any], np.ndarray | None]:
        """Return the scores of each text, where it is of several books also of each, as ``test/NAME``.

        Latent vectors, which are looked for in each window again, are scored on the corpus's own texts alone.
        """
        scores: dict[str, Any] = {}
        for split, books in self.corpus.held_out.items():
            if self.config.latent and split not in REPORTED:
                continue
            found = {
                book: tuple(each.ravel() for each in (*self.losses_of(windows), windows[:, 1:]))
                for book, windows in books.items()
            }
            pooled = {split: tuple(map(np.concatenate, zip(*found.values(), strict=True)))}
            pooled |= {f"{split}/{book}": each for book, each in found.items()} if len(found) > 1 else {}
            for name, (losses, shares, targets) in pooled.items():
                of = text_scores(losses + shares, targets, self.corpus.token_bytes, self.corpus.counts)
                if self.config.latent:
                    parts = {"next_token": losses, "divergence": shares}
                    of |= {f"{part}_bits_per_byte": bits_per_byte(each, of["bytes"]) for part, each in parts.items()}
                scores[name] = of
            if split in REPORTED and not self.config.latent:  # whose vectors are fitted to what is to be predicted
                windows = self._spread(np.concatenate([*books.values()]), CALIBRATION_TOKENS)
                scores[split]["calibration"] = self.calibration(windows)
        return {"scores": scores, "held_out": {}}, None
