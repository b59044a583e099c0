"""Further models of the embedded engine, beside its own: loaded when asked, found also when they come while it runs."""

from contextlib import aclosing
from pathlib import Path

import pytest

from m1app.bootstrap import build_services
from m1app.engines.embedded_models import EmbeddedModels, LiveCatalog
from m1app.runs.sweep_request import SweepRequest
from m1app.settings import Settings
from models.errors import ServerStartFailed, UnknownModel
from models.weights.catalog import Catalog
from storage.traces.records import TraceState

pytestmark = [pytest.mark.usefixtures("no_settings")]


def entry(model_id: str, weights: Path, engine: str = "embedded") -> str:
    return f"""
[[model]]
id = "{model_id}"
title = "A copy"
family = "SmolLM2"
parameters = "135M"
source = "file:{weights}"
licence = "Apache-2.0"
licence_url = "https://example.org/"
context_length = 8192
profile = "plain-chatml"
engines = ["{engine}"]
notes = "For a test."
"""


@pytest.mark.engine
async def test_a_model_that_comes_while_the_app_runs_is_compared_with_its_base(
    home_with_model: Path, smollm2_path: Path
) -> None:
    settings = Settings(home=home_with_model, context_length=512, parallel_requests=1, threads=2)
    services = build_services(settings)
    try:
        services.engines.start()
        services.engines.wait_ready(120)
        assert await services.engines.models() == ("smollm2-135m",)
        (home_with_model / "catalog.toml").write_text(entry("tuned-one", smollm2_path), encoding="utf-8")
        assert await services.engines.models() == ("smollm2-135m", "tuned-one")
        begun = await services.sweeps.start(
            SweepRequest(
                stem="Which gland makes cortisol?",
                options={"A": "Adrenal", "B": "Thyroid"},
                target="A",
                models=("smollm2-135m", "tuned-one"),
                budgets=(8,),
                force_rounds=(0,),
                answer_cap_tokens=6,
            )
        )
        async with aclosing(services.sweeps.follow(begun.sweep.id)) as snapshots:
            done = [snapshot async for snapshot in snapshots][-1]
        base, tuned = done.passes
    finally:
        await services.aclose()
    assert done.sweep.state is TraceState.COMPLETED
    assert [each.trace.model for each in done.passes] == ["smollm2-135m", "tuned-one"]
    assert base.trace.thinking_text == tuned.trace.thinking_text  # the same weights
    assert not tuned.trace.profile_is_guess


def test_only_models_of_the_embedded_engine_with_weights_here_are_named(tmp_path: Path) -> None:
    weights = tmp_path / "a.gguf"
    weights.write_bytes(b"GGUF")
    user_file = tmp_path / "catalog.toml"
    catalog = LiveCatalog(Catalog.load(), user_file)
    models = EmbeddedModels(Settings(home=tmp_path), catalog)
    assert models.names() == ()
    user_file.write_text(
        entry("here", weights) + entry("away", tmp_path / "none.gguf") + entry("big", weights, "vllm"), encoding="utf-8"
    )
    assert models.names() == ("here",)
    with pytest.raises(UnknownModel):
        models.endpoint("nobody")


def test_a_mistake_in_the_users_file_leaves_the_catalog_as_it_was(tmp_path: Path) -> None:
    user_file = tmp_path / "catalog.toml"
    user_file.write_text(entry("good", tmp_path / "a.gguf"), encoding="utf-8")
    catalog = LiveCatalog(Catalog.load(extra=user_file), user_file)
    user_file.write_text("[[model]]\nid = 3\n", encoding="utf-8")
    assert catalog.current().get("good").id == "good"
    user_file.unlink()
    with pytest.raises(UnknownModel):
        catalog.current().get("good")


async def test_weights_that_are_no_model_are_told(tmp_path: Path) -> None:
    weights = tmp_path / "broken.gguf"
    weights.write_bytes(b"GGUF and nothing else")
    user_file = tmp_path / "catalog.toml"
    user_file.write_text(entry("broken", weights), encoding="utf-8")
    models = EmbeddedModels(Settings(home=tmp_path), LiveCatalog(Catalog.load(extra=user_file), user_file))
    (tmp_path / "logs").mkdir()
    try:
        with pytest.raises(ServerStartFailed):
            await models.ready("broken")
    finally:
        models.stop()
