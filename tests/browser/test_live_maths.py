"""Maths in the page: numbers of its scripts are those of the library, over random settings."""

from pathlib import Path

import numpy as np
import pytest
import torch

import fourier_lab.site
from fourier_lab.embeddings.basis import fourier_basis, frequency_set
from fourier_lab.geometry import resolution
from fourier_lab.site.page_data import data_script

LIVE = Path(fourier_lab.site.__file__).parent / "live"
CLOSE = {"rtol": 0, "atol": 1e-6}
EVERY = 97  # of long arrays, of which a browser is slow to tell
COMPUTE = """settings => settings.map(({V, d, M, p, lags, set, seed}) => {
  const period = M ?? V - 1;
  const k = set === "harmonic" ? Maths.harmonic(d / 2)
    : set === "log" ? Maths.logarithmic(period, d / 2) : LabData.drawn[set][`${V},${d},${seed}`];
  const mass = Maths.zipf(V), folded = Maths.fold(mass, period), cells = Maths.cells(folded, Math.min(d, folded.length));
  const kernel = Maths.kernel(k, period, lags);
  return {
    k, row: [...Maths.row(p, k, period)], kernel, distance: kernel.map(Maths.distance), repeat: Maths.rowPeriod(k, period),
    mass: some(mass), folded: some(folded), folding: Maths.folding(mass, period), cells: [...cells],
    effective: Maths.effectiveNumber(cells),
  };
})"""


def some_settings():
    """Return sizes, sets, periods and ids as a visitor may choose them, the ends of their ranges among them."""
    random = np.random.default_rng(0)
    drawn = [(500, 64), (2000, 8), (5000, 256), (30522, 512), (50257, 128)]
    chosen = [
        {"V": 2, "d": 2, "M": None, "set": "harmonic"},
        {"V": 65536, "d": 512, "M": 65536, "set": "harmonic"},
        {"V": 30522, "d": 256, "M": 127, "set": "harmonic"},  # above half the period they alias
        {"V": 4, "d": 2, "M": None, "set": "log"},
        *({"V": v, "d": d, "M": None, "set": name} for v, d in drawn for name in ("random", "mixed")),
    ]
    for name in ("harmonic", "log") * 8:
        v = int(random.integers(1100, 65537))
        m = None if random.random() < 0.5 else int(random.integers(1100, 65537))
        chosen.append({"V": v, "d": 2 * int(random.integers(1, 257)), "M": m, "set": name})
    for setting in chosen:
        v = setting["V"]
        setting |= {"p": int(random.integers(v)), "lags": random.integers(1 - v, v, size=5).tolist() + [0, 1]}
        setting["seed"] = int(random.integers(3))
    return chosen


@pytest.fixture(scope="module")
def computed(visit):
    page = visit("about:blank")
    page.add_script_tag(path=LIVE / "maths.js")
    page.add_script_tag(content=data_script("drawn"))
    page.add_script_tag(content=f"const some = values => Array.from(values).filter((_, i) => i % {EVERY} === 0);")
    settings = some_settings()
    return list(zip(settings, page.evaluate(COMPUTE, settings), strict=True))


def test_rows_kernels_and_distances_are_those_of_the_library(computed):
    for at, found in computed:
        v, d, m, period = at["V"], at["d"], at["M"], at["M"] or at["V"] - 1
        chosen = frequency_set(at["set"], v, d, m, at["seed"])
        assert found["k"] == chosen.tolist(), at
        row = fourier_basis(torch.tensor(at["p"]), v, d, at["set"], m, at["seed"])
        np.testing.assert_allclose(found["row"], row, **CLOSE, err_msg=str(at))
        kernel = resolution.cosine_kernel(chosen, period, at["lags"])
        np.testing.assert_allclose(found["kernel"], kernel, **CLOSE, err_msg=str(at))
        np.testing.assert_allclose(found["distance"], resolution.relative_distance(kernel), **CLOSE)
        assert found["repeat"] == resolution.row_period(chosen, period)


def test_shared_rows_and_cells_are_those_of_the_library(computed):
    for at, found in computed:
        period, mass = at["M"] or at["V"] - 1, resolution.zipf_mass(at["V"])
        folded, folds = resolution.folded_mass(mass, period), resolution.fold_columns(mass, period)
        cells = resolution.cell_mass(folded, min(at["d"], len(folded)))
        for name, expected in {"mass": mass[::EVERY], "folded": folded[::EVERY], "cells": cells}.items():
            np.testing.assert_allclose(found[name], expected, **CLOSE, err_msg=f"{name} of {at}")
        assert found["effective"] == pytest.approx(resolution.effective_number(cells), abs=1e-6)
        assert found["folding"] == {
            name: pytest.approx(folds[name][0], abs=1e-6) for name in ("rows", "largest", "lost")
        }
