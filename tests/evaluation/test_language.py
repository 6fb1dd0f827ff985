"""Scores of predicted text on a case counted by hand."""

import numpy as np
import pytest

from fourier_lab.evaluation.language import calibration_scores, text_scores


def test_bits_per_byte_and_bands_by_hand():
    counts, n_bytes = np.zeros(200, np.int64), np.full(200, 2)
    counts[150], counts[7] = 9, 8  # the two most frequent; all else follows in order of its id
    targets = np.array([150, 7, 0, 199])
    scores = text_scores(np.log([2.0, 2.0, 4.0, 16.0]), targets, n_bytes, counts)
    assert scores["bits_per_byte"] == pytest.approx((1 + 1 + 2 + 4) / 8)
    assert scores["perplexity"] == pytest.approx(2 ** (8 / 4))
    assert (scores["tokens"], scores["bytes"]) == (4, 8)
    assert [(band["first"], band["last"], band["tokens"]) for band in scores["bands"]] == [(1, 10, 3), (101, 200, 1)]
    assert [band["perplexity"] for band in scores["bands"]] == pytest.approx([2 ** (4 / 3), 16])


def test_calibration_is_that_of_scikit_learn():
    from sklearn.calibration import calibration_curve

    rng = np.random.default_rng(0)
    confidence = rng.uniform(size=1000)
    right = (rng.uniform(size=1000) < confidence**2).astype(float)
    found = calibration_scores(confidence, right)
    hits, sure = calibration_curve(right, confidence, n_bins=10, strategy="quantile")
    np.testing.assert_allclose(found["accuracy"], hits)
    np.testing.assert_allclose(found["confidence"], sure)
    assert found["error"] == pytest.approx(np.abs(hits - sure).mean()) and found["tokens"] == 1000
    assert calibration_scores(np.array([0.2, 0.8]), np.array([0.0, 1.0]), 2)["error"] == pytest.approx(0.2)
