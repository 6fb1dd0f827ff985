"""What a careful colleague would say of a source of text before anyone trains on it."""

import re
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from tokenizers import Tokenizer, decoders

from ..config import RunConfig
from ..errors import ConfigError, DataError
from .labels import NAMES
from .own import GRADED_END, data_folder, own_corpora, tokenizer_file
from .pairs import SCORED, SPLITS, SentencePairs, files, graded_name, is_graded, load_pairs, normalised, splits_of
from .tokenizer import hub_tokenizer, load_tokenizer, token_words, tokenizer_at, vocabulary_hash
from .vocabulary import bare, is_special, roles, start_mark

# Labelled pairs as published.
SIZES = {
    "snli": {"train": 549_367, "validation": 9_842, "test": 9_824},
    "mnli": {"train": 392_702, "validation_matched": 9_815, "validation_mismatched": 9_832},
    "stsb": {"train": 5_749, "validation": 1_500, "test": 1_379},
}
# By falling share of the second sentence's words that stand in the first too.
_SHARING = {"snli": NAMES, "mnli": ("entailment", "contradiction", "neutral")}
_ENOUGH = 30  # pairs of a label before its mean says anything
_WORDS = re.compile(r"\w+")


class Finding(NamedTuple):
    """One line: ``OK``, ``NOTE`` (look at it) or ``FAIL`` (it cannot be used)."""

    state: str
    text: str


def report(source: str, trained: int | None = None) -> Iterator[Finding]:
    """Read a source whole and say what is there, split by split, then how the corpora overlap, then of the tokenizer.

    Args:
        source: ``builtin``, ``hub`` or ``folder``.
        trained: If given, a tokenizer of so many ids is trained on each corpus, and named by its hash.

    Raises:
        DataError: If a folder holds no corpus at all.
    """
    loaded: dict[tuple[str, str], SentencePairs] = {}
    waiting = _names(source)
    while waiting:
        name = waiting.pop(0)
        try:
            splits = splits_of(name)
            if name not in SPLITS and not is_graded(name) and graded_name(name) != "stsb":
                waiting.insert(0, name + GRADED_END)
        except DataError as problem:
            yield Finding("FAIL", str(problem))
            continue
        for split in splits:
            try:
                loaded[name, split] = load_pairs(name, split, source)
            except DataError as problem:
                yield Finding("FAIL", str(problem))
            else:
                yield from _split(loaded[name, split])
    for name, split in loaded:
        if split == "train":
            yield from _overlaps(name, loaded)
    if source != "builtin":
        names = {name.removesuffix(GRADED_END) for name, _ in loaded} - {"stsb"}
        yield from _tokenizers(source, names)
        if trained is not None:
            yield from _trained(source, names, trained)


def shared_words(pairs: SentencePairs) -> np.ndarray:
    """Return the share of the second sentence's words that stand in the first too, in [0, 1], float64 ``(n,)``."""
    words = [[set(_WORDS.findall(s.lower())) for s in side] for side in (pairs.first, pairs.second)]
    return np.array([len(a & b) / max(1, len(b)) for a, b in zip(*words, strict=True)])


def unreachable_pieces(tokenizer: Tokenizer) -> list[str]:
    """Return the tokens of text that no text can become, since the tokenizer's normaliser changes them."""
    if tokenizer.normalizer is None:
        return []
    words, normalise = token_words(tokenizer), tokenizer.normalizer.normalize_str
    start, added = start_mark(words), {t.content for t in tokenizer.get_added_tokens_decoder().values()}
    texts = {
        word: decoders.ByteLevel().decode([word]).strip() if start == "Ġ" else bare(word)
        for word in words
        if word not in added and not is_special(word)
    }
    return [word for word, text in texts.items() if text not in (normalise(text).strip(" ▁"), start)]


def _names(source: str) -> list[str]:
    if source != "folder":
        return [name for name in SPLITS if name.startswith("toy") == (source == "builtin")]
    names = [name for name in SPLITS if name not in ("toy", "toy_sts") and any(files(name, s) for s in SPLITS[name])]
    names += own_corpora()
    if not names:
        raise DataError(
            f"{data_folder()} holds no corpus: neither published files of snli, mnli or stsb, nor a NAME.yaml that "
            "describes one of your own. 'fourier-lab data --help' shows the layout; with network, fetch all with: "
            "fourier-lab data fetch FOLDER."
        )
    return names


def _split(pairs: SentencePairs) -> Iterator[Finding]:
    where = f"{pairs.name}/{pairs.split}"
    graded = is_graded(pairs.name)
    counts = [int((pairs.label == code).sum()) for code in range(len(NAMES))]
    said = (
        f"scores {pairs.label.min():g} to {pairs.label.max():g}, mean {pairs.label.mean():.2f}"
        if graded
        else ", ".join(f"{name} {count:,}" for name, count in zip(NAMES, counts, strict=True))
    )
    yield Finding("OK", f"{where}: {len(pairs):,} pairs, {pairs.fingerprint}, {said}")
    published = SIZES.get(pairs.name, {}).get(pairs.split, len(pairs))
    if len(pairs) != published:
        yield Finding("NOTE", f"{where}: {len(pairs):,} labelled pairs, {published:,} were published")
    both = [(normalised(a), normalised(b)) for a, b in zip(pairs.first, pairs.second, strict=True)]
    if doubled := len(both) - len(set(both)):
        yield Finding(
            "NOTE", f"{where}: pairs that stand there more than once, case and punctuation aside: {doubled:,}"
        )
    if wordless := sum(not (a and b) for a, b in both):
        yield Finding("NOTE", f"{where}: pairs with a sentence that has no letter or digit: {wordless:,}")
    yield from _labels(pairs, where, counts)


