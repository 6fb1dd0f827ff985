"""Kernels of notebooks under test: each a fork of one process that has imported what all of them import."""

import os
import sys
from contextlib import suppress

from fourier_lab.processes import warm_context

# Of kernels, and of the processes that run notebooks.
IMPORTED = (
    "ipykernel.kernelapp", "ipywidgets", "matplotlib.pyplot", "matplotlib_inline.backend_inline", "pandas", "torch",
    "pytest", "fourier_lab.headless.notebooks", "fourier_lab.headless.pages", "papermill",
)  # fmt: skip


def context():
    """Return what starts processes as forks of a server that has these imported, and begins to at the first call."""
    return warm_context(*IMPORTED)


class Forked:
    """A process with what a kernel's manager asks of a ``subprocess.Popen``."""

    stdin = stdout = stderr = None

    def __init__(self, process):
        self._process, self.pid = process, process.pid
        self.kill, self.terminate = process.kill, process.terminate

    def poll(self):
        return self._process.exitcode

    def wait(self, timeout=None):
        self._process.join(timeout)
        return self._process.exitcode

    def send_signal(self, number):
        with suppress(ProcessLookupError):
            os.kill(self.pid, number)


def launch_kernel(command, env, cwd, **_):
    """Start ``python -m ipykernel_launcher ...`` as ``jupyter_client.launch_kernel`` does, but imported already."""
    forks = context()
    receiver, sender = forks.Pipe(duplex=False)
    arguments = command[command.index("ipykernel_launcher") :]
    process = forks.Process(target=_run, args=(arguments, dict(env), str(cwd), sender), daemon=True)
    process.start()
    sender.close()
    receiver.recv()  # it has a session of its own now, and signals to its group reach nothing else
    return Forked(process)


def _run(arguments, environment, folder, sender):
    os.setsid()
    sender.send(True)
    sender.close()
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    for name in [name for name in sys.modules if name.partition(".")[0] == "fourier_lab"]:
        del sys.modules[name]  # it reads the environment when it is imported
    sys.argv = arguments
    from ipykernel import kernelapp

    kernelapp.launch_new_instance()
