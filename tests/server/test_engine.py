# SPDX-License-Identifier: GPL-3.0-or-later
"""Where libmilter and Python do not go together, the worker says so instead of crashing."""

import pytest

from milterguard.server.engine import check_python, is_pooled


def test_python_3_14_is_refused_with_a_pooled_libmilter() -> None:
    """Debian's libmilter has the pool; the interpreters it works with are taken."""
    check_python((3, 13))
    if is_pooled():
        with pytest.raises(RuntimeError, match=r"3\.11 to 3\.13"):
            check_python((3, 14))
    else:
        check_python((3, 14))
