"""The built-in corpus: a toy language whose meaning is known, so that a score can be traced to what was said.

Nothing is downloaded and nothing is estimated: concepts form a tree, every concept has many synonyms, and the similarity of two
sentences is computed from the concepts that they name. The instrument has one dial, the **order of the token ids**
(`ToyLanguage.vocabulary`): the texts stay the same, only the neighbourhood of the ids changes, which is all that a smooth basis
over the id axis can see.

The tree: every role holds some hypernyms, every hypernym ``N_CHILDREN`` concepts; hypernyms are concepts with words of their own.

    role (depth 0)  ->  hypernym (depth 1)  ->  concept (depth 2)  ->  words

A scene fills three core slots (agent, action, object) and at most two of three details (two modifiers, place). A sentence is one
word for each filled slot, in the order of `SLOTS`.
"""

from collections.abc import Callable
from functools import lru_cache

import numpy as np

from .errors import ConfigError

SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
ID_ORDERS = ("frequency", "semantic", "random")
SPLITS = ("train", "validation", "test")
LABELS = ("entailment", "neutral", "contradiction")
ROLES = ("agent", "action", "object", "place", "modifier")
SLOTS = ("agent_modifier", "agent", "action", "object_modifier", "object", "place")

# Hypernyms per role, roughly in proportion to how often the role is said, so that the mixture of roles stays a Zipf law.
N_HYPERNYMS = (4, 4, 4, 2, 3)
N_CHILDREN = 6
ZIPF_EXPONENT = 1.0
ZIPF_SHIFT = 2.7  # Mandelbrot's shift: without it one word alone would be a tenth of the text.

_GROUP = 1 + N_CHILDREN
_SLOT_ROLE = np.array([4, 0, 1, 4, 2, 3])
_DETAILS = np.array([0, 3, 5])  # the slots that a sentence may leave out
_CORE_AND_PLACE = np.array([1, 2, 4, 5])  # the slots whose replacement contradicts: two modifiers may both be true
_SLOT_WEIGHT = np.where(np.isin(np.arange(len(SLOTS)), _DETAILS), 0.5, 1.0)
_N_DETAILS_PROBABILITY = (0.2, 0.4, 0.4)  # of 0, 1, 2 details; one slot stays free, so that every premise can be added to
_DROP, _GENERALISE, _SIBLING = 0.4, 0.2, 0.5
_BLOCK = 4096  # rows per random stream: a longer corpus begins with the shorter one
_ONSETS = ("b", "ch", "d", "f", "g", "h", "j", "k", "l", "m", "n", "p", "r", "s", "sh", "t", "th", "v", "w", "z")
_SYLLABLES = [onset + vowel for onset in _ONSETS for vowel in "aeiou"]


