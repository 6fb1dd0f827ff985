"""``python -m fourier_lab`` is the ``fourier-lab`` command."""

import sys

from .cli.parser import main

if __name__ == "__main__":  # worker processes import this module under another name
    sys.exit(main())
