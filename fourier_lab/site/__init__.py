"""The study as static pages: what it found, every executed notebook, every figure. Nothing is loaded from elsewhere."""
