"""Notebooks run again in one kernel: their parameters are those they declare, and a reader's variables are the reader's."""

import json
import os
import re
from pathlib import Path

import pytest
from jupyter_client.manager import start_new_kernel
from papermill.translators import PythonTranslator

from fourier_lab import paths, read_parameters
from fourier_lab.errors import ConfigError
from fourier_lab.headless.parameters import _declared

NOTEBOOKS = sorted(paths.NOTEBOOKS.glob("[0-9]*.ipynb"))
OWN = "mine, d_modle = [1, 2], 3\nlabels: dict = {'a': 1}"
KNOWN = {"d_model", "steps", "seed", "series"}


def code_cells(path):
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]


class Kernel:
    """A kernel as a front end uses it."""

    def __init__(self, home):
        self.home = home
        environment = {**os.environ, "FOURIER_LAB_HOME": str(home), "FOURIER_LAB_HEADLESS": "1"}
        # The kernel finds the library where this process found it, whichever folder it works in.
        environment["PYTHONPATH"] = os.pathsep.join(
            [str(Path(paths.__file__).parents[1]), environment.get("PYTHONPATH", "")]
        )
        self.manager, self.client = start_new_kernel(
            env=environment, cwd=str(home), extra_arguments=["--log-level=CRITICAL"]
        )

    def run(self, source):
        """Run one cell; return its error as text, empty if there is none, and what it printed."""
        printed = []

        def hear(message):
            if message["msg_type"] == "stream":
                printed.append(message["content"]["text"])

        reply = self.client.execute_interactive(source, allow_stdin=False, output_hook=hear, timeout=300)["content"]
        error = f"{reply['ename']}: {reply['evalue']}" if reply["status"] == "error" else ""
        return error, "".join(printed)

    def stop(self):
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    kernel = Kernel(tmp_path_factory.mktemp("home"))
    yield kernel
    kernel.stop()


@pytest.fixture
def kernel(running):
    """A kernel that knows no cell and no variable; what it has imported stays, so that it starts at once."""
    for command in ("%reset -f", "%reset -f in"):
        assert running.run(command)[0] == ""
    return running


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_parameters_are_read_again_in_a_kernel_that_has_run(path, kernel):
    parameters, reading = code_cells(path)[:2]

    def runs(*cells):
        return [kernel.run(cell)[0] for cell in cells]

    assert runs(OWN, parameters, reading, reading, parameters, reading) == [""] * 6
    name, value = re.match(r"(\w+): \w+ = (.*?)  #", parameters).groups()
    wrong = parameters.replace(f"= {value} ", "= 2.5 ", 1)
    assert f"{name} must be" in runs(wrong, reading)[1]  # what is changed is what is read
    assert "unknown parameter seeed. This notebook takes: " in runs(parameters + "\nseeed: int = 5", reading)[1]
    assert runs(parameters, reading) == ["", ""]
    injected = PythonTranslator.codify({name: kernel.run(f"print({value}, end='')")[1], "seeed": 5})
    assert "unknown parameter seeed" in runs(parameters, injected, reading)[2]


def test_a_changed_parameter_moves_the_run_and_back(kernel):
    parameters, reading = code_cells(paths.NOTEBOOKS / "02_train_both.ipynb")[:2]
    digests = []
    for cell in (parameters, parameters.replace("steps: int = 120", "steps: int = 60"), parameters):
        assert kernel.run(cell)[0] == ""
        digests.append(re.search(r"^digest +(\w+)$", kernel.run(reading)[1], flags=re.MULTILINE)[1])
        assert kernel.run("assert config.steps == steps")[0] == ""
    assert digests[0] == digests[2] != digests[1]
    injected = PythonTranslator.codify({"steps": 40, "frequencies": [1, 2], "max_seq_len": 16})
    assert kernel.run(injected)[0] == kernel.run("d_model = 4  # by hand")[0] == kernel.run(reading)[0] == ""
    found = kernel.run("print(config.steps, config.frequencies, config.max_seq_len, config.d_model)")[1]
    assert found == "40 (1, 2) 16 4\n"


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("02_train_both", {"steps": 60, "batch_size": 64, "series": "learned,random", "id_orders": "frequency,random"}),
        ("04_table_1", {"smoke": False}),
    ],
)
def test_a_whole_notebook_runs_twice_and_the_second_time_trains_nothing(name, given, kernel):
    parameters, *rest = code_cells(paths.NOTEBOOKS / f"{name}.ipynb")
    states = []
    before = set(kernel.home.glob("runs/*/metrics.json"))
    for _ in range(2):
        for cell in (OWN, parameters, PythonTranslator.codify(given), *rest):
            assert kernel.run(cell)[0] == "", cell
        states.append({path: path.stat().st_mtime_ns for path in kernel.home.glob("runs/*/metrics.json")})
    assert states[0] == states[1] and len(states[0].keys() - before) == (4 if name == "02_train_both" else 0)
    assert list(kernel.home.glob(f"figures/**/{name}/*.png"))


@pytest.mark.parametrize(
    ("cells", "names"),
    [
        ([], set()),
        (["d_model = 4", "import math", "%magic"], set()),  # nothing is declared
        (["labels: dict = {}"], set()),
        (["d_model: int = 4  # width", "steps = 3"], {"d_model"}),
        (["d_model: int = 4\nsteps = 3\nprint(steps)"], {"d_model", "steps"}),
        (["d_model: int = 4\nstepz: int = 3", "d_model: int = 4\nsteps: int = 3"], {"d_model", "steps"}),  # mended
        (["d_model: int = 4\nsteps: int = 3", "seed: int = 1", "seed: int = 2"], {"d_model", "steps", "seed"}),  # split
        (["d_model: int = 4", "# Parameters\nsteps = 5\nstepz = 6"], {"d_model", "steps", "stepz"}),
        (["d_model: int = 4", "# Parameters of mine\nwidth = 5", "# Parameters\nprint(1)"], {"d_model"}),
    ],
)
def test_what_counts_as_declared(cells, names):
    assert _declared(cells, KNOWN) == names


def test_a_tuple_that_papermill_made_text_is_named():
    for name, given in (("frequencies", (30,)), ("series", ("learned", "random")), ("steps", (3, 4))):
        cell = PythonTranslator.codify({name: given})
        namespace = {"series": "learned"}
        exec(cell, namespace)
        namespace.pop("__builtins__")
        with pytest.raises(ConfigError, match=rf"{name} is the text .*papermill turns a tuple into text\. Give a list"):
            read_parameters(namespace, series=str)
    assert read_parameters({"series": "a, b"}, series=str).steps == 300
