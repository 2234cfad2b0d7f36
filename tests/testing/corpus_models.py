"""The corpus: softmaxes, losses, norms and small networks, each with its gradient by hand."""

import numpy as np

from tests.testing.corpus_elementwise import sigmoid
from tests.testing.corpus_rules import Array, Rule, apart, both, cast, normal, of, uniform

LABELS = np.array([0, 2, 1])
ONE_HOT = np.eye(4)[LABELS]
SCORES = {
    "unit": normal((3, 4)),
    "offset 1e4": normal((3, 4), shift=1e4),
    "saturated": normal((3, 4), scale=8),
    "tiny": normal((3, 4), scale=1e-8),
}


def softmax(x: Array) -> Array:
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def log_softmax(x: Array) -> Array:
    x = x - x.max(-1, keepdims=True)
    return x - np.log(np.exp(x).sum(-1, keepdims=True))


def pull_softmax(g: Array, p: Array) -> Array:
    return p * (g - (g * p).sum(-1, keepdims=True))


def family(name, f, vjp, draws, **wrong) -> list[Rule]:
    wrong = {key.replace("_", " "): rule for key, rule in wrong.items()}
    return [Rule(f"{name}, {where}", f, vjp, draw, wrong) for where, draw in draws.items()]


def softmaxes() -> list[Rule]:
    def entropy(x):
        return -(softmax(x) * log_softmax(x)).sum(-1)

    def pull_entropy(g, x):
        p, logs = softmax(x), log_softmax(x)
        return (-g[:, None] * p * (logs - (p * logs).sum(-1, keepdims=True)),)

    def sparse(x):
        top = np.sort(x)[::-1]
        k = int((1 + np.arange(1, x.size + 1) * top > np.cumsum(top)).sum())
        return np.maximum(x - (top[:k].sum() - 1) / k, 0)

    def pull_sparse(g, x):
        on = (sparse(x) > 0) * np.ones_like(x)
        return (on * (g - (g * on).sum() / on.sum()),)

    ls = lambda g, x: (g - softmax(x) * g.sum(-1, keepdims=True),)  # noqa: E731
    low = {"float32": cast(normal((3, 4)), "float32"), "float16": cast(normal((2, 3)), "float16")}
    return [
        *family(
            "softmax",
            softmax,
            lambda g, x: (pull_softmax(g, softmax(x)),),
            SCORES | low,
            dropped_term=lambda g, x: (g * softmax(x) * (1 - softmax(x)),),
            forgotten_sum=lambda g, x: (g * softmax(x),),
        ),
        *family(
            "log softmax",
            log_softmax,
            ls,
            SCORES | low,
            dropped_term=lambda g, x: (g * 1,),
            forgotten_sum=lambda g, x: (g - softmax(x) * g,),
        ),
        *family(
            "softmax over rows",
            lambda x: softmax(x.T).T,
            lambda g, x: (pull_softmax(g.T, softmax(x.T)).T,),
            {"unit": normal((3, 3))},
            wrong_axis=lambda g, x: (pull_softmax(g, softmax(x)),),
        ),
        *family(
            "softmax at temperature 0.1",
            lambda x: softmax(x / 0.1),
            lambda g, x: (pull_softmax(g, softmax(x / 0.1)) / 0.1,),
            {"unit": normal((2, 3), scale=0.3)},
            forgotten_constant=lambda g, x: (pull_softmax(g, softmax(x / 0.1)),),
        ),
        *family(
            "entropy",
            entropy,
            pull_entropy,
            {"unit": normal((3, 4))},
            dropped_term=lambda g, x: (-g[:, None] * softmax(x) * log_softmax(x),),
        ),
        *family("sparsemax", sparse, pull_sparse, {"unit": of([0.5, 0.3, -1.0, 0.45])}),
    ]


