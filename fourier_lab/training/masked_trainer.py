"""One run of an encoder that guesses masked tokens, under an output layer that is thrown away at its end."""

import dataclasses
import math

import numpy as np
import torch
from torch import Tensor, nn

from ..config import ModelConfig
from ..errors import ConfigError
from ..models.heads import build_head, cross_entropy, start_at_counts
from ..models.sentence_encoder import SentenceEncoder
from ..text.batches import PackedSentences
from ..text.corpus import TokenPairs
from ..text.toy import SPECIAL_TOKENS
from .costs import MASKED
from .shares import share
from .trainer import Trainer

REPLACED, RANDOM = 0.8, 0.1  # of the hidden tokens: by [MASK], and by an id drawn from all


def mask_tokens(
    packed: PackedSentences, mask_id: int, kept: Tensor, vocab_size: int, generator: torch.Generator | None = None
) -> tuple[PackedSentences, Tensor]:
    """Hide some tokens of a batch.

    Args:
        packed: The batch, on the CPU.
        mask_id: Id of [MASK].
        kept: Ids that are never hidden, int64 ``(n,)``.
        vocab_size: V, from which other ids are drawn.
        generator: Of the draws; torch's own if None.

    Returns:
        tuple: The batch as it is read, and which of its tokens are to be guessed, bool ``(n_tokens,)``, at least one if
        one may be hidden.

    Source: Devlin et al. 2019 (arXiv:1810.04805).
    """
    ids = packed.token_ids
    drawn, how = torch.rand(2, len(ids), generator=generator)
    ordinary = ~torch.isin(ids, kept)
    chosen = ordinary & (drawn < MASKED)
    if not chosen.any() and ordinary.any():
        chosen[drawn.masked_fill(~ordinary, math.inf).argmin()] = True
    others = torch.randint(vocab_size, ids.shape, generator=generator)
    read = torch.where(chosen & (how < REPLACED), mask_id, ids)
    read = torch.where(chosen & (how >= REPLACED) & (how < REPLACED + RANDOM), others, read)
    distinct, places = read.unique(return_inverse=True)
    return dataclasses.replace(packed, distinct=distinct, places=places), chosen


class MaskedTrainer(Trainer):
    """State of one run of a masked language model between its first step and its record, which is of the encoder alone."""

    def build(self, model: ModelConfig) -> SentenceEncoder:
        tokenizer = self.corpus.tokenizer
        if (mask_id := tokenizer.token_to_id("[MASK]")) is None:
            raise ConfigError(
                "objective 'masked' hides tokens behind [MASK], which this vocabulary lacks. Choose another."
            )
        self.mask_id = mask_id
        special = map(tokenizer.token_to_id, SPECIAL_TOKENS)
        self.kept = torch.tensor([each for each in special if each is not None])
        return super().build(dataclasses.replace(model, head="none", head_options=()))

    def build_objective(self, model: ModelConfig) -> nn.Module:
        head = build_head(model, self.encoder.embedding)
        sentences = self.corpus.train.sentences
        start_at_counts(head, torch.from_numpy(np.bincount(np.concatenate([*sentences]), minlength=model.vocab_size)))
        self.scale = model.d_model**-0.5 if model.head == "tied" else 1.0  # of rows of norm sqrt(d)
        return head

    def parts(self) -> dict[str, nn.Module]:
        return {**super().parts(), "head": self.objective}

    def loss(self, pairs: TokenPairs, index: np.ndarray) -> tuple[Tensor, Tensor]:
        """Return the mean loss over the hidden tokens of both sides, in nats, and in eval mode the share that is guessed."""
        training = self.encoder.training
        own = share(index) if training else index
        packed = self.encoder.pack([pairs.first[i] for i in own] + [pairs.second[i] for i in own])
        drawn = None if training else torch.Generator().manual_seed(0)  # the same tokens in each look
        read, chosen = mask_tokens(packed, self.mask_id, self.kept, self.encoder.config.vocab_size, drawn)
        targets = packed.token_ids[chosen].to(self.device)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == torch.bfloat16):
            states = self.encoder.hidden_states(read.to(self.device))[-1][chosen.to(self.device)]
        states = self.scale * states.float()
        loss = cross_entropy(self.objective, states, targets)
        guessed = torch.tensor(math.nan) if training else (self.objective(states).argmax(-1) == targets).float().mean()
        return loss, guessed
