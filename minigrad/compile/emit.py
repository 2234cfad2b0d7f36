"""The NumPy emitter: a program as source that a person would accept in review."""

from __future__ import annotations

import textwrap
from typing import Any

from minigrad.compile.literals import (
    amount,
    broken,
    constant,
    dtype_argument,
    literal,
    shape_text,
    wrapped,
)
from minigrad.compile.methods import METHODS
from minigrad.compile.phrases import (
    INLINE,
    OPERATORS,
    PYTHON,
    SIMPLE,
    adding,
    augments,
    bare,
    basic,
    is_array,
    note,
    sentence,
    through_inputs,
)
from minigrad.compile.program import Buffer, Instruction, Program, Value, is_view
from minigrad.primitive import Primitive

__all__ = ["emit"]

WIDTH = 100


def emit(program: Program, titles: dict[str, str]) -> tuple[str, dict[str, Any]]:
    """Return a program as the source of a module, and the functions that no import of it brings.

    Args:
        program: Optimised, planned and named.
        titles: What stands at a scope, such as ``Linear(4 → 3)``.
    """
    emitter = Emitter(program, titles)
    return emitter.module(), emitter.opaque


class Emitter:
    """Text of a program, made line by line."""

    def __init__(self, program: Program, titles: dict[str, str]) -> None:
        self.program, self.titles = program, titles
        self.inlined: dict[Value, str] = {}
        self.uses: dict[Value, int] = {}
        self.user: dict[Value, Instruction] = {}
        for instruction in program.instructions:
            for value in instruction.operands():
                self.uses[value] = self.uses.get(value, 0) + 1
                self.user.setdefault(value, instruction)
        for value in program.outputs():
            if isinstance(value, Value):
                self.uses[value] = self.uses.get(value, 0) + 2
        self.lines: list[str] = []
        self.opaque: dict[str, Any] = {}
        self.imports: set[str] = set()
        through_inputs(program)

    # The module

    def module(self) -> str:
        """The whole source."""
        body = self.body()
        text = "\n".join(body)
        imports = ["import math", ""] if "math." in text else []
        imports += ["import numpy as np"]
        if self.imports:
            imports += ["", *sorted(self.imports)]
        program = self.program
        head = f'"""The function {program.name}, traced and written out as NumPy."""'
        parts = [head, "", *imports, *self.constants(), *self.memory()]
        if any(i.function == "check" for i in program.instructions):
            parts += ["", "", "class Missed(ValueError):"]
            parts += ['    """The arguments are not of the kind that this was traced with."""']
        return "\n".join([*parts, "", "", *self.signature(), *body, ""])

    def constants(self) -> list[str]:
        """Arrays that every call uses as they are."""
        lines = [f"{v.name} = {constant(v)}" for v in self.program.constants()]
        return ["", *lines] if lines else []

    def memory(self) -> list[str]:
        """Buffers that every call reuses."""
        buffers = self.program.buffers
        if not buffers:
            return []
        size = sum(buffer.nbytes for buffer in buffers)
        lines = [f"{b.name} = np.empty({shape_text(b.shape)}{dtype_argument(b)})" for b in buffers]
        return ["", f"# Memory that every call reuses: {amount(size)}", *lines]

    def signature(self) -> list[str]:
        """The ``def`` and a docstring that says what is handed in."""
        names = [i.value.name for i in self.program.inputs]
        head = f"def {self.program.name}({', '.join(names)}):"
        lines = [head] if len(head) <= WIDTH else broken(f"def {self.program.name}(", names, "):")
        documented = [f'    """{sentence(self.program)}']
        documented += ["", "    Args:"]
        written = {u.target for u in self.program.updates if u.in_place and u.target is not None}
        for given in self.program.inputs:
            value, said = given.value, note(given, written)
            shape = "" if value.weak or value.dtype is None else f"{shape_text(value.shape)} "
            kind = value.weak.__name__ if value.weak else str(value.dtype or "np.random.Generator")
            text = f"{value.name}: {shape}{kind}{said}"
            documented += textwrap.wrap(
                text, WIDTH, initial_indent=" " * 8, subsequent_indent=" " * 12
            )
        return [*lines, *documented, '    """']

    # The function's body

    def body(self) -> list[str]:
        """Every statement of the function."""
        section, scope = "", ""
        instructions = self.program.instructions
        for i, instruction in enumerate(instructions):
            after = instructions[i + 1] if i + 1 < len(instructions) else None
            if self.inlines(instruction, after):
                self.inlined[instruction.out] = self.expression(instruction, top=False)
                continue
            header = self.header(instruction)
            if instruction.section != section:
                section, scope = instruction.section, ""
                if self.lines:
                    self.lines.append("")
                self.lines.append(f"    # {section.capitalize()}")
            if header and header != scope:
                self.lines.append(f"    # {header}")
                scope = header
            self.statement(instruction)
        self.finish()
        return self.lines

    def header(self, instruction: Instruction) -> str:
        """Which layer a statement belongs to."""
        scope = instruction.scope
        if not scope:
            return ""
        title = self.titles.get(scope, "")
        what = f"{scope}: {title}" if title else scope
        if instruction.section == "backward":
            return f"gradient of {what}"
        return what

    def inlines(self, instruction: Instruction, after: Instruction | None) -> bool:
        """Whether a result is written where it is used, not given a name."""
        if self.uses.get(instruction.out, 0) != 1 or instruction.into is not None:
            return False
        if instruction.function in INLINE:
            arrays = instruction.function == "getitem" and not basic(instruction.args[1])
            return not arrays and self.used_plainly(instruction)
        if after is None or instruction.out not in set(after.operands()):
            return False
        other = instruction.out is not after.into and instruction.function in OPERATORS
        if other and self.augmented(after) and not instruction.kwargs:
            # A name would keep an array as large as what is updated until the function returns.
            return len(f"    {after.out.name} += {self.expression(instruction)}") <= WIDTH
        small = not instruction.out.shape and instruction.pure
        plain = after.function in OPERATORS or after.function in ("check", *PYTHON)
        return small and plain and len(self.expression(instruction, top=False)) < 40

    def used_plainly(self, instruction: Instruction) -> bool:
        """Whether the one statement that uses a view reads it where an expression may stand."""
        other = self.user[instruction.out]  # its result has a use, or this is not asked
        return not other.function.startswith(("increment", "add_at", "put_at"))

    def statement(self, instruction: Instruction) -> None:
        """Write the line or lines of one instruction."""
        function, out, into = instruction.function, instruction.out, instruction.into
        if function == "check":
            self.check(instruction)
            return
        if function.startswith("increment"):
            self.increment(instruction)
            return
        if function in ("add_at", "put_at"):
            shape, index, g = instruction.args
            self.line(f"{out.name} = np.zeros({shape_text(shape)}{dtype_argument(out)})", out)
            self.write(out, index, g, each=function == "add_at", sign="=")
            return
        augmented = self.augmented(instruction)
        if augmented:
            self.line(augmented, None)
        elif into is not None:
            text = self.expression(instruction, out=into)
            self.line(text if out.name == into.name else f"{out.name} = {text}", out)
        else:
            self.line(f"{out.name} = {self.expression(instruction)}", out)

    def check(self, instruction: Instruction) -> None:
        value, expected = instruction.args
        text = bare(self.text(value))
        if expected is True:
            text = f"not {text}" if text.isidentifier() else f"not ({text})"
        elif expected is not False:
            text = f"{text} != {literal(expected)}"
        self.lines.append(f"    if {text}:")
        what = instruction.scope or "the function"
        self.lines.append(f'        raise Missed("{what} would decide otherwise")')

    def increment(self, instruction: Instruction) -> None:
        x, index, g = instruction.args
        out = instruction.out
        if instruction.into is None:
            self.line(f"{out.name} = {self.text(x)}.copy()", out)
        self.write(out, index, g, each=instruction.function == "increment_each", sign="+=")

    def write(self, out: Value, index: Any, g: Any, *, each: bool, sign: str) -> None:
        """A statement that writes at an index."""
        if each:
            self.line(adding(out, index, g, self.text(index), self.text(g)), None)
        elif sign == "+=" and isinstance(g, int | float) and g < 0:
            self.line(f"{out.name}[{self.index(index)}] -= {literal(-g)}", None)
        else:
            self.line(f"{out.name}[{self.index(index)}] {sign} {self.text(g)}", None)

    def augmented(self, instruction: Instruction) -> str:
        """``a += b``, where an operand takes the result."""
        sign, into, args = OPERATORS.get(instruction.function), instruction.into, instruction.args
        named = isinstance(into, Value) and instruction.out.name == into.name
        if not sign or not named or not augments(instruction):
            return ""
        other = args[1] if args[0] is into else args[0]
        return f"{instruction.out.name} {sign}= {bare(self.text(other))}"

    def line(self, text: str, out: Value | None) -> None:
        """Add a statement, with the shape of what it makes where there is room."""
        line = f"    {text}"
        if len(line) > WIDTH:
            self.lines += wrapped(line)
            return
        shown = f"  # {shape_text(out.shape)}" if out is not None and out.shape else ""
        self.lines.append(line + shown if len(line + shown) <= WIDTH else line)

    def finish(self) -> None:
        """The ``return`` statement: results, then the state that is not overwritten in place."""
        texts = [self.result(r, result=True) for r in self.program.results]
        seen: set[int] = set()
        for update in self.program.updates:
            if not update.in_place:
                texts.append(self.result(update.result, result=id(update.result) in seen))
            seen.add(id(update.result))
        if not texts:
            return
        text = f"    return {', '.join(texts)}"
        whole = [text] if len(text) <= WIDTH else broken("    return (", texts, "    )")
        self.lines += ["", *whole]

    def result(self, x: Any, *, result: bool) -> str:
        """What is returned: never memory that something else writes to."""
        if not isinstance(x, Value) or x.weak or not x.shape:
            return self.text(x)
        outputs = [v for v in self.program.outputs() if v is x]
        made = {i.out: i for i in self.program.instructions}
        fresh = x in made and not is_view(made[x]) and (len(outputs) == 1 or not result)
        return self.text(x) if fresh else f"{self.text(x)}.copy()"

    # Expressions

    def expression(
        self, instruction: Instruction, *, top: bool = True, out: Value | Buffer | None = None
    ) -> str:
        """What stands to the right of ``=``."""
        function, args = instruction.function, instruction.args
        sign = OPERATORS.get(function) or (function if function in PYTHON else "")
        if sign and len(args) == 2 and out is None and not instruction.kwargs:
            left, right = self.factor(args[0]), self.factor(args[1])
            simple = sign == "**" and SIMPLE.match(left) and SIMPLE.match(right)
            text = f"{left}**{right}" if simple else f"{left} {sign} {right}"
            return text if top else f"({text})"
        if function in ("np.negative", "neg") and out is None:
            return f"-{self.factor(args[0])}"
        special = METHODS.get(function)
        if special is not None and out is None:
            return special(self, instruction)
        if function == "np.dot" and is_array(args[0]):
            texts = [self.text(args[1])]
            called = f"{self.factor(args[0])}.dot"
        elif function == "call":
            return self.call(instruction)
        elif function.startswith("rng."):
            texts = [self.text(a) for a in args[1:]]
            called = f"{self.text(args[0])}{function[3:]}"
        else:
            texts, called = [self.text(a) for a in args], function
        for name, value in instruction.kwargs.items():
            if (name, value) not in (("keepdims", False), ("order", "C")):
                texts.append(f"{name}={self.text(value)}")
        if out is not None:
            texts.append(f"out={out.name}")
        return f"{called}({', '.join(texts)})"

    def call(self, instruction: Instruction) -> str:
        """A function as it is: an op that NumPy calls can't express, or one of the library's."""
        function, args = instruction.args[0], instruction.args[1:]
        kwargs = [f"{k}={self.text(v)}" for k, v in instruction.kwargs.items()]
        home = str(function.__module__)
        if isinstance(function, Primitive):
            called = f'REGISTRY["{function.name}"]'
            self.imports.add("from minigrad.primitive import REGISTRY")
        else:
            called = function.__name__
            self.imports.add(f"from {home} import {called}")
        if not home.startswith("minigrad."):
            self.opaque[called] = function
        return f"{called}({', '.join([*map(self.text, args), *kwargs])})"

    def factor(self, x: Any) -> str:
        """An operand next to an operator."""
        text = self.text(x)
        compound = isinstance(x, float) and " " in text
        return f"({text})" if compound or text.startswith("-") else text

    def text(self, x: Any) -> str:
        """An operand."""
        if isinstance(x, Value):
            return self.inlined.get(x, x.name)
        if isinstance(x, tuple):
            parts = [self.text(part) for part in x]
            return f"({', '.join(parts)}{',' if len(parts) == 1 else ''})"
        if isinstance(x, list):
            return f"[{', '.join(self.text(part) for part in x)}]"
        if isinstance(x, slice):
            parts = ["None" if p is None else self.text(p) for p in (x.start, x.stop, x.step)]
            return f"slice({', '.join(parts)})"
        return literal(x)

    def index(self, index: Any) -> str:
        """An index between brackets."""
        parts = index if isinstance(index, tuple) else (index,)
        return ", ".join(map(self._step, parts)) or "()"

    def _step(self, part: Any) -> str:
        if isinstance(part, slice):
            ends = ["" if p is None else self.text(p) for p in (part.start, part.stop)]
            step = "" if part.step is None else f":{self.text(part.step)}"
            return ":".join(ends) + step
        return "..." if part is Ellipsis else self.text(part)
