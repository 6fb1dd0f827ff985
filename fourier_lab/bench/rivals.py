"""The other sides of the speed ratios: the published recipe's computation, and sentence-transformers' own trainer."""

import math
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from tokenizers import Tokenizer
from torch import Tensor

from ..models.blocks import rotate
from ..models.sentence_encoder import SentenceEncoder
from ..text.corpus import TokenPairs
from ..training.trainer import Trainer

INSTALL = "pip install 'fourier_lab[bench]'"


def encode_as_published(encoder: SentenceEncoder, token_ids: Tensor) -> Tensor:
    """Run an encoder's weights over a padded batch the published way: every feature and every position computed.

    Equals ``encoder(token_ids)`` up to rounding, since padding is encoded like any other token, as in the published code.
    Written with plain operations, so that it gains nothing from what this library does better. Their faulty rotation and
    feed-forward without gradient are not copied: the two sides of a ratio should compute the same function.

    Args:
        encoder: Fourier encoder with the linear embedding MLP.
        token_ids: int64 ``(batch, seq)``, padding included.

    Returns:
        Tensor: ``(batch, d_model)``.

    Source: Ndubuaku & Talhi 2025 (arXiv:2505.02266): sequence length 128, basis evaluated at each position, average
    pooling over all positions.
    """
    config = encoder.config
    embedding: Any = encoder.embedding
    block: Any

    def norm(x: Tensor, weight: Tensor) -> Tensor:
        return F.rms_norm(x, (config.d_model,), weight)

    x = 2.0 * token_ids.float() / (config.vocab_size - 1) - 1.0
    angle = x.unsqueeze(-1) * (embedding.frequencies * math.pi)
    basis = torch.stack((torch.sin(angle), torch.cos(angle)), dim=-1).flatten(-2)  # (batch, seq, d)
    x = norm(embedding.mlp(basis) + basis, embedding.norm.weight)
    cosine, sine = encoder.rotary[:, : token_ids.shape[1]].unsqueeze(2)  # each (seq, 1, width / 2)
    for block in encoder.blocks:
        attention, feed_forward = block.attention, block.feed_forward
        q, k, v = attention.qkv(x).unflatten(-1, (3, config.n_heads, -1)).unbind(2)  # each (batch, seq, heads, width)
        q, k, v = (t.transpose(1, 2) for t in (rotate(q, cosine, sine), rotate(k, cosine, sine), v))
        mixed = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
        x = norm(x + attention.out(mixed), block.norm1.weight)
        gate, value = feed_forward.w1(x).chunk(2, dim=-1)
        x = norm(x + feed_forward.w2(F.gelu(gate) * value), block.norm2.weight)
    return torch.tanh(encoder.pooler(x.mean(1)))


class PublishedTrainer(Trainer):
    """The same encoder, loss and optimiser, fed as published: both sides padded to the longest length, in float32."""

    def loss(self, pairs: TokenPairs, index: np.ndarray) -> tuple[Tensor, Tensor]:
        """Return loss and accuracy of the chosen pairs; anchors and positives are encoded one after the other."""
        sides = []
        for sentences in (pairs.first, pairs.second):
            padded = torch.zeros(len(index), self.config.max_seq_len, dtype=torch.int64)
            for row, i in zip(padded, index, strict=True):
                row[: len(sentences[i])] = torch.from_numpy(sentences[i])
            sides.append(encode_as_published(self.encoder, padded))
        return self.objective(*sides, torch.from_numpy(pairs.label[index]))


def race_sentence_transformers(
    ours: Callable[[int], object], tokenizer: Tokenizer, texts: tuple[list[str], list[str]], batch_size: int, steps: int,
    d_model: int, bfloat16: bool, dropout: float,
) -> tuple[dict[str, list[float]], dict[str, Any]]:  # fmt: skip
    """Time steps of sentence-transformers' trainer, with one step of ours between each two of theirs.

    Their model is a BERT of one layer and one head, with mean pooling and in-batch negatives; trainer, optimiser and
    collation, which tokenises and pads to the longest sentence of a batch, are theirs by default.

    Args:
        ours: Called with the number of the step.
        tokenizer: Tokenizer of both sides.
        texts: Anchors and positives.
        batch_size: Pairs a step.
        steps: Steps of each side to time, after one warm-up.
        d_model: Width; the feed-forward has four times that, as in BERT.
        bfloat16: Whether both sides compute in bfloat16.
        dropout: Rate of their hidden states and attention; BERT's own is 0.1.

    Returns:
        Seconds of each step under ``ours`` and ``theirs``, and an account of their side.
    """
    import datasets
    import sentence_transformers as st
    import transformers
    from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer

    seconds: dict[str, list[float]] = {"ours": [], "theirs": []}

    class TakeTurns(transformers.TrainerCallback):
        resumed = time.perf_counter()

        def on_step_end(self, *arguments: Any, **options: Any) -> None:
            stopped = time.perf_counter()
            ours(len(seconds["ours"]))
            ended = time.perf_counter()
            seconds["theirs"].append(stopped - self.resumed)
            seconds["ours"].append(ended - stopped)
            self.resumed = time.perf_counter()

    datasets.disable_progress_bars()
    transformers.logging.disable_progress_bar()
    special = {f"{name}_token": f"[{name.upper()}]" for name in ("pad", "unk", "cls", "sep", "mask")}
    shape = transformers.BertConfig(
        vocab_size=tokenizer.get_vocab_size(with_added_tokens=True), hidden_size=d_model, num_hidden_layers=1,
        num_attention_heads=1, intermediate_size=4 * d_model, max_position_embeddings=128, hidden_dropout_prob=dropout,
        attention_probs_dropout_prob=dropout,
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, **special).save_pretrained(folder)
        transformers.BertModel(shape).save_pretrained(folder)
        model = st.SentenceTransformer(modules=[Transformer(folder), Pooling(d_model)], device="cpu")
        arguments = st.SentenceTransformerTrainingArguments(
            output_dir=str(Path(folder) / "out"), max_steps=steps + 1, per_device_train_batch_size=batch_size,
            bf16=bfloat16, use_cpu=True, report_to="none", save_strategy="no", logging_strategy="no", disable_tqdm=True,
        )  # fmt: skip
        trainer = st.SentenceTransformerTrainer(
            model,
            arguments,
            train_dataset=datasets.Dataset.from_dict({"anchor": texts[0], "positive": texts[1]}),
            loss=MultipleNegativesRankingLoss(model),
            callbacks=[TakeTurns()],
        )
        trainer.remove_callback(transformers.PrinterCallback)
        trainer.train()
    account = {
        "sentence_transformers": st.__version__,
        "transformers": transformers.__version__,
        "parameters": sum(p.numel() for p in model.parameters()),
        "optimiser": str(arguments.optim),
    }
    return {side: values[1:] for side, values in seconds.items()}, account
