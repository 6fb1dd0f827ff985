"""The card of a saved encoder: what the Hugging Face hub reads at its head, and what a person should know."""

from typing import TYPE_CHECKING, Any

from ..embeddings.interface import stored_bits
from ..text.pairs import HUB, graded_name

if TYPE_CHECKING:
    from ..training.records import RunRecord
    from .sentence_encoder import SentenceEncoder

_KINDS = ("spearman", "pearson")
# What teachers had read, by the name of their folder.
_TEACHERS = {
    "all-MiniLM-L6-v2": "That teacher (Apache 2.0) was trained on a billion pairs, by its own card SNLI, MultiNLI, captions \
of Flickr30k and COCO, Quora's questions, WikiAnswers and Reddit among them. A part of STS-B and SICK is made of such \
captions: scores on them are not those of a model that has never met their sources.",
}


def model_card(encoder: "SentenceEncoder", name: str, record: "RunRecord | None", license: str) -> str:
    """Return the Markdown of ``README.md``; what no record tells, it does not claim."""
    import yaml

    head: dict[str, Any] = {
        "library_name": "sentence-transformers",
        "pipeline_tag": "sentence-similarity",
        "tags": ["sentence-transformers", "sentence-similarity", "feature-extraction", "fourier_lab"],
        "license": license,
    }
    corpora = [] if record is None else record.config.corpus.split("+")
    if known := [HUB[corpus][0] for corpus in corpora if corpus in HUB]:
        head |= {"language": "en", "datasets": known}
    if record is not None:
        head["model-index"] = [{"name": name, "results": _results(record)}]
    parts = [_about(encoder, name), *([] if record is None else [_training(record)]), _use(name), _limits(encoder)]
    return f"---\n{yaml.safe_dump(head, sort_keys=False)}---\n\n" + "\n".join(parts)


def _results(record: "RunRecord") -> list[dict[str, Any]]:
    """Return the scores in the hub's form, correlations in [-1, 1]."""
    graded = graded_name(record.config.corpus)
    return [
        {
            "task": {"type": "semantic-similarity", "name": "Semantic Similarity"},
            "dataset": {"name": f"{graded} {split}", "type": graded, "split": split},
            "metrics": [
                {"type": f"{kind}_cosine", "value": round(record.score(split, kind) / 100, 6)} for kind in _KINDS
            ],
        }
        for split in ("validation", "test")
    ]


def _about(encoder: "SentenceEncoder", name: str) -> str:
    config, total = encoder.config, sum(p.numel() for p in encoder.parameters())
    embedding = sum(p.numel() for p in encoder.embedding.parameters())
    return f"""# {name}

Turns a sentence into {config.d_model} numbers; the cosine of two vectors says how alike the sentences are.

| | |
|---|---|
| token embedding | {config.arm}: {embedding:,} parameters, {stored_bits(encoder.embedding):,} bits stored |
| whole encoder | {total:,} parameters, {config.n_layers} x {config.d_model}, {config.n_heads} heads a layer |
| vocabulary | {config.vocab_size:,} ids |
| longest sentence | {config.max_seq_len} tokens; the rest is cut |
"""


def _training(record: "RunRecord") -> str:
    config, data = record.config, record.metrics["data"]
    pairs, opposed = data.get("train_pairs"), data.get("with_contradiction")
    beside = f", {opposed:,} pairs beside a contradiction of their premise" if opposed else ""
    rows = "\n".join(
        f"| {name} | {found['n']:,} | {found['spearman']['value']:.1f} | "
        f"{found['spearman']['low']:.1f} to {found['spearman']['high']:.1f} |"
        for name, found in _graded(record).items()
    )
    own = " The tokenizer was trained on the same corpus." if config.tokenizer == "trained" else ""
    return (
        f"""## Training data and scores

Trained on {config.corpus}{f" ({pairs:,} pairs)" if pairs else ""}{beside}, objective {config.objective}, \
{config.steps:,} steps of {config.batch_size} pairs, seed {config.seed}; run `{config.digest()}`.{own} Spearman x 100 of \
cosines with the pairs' grades, and its 95 % interval over pairs:

| pairs | number | Spearman | interval |
|---|---|---|---|
{rows}
"""
        + _taught(record)
        + _matched(record.evaluations.get("matched", {}))
    )


def _taught(record: "RunRecord") -> str:
    """Say from whom a distilled encoder learned, and what that one had read: the scores above are of both."""
    told = record.metrics["data"].get("teacher")
    if told is None:
        return ""
    known = _TEACHERS.get(told["name"], "What it had read itself is not known here: see its own card.")
    return f"""
Distilled: its cosines were fitted to those of `{told["name"]}` (hash of its files {told["hash"]}, {told["width"]} numbers \
a sentence) on this text. {known}
"""


def _graded(record: "RunRecord") -> dict[str, Any]:
    """Return the scores on every set of graded pairs by its name; *unseen* pairs share no sentence with the text above."""
    graded = graded_name(record.config.corpus)
    found = {f"{graded} {split}": scores for split, scores in record.metrics["scores"].items()}
    for name, parts in record.evaluations.get("sets", {}).items():
        found |= {f"{name}{words}": parts[key] for key, words in (("all", ""), ("unseen", ", unseen")) if key in parts}
    return found


def _matched(splits: dict[str, Any]) -> str:
    if not splits:
        return ""
    rows = "\n".join(
        f"| {name} | {100 * part['share']:.1f} | {100 * part['low']:.1f} to {100 * part['high']:.1f} |"
        for name, part in splits.items()
    )
    return f"""
Percent of held-out sentences whose own entailed sentence is nearest among 128, and the 95 % interval:

| pairs | percent | interval |
|---|---|---|
{rows}
"""


def _use(name: str) -> str:
    return f"""## Use

```python
from fourier_lab import SentenceEncoder

encoder = SentenceEncoder.from_pretrained("{name}")  # a folder, or the name of a shipped one
vectors = encoder.encode(["A man is playing a guitar.", "Someone plays music."], normalize=True)
```

```python
from sentence_transformers import SentenceTransformer  # beside an installed fourier_lab, which the folder names as its code

model = SentenceTransformer("{name}", trust_remote_code=True)
```
"""


def _limits(encoder: "SentenceEncoder") -> str:
    computed = (
        ""
        if encoder.config.arm == "learned"
        else "- A token's vector is computed from its id: with another tokenizer this is another model.\n"
        "  Use the `tokenizer.json` of this folder.\n"
    )
    return f"""## Limits

- A small model. What is not among the scores above was not measured: score it on pairs of your own before you rely on it.
- Similar is not true: sentences that contradict each other share most of their words, and often most of their vector.
- It learned what its text says of people, errors and prejudice included.
{computed}- A sentence without text gets the vector of the tokens that the tokenizer puts around every sentence, or zeros.
"""
