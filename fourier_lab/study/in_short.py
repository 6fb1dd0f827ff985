"""The claims for a reader in a hurry: a few words, a verdict, and the one number that decides."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import ConfigError
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
        says: Sentences for the three cases of ``words``, of which the figure's title takes the one that was measured.
    """

    key: str
    text: str
    words: tuple[str, str, str]
    difference: str
    deciding: tuple[int, int] = (0, 1)
    figure: str = ""
    says: tuple[str, ...] = ()

    @property
    def place(self) -> str:
        """Path of the figure that shows it, below ``figures/`` and without an ending."""
        return self.figure or CLAIMS[self.key].figure

    def cells(self, measured: Sequence[Measured]) -> tuple[str, str]:
        """Return the verdict, of both measurements where they differ, and the number with what covers its intervals."""
        first, last = (measured[place] for place in self.deciding)
        verdict = " / ".join(dict.fromkeys(each.word(self.words) for each in (first, last)))
        low, high = last.interval
        return verdict, f"{last.value:+.1f} ({low:+.1f} to {high:+.1f}) {self.difference}; {last.split}"


BRIEFS = (
    Brief("table_1", "As good as a table on STS-B (Table 1)", ("ahead", "behind", "open"),
          "points, harmonic − table",
          says=("Harmonic waves beat a table on STS-B",
                "Harmonic waves lose to a table on STS-B",
                "No difference between harmonic waves and a table is told on STS-B")),
    Brief("table_1", "As good as a table at the task trained for", ("ahead", "behind", "open"),
          "points of pairs, harmonic − table", deciding=(2, 3), figure="snli_mnli/04_table_1/matching",
          says=("Harmonic waves match more pairs than a table",
                "Harmonic waves match fewer pairs than a table",
                "No difference between harmonic waves and a table is told in pairs matched")),
    Brief("table_2", "Fine-tuned, near BERT-Tiny (Table 2)", ("above", "below", "open"),
          "points, ours − BERT-Tiny", deciding=(1, 0),
          says=("Fine-tuned, ours is above BERT-Tiny",
                "Fine-tuned, ours is below BERT-Tiny",
                "Fine-tuned, no difference between ours and BERT-Tiny is told")),
    Brief("departures", "The released code is the network of the paper", ("no: gains", "no: costs", "open"),
          "points, dead feed-forward − live",
          says=("The code's dead feed-forward gains",
                "The code's dead feed-forward costs",
                "No effect of the code's dead feed-forward is told")),
    Brief("id_order", "The order of BERT's ids helps on STS-B", ("it hurts", "it helps", "open"),
          "points, shuffled − BERT's ids",
          says=("Shuffling BERT's ids gains on STS-B",
                "Shuffling BERT's ids costs on STS-B",
                "No effect of shuffling BERT's ids is told on STS-B")),
    Brief("id_order", "The order of BERT's ids helps at the task trained for", ("it hurts", "it helps", "open"),
          "points of pairs, shuffled − BERT's ids", deciding=(2, 3), figure="snli_mnli/07_id_order/matching",
          says=("Shuffling BERT's ids gains pairs",
                "Shuffling BERT's ids costs pairs",
                "No effect of shuffling BERT's ids is told in pairs matched")),
    Brief("dropout", "It needs no dropout", ("dropout helps", "dropout hurts", "open"),
          "points, dropout 0.1 − none",
          says=("Dropout helps harmonic waves",
                "Dropout hurts harmonic waves",
                "No effect of dropout is told with harmonic waves")),
    Brief("faster", "It trains faster", ("faster", "slower", "open"),
          "% longer steps with a table", deciding=(1, 0)),
    Brief("from_zero", "Ours: training beats words in common", ("beats them", "loses to them", "open"),
          "points, harmonic − idf overlap"),
    Brief("nli", "Ours: it classifies entailment as well", ("ahead", "behind", "open"),
          "points of accuracy, harmonic − table",
          says=("Harmonic waves classify better than a table",
                "Harmonic waves classify worse than a table",
                "No difference between harmonic waves and a table is told in accuracy")),
    Brief("bake_off", "Ours: without layers, as good as a table on STS-B, rates by loss", ("ahead", "behind", "open"),
          "points, mixed waves − table",
          says=("Mixed waves beat a table on STS-B",
                "Mixed waves lose to a table on STS-B",
                "No difference between mixed waves and a table is told on STS-B")),
    Brief("bake_off_one_rate", "Ours: the same, one rate for both", ("ahead", "behind", "open"),
          "points, mixed waves − table",
          says=("At one rate mixed waves beat a table on STS-B",
                "At one rate mixed waves lose to a table on STS-B",
                "At one rate no difference between mixed waves and a table is told on STS-B")),
    Brief("bake_off", "Ours: without layers, as good as a table at the task trained for", ("ahead", "behind", "open"),
          "points of pairs, mixed waves − table", deciding=(5, 6),
          says=("they match more pairs", "they match fewer pairs", "no difference is told in pairs matched")),
    Brief("training", "Ours: it needs what its embedding learned", ("gains without", "needs it", "open"),
          "points, embedding untrained − trained"),
)  # fmt: skip


def headline(figure: str, records: Any) -> str:
    """Return the title of a figure that shows claims: which case of each was measured on records, and by how much.

    Args:
        figure: ``notebook/figure``.
        records: What the claims are measured on.

    Raises:
        ConfigError: If no claim is shown there.
    """
    shown = [brief for brief in BRIEFS if brief.says and brief.place.endswith(figure)]
    if not shown:
        known = ", ".join(dict.fromkeys(brief.place for brief in BRIEFS if brief.says))
        raise ConfigError(f"no claim is shown in the figure {figure!r}. Choose one of {known}.")
    parts = []
    for brief in shown:
        measured = CLAIMS[brief.key].answer(records)[brief.deciding[-1]]
        above, below, unclear = brief.says
        case = measured.word((above, below, unclear))
        parts.append(f"{case if case in brief.says else unclear} ({measured.value:+.1f})")
    return "; ".join(parts)


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
        figure = f"[figure]({top}figures/{brief.place}.png)"
        lines.append(f"| {brief.text} | {verdict} | {'; '.join(filter(None, (number, note)))} | {notebook}, {figure} |")
    return "\n".join(lines)