def losses() -> list[Rule]:
    n = len(LABELS)

    def ce(x):
        return -log_softmax(x)[np.arange(n), LABELS].mean()

    def pull_ce(g, x):
        return ((g * (softmax(x) - ONE_HOT) / n).astype(x.dtype),)

    def bce(x, y):
        return (np.logaddexp(x, 0) - x * y).mean()

    def cosine(a, b):
        return a @ b / np.sqrt((a @ a) * (b @ b))

    def pull_cosine(g, a, b):
        la, lb, c = np.sqrt(a @ a), np.sqrt(b @ b), cosine(a, b)
        return g * (b / lb - c * a / la) / la, g * (a / la - c * b / lb) / lb

    def pull_hinge(g, x):
        margins = (x - x[np.arange(n), LABELS][:, None] + 1) * (1 - ONE_HOT)
        on = (margins > 0) * (1 - ONE_HOT)
        return (g * (on - ONE_HOT * on.sum(1, keepdims=True)) / n,)

    def hinge(x):
        margins = (x - x[np.arange(n), LABELS][:, None] + 1) * (1 - ONE_HOT)
        return np.maximum(margins, 0).sum() / n

    def focal(x):
        p = sigmoid(x)
        return (-((1 - p) ** 2) * np.log(p)).mean()

    def pull_focal(g, x):
        p = sigmoid(x)
        return (g * p * (1 - p) * (2 * (1 - p) * np.log(p) - (1 - p) ** 2 / p) / x.size,)

    def kl(p, q):
        return (p * np.log(p / q)).sum()

    def nll(x, m, s):
        return (((x - m) / s) ** 2 / 2 + np.log(s)).sum()

    def pull_nll(g, x, m, s):
        z = (x - m) / s
        return g * z / s, -g * z / s, g * (1 - z * z) / s

    vectors = {"unit": normal((5,), (5,)), "tiny": normal((5,), (5,), scale=1e-8)}
    return [
        *family(
            "cross entropy",
            ce,
            pull_ce,
            SCORES | {"float32": cast(normal((3, 4)), "float32")},
            mean_as_sum=lambda g, x: (g * (softmax(x) - ONE_HOT),),
            dropped_term=lambda g, x: (g * softmax(x) / n,),
            sign=lambda g, x: (g * (ONE_HOT - softmax(x)) / n,),
        ),
        *family(
            "smoothed cross entropy",
            lambda x: -(log_softmax(x) * (0.9 * ONE_HOT + 0.025)).sum() / n,
            lambda g, x: (g * (softmax(x) - 0.9 * ONE_HOT - 0.025) / n,),
            {"unit": normal((3, 4))},
            approximate_constant=lambda g, x: (g * (softmax(x) - 0.9 * ONE_HOT - 0.0251) / n,),
        ),
        *family(
            "binary cross entropy",
            bce,
            lambda g, x, y: (g * (sigmoid(x) - y) / x.size, -g * x / x.size),
            {
                "unit": both(normal((5,)), uniform((5,), low=0, high=1)),
                "saturated": both(normal((5,), scale=12), uniform((5,), low=0.2, high=0.8)),
            },
            mean_as_sum=lambda g, x, y: (g * (sigmoid(x) - y), -g * x),
        ),
        *family(
            "mean squared error",
            lambda a, b: ((a - b) ** 2).mean(),
            lambda g, a, b: (2 * g * (a - b) / a.size, 2 * g * (b - a) / a.size),
            {
                "unit": normal((4,), (4,)),
                "offset": normal((4,), (4,), shift=1e3),
                "large": normal((50_000,), (50_000,)),
            },
            mean_as_sum=lambda g, a, b: (2 * g * (a - b), 2 * g * (b - a)),
            factor_2=lambda g, a, b: (g * (a - b) / a.size, g * (b - a) / a.size),
        ),
        *family(
            "mean absolute error",
            lambda x: np.abs(x).mean(),
            lambda g, x: (g * np.sign(x) / x.size,),
            {"unit": apart((6,))},
        ),
        *family(
            "hinge",
            hinge,
            pull_hinge,
            {"unit": of([[0.3, 0.9, 2.1, -0.6], [1.0, 0.2, -0.3, 0.5], [0.6, 0.9, 0.4, -1.5]])},
        ),
        *family(
            "focal",
            focal,
            pull_focal,
            {"unit": normal((5,))},
            dropped_term=lambda g, x: (-g * (1 - sigmoid(x)) ** 3 / x.size,),
        ),
        *family(
            "divergence",
            kl,
            lambda g, p, q: (g * (np.log(p / q) + 1), -g * p / q),
            {"unit": uniform((4,), (4,), low=0.1, high=0.9)},
            dropped_term=lambda g, p, q: (g * np.log(p / q), -g * p / q),
        ),
        *family(
            "cosine",
            cosine,
            pull_cosine,
            vectors,
            swapped_arguments=lambda g, a, b: pull_cosine(g, a, b)[::-1],
            dropped_term=lambda g, a, b: (
                g * b / np.sqrt((a @ a) * (b @ b)),
                g * a / np.sqrt((a @ a) * (b @ b)),
            ),
        ),
        *family(
            "gaussian likelihood",
            nll,
            pull_nll,
            {"unit": both(normal((4,), (4,)), uniform((4,), low=0.3, high=2))},
            dropped_term=lambda g, x, m, s: (
                *pull_nll(g, x, m, s)[:2],
                -g * ((x - m) / s) ** 2 / s,
            ),
        ),
        *family(
            "log-cosh loss",
            lambda a, b: np.log(np.cosh(a - b)).sum(),
            lambda g, a, b: (g * np.tanh(a - b), g * np.tanh(b - a)),
            {"unit": normal((4,), (4,))},
        ),
    ]


