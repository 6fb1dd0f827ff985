"""Sentence embeddings in, scores with intervals out; and what scores without any training."""
