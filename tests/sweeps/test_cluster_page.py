"""The commands of sweeps/CLUSTER.md, parsed by the programs that they are for; nothing is started."""

import importlib
import re
import shlex

import pytest
import yaml
from torch.distributed import run

from fourier_lab import paths
from fourier_lab.cli import parser

PAGE = (paths.SWEEPS / "CLUSTER.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", PAGE, flags=re.MULTILINE | re.DOTALL)
MANIFESTS = [each for kind, text in BLOCKS if kind == "yaml" for each in yaml.safe_load_all(text)]


def pods():
    return [each["spec"]["template"]["spec"] for each in MANIFESTS if "template" in each["spec"]]


def commands():
    lines = [shlex.split(line) for kind, text in BLOCKS if kind == "bash" for line in text.splitlines()]
    wrapped = [shlex.split(line[line.index("--wrap") + 1]) for line in lines if "--wrap" in line]
    return lines + wrapped + [container["command"] for pod in pods() for container in pod["containers"]]


def test_every_command_is_one_that_its_program_understands():
    pytest.importorskip("distributed")
    seen = set()
    for program, *arguments in commands():
        if program == "fourier-lab":
            options = parser._parser().parse_args(arguments)
            assert options.dask and (paths.SWEEPS / f"{options.file}.yaml").is_file()
        elif program == "dask":
            command = importlib.import_module(f"distributed.cli.dask_{arguments[0]}").main
            with command.make_context(program, arguments[1:]) as context:  # refuses what it does not know
                assert arguments[0] == "scheduler" or context.params["nthreads"] == 1
        elif program == "torchrun":
            options = run.parse_args(arguments)
            assert (options.module, options.training_script) == (True, "fourier_lab")
            assert parser.main([*options.training_script_args, "--dry-run"]) == 0
        else:
            assert program == "sbatch"
        seen.add((program, arguments[0]))
    assert {("fourier-lab", "sweep"), ("dask", "scheduler"), ("dask", "worker"), ("torchrun", "--nnodes")} < seen


def test_pods_share_a_volume_and_the_service_is_where_they_look():
    (service,) = (each for each in MANIFESTS if each["kind"] == "Service")
    selected = [each for each in MANIFESTS if each["kind"] == "Deployment" and each["metadata"]["name"] == "scheduler"]
    assert selected[0]["spec"]["template"]["metadata"]["labels"] == service["spec"]["selector"]
    address = f"tcp://{service['metadata']['name']}:{service['spec']['ports'][0]['port']}"
    workers, sweep = pods()[1:]
    for pod in (workers, sweep):
        (container,) = pod["containers"]
        assert address in container["command"]
        assert {each["name"] for each in container["volumeMounts"]} == {each["name"] for each in pod["volumes"]}
    assert workers["volumes"] == sweep["volumes"]


def test_the_jobs_of_slurm_start_workers_of_one_thread(tmp_path, monkeypatch):
    jobqueue = pytest.importorskip("dask_jobqueue")
    monkeypatch.setenv("DASK_CONFIG", str(tmp_path))
    ((asked),) = re.findall(r"SLURMCluster\((.*)\)", PAGE)
    options = eval(f"dict({asked})")
    job = jobqueue.slurm.SLURMJob("tcp://LOGIN_NODE:8786", name="worker", **options)
    script = job.job_script()
    assert "#SBATCH --mem=4G" in script and "#SBATCH -t 12:00:00" in script
    assert "--nthreads 1" in script and "--lifetime 11h" in script
