"""Networks as scikit-learn's estimators: for pipelines, grid search and cross-validation.

Needs ``pip install 'minigrad[sklearn]'``. Arguments have the names and defaults of scikit-learn's
own ``MLPClassifier`` and ``MLPRegressor``; after ``fit``, ``model_`` is an ``nn.Sequential`` to
draw, diagnose or save, and ``history_`` plots itself. There is no ``sample_weight``: scikit-learn
asks that a weight of two be an example that is there twice, which random batches do not give.
"""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable, Sequence
from typing import Any, Self, cast

import numpy as np

from minigrad import ops
from minigrad.data import train_test_split
from minigrad.errors import MissingExtra
from minigrad.functional import cross_entropy, mse_loss, softmax
from minigrad.graph import no_grad
from minigrad.nn import Linear, Sequential, init
from minigrad.optim import Adam, l2_penalty
from minigrad.random import generator
from minigrad.tensor import Tensor
from minigrad.training import EarlyStopping, History, fit

try:
    from sklearn.base import BaseEstimator, ClassifierMixin, MultiOutputMixin, RegressorMixin
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.utils import check_random_state
    from sklearn.utils.multiclass import check_classification_targets
    from sklearn.utils.validation import check_is_fitted, column_or_1d, validate_data
except ImportError as missing:
    raise MissingExtra("scikit-learn", "minigrad.sklearn", "sklearn") from missing

__all__ = ["MLPClassifier", "MLPRegressor"]

ACTIVATIONS: dict[str, Callable[[Any], Any] | None] = {
    "relu": ops.relu,
    "tanh": ops.tanh,
    "logistic": ops.sigmoid,
    "identity": None,
}


Criterion = Callable[[Any, Any], Any]


