"""The toy language: what its sentences mean is recomputed here from the words alone."""

import time

import numpy as np
import pytest

from fourier_lab.errors import ConfigError
from fourier_lab.text.tokenizer import TOY_ORDERS
from fourier_lab.text.toy import ROLES, SLOTS, SPECIAL_TOKENS, SPLITS, ToyLanguage, toy_language

EMPTY = -1


@pytest.fixture(scope="module")
def language() -> ToyLanguage:
    return toy_language()


def meaning(language: ToyLanguage, sentences: list[str]) -> np.ndarray:
    """Parse sentences into concepts per slot by role and position; fail on anything that is not a sentence."""
    index = {word: i for i, word in enumerate(language.words)}
    scenes = np.full((len(sentences), len(SLOTS)), EMPTY)
    for row, sentence in enumerate(sentences):
        last = -1
        for word in map(index.__getitem__, sentence.split()):
            role = ROLES[language.role[word]]
            slot = SLOTS.index(role) if role != "modifier" else 0 if last < 0 else SLOTS.index("object_modifier")
            assert slot > last, f"{sentence!r} is out of order"
            scenes[row, slot], last = language.concept[word], slot
    assert (scenes[:, [SLOTS.index(s) for s in ("agent", "action", "object")]] != EMPTY).all()
    return scenes


def ancestors(language: ToyLanguage, concept: int) -> list[int]:
    """The concept and its hypernym, deepest first."""
    parent = int(language.concept_parent[concept])
    return [concept] if parent == EMPTY else [concept, parent]


def compatible(language: ToyLanguage, a: int, b: int) -> bool:
    return a in ancestors(language, b) or b in ancestors(language, a)


def reference_score(language: ToyLanguage, first: np.ndarray, second: np.ndarray) -> float:
    """The docstrings of `similarity` and `score`, one slot at a time, walking up the tree."""
    total = weights = 0.0
    for slot, a, b in zip(SLOTS, first.tolist(), second.tolist(), strict=True):
        if a == b == EMPTY:
            continue
        weight = 1.0 if slot in ("agent", "action", "object") else 0.5
        weights += weight
        if EMPTY not in (a, b):
            up_a, up_b = ancestors(language, a), ancestors(language, b)
            shared = max((len(ancestors(language, c)) for c in up_a if c in up_b), default=0)
            total += weight * 2 * shared / (len(up_a) + len(up_b))
    return 5 * total / weights


def test_words_are_unique_pronounceable_and_one_per_id(language):
    assert len(language.words) == len(set(language.words)) == language.vocab_size - len(SPECIAL_TOKENS)
    assert all(word.isascii() and word.isalpha() and word.islower() and word[-1] in "aeiou" for word in language.words)


def test_every_concept_has_words_and_a_hypernym_of_its_own_role(language):
    children = language.concept_parent != EMPTY
    parents = language.concept_parent[children]
    assert np.bincount(language.concept, minlength=len(language.concept_parent)).min() > 100
    assert (language.concept_parent[parents] == EMPTY).all()
    assert (language.concept_role[parents] == language.concept_role[children]).all()
    assert set(language.concept_role) == set(range(len(ROLES)))


def test_form_says_nothing_about_meaning(language):
    by_spelling = language.concept[np.argsort(language.words)]
    chance = np.mean(np.bincount(language.concept) / len(language.concept))
    assert np.mean(by_spelling[1:] == by_spelling[:-1]) < 2 * chance


@pytest.mark.parametrize("vocab_size", [125, 1000, 30522])
def test_id_orders_permute_one_vocabulary_and_keep_the_special_tokens(vocab_size):
    language = toy_language(vocab_size)
    vocabularies = [language.vocabulary(order) for order in TOY_ORDERS]
    assert all(tuple(v[:5]) == SPECIAL_TOKENS and len(v) == len(set(v)) == vocab_size for v in vocabularies)
    assert len({tuple(sorted(v)) for v in vocabularies}) == 1
    assert len({tuple(v) for v in vocabularies}) == 3


