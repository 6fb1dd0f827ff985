"""Token tables and trained encoders in, numbers about their shape out; knows no plotting."""
