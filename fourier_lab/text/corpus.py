"""What a run reads: tokenised training, held-out and graded pairs, in the id order that it asks for."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain, compress
from typing import Any, cast

import numpy as np
from tokenizers import Tokenizer

from ..config import RunConfig, check_config
from ..errors import DataError
from .company import company_order
from .fingerprints import same_text, text_at_hand
from .id_order import first_word, most_used, order_ids, reorder
from .kept import Kept, kept
from .negatives import contradictions
from .own import tokenizer_file
from .pair_stream import PairStream, Side, distinct
from .pairs import (
    CONTRADICTION,
    ENTAILMENT,
    SCORED,
    SentencePairs,
    fine_tuning_pairs,
    graded_name,
    load_pairs,
    splits_of,
    training_stream,
)
from .places import content
from .rows import Rows, TokenRows, narrow
from .tokenizer import TOY_ORDERS, id_blocks, load_tokenizer, token_words, vocabulary_hash
from .vocabulary import around


@dataclass(frozen=True)
class TokenPairs:
    """Tokenised pairs.

    Attributes:
        first, second: Aligned rows of int64 id arrays.
        label: Labels or scores ``(n,)``.
        ends: How many ids the tokenizer puts before and after every sentence.
        negatives: A hypothesis that contradicts each premise, or the pair's own where none does; None if nothing reads them.
            They count neither for the vocabulary nor for weights of tokens.
    """

    first: Rows
    second: Rows
    label: np.ndarray
    ends: tuple[int, int] = (1, 1)
    negatives: TokenRows | None = None

    def __len__(self) -> int:
        return len(self.first)

    @property
    def sentences(self) -> Rows:
        """Return the first sentences and, after them, the second."""
        first, second = self.first, self.second
        if isinstance(first, TokenRows) and isinstance(second, TokenRows) and first.ids is second.ids:
            return TokenRows(first.ids, first.ends, np.concatenate((first.number, second.number)))
        return [*first, *second]

    @property
    def texts(self) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """Return both sides without what the tokenizer puts around every sentence."""
        before, after = self.ends
        first, second = ([s[before : len(s) - after] for s in side] for side in (self.first, self.second))
        return first, second

    def counts(self, vocab_size: int) -> np.ndarray:
        """Return how often each id occurs on both sides, special tokens included, int64 ``(vocab_size,)``."""
        if isinstance(sentences := self.sentences, TokenRows):
            return sentences.counts(vocab_size)
        return np.bincount(np.concatenate([*sentences]), minlength=vocab_size)

    def with_ids(self, new_id: np.ndarray) -> "TokenPairs":
        """Return the same pairs after replacing each id ``p`` by ``new_id[p]``."""
        first, second = (
            side.with_ids(new_id) if isinstance(side, TokenRows) else [new_id[s] for s in side]
            for side in (self.first, self.second)
        )
        negatives = None if self.negatives is None else self.negatives.with_ids(new_id)
        return dataclasses.replace(self, first=first, second=second, negatives=negatives)

    def hard_negatives(self, index: np.ndarray, keys: tuple[np.ndarray, np.ndarray]) -> TokenRows:
        """Return the negatives of a batch, each once, without those that are a sentence of its pairs: a batch repeats none.

        Args:
            index: Places of the batch's pairs, ``(n,)``.
            keys: Which sentence each premise and each hypothesis is, as :attr:`Corpus.keys`.
        """
        assert self.negatives is not None
        others = np.setdiff1d(self.negatives.number[index], [side[index] for side in keys])
        return dataclasses.replace(self.negatives, number=others)


@dataclass(frozen=True)
class Corpus:
    """Everything a run reads: tokenizer, training pairs with sentence keys, held-out pairs, graded pairs, account."""

    tokenizer: Tokenizer
    train: TokenPairs
    keys: tuple[np.ndarray, np.ndarray]
    held_out: dict[str, TokenPairs]
    graded: dict[str, TokenPairs]
    account: dict[str, Any]


def token_pairs(tokenizer: Tokenizer, pairs: SentencePairs | PairStream, max_seq_len: int) -> TokenPairs:
    """Tokenise pairs; each distinct sentence once, in the order in which they come first."""
    number, met_first = distinct(pairs.first, pairs.second, len(pairs))
    number = narrow(number)
    sentences = compress(chain(pairs.first, pairs.second), met_first.tobytes())
    rows = TokenRows.of(id_blocks(tokenizer, sentences, max_seq_len))
    left, right = (dataclasses.replace(rows, number=each) for each in (number[: len(pairs)], number[len(pairs) :]))
    before, after = around(tokenizer)
    return TokenPairs(left, right, pairs.label, (len(before), len(after)))


def prepare(config: RunConfig) -> Corpus:
    """Load and tokenise a run's corpus; kept in memory, so that runs that differ only in the model share it.

    Files with other contents are read again.
    """
    check_config(config, "prepare")
    own_order = config.id_order if config.corpus == "toy" and config.id_order in TOY_ORDERS else "frequency"
    text = text_at_hand(config)
    corpus = _prepare(
        config.corpus, config.source, config.vocab_size, own_order, config.train_pairs, config.objective,
        config.max_seq_len, "all_pairs" in config.departures, config.left_out, config.hard_negatives, config.tokenizer,
        None if text is None else tuple(text.items()),
    )  # fmt: skip
    if text is not None:
        corpus = dataclasses.replace(corpus, account={**corpus.account, "text": text})
    return corpus if config.id_order == own_order else _reordered(corpus, config)


def _reordered(corpus: Corpus, config: RunConfig) -> Corpus:
    """Return the corpus with its token ids in the order that ``config`` asks for."""
    words = token_words(corpus.tokenizer)
    counts = corpus.train.counts(len(words))
    if config.id_order == "by_company":
        order = company_order(corpus.train.sentences, len(words))
    else:
        order = order_ids(config.id_order, words, counts, first_word(corpus.tokenizer), config.seed)
    new_id, tokenizer = np.argsort(order), reorder(corpus.tokenizer, order)
    return dataclasses.replace(
        corpus,
        tokenizer=tokenizer,
        train=corpus.train.with_ids(new_id),
        held_out={name: pairs.with_ids(new_id) for name, pairs in corpus.held_out.items()},
        graded={name: pairs.with_ids(new_id) for name, pairs in corpus.graded.items()},
        account={**corpus.account, "vocabulary": vocabulary_hash(tokenizer)},
    )


@lru_cache(maxsize=4)
def _prepare(
    corpus: str, source: str, vocab_size: int, id_order: str, train_pairs: int | None, objective: str,
    max_seq_len: int, all_pairs: bool, left_out: str, hard_negatives: str, origin: str,
    text: tuple[tuple[str, str], ...] | None,
) -> Corpus:  # fmt: skip
    """Prepare the text of these fingerprints, or take it from where it is kept."""
    asked = (
        corpus, source, vocab_size, id_order, train_pairs, objective, max_seq_len, all_pairs, left_out, hard_negatives,
        origin,
    )  # fmt: skip
    # Two tokenizers may share all fingerprints, and still cut some text differently.
    given = source == "folder" and origin == "given"
    cut_by = content(path) if given and (path := tokenizer_file(corpus)).is_file() else ""

    def make() -> Kept:
        made = _tokenised(*asked)
        read = {f"{name}/train": part["fingerprint"] for name, part in made.account["train"].items()}
        read |= {
            f"{graded_name(corpus)}/{split}": each["fingerprint"] for split, each in made.account["graded"].items()
        }
        if not same_text(read, dict(text or ())):  # or it would be kept under another text's name
            raise DataError(f"the files of {corpus} have changed while they were read. Repeat the same command.")
        return _to_keep(made)

    return _from_kept(kept({"pairs": asked, "text": text, "tokenizer": cut_by}, make))


def _to_keep(corpus: Corpus) -> Kept:
    """Return a corpus as arrays: the ids of each distinct sentence of a split once, and which sentences its pairs are.

    In training pairs these numbers are the keys as well: equal sentences have one.
    """
    arrays: dict[str, np.ndarray] = {}
    splits = _splits(corpus)
    for name, pairs in splits.items():
        first, second = pairs.first, pairs.second
        assert isinstance(first, TokenRows) and isinstance(second, TokenRows)  # of token_pairs
        arrays |= {f"{name}/ids": first.ids, f"{name}/ends": first.ends}
        arrays |= {f"{name}/first": first.number, f"{name}/second": second.number, f"{name}/label": narrow(pairs.label)}
        arrays |= {} if pairs.negatives is None else {f"{name}/negatives": pairs.negatives.number}
    about = {"tokenizer": corpus.tokenizer.to_str(), "account": corpus.account}
    return Kept(arrays, about | {"ends": {name: pairs.ends for name, pairs in splits.items()}})


def _from_kept(found: Kept) -> Corpus:
    arrays, pairs = found.arrays, {}
    for name, (before, after) in found.about["ends"].items():
        ids, ends, label = (arrays[f"{name}/{part}"] for part in ("ids", "ends", "label"))
        first, second = (TokenRows(ids, ends, arrays[f"{name}/{side}"]) for side in ("first", "second"))
        label = label.astype(np.int64 if label.dtype.kind == "u" else label.dtype)  # a copy
        negatives = arrays.get(f"{name}/negatives")
        third = None if negatives is None else TokenRows(ids, ends, negatives)
        pairs[name] = TokenPairs(first, second, label, (before, after), third)
    return Corpus(
        tokenizer=Tokenizer.from_str(found.about["tokenizer"]),
        train=pairs.pop("train"),
        keys=(arrays["train/first"], arrays["train/second"]),
        graded={name.removeprefix("graded/"): pairs.pop(name) for name in [*pairs] if name.startswith("graded/")},
        held_out={name.removeprefix("held_out/"): each for name, each in pairs.items()},
        account=found.about["account"],
    )


def _splits(corpus: Corpus) -> dict[str, TokenPairs]:
    held_out = {f"held_out/{name}": pairs for name, pairs in corpus.held_out.items()}
    return {"train": corpus.train, **held_out, **{f"graded/{name}": pairs for name, pairs in corpus.graded.items()}}


def _beside(
    train: PairStream, opposed: PairStream, tokenised: Callable[[PairStream], TokenPairs]
) -> tuple[TokenPairs, int]:
    """Return training pairs with a contradiction of each premise that has any, and the number of these pairs."""
    first, second = (Side((getattr(train, side), getattr(opposed, side))) for side in ("first", "second"))
    label = np.concatenate((train.label, opposed.label))
    every = tokenised(dataclasses.replace(train, first=first, second=second, label=label))
    premises, hypotheses = cast(TokenRows, every.first), cast(TokenRows, every.second)
    n = len(train)
    found = contradictions(premises.number, hypotheses.number, n)
    count = int((found != hypotheses.number[:n]).sum())
    if not count:
        raise DataError(
            f"hard_negatives 'contradictions' finds no premise of {train.name} that one training pair entails from and "
            "another contradicts. Use text that has both, such as snli, or hard_negatives 'none'."
        )
    negatives = dataclasses.replace(premises, number=found)
    return TokenPairs(premises[:n], hypotheses[:n], every.label[:n], every.ends, negatives), count


def _tokenised(
    corpus: str, source: str, vocab_size: int, id_order: str, train_pairs: int | None, objective: str,
    max_seq_len: int, all_pairs: bool, left_out: str, hard_negatives: str, origin: str,
) -> Corpus:  # fmt: skip
    read = RunConfig(
        corpus=corpus, source=source, vocab_size=vocab_size, id_order=id_order, left_out=left_out, tokenizer=origin
    )
    tokenizer = load_tokenizer(read)

    def tokenised(pairs: SentencePairs | PairStream) -> TokenPairs:
        return token_pairs(tokenizer, pairs, max_seq_len)

    contrastive, graded = objective == "contrastive", graded_name(corpus)
    held_out: dict[str, SentencePairs] = {}
    train: SentencePairs | PairStream
    if objective == "sts":
        train, aside, account = fine_tuning_pairs(corpus, source, vocab_size)
        held_out[f"{graded}/validation_tenth_of_train"] = aside
    else:
        kind = ENTAILMENT if contrastive and not all_pairs else None
        train, account = training_stream(corpus, source, train_pairs, left_out, vocab_size, kind=kind)
        for name in corpus.split("+"):
            for split in splits_of(name)[1:]:
                pairs = load_pairs(name, split, source, vocab_size=vocab_size)
                kept = pairs.select(pairs.label == ENTAILMENT) if contrastive else pairs
                if not len(kept):
                    raise DataError(
                        f"{name}/{split} holds no entailment pair (label {ENTAILMENT}), which a contrastive run is "
                        "validated on. Check the labels of that file."
                    )
                held_out[f"{name}/{split}"] = kept
    if vocab_size < tokenizer.get_vocab_size(with_added_tokens=True):
        counts = tokenised(train).counts(tokenizer.get_vocab_size(with_added_tokens=True))
        tokenizer = reorder(tokenizer, most_used(tokenizer, counts, vocab_size))
    found = {}
    if hard_negatives == "none":
        tokens = tokenised(train)
    else:
        opposed, _ = training_stream(corpus, source, None, left_out, vocab_size, kind=CONTRADICTION)
        tokens, found["with_contradiction"] = _beside(cast(PairStream, train), opposed, tokenised)
    scored = {split: load_pairs(graded, split, source, vocab_size=vocab_size) for split in SCORED}
    account = {
        "train": account,
        "train_pairs": len(train),
        **found,
        "graded": {split: {"rows": len(p), "fingerprint": p.fingerprint} for split, p in scored.items()},
        "vocab_size": tokenizer.get_vocab_size(with_added_tokens=True),
        "vocabulary": vocabulary_hash(tokenizer),
    }
    return Corpus(
        tokenizer=tokenizer,
        train=tokens,
        keys=(cast(TokenRows, tokens.first).number, cast(TokenRows, tokens.second).number),
        held_out={name: tokenised(pairs) for name, pairs in held_out.items()},
        graded={split: tokenised(pairs) for split, pairs in scored.items()},
        account=account,
    )
