"""Runs a command on several nodes of this job's Ray cluster at the same time.

    python -m m1app.jobs.ray_nodes --nodes N --gpus G --unless FILE -- CMD ...

Each node provides G GPUs; if FILE appears before they are free, nothing is run. In CMD, {rank} is the node's number
from 0, and {address} and {port} are a free port on the first node. The exit status is 0 if all commands exit with 0,
else that of the first failure, which ends the others. Code and environment are those of the job.
"""

import argparse
import os
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from models.servers.process_guard import guarded, inherited_environment

_CODE = Path(__file__).resolve().parents[2]
_GRACE_SECONDS = 5
_LOOK_SECONDS = 1
_TAKEN = ("HF_", "MALLOC_", "PYTHON")
"""Environment variables that commands inherit from this process; the node's own say which GPUs it provides."""


class Node:
    """An actor that runs on one node."""

    def meeting_place(self) -> tuple[str, int]:
        """Return the address and a currently free port."""
        import ray

        address = ray.util.get_node_ip_address()
        with socket.socket() as probe:
            probe.bind((address, 0))
            return address, int(probe.getsockname()[1])

    def run(self, command: Sequence[str], environment: Mapping[str, str]) -> int:
        """Run the command and return its exit status; it ends with this process."""
        with subprocess.Popen(
            guarded(command, _GRACE_SECONDS),
            cwd=_CODE,
            env={**inherited_environment(), **environment},
            stdin=subprocess.PIPE,
        ) as process:
            return process.wait()


def main(arguments: Sequence[str]) -> int:
    """Run the command after `--` on every node; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m m1app.jobs.ray_nodes")
    parser.add_argument("--nodes", type=int, required=True)
    parser.add_argument("--gpus", type=int, required=True)
    parser.add_argument("--unless", type=Path, required=True)
    parser.add_argument("command", nargs="+")
    options = parser.parse_args(arguments)
    import ray

    ray.init()
    sys.stderr.write(f"Waiting for {options.nodes} nodes with {options.gpus} free GPUs each.\n")
    nodes = _reserve(options.nodes, options.gpus, options.unless)
    if not nodes:
        return 0
    address, port = ray.get(nodes[0].meeting_place.remote())
    environment = {name: value for name, value in os.environ.items() if name.startswith(_TAKEN)}
    running = []
    for rank, node in enumerate(nodes):
        filled = {"{rank}": str(rank), "{address}": address, "{port}": str(port)}
        running.append(node.run.remote([filled.get(word, word) for word in options.command], environment))
    return _first_failure(running)


def _reserve(count: int, gpus: int, unless: Path) -> list[Any]:
    """Reserve processes on this many nodes, preferably different ones, once all have room; None if cancelled."""
    import ray
    from ray.util.placement_group import placement_group
    from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

    group = placement_group([{"CPU": 1, "GPU": gpus}] * count, strategy="SPREAD")
    while not group.wait(timeout_seconds=_LOOK_SECONDS):
        if unless.exists():
            return []
    remote = ray.remote(num_cpus=1, num_gpus=gpus)(Node)
    return [
        remote.options(scheduling_strategy=PlacementGroupSchedulingStrategy(group, index)).remote()
        for index in range(count)
    ]


def _first_failure(running: list[Any]) -> int:
    import ray

    while running:
        ended, running = ray.wait(running, num_returns=1)
        try:
            status = int(ray.get(ended[0]))
        except ray.exceptions.RayError as exc:
            sys.stderr.write(f"A node was lost: {str(exc).strip().splitlines()[0]}\n")
            return 1
        if status:
            return status
    return 0


if __name__ == "__main__":
    # Imported by its real name, so that Ray finds the class on the nodes.
    from m1app.jobs.ray_nodes import main as named_main

    sys.exit(named_main(sys.argv[1:]))
