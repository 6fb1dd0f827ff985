"""A configuration and batches in, a run record out."""