def test_each_id_order_is_what_its_name_says(language):
    index = {word: i for i, word in enumerate(language.words)}
    ids = {order: np.array([index[w] for w in language.vocabulary(order)[5:]]) for order in TOY_ORDERS}
    n_concepts, n_hypernyms = len(language.concept_parent), int((language.concept_parent == EMPTY).sum())
    branch = np.where(language.concept_parent == EMPTY, np.arange(n_concepts), language.concept_parent)

    def n_changes(values):
        return int((values[1:] != values[:-1]).sum())

    assert n_changes(language.concept[ids["semantic"]]) == n_concepts - 1
    assert n_changes(branch[language.concept[ids["semantic"]]]) == n_hypernyms - 1
    assert (np.diff(language.probability[ids["frequency"]]) <= 0).all()
    for order in ("frequency", "random"):
        assert n_changes(language.concept[ids[order]]) > 0.95 * len(language.words)
    for order in ("semantic", "random"):
        rank_correlation = np.corrcoef(
            np.arange(len(ids[order])), np.argsort(np.argsort(language.probability[ids[order]]))
        )
        assert abs(rank_correlation[0, 1]) < 0.1


def test_synonyms_are_not_sorted_by_frequency_inside_a_concept(language):
    first_word = np.searchsorted(language.concept, language.concept)
    place = np.arange(len(language.words)) - first_word
    assert abs(np.corrcoef(place, np.log(language.probability))[0, 1]) < 0.05


def test_frequencies_follow_zipf_and_the_text_follows_the_frequencies(language):
    assert language.probability.sum() == pytest.approx(1)
    sorted_probability = np.sort(language.probability)[::-1]
    rank = np.arange(1, len(sorted_probability) + 1)
    tail = slice(2000, 25000)
    slope = np.polyfit(np.log(rank[tail]), np.log(sorted_probability[tail]), 1)[0]
    assert -1.3 < slope < -1.1 and np.abs(sorted_probability[:3] - 0.01).max() < 0.007

    index = {word: i for i, word in enumerate(language.words)}
    premises = language.nli("train", 20000)[0]
    counts = np.bincount([index[w] for p in premises for w in p.split()], minlength=len(language.words))
    expected = counts.sum() * language.probability
    frequent = expected > 50
    z = (counts - expected)[frequent] / np.sqrt(expected[frequent])
    assert frequent.sum() > 200 and abs(z.mean()) < 0.3 and 0.8 < z.std() < 1.2


def test_texts_are_deterministic_and_grow_without_changing():
    for task in ("nli", "sts"):
        small, again, large = (getattr(ToyLanguage(2000), task)("train", n) for n in (500, 500, 5000))
        assert small[:2] == again[:2] == (large[0][:500], large[1][:500])
        assert np.array_equal(small[2], again[2]) and np.array_equal(small[2], large[2][:500])
        assert getattr(ToyLanguage(2000, seed=1), task)("train", 500)[0] != small[0]
        assert len(large[0]) == len(large[1]) == len(large[2]) == 5000


def test_splits_share_no_pair_and_hardly_a_sentence(language):
    for task in ("nli", "sts"):
        pairs = [set(zip(*getattr(language, task)(split, 5000)[:2], strict=True)) for split in SPLITS]
        assert len(set.union(*pairs)) == sum(map(len, pairs))
        first, second, third = ({a for a, _ in split} for split in pairs)
        assert len((first & second) | (first & third) | (second & third)) < 50


def test_labels_follow_from_the_concepts(language):
    premises, hypotheses, labels = language.nli("train", 6000)
    assert labels.dtype == np.int64 and np.bincount(labels).tolist() == [2000] * 3
    n_synonyms = n_hypernyms = n_dropped = 0
    for p, h, label in zip(meaning(language, premises), meaning(language, hypotheses), labels, strict=True):
        added = (h != EMPTY) & (p == EMPTY)
        both = (h != EMPTY) & (p != EMPTY)
        entailed = [b in ancestors(language, a) for a, b in zip(p[both], h[both], strict=True)]
        if label == 0:
            assert all(entailed) and not added.any()
            n_synonyms += np.sum(p[both] == h[both])
            n_hypernyms += np.sum(p[both] != h[both])
            n_dropped += np.sum((h == EMPTY) & (p != EMPTY))
        elif label == 1:
            assert all(entailed) and added.any()
        else:
            clashes = [not compatible(language, a, b) for a, b in zip(p[both], h[both], strict=True)]
            assert sum(clashes) == 1 and not added.any()
            clash = SLOTS[np.flatnonzero(both)[clashes.index(True)]]
            assert clash in ("agent", "action", "object", "place")
    assert min(n_synonyms, n_hypernyms, n_dropped) > 300