def _labels(pairs: SentencePairs, where: str, counts: list[int]) -> Iterator[Finding]:
    """Say whether labels or scores go with the words that both sentences share, as they do in every published corpus."""
    shared = shared_words(pairs)
    if is_graded(pairs.name):
        if np.ptp(pairs.label) < 2.5:
            yield Finding("NOTE", f"{where}: the scores use less than half of the range 0 to 5. Another scale?")
        varied = len(pairs) >= _ENOUGH and np.ptp(pairs.label) and np.ptp(shared)
        if varied and np.corrcoef(shared, pairs.label)[0, 1] < 0:
            yield Finding(
                "NOTE", f"{where}: the more words a pair shares the lower its score. Are the scores reversed?"
            )
        return
    if min(counts) < _ENOUGH:
        return
    means = {name: float(shared[pairs.label == code].mean()) for code, name in enumerate(NAMES)}
    yield Finding("OK", f"{where}: words shared, " + ", ".join(f"{name} {mean:.2f}" for name, mean in means.items()))
    expected = _SHARING.get(pairs.name, NAMES[:1])
    found = tuple(sorted(means, key=means.__getitem__, reverse=True)[: len(expected)])
    if found != expected:
        usual = ", ".join(expected)
        yield Finding(
            "NOTE", f"{where}: by words shared {', '.join(found)} come first, as a rule {usual}. Labels exchanged?"
        )


def _overlaps(name: str, loaded: dict[tuple[str, str], SentencePairs]) -> Iterator[Finding]:
    """Compare a training split with every pair that its runs are scored on."""
    train = loaded[name, "train"]
    own, scored_on = set(_keys(train)), name if is_graded(name) else graded_name(name)
    for split in (s for n, s in loaded if n == name and s != "train"):
        if both := own & set(_keys(loaded[name, split])):
            yield Finding("NOTE", f"{name}/train: pairs that stand in {name}/{split} too: {len(both):,}")
    if scored_on == name:
        return
    held = {s for split in SCORED if (p := loaded.get((scored_on, split))) for pair in _keys(p) for s in pair}
    if held:
        n = sum(not held.isdisjoint(pair) for pair in _keys(train))
        yield Finding(
            "OK", f"{name}/train: pairs with a sentence of scored pairs of {scored_on}, which runs leave out: {n:,}"
        )


def _keys(pairs: SentencePairs) -> list[frozenset[str]]:
    return [frozenset(map(normalised, pair)) for pair in zip(pairs.first, pairs.second, strict=True)]


def _tokenizers(source: str, names: set[str]) -> Iterator[Finding]:
    try:
        paths = {tokenizer_file(name if name not in SPLITS else "snli") for name in names or {"snli"}}
        found = {str(p): tokenizer_at(p) for p in sorted(paths)} if source == "folder" else {"hub": hub_tokenizer()}
    except DataError as problem:
        yield Finding("FAIL", str(problem))
        return
    for where, tokenizer in found.items():
        n_ids, role = tokenizer.get_vocab_size(with_added_tokens=True), roles(tokenizer)
        named = ", ".join(f"{key} {value if value not in (None, ()) else 'none'}" for key, value in vars(role).items())
        yield Finding("OK", f"tokenizer: {n_ids:,} ids, {vocabulary_hash(tokenizer)}, {named} ({where})")
        lost = unreachable_pieces(tokenizer)
        examples = f", such as {', '.join(map(repr, lost[:3]))}," if lost else ""
        said = f"tokenizer: {len(lost) / n_ids:.1%} of its pieces{examples} are ones that no text becomes"
        yield Finding("NOTE" if len(lost) > 0.01 * n_ids else "OK", said)


def _trained(source: str, names: set[str], vocab_size: int) -> Iterator[Finding]:
    published = sorted(names & SPLITS.keys(), reverse=True)
    for corpus in ["+".join(published)] * bool(published) + sorted(names - SPLITS.keys()):
        try:
            config = RunConfig(corpus=corpus, source=source, vocab_size=vocab_size, tokenizer="trained")
            tokenizer = load_tokenizer(config)
        except (ConfigError, DataError) as problem:
            yield Finding("FAIL", str(problem))
            continue
        n_ids = tokenizer.get_vocab_size(with_added_tokens=True)
        yield Finding("OK", f"tokenizer trained on {corpus}: {n_ids:,} ids, {vocabulary_hash(tokenizer)}")
