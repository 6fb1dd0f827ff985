#!/usr/bin/env bash
# tokenizers 0.23.3: enable_truncation(n) with n below the number of special tokens that the post-processor adds does not
# truncate at all, and says nothing: a sentence keeps its full length. With n equal to that number, all text is dropped.
# Who passes such an n on from a user should refuse it, or check the length of what comes back.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m pip install --quiet --disable-pip-version-check --target "$folder/packages" tokenizers==0.23.3
PYTHONPATH="$folder/packages" python3 - <<'PYTHON'
from tokenizers import Tokenizer, __version__, models, pre_tokenizers, processors

words = ["[CLS]", "[SEP]", "a", "b"]
tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="a"))
tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
special = [("[CLS]", 0), ("[SEP]", 1)]
tokenizer.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=special)
lengths = {}
for n in range(5):
    tokenizer.enable_truncation(n)
    tokens = tokenizer.encode("a b a b a b").tokens
    lengths[n] = len(tokens)
    print(f"tokenizers {__version__}, enable_truncation({n}): {len(tokens)} tokens, {' '.join(tokens)}")
assert lengths == {0: 8, 1: 8, 2: 2, 3: 3, 4: 4}, lengths
PYTHON
# Seen: 8 tokens for 0 and 1, then 2, 3 and 4.
