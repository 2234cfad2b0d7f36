"""Mini-batches and splits: every row exactly once, x beside its y, repeatable."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minigrad as mg
from minigrad.data import batches, train_test_split
from minigrad.errors import ShapeError


@given(count=st.integers(0, 40), size=st.integers(1, 50), shuffle=st.booleans(), drop=st.booleans())
def test_batches_hold_every_row_once_beside_its_label(count, size, shuffle, drop):
    x = np.arange(count * 2.0).reshape(count, 2)
    y = np.arange(count)
    taken = list(batches(x, y, size, shuffle=shuffle, rng=0, drop_last=drop))
    for x_batch, y_batch in taken:
        np.testing.assert_array_equal(x_batch, x[y_batch])
    lengths = [len(y_batch) for _, y_batch in taken]
    assert all(length == size for length in lengths[:-1])
    rows = np.concatenate([y_batch for _, y_batch in taken]) if taken else y[:0]
    if drop:
        assert len(rows) == count - count % size
        assert len(set(rows.tolist())) == len(rows)
    else:
        np.testing.assert_array_equal(np.sort(rows), y)
    if not shuffle:
        np.testing.assert_array_equal(rows, y[: len(rows)])


def test_batches_without_labels_are_arrays():
    x = np.arange(5.0)
    assert [batch.tolist() for batch in batches(x, batch_size=2, shuffle=False)] == [
        [0.0, 1.0],
        [2.0, 3.0],
        [4.0],
    ]
    assert all(batch.dtype == np.float32 for batch in batches(x.astype(np.float32)))


def test_batches_take_lists_and_tensors_and_never_share_memory():
    x = np.arange(6.0).reshape(3, 2)
    for given_x in (x.tolist(), mg.tensor(x), x):
        (batch,) = batches(given_x, shuffle=False)
        np.testing.assert_array_equal(batch, x)
        assert not np.shares_memory(batch, x)


def test_order_is_drawn_when_asked_and_from_where_it_is_told():
    def order(**settings):
        return np.concatenate(list(batches(np.arange(50), batch_size=7, **settings))).tolist()

    assert order(rng=1) == order(rng=1) != order(rng=2)
    stream = np.random.default_rng(1)
    assert order(rng=stream) == order(rng=1) != order(rng=stream)
    mg.seed(3)
    first, second = order(), order()
    mg.seed(3)
    assert order() == first != second
    mg.seed(3)
    pending = batches(np.arange(50), batch_size=50)
    np.random.default_rng(0).random(9)
    mg.random.generator().random()  # drawing later does not change an order that was asked for
    assert next(pending).tolist() == first


@pytest.mark.parametrize("size", [0, -1])
def test_batches_refuse_sizes_below_one(size):
    with pytest.raises(ValueError, match=f"batch_size is at least 1, not {size}"):
        batches(np.zeros(3), batch_size=size)


@pytest.mark.parametrize("arrays", [(np.zeros(3), np.zeros(4)), (np.zeros(()),), (3.0, np.ones(1))])
def test_rows_must_agree(arrays):
    with pytest.raises(ShapeError, match="examples are rows, so the first axes must agree"):
        batches(*arrays)
    with pytest.raises(ShapeError, match="examples are rows, so the first axes must agree"):
        train_test_split(*arrays)


@given(count=st.integers(2, 60), share=st.floats(0.05, 0.95))
def test_a_split_parts_the_rows(count, share):
    x, y = np.arange(count * 2.0).reshape(count, 2), np.arange(count)
    held_out = round(share * count)
    if not 0 < held_out < count:
        return
    x_train, x_test, y_train, y_test = train_test_split(x, y, test_size=share, rng=0)
    assert len(y_test) == held_out
    np.testing.assert_array_equal(np.sort(np.concatenate([y_train, y_test])), y)
    np.testing.assert_array_equal(x_train, x[y_train])
    np.testing.assert_array_equal(x_test, x[y_test])


def test_a_split_by_number_and_by_default():
    sizes: list[Any] = [3, np.int64(3), np.uint8(3)]
    for size in sizes:
        train, test = train_test_split(np.arange(10), test_size=size, rng=0)
        assert (len(train), len(test)) == (7, 3)
    train, test = train_test_split(np.arange(100), rng=0)
    assert (len(train), len(test)) == (75, 25)
    assert train.tolist() == train_test_split(np.arange(100), rng=0)[0].tolist()
    assert train.tolist() != train_test_split(np.arange(100), rng=1)[0].tolist()
    assert len(train_test_split(*[np.arange(4)] * 3, test_size=1)) == 6


@pytest.mark.parametrize("size", [0, 10, 11, -1, 0.0, 1.0, 1.5, 0.01])
def test_a_split_that_leaves_one_part_empty_is_refused(size):
    with pytest.raises(ValueError, match="of 10 rows leaves one part empty"):
        train_test_split(np.arange(10), test_size=size)
