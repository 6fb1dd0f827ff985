"""The wings are one above the other: no module imports from a wing above its own."""

from importlinter.cli import EXIT_STATUS_SUCCESS, lint_imports

from fourier_lab import paths


def test_no_module_imports_from_a_wing_above_its_own(capsys):
    assert lint_imports(config_filename=str(paths.ROOT / "pyproject.toml"), no_cache=True) == EXIT_STATUS_SUCCESS, (
        capsys.readouterr().out
    )
