"""What deploy/ offers beyond one machine: the files are valid, say the same as each other, and mistakes are found."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from m1app.settings import Settings
from scripts import check_compose, check_kubernetes
from tests.conftest import ROOT

DEPLOY = ROOT / "deploy"
REPLICAS = DEPLOY / "compose.replicas.yaml"
MANIFESTS = sorted((DEPLOY / "kubernetes").glob("*.yaml"))


def services() -> dict[str, Any]:
    tree = yaml.safe_load(check_compose.interpolate(REPLICAS.read_text()))
    return dict(tree["services"])


def container(file: str) -> dict[str, Any]:
    """The only container of a file of manifests."""
    documents = yaml.safe_load_all((DEPLOY / "kubernetes" / file).read_text())
    (only,) = [c for d in documents if "template" in d["spec"] for c in d["spec"]["template"]["spec"]["containers"]]
    return dict(only)


def pinned(lock: str, package: str) -> str:
    return re.findall(rf"^{package}==(\S+)", (ROOT / "requirements" / lock).read_text(), re.MULTILINE)[0]


def test_compose_file_of_replicas_is_valid() -> None:
    assert check_compose.find_problems(REPLICAS.read_text()) == []


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.name)
def test_manifests_are_valid(path: Path) -> None:
    assert check_kubernetes.find_problems(path.read_text()) == []


@pytest.mark.parametrize(
    ("file", "before", "after", "problem"),
    [
        ("app.yaml", "replicas: 1", "replica: 1", "replica"),
        ("app.yaml", "replicas: 1", "replicas: one", "replicas"),
        ("app.yaml", "runAsNonRoot: true", "runAsNonRoot: false", "may run as root"),
        ("app.yaml", "readOnlyRootFilesystem: true", "readOnlyRootFilesystem: false", "set readOnlyRootFilesystem"),
        ("app.yaml", "automountServiceAccountToken: false\n", "\n", "gets the cluster's token"),
        ("app.yaml", "m1app:built-here", "m1app:latest", "not pinned"),
        ("app.yaml", "  selector: {app: m1app}\n  ports", "  type: NodePort\n  ports", "reachable from outside"),
        ("app.yaml", "{name: M1_MODEL,", "{name: M1_ENGINE_API_KEY,", "is in the file instead of a secret"),
        ("vllm.yaml", "enableServiceLinks: false", "enableServiceLinks: true", "pass for settings"),
        ("router.yaml", "drop: [ALL]", "drop: []", "set capabilities"),
    ],
)
def test_mistakes_in_manifests_are_found(file: str, before: str, after: str, problem: str) -> None:
    text = (DEPLOY / "kubernetes" / file).read_text()
    assert before in text
    assert problem in " ".join(check_kubernetes.find_problems(text.replace(before, after)))


def test_the_router_is_started_alike_everywhere_in_the_version_that_is_tested() -> None:
    ours, theirs = services()["router"]["command"], container("router.yaml")["args"]
    assert ours[: ours.index("--worker-urls")] == theirs[: theirs.index("--worker-urls")]
    assert pinned("router.txt", "vllm-router") == pinned("vllm-cpu.txt", "vllm-router")
    assert pinned("vllm-cuda.txt", "vllm-router") == pinned("vllm-cpu.txt", "vllm-router")


def test_vllm_is_started_in_the_version_that_is_locked_with_the_model_that_the_app_asks_for() -> None:
    image = f"vllm/vllm-openai:v{pinned('vllm-cuda.txt', 'vllm')}"
    vllm, app = container("vllm.yaml"), container("app.yaml")
    assert [vllm["image"], *[services()[name]["image"] for name in ("vllm-0", "vllm-1")]] == [image] * 3
    assert {"name": "M1_MODEL", "value": vllm["args"][0]} in app["env"]
    assert services()["app"]["environment"]["M1_MODEL"] == services()["vllm-0"]["command"][0]


def test_ray_serves_the_same_model_under_its_own_name() -> None:
    tree = yaml.safe_load((DEPLOY / "ray-serve-llm" / "serve.yaml").read_text())
    (config,) = tree["applications"][0]["args"]["llm_configs"]
    assert config["model_loading_config"]["model_id"] == container("vllm.yaml")["args"][0]


@pytest.mark.parametrize("path", [REPLICAS, *MANIFESTS], ids=lambda path: path.name)
def test_deploy_names_no_unknown_setting(path: Path) -> None:
    known = {f"M1_{field.upper()}" for field in Settings.model_fields}
    assert set(re.findall(r"\bM1_[A-Z_]*[A-Z]\b", path.read_text())) <= known


def test_only_the_app_is_published_by_compose() -> None:
    assert [name for name, service in services().items() if "ports" in service] == ["app"]
