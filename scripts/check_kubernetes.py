"""Checks Kubernetes manifests against the schemas of Kubernetes, and rules beyond them.

Beyond the schema: containers run without root, extra rights, a writable image or the cluster's token; keys and
passwords come from a secret; images are pinned; nothing is reachable from outside unless an ingress is added.
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import yaml

VERSION = "1.34"
_SECRET = re.compile(r"KEY|PASSWORD|TOKEN|SECRET")

Part = dict[str, Any]


def main(arguments: list[str]) -> int:
    """Print one line per problem; return 0 if there is none."""
    problems = [f"{name}: {problem}" for name in arguments for problem in find_problems(Path(name).read_text("utf-8"))]
    sys.stdout.write("".join(f"{line}\n" for line in problems))
    return 1 if problems else 0


def find_problems(text: str) -> list[str]:
    """Return the problems of a file of manifests."""
    found = []
    for manifest in yaml.safe_load_all(text):
        named = f"{manifest.get('kind')} {manifest.get('metadata', {}).get('name')}"
        found += [f"{named}: {problem}" for problem in _problems(manifest)]
    return found


def _problems(manifest: Part) -> Iterator[str]:
    try:
        kubernetes_validate.validate(manifest, VERSION, strict=True)
    except kubernetes_validate.ValidationError as exc:
        yield f"{'.'.join(map(str, exc.path))}: {exc.message}"
        return
    spec = manifest["spec"]
    if manifest["kind"] == "Service" and spec.get("type", "ClusterIP") != "ClusterIP":
        yield f"is a {spec['type']}, reachable from outside"
    if "template" in spec:
        yield from _pod(spec["template"]["spec"])


def _pod(pod: Part) -> Iterator[str]:
    if not pod.get("securityContext", {}).get("runAsNonRoot"):
        yield "may run as root"
    if pod.get("automountServiceAccountToken") is not False:
        yield "gets the cluster's token"
    if pod.get("enableServiceLinks") is not False:
        yield "gets addresses of services in its environment, where they pass for settings"
    for container in pod["containers"]:
        yield from _container(container)


def _container(container: Part) -> Iterator[str]:
    context = container.get("securityContext", {})
    wanted = {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}
    for name, value in wanted.items():
        if context.get(name) != value:
            yield f"container {container['name']}: set {name} to {value}"
    image = container["image"]
    if ":" not in image.split("/")[-1] or image.endswith(":latest"):
        yield f"image {image} is not pinned to a version"
    for variable in container.get("env", []):
        if _SECRET.search(variable["name"]) and "value" in variable:
            yield f"{variable['name']} is in the file instead of a secret"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
