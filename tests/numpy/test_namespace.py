"""All of NumPy's public functions on Tensors: none returns a plain array or a wrong number."""

import inspect
import math
from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad.errors import NotDifferentiable
from tests.numpy.namespace import CALLS, CONSTANT, RAISES, WITHOUT_ARRAYS, M, V

pytestmark = pytest.mark.filterwarnings("ignore:numpy.fix is deprecated:DeprecationWarning")

MODULES = {"": np, "linalg.": np.linalg, "fft.": np.fft}


def there(name):
    """Whether this NumPy has the function of a call."""
    found: Any = np
    for part in name.split("."):
        if not part.isidentifier():
            return True
        found = getattr(found, part, None)
        if found is None:
            return " " in name or name in {"assignment", "random"}
    return True


NAMES = [name for name in CALLS if there(name)]
SMOOTH = [name for name in NAMES if name not in CONSTANT and name not in RAISES]


def leaves(value):
    """The parts of a result, those that are tuples and lists taken apart."""
    if isinstance(value, tuple | list):
        return [leaf for part in value for leaf in leaves(part)]
    return [value]


def numbers(value):
    return value.numpy() if isinstance(value, mg.Tensor) else value


def same(got, wanted):
    assert len(got) == len(wanted)
    for g, w in zip(got, wanted, strict=True):
        if isinstance(numbers(g), np.ndarray | np.generic):
            assert np.shape(numbers(g)) == np.shape(w)
            assert numbers(g).dtype == np.asarray(w).dtype
            np.testing.assert_allclose(numbers(g), w, rtol=1e-12, atol=1e-14)
        else:
            assert g == w


def test_every_public_function_of_numpy_is_in_a_table():
    for prefix, module in MODULES.items():
        for name, value in vars(module).items():
            if name.startswith("_") or inspect.isclass(value) or not callable(value):
                continue
            where = [table for table in (CALLS, WITHOUT_ARRAYS) if prefix + name in table]
            assert len(where) == 1, f"np.{prefix}{name} is in {len(where)} tables"
    assert set(CALLS) >= CONSTANT | set(RAISES)
    assert not CONSTANT & set(RAISES)


@pytest.mark.parametrize("name", SMOOTH)
def test_it_has_numpys_value_and_a_gradient(name):
    call = CALLS[name]
    v, m = mg.Tensor(V, requires_grad=True), mg.Tensor(M, requires_grad=True)
    got = leaves(call(v, m))
    same(got, leaves(call(V, M)))
    smooth = [i for i, part in enumerate(got) if getattr(part, "requires_grad", False)]
    assert smooth
    for part in got:  # beside Tensors, only whole numbers and truth values
        assert isinstance(part, mg.Tensor) or np.asarray(part).dtype.kind in "iub", part

    def joined(v, m):
        parts = leaves(call(v, m))
        return mg.concatenate([parts[i].ravel() for i in smooth])

    mg.gradcheck(joined, V, M).raise_if_failed()


@pytest.mark.parametrize("name", [n for n in NAMES if n in CONSTANT])
def test_it_has_no_gradient_by_nature(name):
    v, m = mg.Tensor(V, requires_grad=True), mg.Tensor(M, requires_grad=True)
    got = leaves(CALLS[name](v, m))
    if name != "empty_like":
        wanted = leaves(CALLS[name](V, M))
        if not any(isinstance(part, str) for part in wanted):
            same(got, wanted)
    assert not any(isinstance(part, mg.Tensor) and part.requires_grad for part in got)


def words_of(error):
    """All that an error says, those it came from included."""
    said = ""
    while error is not None:
        said += str(error)
        error = error.__cause__
    return said


