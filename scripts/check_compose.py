"""Checks a compose file against the compose specification, and rules beyond the schema.

Variables are replaced by their defaults first, as in `docker compose`. Beyond the schema: dependencies exist, share a
profile and have a healthcheck; named volumes are declared; images are pinned; ports are published on loopback only.
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import compose_spec
import yaml

_VARIABLE = re.compile(r"\$\$|\$\{(?P<name>\w+)(?::?-(?P<default>[^}]*))?\}")

Service = dict[str, Any]


def main(arguments: list[str]) -> int:
    """Print one line per problem; return 0 if there is none."""
    problems = [f"{name}: {problem}" for name in arguments for problem in find_problems(Path(name).read_text("utf-8"))]
    sys.stdout.write("".join(f"{line}\n" for line in problems))
    return 1 if problems else 0


def find_problems(text: str) -> list[str]:
    """Return the problems of a compose file."""
    document = interpolate(text)
    try:
        compose_spec.PyOptions(apply_merge=True).from_yaml(document).validate()
    except ValueError as exc:
        return [str(exc)]
    tree = yaml.safe_load(document)
    services: dict[str, Service] = tree["services"]
    declared = set(tree.get("volumes") or {})
    found = []
    for name, service in services.items():
        for check in (_dependencies(service, services), _volumes(service, declared), _exposure(service)):
            found += [f"service {name}: {problem}" for problem in check]
    return found


def interpolate(text: str) -> str:
    """Replace each variable by its default, as if none were set."""
    return _VARIABLE.sub(lambda match: "$" if match[0] == "$$" else match["default"] or "", text)


def _dependencies(service: Service, services: dict[str, Service]) -> Iterator[str]:
    for other, condition in _as_mapping(service.get("depends_on")).items():
        if other not in services:
            yield f"depends on {other}, which is not a service"
            continue
        if condition.get("condition") == "service_healthy" and "healthcheck" not in services[other]:
            yield f"waits for {other} to be healthy, but {other} has no healthcheck"
        profiles = set(services[other].get("profiles", []))
        if profiles and not profiles >= set(service.get("profiles", [None])):
            yield f"depends on {other}, which is off in a profile that this one runs in"


def _as_mapping(depends_on: list[str] | dict[str, dict[str, str]] | None) -> dict[str, dict[str, str]]:
    return {name: {} for name in depends_on} if isinstance(depends_on, list) else depends_on or {}


def _volumes(service: Service, declared: set[str]) -> Iterator[str]:
    for volume in service.get("volumes", []):
        source = volume.get("source", "") if isinstance(volume, dict) else volume.split(":")[0]
        if source and source[0] not in "./~" and source not in declared:
            yield f"volume {source} is not declared"


def _exposure(service: Service) -> Iterator[str]:
    for port in service.get("ports", []):
        address = port.get("host_ip", "") if isinstance(port, dict) else str(port)
        if not address.startswith(("127.", "[::1]", "::1")):
            yield f"port {port} is published beyond this machine"
    image = service.get("image", "")
    if "build" not in service and (":" not in image.split("/")[-1] or image.endswith(":latest")):
        yield f"image {image or '(none)'} is not pinned to a version"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
