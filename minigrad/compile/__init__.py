"""Compiling: a step, traced once, becomes the NumPy that one would have written by hand."""
