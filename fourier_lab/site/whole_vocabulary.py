"""Keep all tokens of trained runs in the plane: ``python -m fourier_lab.site.whole_vocabulary RUN ...``.

The runs whose places the project keeps are cd4b1cbd8a, ac57c9dfd1 and 2cfc957773 of results/bake_off_one_rate.
"""

import io
import sys
from pathlib import Path

import numpy as np

from ..geometry.stages import stage_names, stage_table
from ..paths import write_atomically
from ..series import series_name
from ..text.tokenizer import token_words
from ..training.records import load_encoder, load_record
from .clouds import KEPT, view_of


def keep_whole_vocabulary(folders: list[Path]) -> None:
    """Compute every stage of these runs, which share one vocabulary, and keep them in place of what is kept."""
    views, words = [], []
    for folder in folders:
        encoder, config = load_encoder(folder), load_record(folder, with_history=False).config
        words = token_words(encoder.tokenizer)
        views += [
            view_of(f"{series_name(config)} of {len(words):,}: {stage}", stage_table(encoder, stage), config.digest())
            for stage in stage_names(encoder.config)
        ]
    out = io.BytesIO()
    np.savez_compressed(
        out,
        words=np.frombuffer("\n".join(words).encode(), np.uint8),
        names=np.array([view.name for view in views]),
        digests=np.array([view.digest for view in views]),
        places=np.stack([view.places for view in views]),
        near=np.stack([view.near for view in views]),
    )
    write_atomically(KEPT, out.getvalue())


if __name__ == "__main__":
    keep_whole_vocabulary([Path(given) for given in sys.argv[1:]])
