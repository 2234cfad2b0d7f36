"""scikit-learn's own checks of estimators, and what estimators are for."""

import pickle
import sys

import numpy as np
import pytest

from minigrad.errors import MissingExtra

pytest.importorskip("sklearn", minversion="1.6")

from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_diabetes
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from minigrad import nn
from minigrad.sklearn import MLPClassifier, MLPRegressor


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@parametrize_with_checks(
    [
        MLPClassifier(20, learning_rate_init=0.02, max_iter=60),
        MLPRegressor(20, learning_rate_init=0.02, max_iter=60),
    ]
)
def test_scikit_learns_checks_pass(estimator, check):
    state = np.random.get_state()  # noqa: NPY002
    try:
        check(estimator)
    finally:
        np.random.set_state(state)  # noqa: NPY002  # some checks draw from it themselves


def test_nothing_is_drawn_from_numpys_old_stream():
    network = MLPClassifier(4, max_iter=2)
    with pytest.warns(ConvergenceWarning):
        network.fit(np.eye(4), [0, 1, 0, 1])  # the fixture of all tests looks at the stream


def test_a_pipeline_classifies():
    x, y = load_breast_cancer(return_X_y=True)
    names = np.array(["malignant", "benign"])[y]
    network = MLPClassifier(16, learning_rate_init=0.01, early_stopping=True, random_state=0)
    pipeline = make_pipeline(StandardScaler(), network)
    assert cross_val_score(pipeline, x, names, cv=3).mean() > 0.95
    pipeline.fit(x, names)
    shares = pipeline.predict_proba(x)
    np.testing.assert_allclose(shares.sum(axis=1), 1.0)
    np.testing.assert_array_equal(pipeline.predict(x), network.classes_[shares.argmax(axis=1)])
    assert isinstance(network.model_, nn.Sequential)
    assert "validation_loss" in network.history_.records
    twin = pickle.loads(pickle.dumps(pipeline))
    np.testing.assert_array_equal(twin.predict_proba(x), shares)


def test_a_grid_search_finds_the_better_setting():
    x = np.linspace(-3, 3, 120)[:, None]
    y = np.sin(2 * x[:, 0])
    network = MLPRegressor(24, max_iter=150, random_state=0, tol=0.0, n_iter_no_change=150)
    grid = GridSearchCV(
        network, {"learning_rate_init": [1e-6, 0.02]}, cv=[(range(120), range(120))]
    )
    with pytest.warns(ConvergenceWarning, match="max_iter=150 epochs and still got better"):
        grid.fit(x, y)
    assert grid.best_params_ == {"learning_rate_init": 0.02}
    assert grid.best_score_ > 0.9


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("kind", [MLPClassifier, MLPRegressor])
def test_a_warm_start_goes_on(kind):
    x = np.linspace(-1, 1, 40)[:, None]
    y = (x[:, 0] > 0).astype(int)
    settings = {"tol": 0.0, "n_iter_no_change": 99, "batch_size": 40, "random_state": 0}
    whole = kind(8, max_iter=12, **settings).fit(x, y)
    parts = kind(8, max_iter=6, warm_start=True, **settings).fit(x, y)
    first = parts.model_
    parts = pickle.loads(pickle.dumps(parts)).fit(x, y)
    np.testing.assert_allclose(parts.loss_curve_, whole.loss_curve_, rtol=1e-12)
    np.testing.assert_allclose(parts.predict(x), whole.predict(x), rtol=1e-9)
    assert parts.n_iter_ == 12
    assert clone(parts).fit(x, y).n_iter_ == 6
    assert len(first) == len(parts.model_)
    with pytest.raises(ValueError, match=r"warm_start goes on with a network \(1, [12]\), which"):
        parts.fit(np.hstack([x, x]), y)


def test_a_warm_start_has_the_same_classes():
    network = MLPClassifier(4, max_iter=1, warm_start=True, random_state=0)
    with pytest.warns(ConvergenceWarning):
        network.fit(np.eye(3), [0, 1, 0])
    with pytest.raises(ValueError, match="warm_start goes on with classes"):
        network.fit(np.eye(3), [1, 2, 1])


def test_partial_fit_learns_from_a_stream_of_batches():
    rng = np.random.default_rng(0)
    network = MLPClassifier(16, learning_rate_init=0.02, random_state=0)
    with pytest.raises(ValueError, match="the first call of partial_fit needs classes"):
        network.partial_fit(np.eye(2), ["a", "b"])
    regression = MLPRegressor(16, "tanh", learning_rate_init=0.02, random_state=0)
    for _ in range(150):
        x = rng.normal(size=(32, 2))
        names = np.where(x[:, 0] > x[:, 1], "below", "above")
        network.partial_fit(x, names, classes=["above", "below", "never seen"])
        regression.partial_fit(x, x[:, 0] - x[:, 1])
    assert network.score(x, names) > 0.9
    assert network.n_iter_ == 150
    assert network.predict_proba(x).shape == (32, 3)
    assert regression.score(x, x[:, 0] - x[:, 1]) > 0.95
    with pytest.raises(ValueError, match=r"labels \['no'\] are none of the classes"):
        network.partial_fit(x[:1], ["no"])
    with pytest.raises(ValueError, match="are not those of the calls before"):
        network.partial_fit(x, names, classes=["above", "below"])
    with pytest.raises(ValueError, match="early_stopping must be False"):
        network.set_params(early_stopping=True).partial_fit(x, names)


def test_targets_may_have_columns():
    x, y = load_diabetes(return_X_y=True)
    two = np.column_stack([y, -y]) / y.std()
    network = MLPRegressor(16, learning_rate_init=0.02, random_state=0, max_iter=100)
    with pytest.warns(ConvergenceWarning):
        network.set_params(max_iter=3).fit(x, two)
    assert network.predict(x).shape == two.shape
    assert network.n_outputs_ == 2


@pytest.mark.parametrize("activation", ["relu", "tanh", "logistic", "identity"])
def test_layers_and_activations_are_as_told(activation):
    x, y = np.eye(4), np.array([0, 1, 0, 1])
    network = MLPClassifier((5, 3), activation, random_state=0, max_iter=2, n_iter_no_change=1)
    with pytest.warns(ConvergenceWarning):
        network.fit(x, y)
    kinds = [type(layer) for layer in network.model_]
    assert kinds.count(nn.Linear) == 3
    assert len(kinds) == (3 if activation == "identity" else 5)
    again = MLPClassifier((5, 3), activation, random_state=0, max_iter=2, n_iter_no_change=1)
    with pytest.warns(ConvergenceWarning):
        again.fit(x, y)
    np.testing.assert_array_equal(network.predict_proba(x), again.predict_proba(x))


def test_an_unknown_activation_is_refused():
    with pytest.raises(ValueError, match="activation is one of"):
        MLPClassifier(activation="swish").fit(np.eye(2), [0, 1])


def test_without_scikit_learn_the_import_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.base", None)
    monkeypatch.delitem(sys.modules, "minigrad.sklearn")
    with pytest.raises(MissingExtra, match=r"pip install 'minigrad\[sklearn\]'"):
        import minigrad.sklearn  # noqa: F401
