"""Whether objects still hold what they held: what :mod:`.watch` compiles and calls.

It is not imported but copied to where machine code is kept, as the source of a program is. The
functions of C that it calls are public ones of Python and look at dicts, lists and cells without
running code of anybody's, as keys are text and numbers only.
"""

from __future__ import annotations

import numpy as np
from numba import njit, types

from minigrad.compile.native.vectors import pointer

_word = types.int64
_dict_item = types.ExternalFunction("PyDict_GetItemWithError", _word(_word, _word))
_dict_size = types.ExternalFunction("PyDict_Size", _word(_word))
_list_item = types.ExternalFunction("PyList_GetItem", _word(_word, _word))
_list_size = types.ExternalFunction("PyList_Size", _word(_word))
_cell_item = types.ExternalFunction("PyCell_Get", _word(_word))
_forget_error = types.ExternalFunction("PyErr_Clear", types.void())
_release = types.ExternalFunction("Py_DecRef", types.void(_word))


@njit((types.int64,), cache=True, error_model="numpy")
def unchanged(rows):  # type: ignore[no-untyped-def]
    """Whether every row of the list at this address holds: a kind, an object, a key, a value.

    Before them stands how many there are, or a negative number where they are not to be trusted.
    """
    words = pointer(rows, np.int64)
    if words[0] < 0:
        return False
    for k in range(words[0]):
        kind, thing, key, value = words[4 * k + 1], words[4 * k + 2], words[4 * k + 3], 0
        if kind == 0:
            value = pointer(thing + key, np.int64)[0]
        elif kind == 1:
            value = pointer(thing + key, np.int32)[0]
        elif kind == 2:
            value = _dict_item(thing, key)
        elif kind == 3:
            value = _list_item(thing, key) if key < _list_size(thing) else 0
        elif kind == 4:
            value = _dict_size(thing)
        elif kind == 5:
            value = _list_size(thing)
        else:
            value = _cell_item(thing)
            _release(value)
        if value != words[4 * k + 4]:
            _forget_error()  # of a key that another one can't be compared with
            return False
    return True
