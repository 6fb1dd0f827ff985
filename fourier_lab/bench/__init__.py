"""Both sides of a race in, ratios of time and memory out."""
