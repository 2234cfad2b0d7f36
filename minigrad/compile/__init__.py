"""Compiling: a step, traced, becomes the NumPy that one would have written by hand."""

from minigrad.compile.compiled import Compiled, CompileWarning, compile
from minigrad.compile.program import CompileError, Program

__all__ = ["CompileError", "CompileWarning", "Compiled", "Program", "compile"]
