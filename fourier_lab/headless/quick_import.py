"""Import what reads notebooks without the seconds that one part of it takes."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

_GRAMMAR = "rfc3987_syntax"


@contextmanager
def without_grammar() -> Iterator[None]:
    """Keep jsonschema, imported in the block, from compiling a grammar of international addresses for over three seconds.

    It then leaves the formats ``iri`` and ``iri-reference`` unchecked, which no schema of Jupyter has.
    """
    if _GRAMMAR in sys.modules:
        yield
        return
    sys.modules[_GRAMMAR] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules[_GRAMMAR]