class ToyLanguage:
    """Build a vocabulary of made-up words over a tree of concepts, and say scenes in it.

    Words of one concept are contiguous in the canonical order, concepts of one hypernym are too, and the hypernym comes first.

    Args:
        vocab_size: Number of ids, the five special tokens included. More ids give every concept more synonyms.
        seed: Non-negative; another seed gives other words, frequencies and sentences with the same tree.

    Attributes:
        words: All words in the canonical order, without special tokens; length ``n_words = vocab_size - 5``.
        concept: int64 ``(n_words,)``, the concept of each word, non-decreasing, in [0, n_concepts).
        role: int64 ``(n_words,)``, index into `ROLES`.
        probability: float64 ``(n_words,)``, probability that a word drawn from a premise is this one; sums to 1.
        concept_parent: int64 ``(n_concepts,)``, the hypernym of each concept, -1 for a hypernym.
        concept_role: int64 ``(n_concepts,)``, index into `ROLES`.

    Raises:
        ConfigError: If ``vocab_size`` leaves a concept without a word, exceeds the words that can be made, or ``seed`` is negative.

    Example:
        >>> language = ToyLanguage(vocab_size=1000)
        >>> premises, hypotheses, labels = language.nli("train", 3)
        >>> labels.tolist()
        [0, 1, 2]
    """

    def __init__(self, vocab_size: int = 30522, seed: int = 0) -> None:
        _require_integer("vocab_size", vocab_size, 1)
        _require_integer("seed", seed, 0)
        self.vocab_size, self.seed = vocab_size, seed
        n_words, n_concepts = vocab_size - len(SPECIAL_TOKENS), _GROUP * sum(N_HYPERNYMS)
        n_forms = len(_SYLLABLES) ** 2 + len(_SYLLABLES) ** 3
        if not n_concepts <= n_words <= n_forms:
            low, high = n_concepts + len(SPECIAL_TOKENS), n_forms + len(SPECIAL_TOKENS)
            raise ConfigError(
                f"vocab_size ({vocab_size}) must lie between {low} (one word for each of {n_concepts} concepts, "
                f"{len(SPECIAL_TOKENS)} special tokens) and {high} (all words of two or three syllables). Try 30522."
            )
        rng = self._stream(0)
        ids = np.arange(n_concepts)
        self.concept_parent = np.where(ids % _GROUP == 0, -1, ids - ids % _GROUP)
        self.concept_role = np.repeat(np.arange(len(ROLES)), np.array(N_HYPERNYMS) * _GROUP)
        sizes = n_words // n_concepts + (ids < n_words % n_concepts)
        self.concept = np.repeat(ids, sizes)
        self.role = self.concept_role[self.concept]
        self._concept_start = np.concatenate([[0], np.cumsum(sizes)])
        self._role_start = np.searchsorted(self.role, np.arange(len(ROLES) + 1))
        self.probability = self._zipf_probability(rng)
        self._cumulative = np.concatenate([[0.0], np.cumsum(self.probability)])
        self.words = [_spell(form) for form in rng.choice(n_forms, n_words, replace=False).tolist()]
        for array in (self.concept, self.role, self.probability, self.concept_parent, self.concept_role):
            array.setflags(write=False)  # `toy_language` shares one instance

    def vocabulary(self, id_order: str) -> list[str]:
        """List the tokens in id order: special tokens at ids 0..4, then every word once.

        Args:
            id_order: ``"frequency"`` (most probable first, as byte-pair encoding leaves it), ``"semantic"`` (synonyms are
                neighbours, concepts of one hypernym adjacent, frequency plays no part) or ``"random"`` (seeded).

        Returns:
            ``vocab_size`` distinct strings.

        Raises:
            ConfigError: If ``id_order`` is unknown.
        """
        _require_name("id_order", id_order, ID_ORDERS)
        if id_order == "frequency":
            order = np.argsort(-self.probability, kind="stable")
        elif id_order == "random":
            order = self._stream(1).permutation(len(self.words))
        else:
            order = np.arange(len(self.words))
        return [*SPECIAL_TOKENS, *(self.words[i] for i in order)]

    def nli(self, split: str, n: int) -> tuple[list[str], list[str], np.ndarray]:
        """Draw sentence pairs with a label that follows from their concepts, slot by slot.

        A hypothesis re-says its premise: a fresh word for each concept, details dropped, concepts replaced by their hypernyms.
        ``entailment`` (0) stops there, so that every hypothesis concept is the premise's or its hypernym. ``neutral`` (1) also
        fills a detail that the premise leaves open. ``contradiction`` (2) also replaces one agent, action, object or place by a
        concept that is neither an ancestor nor a descendant of the premise's.

        Args:
            split: ``"train"``, ``"validation"`` or ``"test"``; each has its own random stream.
            n: Number of pairs, positive. A larger ``n`` continues the same sequence.

        Returns:
            premises, hypotheses: ``n`` sentences each.
            labels: int64 ``(n,)`` in {0, 1, 2}, in turn, so that the classes differ by at most one pair.

        Raises:
            ConfigError: If ``split`` is unknown or ``n`` is not a positive integer.
        """
        return self._collect(2, split, n, self._nli_block)

    def sts(self, split: str, n: int) -> tuple[list[str], list[str], np.ndarray]:
        """Draw sentence pairs graded by `score`, spread over the whole scale.

        Each pair has a rate of change, uniform in [0, 1]; with that probability a concept becomes its hypernym (1/4), a sibling
        (1/4), or another concept (1/2); a detail is dropped in half of its changes, an open one filled in half.

        Args:
            split: ``"train"``, ``"validation"`` or ``"test"``; each has its own random stream.
            n: Number of pairs, positive. A larger ``n`` continues the same sequence.

        Returns:
            sentences1, sentences2: ``n`` sentences each.
            scores: float64 ``(n,)`` in [0, 5].

        Raises:
            ConfigError: If ``split`` is unknown or ``n`` is not a positive integer.
        """
        return self._collect(3, split, n, self._sts_block)

    def similarity(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """Compare concepts by their place in the tree: 2 x depth of the lowest common ancestor / sum of the depths.

        That is 1 for the same concept, 2/3 for a concept and its hypernym, 1/2 for siblings and 0 for all others.

        Args:
            first: Integer concepts of any shape, -1 for an empty slot (similarity 0).
            second: The same, broadcastable to ``first``.

        Returns:
            float64 array of the common shape, in [0, 1].

        Source: Wu & Palmer 1994 (arXiv:cmp-lg/9406033), section 4, conceptual similarity, with the role as root at depth 0.
        """
        depth_sum = 2.0 + (first % _GROUP > 0) + (second % _GROUP > 0)
        shared_depth = np.where(first == second, depth_sum / 2, first // _GROUP == second // _GROUP)
        return np.where((first < 0) | (second < 0), 0.0, 2 * shared_depth / depth_sum)

    def score(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """Grade two scenes: 5 x the weighted mean `similarity` over the slots that either fills.

        Core slots weigh 1 and details 1/2; a slot that only one scene fills counts as similarity 0. Symmetric; 5 exactly when
        both scenes name the same concepts.

        Args:
            first: Integer concepts ``(n, len(SLOTS))``, -1 for an empty slot.
            second: The same.

        Returns:
            float64 ``(n,)`` in [0, 5].
        """
        weight = _SLOT_WEIGHT * ((first >= 0) | (second >= 0))
        return 5.0 * (weight * self.similarity(first, second)).sum(axis=1) / weight.sum(axis=1)

    def _nli_block(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        premise, rows, labels = self._draw_scenes(rng), np.arange(_BLOCK), np.arange(_BLOCK) % len(LABELS)
        hypothesis = self._generalise(premise, rng.random(premise.shape) < _GENERALISE)
        dropped = rng.random((_BLOCK, len(_DETAILS))) < _DROP
        hypothesis[:, _DETAILS] = np.where(dropped, -1, hypothesis[:, _DETAILS])

        free = _DETAILS[np.where(premise[:, _DETAILS] < 0, rng.random(dropped.shape), -1).argmax(axis=1)]
        added, neutral = self._draw_concepts(rng), labels == 1
        hypothesis[rows[neutral], free[neutral]] = added[rows[neutral], free[neutral]]

        filled = hypothesis[:, _CORE_AND_PLACE] >= 0
        slot = _CORE_AND_PLACE[np.where(filled, rng.random(filled.shape), -1).argmax(axis=1)]
        other, opposed = self._replace(rng, premise, rng.random(premise.shape) < _SIBLING), labels == 2
        hypothesis[rows[opposed], slot[opposed]] = other[rows[opposed], slot[opposed]]
        return self._say(rng, premise), self._say(rng, hypothesis), labels

    def _sts_block(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        first = self._draw_scenes(rng)
        changed = rng.random(first.shape) < rng.random((_BLOCK, 1))
        kind = np.where(changed, rng.integers(4, size=first.shape), -1)  # 0 hypernym, 1 sibling, 2 and 3 another concept
        second = self._generalise(first, kind == 0)
        second = np.where(kind >= 1, self._replace(rng, first, kind == 1), second)
        flipped = changed[:, _DETAILS] & (rng.random((_BLOCK, len(_DETAILS))) < 0.5)
        details, added = first[:, _DETAILS], self._draw_concepts(rng)[:, _DETAILS]
        second[:, _DETAILS] = np.where(flipped, np.where(details < 0, added, -1), second[:, _DETAILS])
        return self._say(rng, first), self._say(rng, second), self.score(first, second)

    def _draw_scenes(self, rng: np.random.Generator) -> np.ndarray:
        scenes = self._draw_concepts(rng)
        n_details = rng.choice(len(_N_DETAILS_PROBABILITY), size=(_BLOCK, 1), p=_N_DETAILS_PROBABILITY)
        position = rng.random((_BLOCK, len(_DETAILS))).argsort(axis=1)  # each row a random permutation of 0, 1, 2
        scenes[:, _DETAILS] = np.where(position < n_details, scenes[:, _DETAILS], -1)
        return scenes

    def _draw_concepts(self, rng: np.random.Generator) -> np.ndarray:
        words = self._draw_words(rng, self._role_start[_SLOT_ROLE], self._role_start[_SLOT_ROLE + 1], (_BLOCK, len(SLOTS)))
        return self.concept[words]

    def _draw_words(self, rng: np.random.Generator, start: np.ndarray, stop: np.ndarray, shape: tuple) -> np.ndarray:
        """Draw one word from each range ``start <= word < stop`` in proportion to its probability."""
        low, high = self._cumulative[start], self._cumulative[stop]
        words = np.searchsorted(self._cumulative, low + (high - low) * rng.random(shape), side="right") - 1
        return np.clip(words, start, stop - 1)  # rounding may land on the upper end

    def _say(self, rng: np.random.Generator, scenes: np.ndarray) -> np.ndarray:
        """Choose a word for each concept; -1 stays -1."""
        words = self._draw_words(rng, self._concept_start[scenes], self._concept_start[scenes + 1], scenes.shape)
        return np.where(scenes < 0, -1, words)

    def _generalise(self, scenes: np.ndarray, where: np.ndarray) -> np.ndarray:
        """Put the hypernym in place of a concept; hypernyms and empty slots stay."""
        return np.where(where & (scenes >= 0), scenes - scenes % _GROUP, scenes)

    def _replace(self, rng: np.random.Generator, scenes: np.ndarray, sibling: np.ndarray) -> np.ndarray:
        """Put an incompatible concept of the same role in place of each: a sibling where asked and possible, or another branch."""
        child = scenes % _GROUP
        siblings = scenes - child + 1 + (child - 1 + rng.integers(1, N_CHILDREN, size=scenes.shape)) % N_CHILDREN
        others = self._draw_concepts(rng)
        first, n = (np.concatenate([[0], np.cumsum(N_HYPERNYMS)]) * _GROUP)[_SLOT_ROLE], np.array(N_HYPERNYMS)[_SLOT_ROLE] * _GROUP
        others = np.where(others // _GROUP == scenes // _GROUP, first + (others - first + _GROUP) % n, others)
        return np.where(scenes < 0, -1, np.where(sibling & (child > 0), siblings, others))

    def _zipf_probability(self, rng: np.random.Generator) -> np.ndarray:
        n_words, concept = len(self.concept), self.concept
        # Ranks are dealt in rounds, one word per concept and round: every concept has frequent and rare synonyms.
        turn = np.empty(n_words)
        turn[np.lexsort((rng.random(n_words), concept))] = np.arange(n_words) - self._concept_start[concept]
        rank = np.empty(n_words)
        rank[np.argsort(turn + rng.random(n_words))] = np.arange(1, n_words + 1)
        weight = (rank + ZIPF_SHIFT) ** -ZIPF_EXPONENT
        detail = np.dot(_N_DETAILS_PROBABILITY, np.arange(len(_N_DETAILS_PROBABILITY))) / len(_DETAILS)
        said = np.bincount(_SLOT_ROLE, np.where(_SLOT_WEIGHT < 1, detail, 1.0))  # expected words of each role per premise
        return weight * (said / said.sum() / np.bincount(self.role, weight))[self.role]

    def _stream(self, *key: int) -> np.random.Generator:
        return np.random.default_rng([self.seed, *key, *[0] * (3 - len(key))])

    def _collect(self, task: int, split: str, n: int, block: Callable) -> tuple[list[str], list[str], np.ndarray]:
        _require_name("split", split, SPLITS)
        _require_integer("n", n, 1)
        blocks = [block(self._stream(task, SPLITS.index(split), i)) for i in range(-(-n // _BLOCK))]
        first, second, target = (np.concatenate(parts)[:n] for parts in zip(*blocks, strict=True))
        return self._sentences(first), self._sentences(second), target

    def _sentences(self, words: np.ndarray) -> list[str]:
        return [" ".join([self.words[word] for word in row if word >= 0]) for row in words.tolist()]


@lru_cache(maxsize=4)
def toy_language(vocab_size: int = 30522) -> ToyLanguage:
    """Return the toy language of seed 0, built once per process and ``vocab_size``."""
    return ToyLanguage(vocab_size)


def _spell(form: int) -> str:
    """Write a number as two or three syllables; distinct numbers give distinct words."""
    n = len(_SYLLABLES)
    length = 2 if form < n**2 else 3
    return "".join(_SYLLABLES[(form - (length - 2) * n**2) // n**i % n] for i in range(length))


def _require_integer(name: str, value: int, minimum: int) -> None:
    if not isinstance(value, int | np.integer) or isinstance(value, bool) or value < minimum:
        raise ConfigError(f"{name} ({value!r}) must be an integer of at least {minimum}. Try {max(minimum, 1)}.")


def _require_name(name: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise ConfigError(f"{name} ({value!r}) is unknown. Use one of {', '.join(allowed)}.")
