"""Sentences in, batches of token ids out: corpora, tokenizers, orders of ids."""