def normalisations() -> list[Rule]:
    eps = 1e-5

    def standard(x, axis, e=eps):
        d = x - x.mean(axis, keepdims=True)
        return d / np.sqrt((d * d).mean(axis, keepdims=True) + e)

    def pull(g, x, axis, terms=(1, 1), e=eps):
        d = x - x.mean(axis, keepdims=True)
        s = np.sqrt((d * d).mean(axis, keepdims=True) + e)
        y = d / s
        return (
            g
            - terms[0] * g.mean(axis, keepdims=True)
            - terms[1] * y * (g * y).mean(axis, keepdims=True)
        ) / s

    def wrong(axis):
        return {
            "without the mean": lambda g, x: (pull(g, x, axis, (0, 1)),),
            "without the variance": lambda g, x: (pull(g, x, axis, (1, 0)),),
            "other axis": lambda g, x: (pull(g, x, 0 if axis == 1 else 1),),
            "eps of another size": lambda g, x: (pull(g, x, axis, e=1e-2),),
        }

    def layer(x, w, b):
        return standard(x, -1) * w + b

    def pull_layer(g, x, w, b):
        return pull(g * w, x, -1), (g * standard(x, -1)).sum(0), g.sum(0)

    def rms(x):
        return x / np.sqrt((x * x).mean(-1, keepdims=True) + eps)

    def pull_rms(g, x):
        r = np.sqrt((x * x).mean(-1, keepdims=True) + eps)
        return ((g - x * (g * x).mean(-1, keepdims=True) / r**2) / r,)

    rules = []
    for name, axis in [("batch norm", 0), ("layer norm", 1)]:
        for where, draw in {
            "unit": normal((4, 4)),
            "offset": normal((4, 4), shift=1e3),
            "huge": normal((4, 4), scale=1e6),
            "tiny": normal((4, 4), scale=1e-4),
            "float32": cast(normal((4, 3)), "float32"),
            "large": normal((40, 2500)),
        }.items():
            rules.append(
                Rule(
                    f"{name}, {where}",
                    lambda x, k=axis: standard(x, k),
                    lambda g, x, k=axis: (pull(g, x, k),),
                    draw,
                    wrong(axis),
                )
            )
    return [
        *rules,
        *family(
            "affine layer norm",
            layer,
            pull_layer,
            {"unit": normal((3, 4), (4,), (4,))},
            swapped_arguments=lambda g, x, w, b: (
                pull_layer(g, x, w, b)[0],
                g.sum(0),
                (g * standard(x, -1)).sum(0),
            ),
            forgotten_factor=lambda g, x, w, b: (pull(g, x, -1), *pull_layer(g, x, w, b)[1:]),
        ),
        *family(
            "rms norm",
            rms,
            pull_rms,
            {"unit": normal((3, 4)), "huge": normal((3, 4), scale=1e6)},
            dropped_term=lambda g, x: (g / np.sqrt((x * x).mean(-1, keepdims=True) + eps),),
        ),
        *family(
            "instance norm",
            lambda x: standard(x, (1, 2)),
            lambda g, x: (pull(g, x, (1, 2)),),
            {"unit": normal((2, 3, 2))},
            without_the_mean=lambda g, x: (pull(g, x, (1, 2), (0, 1)),),
        ),
    ]


