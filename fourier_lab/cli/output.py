"""What a command prints: on any terminal, and to readers who leave before its end."""

import io
import os
import sys
from typing import TextIO


class OutputClosed(KeyboardInterrupt):
    """Nobody reads the output any more, as after ``| head``: stop as Ctrl-C would, whatever is at work."""


def say(text: str, *, end: str = "\n", file: TextIO | None = None) -> None:
    """Print at once, to standard output if ``file`` is None.

    Raises:
        OutputClosed: If nobody reads it.
    """
    try:
        print(text, end=end, file=file, flush=True)
    except BrokenPipeError:
        raise OutputClosed from None


def replace_what_cannot_be_shown() -> None:
    """Print "?" for characters that the encoding of standard output lacks."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")


def drop_the_rest() -> None:
    """Let what is still to be written to standard output go nowhere; Python would complain of it at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
