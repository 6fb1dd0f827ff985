"""Two sentences as trained encoders read them: tokens, their similarities, the pooled cosine, what each token adds."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..columns import Columns
from ..errors import ConfigError, DataError, brief
from ..evaluation.similarity import cosine
from ..models.sentence_encoder import SentenceEncoder
from ..series import series_name
from ..text.tokenizer import truncating
from ..text.vocabulary import unknown_id
from ..training.records import RunRecord

STAGES = ("embeddings", "last layer")
KINDS = ("English", "toy language")
MAX_CHARACTERS = 10_000  # a megabyte takes the tokenizer a second, and all but the first tokens are cut anyway
_LISTED = 40  # words said before the others are counted


@dataclass(frozen=True)
class Reading:
    """One sentence as an encoder reads it.

    Attributes:
        ids: int64 ``(length,)``, those that the tokenizer puts around a sentence included.
        tokens: The token of each id.
        content: bool ``(length,)``, False for the tokens that the tokenizer adds.
        unknown: The parts of the text that are no token and were read as the unknown one, each once.
        unknown_as: That token, such as [UNK]; None if the tokenizer has none.
        n_cut: Tokens beyond ``max_seq_len``, which are not read.
        n_unread: Characters beyond :data:`MAX_CHARACTERS`, which are not even split into tokens.
    """

    ids: np.ndarray
    tokens: list[str]
    content: np.ndarray
    unknown: list[str]
    unknown_as: str | None
    n_cut: int
    n_unread: int

    @property
    def labels(self) -> list[str]:
        """Return each token with its id."""
        return [f"{token} {number}" for token, number in zip(self.tokens, self.ids, strict=True)]

    @property
    def lines(self) -> list[str]:
        """Say which tokens and ids the encoder sees, and what of the text it does not see."""
        said = [_listed(self.labels, " · ")]
        if self.unknown:
            said.append(f"Not in the vocabulary, read as {self.unknown_as}: {_listed(self.unknown, ', ')}.")
        if self.n_unread:
            said.append(f"Only the first {MAX_CHARACTERS:,} characters were looked at, {self.n_unread:,} were not.")
        if self.n_cut:
            said.append(f"Cut to {len(self.ids):,} tokens (max_seq_len): {self.n_cut:,} more are not read.")
        return said


def read_sentence(encoder: SentenceEncoder, sentence: str) -> Reading:
    """Return what the encoder sees of a sentence.

    Raises:
        DataError: If the sentence is not text or has no token.
        ConfigError: If the encoder has no tokenizer.

    Example:
        >>> from fourier_lab import ModelConfig
        >>> from fourier_lab.text.tokenizer import toy_tokenizer
        >>> encoder = SentenceEncoder(ModelConfig("fourier", 500, d_model=16), toy_tokenizer(500))
        >>> read_sentence(encoder, encoder.tokenizer.id_to_token(7) + " hello").unknown
        ['hello']
    """
    tokenizer = encoder.tokenizer
    if tokenizer is None:
        raise ConfigError("this encoder has no tokenizer. Load a run folder that has a tokenizer.json.")
    if not isinstance(sentence, str) or not sentence.strip():
        raise DataError(f"a sentence must be non-empty text, got {brief(sentence)}. Type at least one word.")
    text = sentence[:MAX_CHARACTERS].encode(errors="replace").decode()  # half a surrogate pair is no text
    encoding = truncating(tokenizer, encoder.config.max_seq_len).encode(text)
    content = ~np.array(encoding.special_tokens_mask, dtype=bool)
    if not content.any():
        raise DataError(
            f"{text[:40]!r} holds no token, only characters that the tokenizer drops. Type at least one word."
        )
    no_token = unknown_id(tokenizer)
    unknown = [text[slice(*span)] for i, span in zip(encoding.ids, encoding.offsets, strict=True) if i == no_token]
    unknown_as = None if no_token is None else tokenizer.id_to_token(no_token)
    n_cut = sum(part.special_tokens_mask.count(0) for part in encoding.overflowing)
    ids = np.array(encoding.ids, dtype=np.int64)
    n_unread = max(0, len(sentence) - MAX_CHARACTERS)
    return Reading(ids, encoding.tokens, content, list(dict.fromkeys(unknown)), unknown_as, n_cut, n_unread)


def token_states(encoder: SentenceEncoder, sentence: str, stage: str = "last layer") -> Tensor:
    """Return the token states of one sentence, float32 ``(length, d_model)``, without dropout.

    Args:
        encoder: A trained encoder; put into eval mode.
        sentence: The text.
        stage: ``embeddings``, before positions and context, or ``last layer``, what is averaged into the sentence.

    Raises:
        ConfigError: If the stage is unknown.
    """
    if stage not in STAGES:
        raise ConfigError(f"unknown stage {stage!r}. Choose from {', '.join(STAGES)}.")
    ids = read_sentence(encoder, sentence).ids
    with torch.enable_grad():  # see _embed
        states = encoder.eval().hidden_states(encoder.pack([ids]))[0 if stage == STAGES[0] else -1]
    return states[: len(ids)].detach().float()  # padding, where an encoder reads any, comes last


def token_similarity(encoder: SentenceEncoder, first: str, second: str, stage: str = "last layer") -> Columns:
    """Return the cosine of every token of one sentence with every token of the other.

    Args:
        encoder: A trained encoder.
        first: One sentence, the rows.
        second: The other, the columns.
        stage: As in :func:`token_states`.

    Returns:
        Columns: ``row`` and ``column`` (places in the sentences, from 0), ``first`` and ``second`` (token and id),
        ``cosine``.
    """
    states = [torch.nn.functional.normalize(token_states(encoder, side, stage), dim=1) for side in (first, second)]
    rows, columns = (np.array(read_sentence(encoder, side).labels) for side in (first, second))
    row, column = np.indices((len(rows), len(columns))).reshape(2, -1)
    value = (states[0] @ states[1].T).numpy().ravel()
    return {"row": row, "column": column, "first": rows[row], "second": columns[column], "cosine": value}


def pooled_cosine(encoder: SentenceEncoder, first: str, second: str) -> float:
    """Return the cosine of the two sentence embeddings, in [-1, 1]: what is compared with human scores."""
    vectors = _embed(encoder, [read_sentence(encoder, side).ids for side in (first, second)])
    return float(cosine(vectors[:1], vectors[1:])[0])


def contributions(encoder: SentenceEncoder, first: str, second: str) -> Columns:
    """Return how the pooled cosine changes when one token is left out, for every token of the text.

    A negative change is a token that draws the sentences together.

    Args:
        encoder: A trained encoder.
        first: One sentence.
        second: The other.

    Returns:
        Columns: ``series`` (``first`` or ``second``), ``place`` (in its sentence), ``token`` (with its id), ``change``
        (cosine without the token minus cosine with it).
    """
    sides = {"first": read_sentence(encoder, first), "second": read_sentence(encoder, second)}
    left_out = [(name, place) for name, side in sides.items() for place in np.flatnonzero(side.content)]
    shortened = [np.delete(sides[name].ids, place) for name, place in left_out]
    vectors = _embed(encoder, [*(side.ids for side in sides.values()), *shortened])
    other = vectors[[1 if name == "first" else 0 for name, _ in left_out]]
    return {
        "series": np.array([name for name, _ in left_out]),
        "place": np.array([place for _, place in left_out]),
        "token": np.array([sides[name].labels[place] for name, place in left_out]),
        "change": cosine(vectors[2:], other) - cosine(vectors[:1], vectors[1:2])[0],
    }


def kind_of_text(record: RunRecord) -> str:
    """Return what a run reads, one of :data:`KINDS`."""
    return KINDS[record.config.corpus == "toy"]


def handful(records: Mapping[str, RunRecord], limit: int = 6) -> dict[str, RunRecord]:
    """Choose a few runs of each kind of text to compare.

    Args:
        records: Finished runs by name.
        limit: At most this many per kind. Runs of the folder that comes first are first; within a folder the best run of
            every series and id order on the validation split, then the second best, and so on.

    Returns:
        The chosen ones by name, English before the toy language.
    """
    folders = list(dict.fromkeys(record.folder.parent for record in records.values()))
    place: Counter[tuple] = Counter()
    ranked = []
    for name, record in sorted(records.items(), key=lambda item: -item[1].score("validation")):
        folder = folders.index(record.folder.parent)
        case = (folder, kind_of_text(record), series_name(record.config), record.config.id_order)
        ranked.append((folder, place[case], name))
        place[case] += 1
    names = [name for *_, name in sorted(ranked, key=lambda entry: entry[:2])]
    kept = [[name for name in names if kind_of_text(records[name]) == kind][:limit] for kind in KINDS]
    return {name: records[name] for part in kept for name in part}


@torch.enable_grad()  # without gradients an encoder first computes its table of all ids, which takes half a second
def _embed(encoder: SentenceEncoder, sentences: list[np.ndarray]) -> Tensor:
    encoder.eval()
    parts = [encoder.encode_packed(encoder.pack(sentences[i : i + 32])).detach() for i in range(0, len(sentences), 32)]
    return torch.cat(parts).float()


def _listed(words: list[str], between: str) -> str:
    more = f" and {len(words) - _LISTED:,} more" * (len(words) > _LISTED)
    return between.join(word if len(word) <= 60 else word[:60] + "…" for word in words[:_LISTED]) + more
