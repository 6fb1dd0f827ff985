#!/usr/bin/env bash
# torch 2.13.0: making any optimiser imports torch._dynamo, torch._inductor and sympy, several hundred modules, though nothing
# is compiled; `import torch` itself does not. A short process that takes a few steps spends much of its time there.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m pip install --quiet --disable-pip-version-check --target "$folder/packages" torch==2.13.0 numpy
PYTHONPATH="$folder/packages" python3 - <<'PYTHON'
import sys

import torch

COMPILER = ("torch._dynamo", "torch._inductor", "sympy")
before = set(sys.modules)
assert not before & set(COMPILER)
torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1)
new = set(sys.modules) - before
print(f"torch {torch.__version__}: torch.optim.SGD(...) imports {len(new)} modules, of them", *sorted(new & set(COMPILER)))
assert len(new) > 300 and set(COMPILER) <= new
PYTHON
# Seen: 822 modules.
