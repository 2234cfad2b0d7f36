"""A gradient by hand and by ``backward``, then the gradient of the gradient.

The function is ``f(x) = sum(x * sin(x))``. On paper its gradient is ``sin(x) + x * cos(x)`` and its
second derivative ``2 * cos(x) - x * sin(x)``. minigrad records what is done to ``x`` and walks that
record backward; with ``create_graph`` the walk is recorded too and can itself be walked.

You learn: ``backward``, ``.grad``, ``create_graph``, and the same as a function, ``mg.grad``.
Prints both ways, and last the largest difference between paper and machine.
"""

import argparse

import numpy as np

import minigrad as mg


def f(x: mg.Tensor) -> mg.Tensor:
    """Return one number: ``sum(x * sin(x))``."""
    return (x * mg.sin(x)).sum()


def main(points: int) -> float:
    """Differentiate twice at some points and return the largest difference."""
    at = np.linspace(-3.0, 3.0, points)
    by_hand = np.sin(at) + at * np.cos(at)
    twice_by_hand = 2.0 * np.cos(at) - at * np.sin(at)

    x = mg.tensor(at, requires_grad=True, name="x")
    f(x).backward()
    by_backward = x.grad

    x.zero_grad()
    f(x).backward(create_graph=True)  # the gradient is now a tensor with a history of its own
    slope = x.grad
    x.zero_grad()
    slope.sum().backward()
    twice_by_backward = x.grad

    print("    x    f'(x) by hand  by backward   f''(x) by hand  by backward")
    columns = at, by_hand, by_backward, twice_by_hand, twice_by_backward
    for row in zip(*(np.asarray(column) for column in columns), strict=True):
        print("{:6.2f} {:14.8f} {:12.8f} {:16.8f} {:12.8f}".format(*row))

    as_function = mg.grad(f)(at)  # the same without .grad: a function that returns the gradient
    differences = [
        np.abs(by_backward.numpy() - by_hand).max(),
        np.abs(twice_by_backward.numpy() - twice_by_hand).max(),
        np.abs(as_function.numpy() - by_hand).max(),
    ]
    print("largest difference between paper and machine:")
    return float(max(differences))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--smoke", action="store_true", help="fewer points")
    print(main(points=3 if parser.parse_args().smoke else 9))
