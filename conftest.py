"""Modules that stand on packages of an extra are looked at where these are installed."""

from importlib.util import find_spec

collect_ignore = [
    f"fourier_lab/adapters/{name}.py"
    for name in ("mteb", "sentence_transformers", "transformers")
    if find_spec(name) is None
]