class Perceptron(BaseEstimator):  # type: ignore[misc]
    """What both estimators share: settings, the network, and how it is trained."""

    def __init__(
        self,
        hidden_layer_sizes: int | Sequence[int] = (100,),
        activation: str = "relu",
        *,
        alpha: float = 0.0001,
        batch_size: int | str = "auto",
        learning_rate_init: float = 0.001,
        max_iter: int = 200,
        random_state: Any = None,
        tol: float = 1e-4,
        verbose: bool = False,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 10,
        warm_start: bool = False,
    ) -> None:
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.alpha = alpha
        self.batch_size = batch_size
        self.learning_rate_init = learning_rate_init
        self.max_iter = max_iter
        self.random_state = random_state
        self.tol = tol
        self.verbose = verbose
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.warm_start = warm_start

    def _network(self, inputs: int, outputs: int, rng: np.random.Generator) -> Sequential:
        """Dense layers with an activation after each but the last."""
        if self.activation not in ACTIVATIONS:
            raise ValueError(f"activation is one of {list(ACTIVATIONS)}, not {self.activation!r}")
        bend = ACTIVATIONS[self.activation]
        hidden = self.hidden_layer_sizes
        sizes = [inputs, *([hidden] if isinstance(hidden, int | np.integer) else hidden), outputs]
        # Biases are drawn, too, as scikit-learn does: with few features all kinks would be at 0.
        start = init.xavier_uniform()
        layers: list[Any] = []
        for i, (a, b) in enumerate(itertools.pairwise(sizes)):
            last = i == len(sizes) - 2
            layer = Linear(a, b, init=start, dtype=np.float64, rng=rng)
            bound = (6.0 / (a + b)) ** 0.5
            cast(Tensor, layer.bias).data = rng.uniform(-bound, bound, b)
            layers.append(layer)
            if bend is not None and not last:
                layers.append(bend)
        return Sequential(*layers)

    def _begin(self, inputs: int, outputs: int) -> None:
        """Make a fresh network, and what trains it."""
        rng = generator()  # minigrad's stream, not NumPy's old one, where nothing is asked for
        if self.random_state is not None:
            state = check_random_state(self.random_state)
            rng = np.random.default_rng(state.randint(np.iinfo(np.int32).max))
        self._rng, self.history_ = rng, History()
        self.model_ = self._network(inputs, outputs, rng)
        self._optimizer = Adam(self.model_.parameters(), self.learning_rate_init)
        self.n_layers_, self.n_outputs_ = len(self.model_), outputs

    def _run(self, x: Any, y: Any, criterion: Criterion, epochs: int, **settings: Any) -> None:
        """Go on training for some epochs."""
        weights = [p for p in self.model_.parameters() if p.ndim == 2]

        def loss(output: Any, target: Any) -> Any:
            return criterion(output, target) + l2_penalty(weights, self.alpha / len(target))

        size = min(200, len(x)) if self.batch_size == "auto" else int(self.batch_size)
        self._optimizer.learning_rate = self.learning_rate_init
        fit(
            self.model_,
            x,
            y,
            optimizer=self._optimizer,
            loss=loss,
            epochs=epochs,
            batch_size=size,
            rng=self._rng,
            progress=self.verbose,
            history=self.history_,
            **settings,
        )

    def _end(self) -> Self:
        self.model_.eval()
        self.n_iter_, self.loss_curve_ = len(self.history_), self.history_["loss"]
        return self

    def _train(self, x: Any, y: Any, outputs: int, criterion: Criterion) -> Self:
        sizes = (x.shape[1], outputs)
        if not (self.warm_start and hasattr(self, "model_")):
            self._begin(*sizes)
        elif (known := (self._inputs(), self.n_outputs_)) != sizes:
            raise ValueError(f"warm_start goes on with a network {known}, which is not {sizes}")
        validation = None
        if self.early_stopping:
            x, x_held, y, y_held = train_test_split(
                x, y, test_size=self.validation_fraction, rng=self._rng
            )
            validation = (x_held, y_held)
        stop = EarlyStopping(self.model_, patience=self.n_iter_no_change, min_delta=self.tol)
        self._run(x, y, criterion, self.max_iter, validation=validation, callbacks=[stop])
        stop.restore()
        if len(self.history_) - stop.epoch < self.n_iter_no_change:
            said = f"training ended after max_iter={self.max_iter} epochs and still got better"
            warnings.warn(said, ConvergenceWarning, stacklevel=3)
        return self._end()

    def _train_once(self, x: Any, y: Any, outputs: int, criterion: Criterion) -> Self:
        if self.early_stopping:
            raise ValueError("partial_fit sees no held-out examples: early_stopping must be False")
        if not hasattr(self, "model_"):
            self._begin(x.shape[1], outputs)
        self._run(x, y, criterion, 1)
        return self._end()

    def _inputs(self) -> int:
        """How many features the network takes."""
        return cast(Linear, self.model_[0]).in_features

    def _output(self, x: Any) -> np.ndarray[Any, Any]:
        check_is_fitted(self, "model_")
        x = validate_data(self, x, dtype=np.float64, reset=False)
        with no_grad():
            output = self.model_(x)
        return output.numpy() if isinstance(output, Tensor) else np.asarray(output)


