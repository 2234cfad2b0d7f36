"""An op of one's own in one block: what it computes and what its gradient is.

``cardinal_sine(x) = sin(x) / x``, and 1 at 0. A rule is plain NumPy: it takes the cotangent ``g``
and asks by name for what else it needs, here ``x`` and the op's own result ``out``. Because rules
are recorded like everything else, the second derivative needs no second rule.

You learn: ``mg.primitive``, ``mg.defvjp``, and ``mg.gradcheck``, which tells when a rule is wrong.
Prints what gradcheck says of a right and of a wrong rule, and last its second
derivative at 0, which is -1/3.
"""

import argparse
from pathlib import Path

import numpy as np

import minigrad as mg


def slope(x: np.ndarray, out: np.ndarray) -> np.ndarray:
    """Return the derivative, near 0 from its series, where the quotient cancels."""
    small = np.abs(x) < 0.2
    s = np.where(small, x, 0.0)
    s2 = s * s
    near = s * (-1 / 3 + s2 * (1 / 30 + s2 * (-1 / 840 + s2 * (1 / 45360 - s2 / 3991680))))
    return np.where(small, near, (np.cos(x) - out) / np.where(small, 1.0, x))


@mg.primitive()
@mg.defvjp(x=lambda g, x, out: g * slope(x, out))
def cardinal_sine(x: np.ndarray, /) -> np.ndarray:
    """Cardinal sine ``sin(x) / x``, 1 at 0."""
    return np.sinc(x / np.pi)


@mg.primitive()
@mg.defvjp(x=lambda g, x, out: -g * slope(x, out))
def hasty_sine(x: np.ndarray, /) -> np.ndarray:
    """The same with a mistake in its rule."""
    return np.sinc(x / np.pi)


def main(points: int, out: Path | None) -> float:
    """Check both rules, draw the right one, and return the second derivative at 0."""
    at = np.linspace(-6.0, 6.0, points)
    for order in (1, 2):
        report = mg.gradcheck(cardinal_sine, at, order=order)
        print(f"cardinal_sine, order {order}: {report.verdict}")
        assert report, report
    wrong = mg.gradcheck(hasty_sine, at)
    print(f"hasty_sine, order 1: {wrong.verdict}: {wrong.cause}")

    x = mg.tensor(at, requires_grad=True, name="x")
    energy = (cardinal_sine(x) ** 2).sum()
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        mg.draw(energy, mode="backward", title="an op of one's own").save(out / "08_own_op.svg")
        print("wrote", out / "08_own_op.svg")
    energy.backward()
    print(
        f"the gradient of sum(cardinal_sine(x) ** 2) has norm {np.linalg.norm(x.grad.numpy()):.6f}"
    )

    second = mg.grad(mg.grad(cardinal_sine))
    print("the second derivative at 0, which is -1/3 on paper:")
    return second(0.0).item()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--smoke", action="store_true", help="fewer points")
    parser.add_argument("--out", type=Path, help="folder for the drawing")
    options = parser.parse_args()
    print(main(5 if options.smoke else 25, options.out))
