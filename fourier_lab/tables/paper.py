"""What the paper and others report, as data to set beside our own measurements: correlations x 100."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Reported:
    """One published row.

    Attributes:
        model: Name in our tables.
        parameters: Count; exact where the architecture is known, else as printed.
        spearman: x 100.
        pearson: x 100; None where it is not given.
        split: The split of STS-B that the figures belong to: ``validation`` or ``test``.
        arm: ``fourier`` or ``learned`` for rows of the paper; empty for other models.
        n_layers: Encoder layers; 0 where it does not matter here.
        d_model: Width; 0 where it does not matter here.
        minutes: Reported training time on one RTX 4090; None where it is not given.
    """

    model: str
    parameters: int
    spearman: float
    pearson: float | None
    split: str
    arm: str = ""
    n_layers: int = 0
    d_model: int = 0
    minutes: float | None = None


# Ndubuaku & Talhi 2025, Table 1: zero-shot, one run each, no interval. Counts are exact for their layout and V = 30,522.
TABLE_1 = (
    Reported("fourier", 1_184_256, 74.93, 74.54, "validation", "fourier", 1, 256, 37.88),
    Reported("learned", 8_932_096, 77.01, 76.80, "validation", "learned", 1, 256, 48.48),
    Reported("fourier", 4_727_808, 75.21, 74.65, "validation", "fourier", 1, 512, 80.94),
    Reported("learned", 20_092_416, 77.50, 76.78, "validation", "learned", 1, 512, 101.28),
    Reported("fourier", 2_236_672, 76.38, 76.02, "validation", "fourier", 2, 256, 60.54),
    Reported("learned", 9_984_512, 77.34, 76.89, "validation", "learned", 2, 256, 79.32),
    Reported("fourier", 8_929_792, 77.40, 77.11, "validation", "fourier", 2, 512, 136.2),
    Reported("learned", 24_294_400, 77.54, 76.96, "validation", "learned", 2, 512, 178.92),
)

# Table 2: fine-tuned on STS-B. The paper prints its own validation scores beside others' test scores.
TABLE_2 = (
    Reported("PETE 58k", 58_432, 69.5, 69.0, "validation", "fourier", 1, 64),
    Reported("PETE 396k", 396_928, 78.0, 78.0, "validation", "fourier", 2, 128),
    Reported("PETE 1.5m", 1_580_288, 79.7, 79.7, "validation", "fourier", 2, 256),
    Reported("PETE 3.6m", 3_678_720, 81.9, 81.7, "validation", "fourier", 1, 512),
)

# GLUE test server, README of google-research/bert; the paper repeats the first row's figures in the second.
BERT = (
    Reported("BERT-Tiny", 4_400_000, 73.6, 74.3, "test"),
    Reported("BERT-Mini", 11_200_000, 73.3, 75.4, "test"),
    Reported("BERT-Small", 28_800_000, 77.0, 78.8, "test"),
    # A model card on the Hugging Face hub (gokulsrinivasagan/bert_uncased_L-4_H-256_A-4_stsb); a cross-encoder.
    Reported("BERT-Mini", 11_200_000, 85.4, 85.5, "validation"),
)

# Zero-shot sentence models, for scale. GloVe and SBERT: documentation of sentence-transformers; WordLlama: measured from
# the weights in its PyPI wheel, its distilled table cut to 16 and 64 dimensions.
ANCHORS = (
    Reported("GloVe mean (300 d)", 120_000_000, 58.02, None, "test"),
    Reported("SBERT-NLI-base", 110_000_000, 77.12, None, "test"),
    Reported("WordLlama, 16 d", 510_000, 65.8, None, "test"),
    Reported("WordLlama, 64 d", 2_050_000, 73.0, None, "test"),
    Reported("WordLlama, 16 d", 510_000, 73.5, None, "validation"),
    Reported("WordLlama, 64 d", 2_050_000, 81.2, None, "validation"),
)
