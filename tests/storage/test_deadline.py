"""The time of calls that know of no deadline."""

from math import inf

import pytest

from storage.deadline import bound_s, within


def test_the_innermost_block_bounds_a_call() -> None:
    assert bound_s() == inf
    with within(10.0):
        with within(20.0):
            assert bound_s() == 20.0
        assert bound_s() == 10.0
        with pytest.raises(ValueError, match="fails"), within(5.0):
            raise ValueError("fails")
        assert bound_s() == 10.0
    assert bound_s() == inf
