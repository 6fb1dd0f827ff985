"""How to say what was found: lines of text computed from tables, for the end of a notebook."""

from typing import TYPE_CHECKING

import numpy as np

from ..config import ID_ORDERS

if TYPE_CHECKING:
    import pandas as pd


def finding(summary: "pd.DataFrame") -> str:
    """Say in lines of text, from the table of ``score_tables.summarise``, who won where and by how much."""
    trained = summary[summary["seeds"] > 0]
    lines = []
    for order in trained["id_order"].drop_duplicates().sort_values(key=lambda column: column.map(_place)):
        rows = trained[trained["id_order"] == order]
        said = [
            f"{row.model} {row.test_spearman:.1f}"
            + (f" ± {row.test_spearman_high - row.test_spearman:.1f}" if row.seeds > 1 else "")
            for row in rows.sort_values("test_spearman", ascending=False).itertuples()
        ]
        lines.append(f"ids in order of {order}: {', '.join(said)}")
    untrained = summary[summary["seeds"] == 0]
    lines.append(", ".join(f"{row.model} {row.test_spearman:.1f}" for row in untrained.itertuples()) + " untrained")
    sizes = trained.drop_duplicates("model")
    lines.append(", ".join(f"{row.model} {row.parameters:,.0f} parameters" for row in sizes.itertuples()))
    seeds = int(trained["seeds"].max())
    head = f"test Spearman x 100 ({f'mean ± 95 % t interval over {seeds} seeds' if seeds > 1 else 'one seed'}): "
    return head + "; ".join(lines[:1]) + "".join(f"\n- {line}" for line in lines[1:])


def _place(id_order: str) -> int:
    return ID_ORDERS.index(id_order) if id_order in ID_ORDERS else len(ID_ORDERS)


def geometry_finding(
    lag_one: dict[str, float], shape: "pd.DataFrame", purity: dict[str, np.ndarray], label_name: str
) -> str:
    """Say in lines of text how near neighbouring ids are, how many directions are used and how pure neighbours are."""
    near = ", ".join(f"{name} {value:.2f}" for name, value in lag_one.items())
    rank = ", ".join(f"{name} {value:.1f}" for name, value in shape["effective rank"].items())
    pure = ", ".join(
        f"{name} {100 * value:.1f} % [{100 * low:.1f}, {100 * high:.1f}]"
        for name, value, low, high in zip(purity["series"], purity["value"], purity["low"], purity["high"], strict=True)
    )
    return (
        f"cosine of neighbouring ids after training: {near}.\n- Effective rank: {rank}.\n"
        f"- Ten nearest neighbours of the same {label_name}: {pure}; chance {100 * purity['chance'][0]:.1f} %."
    )
