"""A sweep file in, one run record for each of its runs out."""
