"""Arguments of the wrong type."""

from __future__ import annotations

import pytest

from aios3._driver.arguments import check_callable, check_type


def test_a_value_of_a_right_type_passes():
    """Also one of several types, or of a subclass."""
    check_type("size", 5, int)
    check_type("size", None, int, type(None))
    check_type("size", True, int)
    check_callable("on_progress", None)
    check_callable("on_progress", print)


def test_a_wrong_one_is_named_with_what_it_should_be():
    """The message needs no traceback to be understood."""
    with pytest.raises(TypeError, match="transfer must be a int or NoneType, not a str"):
        check_type("transfer", "5", int, type(None))
    with pytest.raises(TypeError, match="on_progress must be a function or None, not a int"):
        check_callable("on_progress", 5)
