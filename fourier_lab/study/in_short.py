"""The claims for a reader in a hurry: a few words, a verdict, and the one number that decides."""

from collections.abc import Sequence
from dataclasses import dataclass

from .claims import CLAIMS, answered
from .verdicts import Measured


@dataclass(frozen=True)
class Brief:
    """A claim as a line of the front page.

    Attributes:
        key: Which of :data:`fourier_lab.study.claims.CLAIMS` it is.
        text: The claim in a few words.
        words: The verdict where a difference is above 0, below 0, and not told from 0.
        difference: What the number is, with its unit.
        deciding: Which two of the claim's measurements decide; the last one is shown.
        figure: The figure that shows it; the claim's own if empty.
    """

    key: str
    text: str
    words: tuple[str, str, str]
    difference: str
    deciding: tuple[int, int] = (0, 1)
    figure: str = ""

    def cells(self, measured: Sequence[Measured]) -> tuple[str, str]:
        """Return the verdict, of both measurements where they differ, and the number with what covers its intervals."""
        first, last = (measured[place] for place in self.deciding)
        verdict = " / ".join(dict.fromkeys(each.word(self.words) for each in (first, last)))
        low, high = last.interval
        return verdict, f"{last.value:+.1f} ({low:+.1f} to {high:+.1f}) {self.difference}; {last.split}"


BRIEFS = (
    Brief("table_1", "As good as a table on STS-B (Table 1)", ("ahead", "behind", "open"),
          "points, harmonic − table"),
    Brief("table_1", "As good as a table at the task trained for", ("ahead", "behind", "open"),
          "points of pairs, harmonic − table", deciding=(2, 3), figure="snli_mnli/04_table_1/matching"),
    Brief("table_2", "Fine-tuned, near BERT-Tiny (Table 2)", ("above", "below", "open"),
          "points, ours − BERT-Tiny", deciding=(1, 0)),
    Brief("departures", "The released code is the network of the paper", ("no: gains", "no: costs", "open"),
          "points, dead feed-forward − live"),
    Brief("id_order", "The order of BERT's ids helps on STS-B", ("it hurts", "it helps", "open"),
          "points, shuffled − BERT's ids"),
    Brief("id_order", "The order of BERT's ids helps at the task trained for", ("it hurts", "it helps", "open"),
          "points of pairs, shuffled − BERT's ids", deciding=(2, 3), figure="snli_mnli/07_id_order/matching"),
    Brief("dropout", "It needs no dropout", ("dropout helps", "dropout hurts", "open"),
          "points, dropout 0.1 − none"),
    Brief("faster", "It trains faster", ("faster", "slower", "open"),
          "% longer steps with a table", deciding=(1, 0)),
    Brief("from_zero", "Ours: training beats words in common", ("beats them", "loses to them", "open"),
          "points, harmonic − idf overlap"),
    Brief("nli", "Ours: it classifies entailment as well", ("ahead", "behind", "open"),
          "points of accuracy, harmonic − table"),
    Brief("bake_off", "Ours: without layers, as good as a table on STS-B, rates by loss", ("ahead", "behind", "open"),
          "points, mixed waves − table"),
    Brief("bake_off_one_rate", "Ours: the same, one rate for both", ("ahead", "behind", "open"),
          "points, mixed waves − table"),
    Brief("bake_off", "Ours: without layers, as good as a table at the task trained for", ("ahead", "behind", "open"),
          "points of pairs, mixed waves − table", deciding=(5, 6)),
    Brief("training", "Ours: it needs what its embedding learned", ("gains without", "needs it", "open"),
          "points, embedding untrained − trained"),
)  # fmt: skip


def short_table(top: str = "") -> str:
    """Return the claims in short as Markdown; ``top`` leads from the page to the project's folder.

    One whose records are not there says so in its row, and in a :class:`RecordWarning`.
    """
    answers = {key: answered(CLAIMS[key]) for key in dict.fromkeys(brief.key for brief in BRIEFS)}
    lines = ["| claim | verdict | the number that decides | see |", "| --- | --- | --- | --- |"]
    for brief in BRIEFS:
        claim, (measured, note) = CLAIMS[brief.key], answers[brief.key]
        verdict, number = brief.cells(measured) if measured else ("not answered", "")
        notebook = f"[{claim.notebook[:2]}]({top}notebooks/{claim.notebook}.ipynb)"
        figure = f"[figure]({top}figures/{brief.figure or claim.figure}.png)"
        lines.append(f"| {brief.text} | {verdict} | {'; '.join(filter(None, (number, note)))} | {notebook}, {figure} |")
    return "\n".join(lines)
