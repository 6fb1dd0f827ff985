"""The templates of all pages: what is put into them is escaped, and what they lack is an error."""

from functools import cache
from pathlib import Path

import jinja2


@cache
def templates() -> jinja2.Environment:
    """Return the environment that finds ``NAME.html.j2``."""
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).with_name("templates")),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
