"""Token embeddings in, sentence embeddings and losses out."""