@pytest.mark.filterwarnings("ignore:the matrix subclass:PendingDeprecationWarning")
@pytest.mark.parametrize("name", [n for n in NAMES if n in RAISES])
def test_it_says_what_to_do_instead(name):
    v, m = mg.Tensor(V, requires_grad=True), mg.Tensor(M, requires_grad=True)
    with pytest.raises((NotDifferentiable, TypeError, ValueError)) as caught:
        CALLS[name](v, m)
    assert RAISES[name] in words_of(caught.value)
    np.testing.assert_array_equal(v.numpy(), [0.31, 0.77, 0.12, 0.58])


@pytest.mark.parametrize("name", [n for n in NAMES if n not in RAISES])
def test_constants_stay_constants(name):
    got = leaves(CALLS[name](mg.Tensor(V), mg.Tensor(M)))
    assert not any(isinstance(part, mg.Tensor) and part.requires_grad for part in got)
    if name not in CONSTANT:
        same(got, leaves(CALLS[name](V, M)))


@pytest.mark.filterwarnings("ignore:the matrix subclass:PendingDeprecationWarning")
@pytest.mark.parametrize("name", [n for n in NAMES if n in RAISES])
def test_what_has_no_rule_takes_constants_unless_it_writes_into_them(name):
    v, m = mg.Tensor(V.copy()), mg.Tensor(M.copy())
    if name in {"put", "place", "putmask", "put_along_axis", "fill_diagonal"}:
        with pytest.raises((NotDifferentiable, TypeError)):
            CALLS[name](v, m)
    elif not name.startswith("save") and name not in {"fromiter", "nditer", "packbits"}:
        for got, wanted in zip(leaves(CALLS[name](v, m)), leaves(CALLS[name](V, M)), strict=True):
            np.testing.assert_array_equal(got, wanted)
    np.testing.assert_array_equal(v.numpy(), V)


# Plain Python


@pytest.mark.parametrize("name", [n for n in vars(math) if inspect.isbuiltin(vars(math)[n])])
def test_no_function_of_math_drops_a_gradient(name):
    function = vars(math)[name]
    t = mg.Tensor(0.5, requires_grad=True)
    v = mg.Tensor(V, requires_grad=True)
    raised = 0
    for arguments in [(t,), (t, t), (0.5, t), (v,), (v, v), (t, 2)]:
        try:
            got = function(*arguments)
        except (TypeError, ValueError):
            raised += 1
        else:
            assert isinstance(got, mg.Tensor), f"math.{name} gives {got!r}"
    assert raised


def test_math_says_which_function_of_numpy_is_meant_and_float_is_asked_for():
    t = mg.Tensor(0.5, requires_grad=True)
    with pytest.raises(
        NotDifferentiable, match=r"^math.exp\(t\) would .* use np.exp\(t\), or float"
    ):
        math.exp(t)
    with pytest.raises(NotDifferentiable, match="use NumPy on t"):
        math.erf(t)
    assert math.exp(float(t)) == math.exp(t.item()) == math.exp(t.detach()) == math.exp(0.5)
    assert [float(x) for x in (t, t)] == list(map(float, [t, t])) == [0.5, 0.5]
    assert f"{t:.2f}" == "0.50"
    assert complex(t) == 0.5


def test_assignment_into_an_array_does_not_drop_a_gradient():
    t = mg.Tensor(V, requires_grad=True)
    out = np.zeros(4)
    with pytest.raises(ValueError, match="array element") as caught:
        out[0] = t[0] * 2.0
    assert "join them by np.stack(ts)" in str(caught.value.__cause__)
    with pytest.raises(NotDifferentiable, match=r"t.numpy\(\)"):
        out[:] = t
    assert not out.any()
    out[0] = t[0].item()
    out[1] = t.detach()[1]
    np.testing.assert_array_equal(out[:2], V[:2])


def test_a_conversion_nobody_can_place_is_allowed():
    assert eval("float(t)", {"t": mg.Tensor(2.0, requires_grad=True)}) == 2.0
    without_positions = compile("float(t)", "<made>", "eval")
    assert eval(without_positions, {"t": mg.Tensor(2.0, requires_grad=True)}) == 2.0
