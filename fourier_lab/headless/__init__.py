"""Notebooks in, executed copies, figures and pages out, without a person at hand."""
