"""Token ids in, token embeddings out: the Fourier expansion, its small MLP, and the learned table beside it."""
