"""The built-in corpus: a toy language whose meaning is known, so that every score can be traced to what was said.

Concepts form a tree, every concept has many synonyms, and the similarity of two sentences is computed from the concepts
that they name. Its dial is the **order of the token ids** (`ToyLanguage.vocabulary`): the texts stay the same, only the
neighbourhood of the ids changes, which is all that a smooth basis over the id axis can see.

    role (depth 0)  ->  hypernym (depth 1)  ->  concept (depth 2)        hypernyms are concepts with words of their own

A scene fills three core slots (agent, action, object) and at most two of three details (two modifiers, place). A
sentence says a scene: one word for each filled slot, in the order of `SLOTS`.
"""

from collections.abc import Callable
from functools import lru_cache

import numpy as np

from ..errors import ConfigError

SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
SPLITS = ("train", "validation", "test")
ROLES = ("agent", "action", "object", "place", "modifier")
SLOTS = ("agent_modifier", "agent", "action", "object_modifier", "object", "place")

_N_HYPERNYMS = np.array([4, 4, 4, 2, 3])  # per role, about as often as it is said: the mixture stays a Zipf law
_N_CHILDREN = 6
_BRANCH = 1 + _N_CHILDREN  # concepts are numbered branch by branch, the hypernym first
_ZIPF_EXPONENT = 1.2
_ZIPF_SHIFT = 20.0  # Mandelbrot's: without it ten words are half of the text, and equal words nearly all of the score
_SLOT_ROLE = np.array([4, 0, 1, 4, 2, 3])
_DETAILS = np.array([0, 3, 5])  # slots that a sentence may leave out
_CONTRADICTABLE = np.array([1, 2, 4, 5])  # two different modifiers may both be true
_IS_DETAIL = np.isin(np.arange(len(SLOTS)), _DETAILS)
_N_DETAILS = (0.2, 0.4, 0.4)  # probability of 0, 1, 2 details; one stays free, so that every premise can be added to
_DROP, _GENERALISE, _SIBLING = 0.4, 0.2, 0.5
_BLOCK = 3072  # rows per random stream, so that a longer corpus begins with the shorter one; a multiple of 3 labels
_ONSETS = ("b", "ch", "d", "f", "g", "h", "j", "k", "l", "m", "n", "p", "r", "s", "sh", "t", "th", "v", "w", "z")
_SYLLABLES = [onset + vowel for onset in _ONSETS for vowel in "aeiou"]


