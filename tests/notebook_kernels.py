"""Kernels of notebooks under test: each a fork of one process that has imported what all of them import."""

import asyncio
import copy
import multiprocessing
import os
import signal
import sys
import time
from contextlib import suppress

from fourier_lab.processes import warm_context

# Of kernels, and of the processes that run notebooks.
IMPORTED = (
    "ipykernel.kernelapp", "ipywidgets", "matplotlib.pyplot", "matplotlib_inline.backend_inline", "pandas", "torch",
    "pytest", "fourier_lab.headless.notebooks", "fourier_lab.headless.pages", "papermill",
)  # fmt: skip


class _Starter(multiprocessing.context.ForkServerProcess):
    """A process whose own kernels are forks of it: it has imported what they import."""

    def run(self):
        from jupyter_client.provisioning import local_provisioner

        local_provisioner.launch_kernel = fork_kernel
        super().run()


def context():
    """Return what starts processes as forks of a server that has these imported, and begins to at the first call.

    The kernels that such a process starts for a notebook are forks too.
    """
    forks = warm_context(*IMPORTED)
    if forks.get_start_method() == "forkserver":
        forks = copy.copy(forks)
        forks.Process = _Starter
    return forks


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


class Child:
    """A fork of this process with what a kernel's manager asks of a ``subprocess.Popen``."""

    stdin = stdout = stderr = None

    def __init__(self, pid):
        self.pid, self.returncode = pid, None

    def poll(self):
        if self.returncode is None:
            ended, status = os.waitpid(self.pid, os.WNOHANG)
            self.returncode = os.waitstatus_to_exitcode(status) if ended else None
        return self.returncode

    def wait(self, timeout=None):
        begun = time.monotonic()
        while self.poll() is None and (timeout is None or time.monotonic() - begun < timeout):
            time.sleep(0.01)
        return self.returncode

    def send_signal(self, number):
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self):
        self.send_signal(signal.SIGKILL)

    def terminate(self):
        self.send_signal(signal.SIGTERM)


def _arguments(command):
    return command[command.index("ipykernel_launcher") :]


def launch_kernel(command, env, cwd, **_):
    """Start ``python -m ipykernel_launcher ...`` as ``jupyter_client.launch_kernel`` does, but imported already."""
    forks = context()
    receiver, sender = forks.Pipe(duplex=False)
    process = forks.Process(target=_run, args=(_arguments(command), dict(env), str(cwd), sender), daemon=True)
    process.start()
    sender.close()
    receiver.recv()  # it has a session of its own now, and signals to its group reach nothing else
    return Forked(process)


def fork_kernel(command, env, cwd=None, **_):
    """Start it as a fork of this process, which has no thread but this one yet."""
    receiver, sender = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.setsid()
            os.closerange(
                3, os.sysconf("SC_OPEN_MAX")
            )  # the ends of whoever waits for the end of this process's parent
            signal.set_wakeup_fd(-1)
            asyncio.set_event_loop_policy(None)
            _become(_arguments(command), dict(env), cwd)
        finally:
            os._exit(1)
    os.close(sender)
    os.read(receiver, 1)  # until it has closed what it got
    os.close(receiver)
    return Child(pid)


def _run(arguments, environment, folder, sender):
    os.setsid()
    sender.send(True)
    sender.close()
    _become(arguments, environment, folder)


def _become(arguments, environment, folder):
    os.environ.clear()
    os.environ.update(environment)
    if folder:
        os.chdir(folder)
    for name in [name for name in sys.modules if name.partition(".")[0] == "fourier_lab"]:
        del sys.modules[name]  # it reads the environment when it is imported
    sys.argv = arguments
    from ipykernel import kernelapp

    kernelapp.launch_new_instance()
