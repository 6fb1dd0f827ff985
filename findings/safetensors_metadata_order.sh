#!/usr/bin/env bash
# safetensors 0.8.0: the same tensor with the same metadata is written as other bytes in another process, once the metadata
# has several keys: their order follows a hash map's. With one key the bytes are always the same.
# Who compares files by their hash, or commits them, should put all metadata under one key.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m pip install --quiet --disable-pip-version-check --target "$folder/packages" safetensors==0.8.0 numpy
export PYTHONPATH="$folder/packages"
write() {
    python3 - "$1" <<'PYTHON'
import hashlib
import sys

import numpy as np
from safetensors.numpy import save

metadata = {f"key {i}": "value" for i in range(int(sys.argv[1]))}
print(hashlib.sha256(save({"weight": np.zeros(2, dtype=np.float32)}, metadata)).hexdigest()[:12])
PYTHON
}
for keys in 1 6; do
    for _ in 1 2 3 4 5 6 7 8; do write "$keys"; done | sort -u >"$folder/$keys"
    echo "metadata with $keys keys, written by 8 processes: $(wc -l <"$folder/$keys") different files"
done
test "$(wc -l <"$folder/1")" -eq 1
test "$(wc -l <"$folder/6")" -gt 1
# Seen: 1 different file with one key, 8 with six.