class MLPClassifier(ClassifierMixin, Perceptron):  # type: ignore[misc]
    """A multi-layer perceptron that classifies, trained with Adam on the cross-entropy.

    Args:
        hidden_layer_sizes: Units of each hidden layer.
        activation: ``"relu"``, ``"tanh"``, ``"logistic"`` or ``"identity"``.
        alpha: Strength of the L2 penalty.
        batch_size: Examples in a batch; ``"auto"`` is 200, or all if there are fewer.
        learning_rate_init: Learning rate.
        max_iter: Number of epochs at most.
        random_state: Seed of initial weights, order and split.
        tol: How much better an epoch must be to count.
        verbose: Whether to show a progress bar.
        early_stopping: Whether to watch the loss on examples that are held out.
        validation_fraction: Share of those.
        n_iter_no_change: How many epochs without improvement end training.
        warm_start: Whether ``fit`` goes on with the network that there is.

    Attributes:
        model_: The network.
        history_: Losses of all epochs; ``history_.plot()`` draws them.
        classes_: The labels.

    >>> from sklearn.datasets import load_iris
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> x, y = load_iris(return_X_y=True)
    >>> network = MLPClassifier(16, learning_rate_init=0.02, tol=1e-3, random_state=0)
    >>> bool(make_pipeline(StandardScaler(), network).fit(x, y).score(x, y) > 0.96)
    True
    """

    def fit(self, X: Any, y: Any) -> Self:  # noqa: N803
        """Train on examples ``(n, features)`` and their labels."""
        x, y = validate_data(self, X, y, dtype=np.float64)
        check_classification_targets(y)
        classes, labels = np.unique(column_or_1d(y, warn=True), return_inverse=True)
        known = getattr(self, "classes_", classes)
        if self.warm_start and not np.array_equal(known, classes):
            raise ValueError(f"warm_start goes on with classes {known}, not {classes}")
        self.classes_ = classes
        return self._train(x, labels, len(self.classes_), cross_entropy)

    def partial_fit(self, X: Any, y: Any, classes: Any = None) -> Self:  # noqa: N803
        """Go once through some of the examples; ``classes`` are all labels that there will be.

        Raises:
            ValueError: If the first call has no ``classes``, a later one has others, or a label is
                none of them.
        """
        first = not hasattr(self, "model_")
        x, y = validate_data(self, X, y, dtype=np.float64, reset=first)
        check_classification_targets(y)
        if first and classes is None:
            raise ValueError("the first call of partial_fit needs classes: all that there will be")
        known = self.classes_ if classes is None else np.unique(classes)
        if not first and not np.array_equal(known, self.classes_):
            raise ValueError(f"classes {known} are not those of the calls before, {self.classes_}")
        y = column_or_1d(y, warn=True)
        if not np.isin(y, known).all():
            raise ValueError(f"labels {np.setdiff1d(y, known)} are none of the classes {known}")
        self.classes_ = known
        return self._train_once(x, np.searchsorted(known, y), len(known), cross_entropy)

    def predict_proba(self, X: Any) -> np.ndarray[Any, Any]:  # noqa: N803
        """Return the probability of each class, of shape ``(n, classes)``."""
        return np.asarray(softmax(self._output(X)))

    def predict(self, X: Any) -> np.ndarray[Any, Any]:  # noqa: N803
        """Return the most probable label of each example."""
        output = self._output(X)
        return np.asarray(self.classes_[output.argmax(axis=1)])


class MLPRegressor(RegressorMixin, MultiOutputMixin, Perceptron):  # type: ignore[misc]
    """A multi-layer perceptron that predicts numbers, trained with Adam on the squared error.

    Its arguments are those of MLPClassifier; targets may have several columns.

    >>> x = np.linspace(-2, 2, 100)[:, None]
    >>> network = MLPRegressor(32, "tanh", learning_rate_init=0.02, max_iter=3000, random_state=0,
    ...                        n_iter_no_change=100)
    >>> bool(network.fit(x, np.sin(x[:, 0])).score(x, np.sin(x[:, 0])) > 0.98)
    True
    """

    def fit(self, X: Any, y: Any) -> Self:  # noqa: N803
        """Train on examples ``(n, features)`` and targets ``(n,)`` or ``(n, outputs)``."""
        x, target = self._checked(X, y)
        return self._train(x, target, target.shape[1], mse_loss)

    def partial_fit(self, X: Any, y: Any) -> Self:  # noqa: N803
        """Go once through some of the examples."""
        x, target = self._checked(X, y, reset=not hasattr(self, "model_"))
        return self._train_once(x, target, target.shape[1], mse_loss)

    def _checked(self, x: Any, y: Any, reset: bool = True) -> tuple[Any, Any]:
        """Examples as they are, and targets as columns."""
        settings = {"dtype": np.float64, "multi_output": True, "y_numeric": True, "reset": reset}
        x, y = validate_data(self, x, y, **settings)
        y = np.asarray(y, np.float64)
        self._flat = y.ndim == 1
        return x, y[:, None] if self._flat else y

    def predict(self, X: Any) -> np.ndarray[Any, Any]:  # noqa: N803
        """Return the prediction for each example."""
        output = self._output(X)
        return output[:, 0] if self._flat else output
