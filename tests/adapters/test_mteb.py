"""mteb's own code scores an encoder on pairs at hand, as ours does."""

import numpy as np
import pytest
import torch

mteb = pytest.importorskip("mteb")

from fourier_lab import ModelConfig, SentenceEncoder, load_pairs  # noqa: E402
from fourier_lab.adapters.mteb import MtebEncoder, on_local_pairs  # noqa: E402
from fourier_lab.errors import DataError  # noqa: E402
from fourier_lab.evaluation.metrics import sts_scores  # noqa: E402
from fourier_lab.evaluation.similarity import embedding_similarity  # noqa: E402
from fourier_lab.text.tokenizer import tokenize, toy_tokenizer  # noqa: E402

pytestmark = pytest.mark.filterwarnings("default")  # of mteb, about its tasks
TOKENIZER = toy_tokenizer(500)


def encoder(seed=0):
    torch.manual_seed(seed)
    return SentenceEncoder(ModelConfig("fourier", 500, 16, frequencies="random"), TOKENIZER).eval()


def test_its_score_is_ours():
    pairs = load_pairs("toy_sts", "test", vocab_size=500).select(np.arange(300))
    task = on_local_pairs(mteb.get_task("STSBenchmark"), pairs)
    results = mteb.evaluate(MtebEncoder(encoder(), "made/up"), task, cache=None)
    sides = (tokenize(TOKENIZER, side, 128) for side in (pairs.first, pairs.second))
    ours = sts_scores(embedding_similarity(encoder(), *sides), pairs.label)["spearman"]["value"]
    assert abs(ours) > 5
    assert 100 * results.task_results[0].get_score() == pytest.approx(ours, abs=0.02)  # it compares in float32


def test_another_model_has_another_revision():
    revisions = {MtebEncoder(encoder(seed), "made/up").mteb_model_meta.revision for seed in (0, 0, 1)}
    assert len(revisions) == 2


def test_labels_are_no_grades():
    with pytest.raises(DataError, match="has labels, not grades"):
        on_local_pairs(mteb.get_task("STSBenchmark"), load_pairs("toy", "test", vocab_size=500))
