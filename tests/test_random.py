"""One generator for everything that draws: repeatable, forkable, and apart from NumPy's own."""

import numpy as np
import pytest

from minigrad import random


def draws(count=5):
    return random.generator().random(count).tolist()


def test_seed_repeats_what_is_drawn():
    random.seed(1)
    first = draws()
    assert draws() != first
    random.seed(1)
    assert draws() == first
    random.seed(2)
    assert draws() != first


def test_a_fork_draws_apart_and_the_stream_outside_goes_on():
    random.seed(0)
    whole = draws(10)
    random.seed(0)
    before = draws(5)
    with random.fork(3) as rng:
        assert random.generator() is rng
        forked = draws()
        with random.fork(4):
            assert draws() != forked
        assert random.generator() is rng
    assert before + draws(5) == whole
    with random.fork(3):
        assert draws() == forked


def test_a_fork_ends_also_with_an_exception():
    outside = random.generator()
    with pytest.raises(KeyError), random.fork(1):
        raise KeyError
    assert random.generator() is outside


def test_generator_takes_what_one_has():
    own = np.random.default_rng(5)
    assert random.generator(own) is own
    assert random.generator(5).random() == np.random.default_rng(5).random()
