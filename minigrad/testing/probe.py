"""A function and its rule, asked in private: on copies, counted, and along rays.

:class:`Subject` evaluates both and measures the noise of both; nothing it is given is ever written.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from minigrad.testing.differences import EXACT, Floats, Ray, noise_of, power_of_two

BITS = {2: 11, 4: 24}
GRID = 7  # points of a line on which noise is measured


class RuleFault(Exception):
    """What a rule returned is not a gradient: wrong count, shape, dtype, or it wrote its inputs."""


@contextmanager
def quiet() -> Iterator[None]:
    """Let a function be evaluated outside of its domain without a warning."""
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        yield


def bits_of(dtype: np.dtype[Any]) -> int:
    """Bits of precision of a floating dtype, as far as float64 goes.

    >>> bits_of(np.dtype("f4"))
    24
    """
    return BITS.get(dtype.itemsize, EXACT)


class Subject:
    """``f`` and ``vjp`` at a point.

    Args:
        f: Maps arrays to one array.
        vjp: Maps the cotangent of ``f``'s output and the arrays to a cotangent for each of them.
        inputs: The point; copied. Only floating arrays are differentiated.

    Attributes:
        point: The private copies.
        active: Positions of the floating inputs.
        base: ``f`` at the point, flat and in float64.
        evaluations: How often ``f`` was called.
    """

    def __init__(
        self,
        f: Callable[..., Any],
        vjp: Callable[..., Any],
        inputs: Sequence[Any],
        rng: np.random.Generator,
    ) -> None:
        self.f, self.vjp, self.rng = f, vjp, rng
        self.point = [np.array(x) for x in inputs]
        self.active = [i for i, x in enumerate(self.point) if x.dtype.kind == "f"]
        self.evaluations = 0
        out = np.asarray(f(*self.point))
        if out.dtype.kind not in "biuf":
            raise TypeError(f"a gradient check needs real outputs, not {out.dtype}")
        self.evaluations = 1
        self.out_shape = out.shape
        self.out_dtype = out.dtype if out.dtype.kind == "f" else np.dtype(np.float64)
        self.base: Floats = np.array(out, dtype=np.float64).ravel()
        self.bits = bits_of(self.out_dtype)
        self._grain: Floats | None = None

    def value(self) -> Floats:
        """``f`` at the point as it stands, flat and in float64."""
        self.evaluations += 1
        with quiet():
            try:
                out = np.array(self.f(*self.point), dtype=np.float64).ravel()
            except (ArithmeticError, ValueError):  # a step left the domain
                return np.full(self.base.shape, np.nan)
        return out if out.shape == self.base.shape else np.full(self.base.shape, np.nan)

    def bits_at(self, i: int) -> int:
        """Bits in which input ``i`` can be moved so that ``f`` notices."""
        return min(self.bits, bits_of(self.point[i].dtype))

    def typical(self, i: int) -> float:
        """Median size of the elements of an input that are not 0; 1 if all are."""
        sizes = np.abs(self.point[i].astype(np.float64))
        sizes = sizes[np.isfinite(sizes) & (sizes > 0.0)]
        return float(np.median(sizes)) if sizes.size else 1.0

    def pull(self, g: Floats) -> list[Floats]:
        """Cotangents of the active inputs, flat and in float64, for a flat cotangent of ``f``.

        Raises:
            RuleFault: If what the rule returns does not fit the inputs.
        """
        cotangent = g.reshape(self.out_shape).astype(self.out_dtype)
        try:
            with quiet():
                found = self.vjp(cotangent, *self.point)
        except Exception as error:
            raise RuleFault(f"the rule raised {type(error).__name__}: {error}") from error
        if not isinstance(found, tuple | list):
            found = (found,)
        if len(found) != len(self.point):
            raise RuleFault(
                f"the rule returned {len(found)} gradients for {len(self.point)} inputs"
            )
        return [self._fitted(found[i], i) for i in self.active]

    def _fitted(self, c: Any, i: int) -> Floats:
        x = self.point[i]
        if c is None:
            raise RuleFault(f"the rule returned None for input {i}, which is floating")
        if isinstance(c, bool | int | float):  # a Python number has no dtype of its own
            c = np.asarray(c, dtype=x.dtype)
        c = np.asarray(c)
        if c.shape != x.shape:
            raise RuleFault(_misshapen(c, x, i))
        if c.dtype != x.dtype:
            raise RuleFault(f"the rule returned {c.dtype} for input {i}, which is {x.dtype}")
        return np.array(c, dtype=np.float64).ravel()

    def grain(self) -> Floats:
        """Rounding noise of every output: how much it jumps where it should not."""
        if self._grain is None:
            floor = 0.5 * 2.0 ** (1 - self.bits) * np.abs(self.base)
            least = float(np.finfo(self.out_dtype).smallest_subnormal)
            floor = np.where(np.isfinite(floor), np.maximum(floor, least), least)
            spread = 8 if self.bits == EXACT else 2
            # Of one line, all points may happen to be rounded alike; of two, hardly.
            lines = [self._line(spread, self._change, points=5) for _ in range(2)]
            still = sum(np.sum(line[1:] != line[:-1], axis=0) for line in lines) <= 1
            noise = np.maximum(*(noise_of(line, floor) for line in lines))
            if self.bits == EXACT and np.any(still & (self.base != 0.0)):
                # An output that did not move may be rounded more coarsely than that grid is wide.
                coarse = noise_of(self._line(26, self._change), floor)
                noise = np.where(still, np.maximum(noise, coarse), noise)
            self._grain = noise
        return self._grain

    def _change(self) -> Floats:
        with np.errstate(all="ignore"):
            return self.value() - self.base

    def _line(self, spread: int, ask: Callable[[], Floats], points: int = GRID) -> Floats:
        """Answers on a line of points that are whole multiples of an ulp apart in every element.

        The line starts next to the point, not at it, so that a jump there is not taken for noise.
        """
        origin = [self.point[i].copy() for i in self.active]
        strides = []
        for i, x in zip(self.active, origin, strict=True):
            floor = np.asarray(self.typical(i) * 2.0**-20, x.dtype)
            ulp = np.spacing(np.where(x == 0.0, floor, np.abs(x)))
            if self.bits < bits_of(x.dtype):
                ulp = ulp * 2.0 ** (bits_of(x.dtype) - self.bits)
            odd = self.rng.integers(2**spread, 2 ** (spread + 1), x.shape) * 2 + 1
            sign = self.rng.choice([-1.0, 1.0], x.shape)
            strides.append((ulp * odd * sign).astype(x.dtype))
        rows = []
        with self._restored():
            for k in range(1, points + 1):
                for i, x, stride in zip(self.active, origin, strides, strict=True):
                    self.point[i][...] = x + stride * k
                rows.append(ask())
        return np.array(rows)

    @contextmanager
    def _restored(self) -> Iterator[None]:
        """Put the point back afterwards."""
        origin = [self.point[i].copy() for i in self.active]
        try:
            yield
        finally:
            for i, x in zip(self.active, origin, strict=True):
                self.point[i][...] = x

    def element(self, i: int, j: int, channels: Floats | None) -> Ray:
        """The ray along element ``j`` of input ``i``; ``channels`` are rows of cotangents."""
        flat = self.point[i].flat
        here = flat[j]
        size = power_of_two(max(abs(float(here)), 1e-305) if here else self.typical(i))
        moved = np.zeros(self.base.shape, dtype=bool)

        def sample(step: float) -> tuple[float, Floats]:
            flat[j] = here + here.dtype.type(step)
            taken = float(flat[j]) - float(here)
            if not np.isfinite(taken):
                taken = np.sign(step) * abs(step)
            change = self._change()
            flat[j] = here
            moved[change != 0.0] = True
            return taken, self._seen(change, channels)

        bits = self.bits_at(i)
        lost = np.log2(size) - np.log2(float(np.spacing(np.abs(here)))) if here else 60
        deepest = min(int(lost) - 3 - (EXACT - bits if bits < bits_of(here.dtype) else 0), 50)
        highest = int(np.floor(np.log2(size / max(self.typical(i), size, 0.125)))) - 3
        return Ray(sample, self.seen_noise(channels), size, deepest, highest, moved, bits)

    def direction(self, along: Mapping[int, Floats], channels: Floats | None) -> Ray:
        """The ray along flat directions, through the inputs that they are given for."""
        here = {i: self.point[i].copy() for i in along}
        moved = np.ones(self.base.shape, dtype=bool)

        def sample(step: float) -> tuple[float, Floats]:
            with self._restored():
                for i, x in here.items():
                    self.point[i][...] = x + (along[i].reshape(x.shape) * step).astype(x.dtype)
                return step, self._seen(self._change(), channels)

        bits = min(self.bits_at(i) for i in along)
        return Ray(sample, self.seen_noise(channels), 1.0, bits - 8, -2, moved, bits)

    def strides(self, i: int) -> Floats:
        """For every element of input ``i`` the power of two below its size."""
        sizes = np.abs(self.point[i].astype(np.float64)).ravel()
        sizes = np.where(sizes > 0.0, sizes, self.typical(i))
        return np.asarray(2.0 ** np.floor(np.log2(sizes)))

    @staticmethod
    def _seen(change: Floats, channels: Floats | None) -> Floats:
        with np.errstate(all="ignore"):
            return change if channels is None else channels @ change

    def seen_noise(self, channels: Floats | None, moved: Any = None) -> Floats:
        """Noise of every channel, of the outputs that moved if that is known."""
        grain = self.grain()
        if channels is None:
            return grain
        part = grain if moved is None else np.where(moved, grain, 0.0)
        return np.sqrt(channels**2 @ part**2)

    def rule_noise(
        self, g: Floats, rows: list[Floats], grains: Sequence[float] | None = None, rounds: int = 4
    ) -> list[Floats]:
        """How much the rule answers to changes of the inputs and of ``g`` by an ulp or two.

        Args:
            g: The cotangent.
            rows: What the rule said of it.
            grains: Relative size of an ulp, by active input; by default as the input is stored.
            rounds: How many random changes to make.
        """
        if grains is None:
            grains = [2.0 ** (1 - self.bits_at(i)) for i in self.active]
        noise = [np.zeros_like(row) for row in rows]
        origin = [self.point[i].copy() for i in self.active]
        eps = 2.0 ** (1 - self.bits)
        for _ in range(rounds):
            with self._restored():
                for i, x, grain in zip(self.active, origin, grains, strict=True):
                    ulps = self.rng.choice([-2.0, -1.0, 1.0, 2.0], x.shape)
                    self.point[i][...] = (x + x * (grain * ulps)).astype(x.dtype)
                jittered = self.pull(g * (1.0 + eps * self.rng.choice([-1.0, 1.0], g.shape)))
            with np.errstate(all="ignore"):
                for total, row, again in zip(noise, rows, jittered, strict=True):
                    np.fmax(total, np.abs(again - row), out=total)
        return noise

    def quantum(self, channels: Floats | None) -> Floats:
        """Noise of every channel that shows on wide lines only, where it is rounded more coarsely.

        What is smooth grows with the line by far more than noise does, or fills it.
        """
        count = self.base.size if channels is None else len(channels)
        if self.bits != EXACT:
            return np.zeros(count)
        for spread in (30, 26, 22):  # near the edge of a domain there is room for short ones only
            lines = [
                self._line(s, lambda: self._seen(self._change(), channels))
                for s in (spread, spread + 4)
            ]
            if np.isfinite(lines).all():
                break
        else:
            return np.zeros(count)
        small, wide = (noise_of(line, np.zeros(count), order=5) for line in lines)
        rough = (wide < 2.0**10 * small) & (small > 8.0 * self.seen_noise(channels))
        with np.errstate(all="ignore"):
            rough &= np.fmax(small, wide) < 1e-2 * np.ptp(lines[1], axis=0)
        return np.where(rough, np.fmax(small, wide), 0.0)

    def rule_quantum(self, g: Floats) -> list[Floats]:
        """Noise of the rule on lines that are wide enough to show what an ulp does not reach.

        A saturated tanh stays the same under changes by an ulp, and so does what it is rounded to.
        """
        if self.bits != EXACT:
            return [np.zeros(self.point[i].size) for i in self.active]
        noise = np.zeros(sum(self.point[i].size for i in self.active))
        for spread in (26, 34):
            answers = self._line(spread, lambda: np.concatenate(self.pull(g)))
            noise = noise_of(answers, noise, order=5)
        return np.split(noise, np.cumsum([self.point[i].size for i in self.active])[:-1])


def _misshapen(c: Any, x: Any, i: int) -> str:
    said = f"the rule returned shape {c.shape} for input {i} of shape {x.shape}"
    if c.ndim >= x.ndim and c.size > x.size:
        return said + ": a broadcast was not summed"
    if c.shape == x.shape[::-1]:
        return said + ": it is transposed"
    return said