def networks() -> list[Rule]:
    x0 = np.random.default_rng(5).normal(size=(4, 3))

    def mlp(w1, b1, w2, b2):
        return np.tanh(x0 @ w1 + b1) @ w2 + b2

    def pull_mlp(g, w1, b1, w2, b2):
        h = np.tanh(x0 @ w1 + b1)
        d = (g @ w2.T) * (1 - h * h)
        parts = x0.T @ d, d.sum(0), h.T @ g, g.sum(0)
        return tuple(part.astype(w1.dtype) for part in parts)

    def forgot(g, w1, b1, w2, b2):
        h = np.tanh(x0 @ w1 + b1)
        d = g @ w2.T
        return x0.T @ d, d.sum(0), h.T @ g, g.sum(0)

    def rnn(h, w, u):
        for x in x0:
            h = np.tanh(w @ h + u @ x)
        return h

    def pull_rnn(g, h, w, u, steps=None):
        states = [h]
        for x in x0:
            states.append(np.tanh(w @ states[-1] + u @ x))
        dw, du = np.zeros_like(w), np.zeros_like(u)
        for t in range(len(x0) - 1, -1, -1):
            d = g * (1 - states[t + 1] ** 2)
            if steps is None or t >= len(x0) - steps:
                dw, du = dw + np.outer(d, states[t]), du + np.outer(d, x0[t])
            g = w.T @ d
        return g, dw, du

    def attention(q, k, v):
        return softmax(q @ k.T / 3**0.5) @ v

    def pull_attention(g, q, k, v, scale=3**-0.5):
        p = softmax(q @ k.T / 3**0.5)
        d = pull_softmax(g @ v.T, p) * scale
        return d @ k, d.T @ q, p.T @ g

    def gate(c, z):
        i, f, o, a = np.split(z, 4)
        return sigmoid(o) * np.tanh(sigmoid(f) * c + sigmoid(i) * np.tanh(a))

    def pull_gate(g, c, z):
        i, f, o, a = np.split(z, 4)
        si, sf, so, ta = sigmoid(i), sigmoid(f), sigmoid(o), np.tanh(a)
        t = np.tanh(sf * c + si * ta)
        d = g * so * (1 - t * t)
        parts = [
            d * ta * si * (1 - si),
            d * c * sf * (1 - sf),
            g * t * so * (1 - so),
            d * si * (1 - ta**2),
        ]
        return d * sf, np.concatenate(parts)

    def euler(y):
        for _ in range(20):
            y = y + 0.05 * np.array([y[1], (1 - y[0] ** 2) * y[1] - y[0]], dtype=y.dtype)
        return y

    def pull_euler(g, y):
        path = [y]
        for _ in range(20):
            y = y + 0.05 * np.array([y[1], (1 - y[0] ** 2) * y[1] - y[0]], dtype=y.dtype)
            path.append(y)
        for a, b in path[-2::-1]:
            jacobian = np.array([[1, 0.05], [0.05 * (-2 * a * b - 1), 1 + 0.05 * (1 - a * a)]])
            g = jacobian.T @ g
        return (g,)

    def root(x):
        y = x / 2 + 0.5
        for _ in range(8):
            y = (y + x / y) / 2
        return y

    def rosenbrock(x):
        return (100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum()

    def pull_rosenbrock(g, x):
        d, out = x[1:] - x[:-1] ** 2, np.zeros_like(x)
        out[:-1] = -400 * x[:-1] * d - 2 * (1 - x[:-1])
        out[1:] += 200 * d
        return (g * out,)

    weights = normal((3, 4), (4,), (4, 2), (2,))
    return [
        *family(
            "two layers",
            mlp,
            pull_mlp,
            {
                "unit": weights,
                "saturated": normal((3, 4), (4,), (4, 2), (2,), scale=3),
                "float32": cast(weights, "float32"),
            },
            dropped_term=forgot,
            mean_as_sum=lambda g, *w: tuple(part / len(x0) for part in pull_mlp(g, *w)),
        ),
        *family(
            "recurrent",
            rnn,
            pull_rnn,
            {
                "unit": normal((3,), (3, 3), (3, 3)),
                "saturated": normal((3,), (3, 3), (3, 3), scale=2),
            },
            dropped_term=lambda g, h, w, u: pull_rnn(g, h, w, u, 1),
        ),
        *family(
            "attention",
            attention,
            pull_attention,
            {
                "unit": normal((3, 3), (3, 3), (3, 3)),
                "float32": cast(normal((2, 3), (4, 3), (4, 2)), "float32"),
            },
            swapped_arguments=lambda g, q, k, v: (lambda a, b, c: (b, a, c))(
                *pull_attention(g, q, k, v)
            ),
            forgotten_constant=lambda g, q, k, v: pull_attention(g, q, k, v, 1.0),
        ),
        *family("gated cell", gate, pull_gate, {"unit": normal((2,), (8,))}),
        *family("Euler's steps", euler, pull_euler, {"unit": normal((2,))}),
        *family(
            "Newton's root",
            root,
            lambda g, x: (g / (2 * np.sqrt(x)),),
            {"unit": uniform((5,), low=0.5, high=4)},
        ),
        *family(
            "Rosenbrock",
            rosenbrock,
            pull_rosenbrock,
            {
                "unit": normal((5,)),
                "at its minimum": of([1.0, 1.0, 1.0]),
                "near it": normal((4,), shift=1, scale=1e-3),
            },
        ),
    ]
