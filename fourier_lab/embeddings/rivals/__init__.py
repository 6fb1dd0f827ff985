"""Token embeddings that others proposed to replace a table, and variants of our own, each with one common end: RMSNorm."""