def test_entailed_sentences_mostly_choose_other_words(language):
    premises, hypotheses, labels = language.nli("train", 6000)
    shared = [len(set(p.split()) & set(h.split())) / len(h.split()) for p, h in zip(premises, hypotheses, strict=True)]
    assert 0.005 < np.mean(np.array(shared)[labels == 0]) < 0.25


def test_scores_are_the_shared_meaning_and_use_the_whole_scale(language):
    first, second, scores = language.sts("test", 3000)
    a, b = meaning(language, first), meaning(language, second)
    expected = [reference_score(language, x, y) for x, y in zip(a, b, strict=True)]
    np.testing.assert_allclose(scores, expected, atol=1e-12)
    np.testing.assert_allclose(language.score(b, a), scores, atol=1e-12)
    assert scores.dtype == np.float64 and scores.min() >= 0 and scores.max() == 5
    assert (np.histogram(scores, 5, (0, 5))[0] > 200).all()


def test_score_is_five_exactly_for_the_same_meaning(language):
    first, second, scores = language.sts("validation", 3000)
    same = (meaning(language, first) == meaning(language, second)).all(axis=1)
    assert np.array_equal(scores == 5, same) and 100 < same.sum() < 1500
    assert any(a != b for a, b in zip(np.array(first)[same], np.array(second)[same], strict=True))


def test_similarity_of_relatives():
    language = toy_language(1000)
    children = np.flatnonzero(language.concept_parent == 0)
    child, sibling, stranger = children[0], children[1], np.flatnonzero(language.concept_parent > 0)[0]
    values = language.similarity(
        np.array([child, child, child, child, EMPTY]), np.array([child, 0, sibling, stranger, child])
    )
    np.testing.assert_allclose(values, [1, 2 / 3, 1 / 2, 0, 0])


def test_word_overlap_does_not_solve_the_task(language):
    first, second, scores = language.sts("test", 4000)
    overlap = [
        len(set(a.split()) & set(b.split())) / max(len(a.split()), len(b.split()))
        for a, b in zip(first, second, strict=True)
    ]
    ranks = [np.unique(values, return_inverse=True)[1] for values in (overlap, scores)]
    assert 0.1 < np.corrcoef(*ranks)[0, 1] < 0.5


def test_smallest_vocabulary_has_one_word_per_concept():
    language = ToyLanguage(5 + len(toy_language().concept_parent))
    assert language.concept.tolist() == list(range(len(language.concept_parent)))
    first, second, scores = language.sts("test", 200)
    assert all(a == b for a, b, s in zip(first, second, scores, strict=True) if s == 5)


def test_shared_language_is_cached_and_cannot_be_changed():
    assert toy_language(1000) is toy_language(1000)
    for name in ("concept", "role", "probability", "concept_parent", "concept_role"):
        with pytest.raises(ValueError, match="read-only"):
            getattr(toy_language(1000), name)[0] = 1


def test_corpus_is_drawn_in_seconds():
    start = time.process_time()
    language = ToyLanguage()
    built = time.process_time()
    language.nli("train", 40000)
    assert built - start < 1
    assert time.process_time() - built < 3


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ToyLanguage(100), r"vocab_size \(100\).*in 124.*one word for each of 119 concepts.*Try 124"),
        (lambda: ToyLanguage(2_000_000), r"vocab_size \(2000000\)"),
        (lambda: ToyLanguage(1e4), r"vocab_size \(10000.0\) must be an integer"),
        (lambda: ToyLanguage(1000, seed=-1), r"seed \(-1\)"),
        (
            lambda: toy_language(1000).vocabulary("alphabetic"),
            r"id_order \('alphabetic'\).*frequency, semantic, random",
        ),
        (lambda: toy_language(1000).nli("dev", 10), r"split \('dev'\).*train, validation, test"),
        (lambda: toy_language(1000).sts("test", 0), r"n \(0\) must be an integer in 1\.\."),
        (lambda: toy_language(1000).nli("test", 2.0), r"n \(2.0\)"),
        (lambda: toy_language(1000).nli("test", True), r"n \(True\)"),
    ],
)
def test_bad_arguments_name_rule_value_and_way_out(call, message):
    with pytest.raises(ConfigError, match=message):
        call()