class ToyLanguage:
    """Build a vocabulary of made-up words over a tree of concepts, and say scenes in it.

    Words are listed concept by concept and concepts branch by branch; within a concept their order means nothing.

    Args:
        vocab_size: Number of ids, the five special tokens included. More ids give every concept more synonyms.
        seed: Non-negative; another seed gives other words, frequencies and sentences over the same tree.

    Attributes:
        words: All words without the special tokens; length ``n_words = vocab_size - 5``.
        concept: int64 ``(n_words,)``, the concept of each word, non-decreasing, in [0, n_concepts).
        role: int64 ``(n_words,)``, index into `ROLES`.
        probability: float64 ``(n_words,)``, probability that a word drawn from a premise is this one; sums to 1.
        concept_parent: int64 ``(n_concepts,)``, the hypernym of each concept, -1 for a hypernym.
        concept_role: int64 ``(n_concepts,)``, index into `ROLES`.

    Raises:
        ConfigError: If ``vocab_size`` has too few words for the concepts or too many to spell, or ``seed`` is negative.

    Example:
        >>> len(ToyLanguage(vocab_size=1000).vocabulary("semantic"))
        1000
    """

    def __init__(self, vocab_size: int = 30522, seed: int = 0) -> None:
        concepts = np.arange(_BRANCH * _N_HYPERNYMS.sum())
        n_concepts, n_forms = len(concepts), len(_SYLLABLES) ** 3
        why = f": at least one word for each of {n_concepts} concepts, at most what three syllables spell"
        _require_integer("vocab_size", vocab_size, n_concepts + len(SPECIAL_TOKENS), n_forms, why)
        _require_integer("seed", seed, 0)
        self.vocab_size, self.seed, n_words = vocab_size, seed, vocab_size - len(SPECIAL_TOKENS)
        self.concept_parent = np.where(concepts % _BRANCH == 0, -1, concepts - concepts % _BRANCH)
        self.concept_role = np.repeat(np.arange(len(ROLES)), _N_HYPERNYMS * _BRANCH)
        sizes = n_words // n_concepts + (concepts < n_words % n_concepts)
        self.concept = np.repeat(concepts, sizes)
        self.role = self.concept_role[self.concept]
        self._concept_start = np.concatenate([[0], np.cumsum(sizes)])
        self._slot_start, self._slot_stop = np.searchsorted(self.role, [_SLOT_ROLE, _SLOT_ROLE + 1])
        rng = np.random.default_rng([seed, 0, 0, 0])
        self.probability = self._zipf_probability(rng)
        self._cumulative = np.concatenate([[0.0], np.cumsum(self.probability)])
        spellings = np.unravel_index(rng.choice(n_forms, n_words, replace=False), (len(_SYLLABLES),) * 3)
        self.words = [_SYLLABLES[a] + _SYLLABLES[b] + _SYLLABLES[c] for a, b, c in zip(*spellings, strict=True)]
        for array in (self.concept, self.role, self.probability, self.concept_parent, self.concept_role):
            array.setflags(write=False)  # `toy_language` shares one instance

    def vocabulary(self, id_order: str) -> list[str]:
        """List the ``vocab_size`` tokens in id order: special tokens at ids 0..4, then every word once.

        Args:
            id_order: ``"frequency"`` (most probable first, as in a byte-pair vocabulary), ``"semantic"`` (synonyms are
                neighbours, concepts of one hypernym adjacent, frequency plays no part) or ``"random"`` (seeded).

        Raises:
            ConfigError: If ``id_order`` is unknown.
        """
        orders = {
            "frequency": np.argsort(-self.probability, kind="stable"),
            "semantic": np.arange(len(self.words)),
            "random": np.random.default_rng([self.seed, 1, 0, 0]).permutation(len(self.words)),
        }
        _require_name("id_order", id_order, tuple(orders))
        return [*SPECIAL_TOKENS, *(self.words[i] for i in orders[id_order])]

    def nli(self, split: str, n: int) -> tuple[list[str], list[str], np.ndarray]:
        """Draw sentence pairs whose label follows from their concepts, slot by slot.

        A hypothesis re-says its premise: a word drawn anew for each concept, details dropped, hypernyms for concepts.
        Entailment (0) stops there. Neutral (1) also fills a detail that the premise leaves open. Contradiction (2) also
        replaces one agent, action, object or place by a concept that is neither above nor below the premise's.

        Args:
            split: ``"train"``, ``"validation"`` or ``"test"``, each a random stream of its own.
            n: Number of pairs, positive. A larger ``n`` continues the same sequence.

        Returns:
            Premises, hypotheses (``n`` sentences each) and labels, int64 ``(n,)`` in {0, 1, 2} in turn.

        Raises:
            ConfigError: If ``split`` is unknown or ``n`` is not a positive integer.
        """
        return self._collect(2, split, n, self._nli_block)

    def sts(self, split: str, n: int) -> tuple[list[str], list[str], np.ndarray]:
        """Draw sentence pairs graded by :meth:`score`, spread over the whole scale.

        Each pair has its own rate of change, uniform in [0, 1]. At that rate a concept becomes its hypernym (1/4), a
        sibling (1/4) or another concept (1/2); half of a detail's changes are that it goes, or comes if it was open.
        Arguments and errors are those of :meth:`nli`.

        Returns:
            First and second sentences (``n`` each) and scores, float64 ``(n,)`` in [0, 5].
        """
        return self._collect(3, split, n, self._sts_block)

    def similarity(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """Compare concepts in the tree: twice the depth of the lowest common ancestor, over the sum of both depths.

        That is 1 for the same concept, 2/3 for a concept and its hypernym, 1/2 for siblings, and 0 for all others and
        for an empty slot (-1). Takes integer arrays of one shape; returns float64 of that shape.

        Source: Wu & Palmer 1994 (arXiv:cmp-lg/9406033), conceptual similarity; the role is the root, at depth 0.
        """
        depths = 2.0 + (first % _BRANCH > 0) + (second % _BRANCH > 0)
        shared = np.where(first == second, depths / 2, first // _BRANCH == second // _BRANCH)
        return np.where((first < 0) | (second < 0), 0.0, 2 * shared / depths)

    def score(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """Grade scenes: 5 x the weighted mean :meth:`similarity` over the slots that at least one of the two fills.

        Core slots weigh 1, details 1/2. Symmetric, and 5 exactly when both scenes name the same concepts. Takes
        concepts ``(n, len(SLOTS))``, -1 for an empty slot; returns float64 ``(n,)``.
        """
        weight = np.where(_IS_DETAIL, 0.5, 1.0) * ((first >= 0) | (second >= 0))
        return 5.0 * (weight * self.similarity(first, second)).sum(axis=1) / weight.sum(axis=1)

    def _nli_block(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        premise, labels = self._draw_scenes(rng), np.arange(_BLOCK) % 3
        hypothesis = _generalise(premise, rng.random(premise.shape) < _GENERALISE)
        hypothesis[:, _DETAILS] = np.where(rng.random((_BLOCK, 3)) < _DROP, -1, hypothesis[:, _DETAILS])
        neutral = labels == 1, _choose(rng, premise < 0, _DETAILS)[labels == 1]
        opposed = labels == 2, _choose(rng, hypothesis >= 0, _CONTRADICTABLE)[labels == 2]
        hypothesis[neutral] = self._draw_concepts(rng)[neutral]
        hypothesis[opposed] = self._replace(rng, premise, rng.random(premise.shape) < _SIBLING)[opposed]
        return self._say(rng, premise), self._say(rng, hypothesis), labels

    def _sts_block(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        first = self._draw_scenes(rng)
        changed = rng.random(first.shape) < rng.random((_BLOCK, 1))
        kind = np.where(changed, rng.integers(4, size=first.shape), -1)  # 0 hypernym, 1 sibling, 2 and 3 another
        second = np.where(kind >= 1, self._replace(rng, first, kind == 1), _generalise(first, kind == 0))
        flipped = changed & (rng.random(first.shape) < 0.5) & _IS_DETAIL
        second = np.where(flipped, np.where(first < 0, self._draw_concepts(rng), -1), second)
        return self._say(rng, first), self._say(rng, second), self.score(first, second)

    def _draw_scenes(self, rng: np.random.Generator) -> np.ndarray:
        scenes = self._draw_concepts(rng)
        n_details = rng.choice(len(_N_DETAILS), size=(_BLOCK, 1), p=_N_DETAILS)
        turn = rng.random((_BLOCK, len(_DETAILS))).argsort(axis=1)  # each row a random order of the details
        scenes[:, _DETAILS] = np.where(turn < n_details, scenes[:, _DETAILS], -1)
        return scenes

    def _draw_concepts(self, rng: np.random.Generator) -> np.ndarray:
        """Fill every slot of a block of scenes, each concept as often as its words."""
        return self.concept[self._draw_words(rng, np.tile(self._slot_start, (_BLOCK, 1)), self._slot_stop)]

    def _say(self, rng: np.random.Generator, scenes: np.ndarray) -> np.ndarray:
        """Draw a word for each concept; -1 stays -1."""
        start, stop = (self._concept_start[np.maximum(scenes, 0) + i] for i in (0, 1))
        return np.where(scenes < 0, -1, self._draw_words(rng, start, stop))

    def _draw_words(self, rng: np.random.Generator, start: np.ndarray, stop: np.ndarray) -> np.ndarray:
        """Draw one word of each range ``start <= word < stop``, in proportion to its probability."""
        low, high = self._cumulative[start], self._cumulative[stop]
        words = np.searchsorted(self._cumulative, low + (high - low) * rng.random(start.shape), side="right") - 1
        return np.clip(words, start, stop - 1)  # rounding may land on the upper end

    def _replace(self, rng: np.random.Generator, scenes: np.ndarray, sibling: np.ndarray) -> np.ndarray:
        """Swap concepts for ones neither above nor below: a sibling where asked and possible, else another branch."""
        child, drawn = scenes % _BRANCH, self._draw_concepts(rng)
        siblings = scenes - child + 1 + (child - 1 + rng.integers(1, _N_CHILDREN, size=scenes.shape)) % _N_CHILDREN
        first, n = np.searchsorted(self.concept_role, _SLOT_ROLE), (_N_HYPERNYMS * _BRANCH)[_SLOT_ROLE]
        others = np.where(drawn // _BRANCH == scenes // _BRANCH, first + (drawn - first + _BRANCH) % n, drawn)
        return np.where(scenes < 0, -1, np.where(sibling & (child > 0), siblings, others))

    def _zipf_probability(self, rng: np.random.Generator) -> np.ndarray:
        """Deal ranks in rounds, one word per concept and round: every concept has frequent and rare synonyms."""
        n_words, turn, rank = len(self.concept), np.empty(len(self.concept)), np.empty(len(self.concept))
        turn[np.lexsort((rng.random(n_words), self.concept))] = np.arange(n_words) - self._concept_start[self.concept]
        rank[np.argsort(turn + rng.random(n_words))] = np.arange(1, n_words + 1)
        weight = (rank + _ZIPF_SHIFT) ** -_ZIPF_EXPONENT
        said_in_slot = np.where(_IS_DETAIL, np.dot(_N_DETAILS, [0, 1, 2]) / len(_DETAILS), 1.0)  # words per premise
        said = np.bincount(_SLOT_ROLE, said_in_slot)
        return weight * (said / said.sum() / np.bincount(self.role, weight))[self.role]

    def _collect(self, task: int, split: str, n: int, draw: Callable) -> tuple[list[str], list[str], np.ndarray]:
        _require_name("split", split, SPLITS)
        _require_integer("n", n, 1)
        stream = [self.seed, task, SPLITS.index(split)]
        blocks = [draw(np.random.default_rng([*stream, block])) for block in range(-(-n // _BLOCK))]
        *sides, target = (np.concatenate(parts)[:n] for parts in zip(*blocks, strict=True))
        first, second = ([" ".join([self.words[i] for i in row if i >= 0]) for row in side.tolist()] for side in sides)
        return first, second, target


@lru_cache(maxsize=4)
def toy_language(vocab_size: int = 30522) -> ToyLanguage:
    """Return the toy language of seed 0, built once per process and ``vocab_size``."""
    return ToyLanguage(vocab_size)


def _generalise(scenes: np.ndarray, where: np.ndarray) -> np.ndarray:
    """Put the hypernym in place of a concept; hypernyms and empty slots stay."""
    return np.where(where & (scenes >= 0), scenes - scenes % _BRANCH, scenes)


def _choose(rng: np.random.Generator, allowed: np.ndarray, slots: np.ndarray) -> np.ndarray:
    """Pick, for each row of ``allowed (n, len(SLOTS))``, one of ``slots`` where it is true, all alike."""
    return slots[np.where(allowed[:, slots], rng.random((len(allowed), len(slots))), -1).argmax(axis=1)]


def _require_integer(name: str, value: int, low: int, high: int = 2**31, why: str = "") -> None:
    if not isinstance(value, int | np.integer) or isinstance(value, bool) or not low <= value <= high:
        raise ConfigError(f"{name} ({value!r}) must be an integer in {low}..{high}{why}. Try {low}.")


def _require_name(name: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise ConfigError(f"{name} ({value!r}) is unknown. Use one of {', '.join(allowed)}.")
