"""The Admin page: launch benchmarks and fine-tunings, watch jobs, manage question sets, the engine and people.

A separate Gradio application, for admins only: see `m1app.ui.web`.
"""

from collections.abc import Mapping
from typing import Any

import gradio as gr

from m1app.bootstrap import Services
from m1app.training.recipe import TrainingRecipe
from m1app.ui.admin.audit_tab import AuditTab
from m1app.ui.admin.corpus_tab import CorpusTab
from m1app.ui.admin.engines_tab import EnginesTab
from m1app.ui.admin.fine_tune_tab import TrainingTab
from m1app.ui.admin.jobs_tab import JobsTab, read_view
from m1app.ui.admin.launch_tab import LaunchTab
from m1app.ui.admin.models_tab import ModelsTab
from m1app.ui.admin.people_tab import PeopleTab
from m1app.ui.admin.profiles_tab import ProfilesTab
from m1app.ui.admin.question_sets_tab import SetsTab
from m1app.ui.admin.samples_tab import SamplesTab
from m1app.ui.admin.servers_section import ServersSection
from m1app.ui.admin.trash_tab import TrashTab
from m1app.ui.admin.tuned_section import TunedSection
from m1app.ui.admin.vllm_section import VllmSection
from m1app.ui.shell.boundary import message_of
from m1app.ui.shell.events import QUIET, with_query
from m1app.ui.shell.header import PageHeader
from m1app.ui.shell.page_component import page_component

_TITLE = (
    '<div class="m1-admin-title"><b>Admin</b><span class="m1-quiet">Benchmarks, fine-tuning, jobs, question sets, '
    "people and the engine.</span></div>"
)
_TABS = (
    "launch",
    "training",
    "samples",
    "jobs",
    "sets",
    "corpus",
    "cases",
    "models",
    "profiles",
    "engines",
    "people",
    "trash",
)


class AdminPage:
    """Builds the page into the open Blocks and holds the handlers that connect its tabs."""

    def __init__(self, demo: gr.Blocks, services: Services) -> None:
        self._services = services
        header = PageHeader(services)
        gr.HTML(_TITLE, elem_id="admin-title", apply_default_css=False)
        # Every tab is built at the start: one built later would miss earlier updates.
        with gr.Tabs(elem_id="admin-tabs", overflow_behavior="wrap") as self._tabs:
            with gr.Tab("New benchmark", id="launch", render_children=True):
                self._launch = LaunchTab(services)
            with gr.Tab("Fine-tune", id="training", render_children=True) as self._training_tab:
                self._training = TrainingTab(services)
            with gr.Tab("Samples", id="samples", render_children=True) as self._samples_tab:
                self._samples = SamplesTab(services)
            with gr.Tab("Jobs", id="jobs", render_children=True):
                self._jobs = JobsTab(services)
            with gr.Tab("Question sets", id="sets", render_children=True):
                self._sets = SetsTab(services, self._launch.form.question_sets)
            with gr.Tab("Corpus", id="corpus", render_children=True) as self._corpus_tab:
                self._corpus = CorpusTab(services)
            with gr.Tab("Traces to annotate", id="cases", render_children=True):
                page_component("admin/cases", element_id="admin-cases")
            with gr.Tab("Models", id="models", render_children=True) as self._models_tab:
                self._models = ModelsTab(services)
                self._tuned = TunedSection(services)
                self._vllm, self._servers = VllmSection(services), ServersSection(services)
            with gr.Tab("Profiles", id="profiles", render_children=True) as self._profiles_tab:
                self._profiles = ProfilesTab(services)
            with gr.Tab("Engine and health", id="engines", render_children=True):
                self._engines = EnginesTab(services)
            with gr.Tab("People", id="people", render_children=True) as self._people_tab:
                self._people = PeopleTab(services)
            with gr.Tab("Trash and audit", id="trash", render_children=True) as self._trash_tab:
                self._trash, self._audit = TrashTab(services), AuditTab(services)
        self._wire(demo)
        header.wire(demo.load, self._launch.form.models)

    def _wire(self, demo: gr.Blocks) -> None:
        form, jobs = self._launch.form, self._jobs
        jobs.wire()
        for tab in (self._launch, self._training):
            jobs.follow_start(tab.wire(demo), self._tabs, tab.started_job)
        self._samples.wire(demo, self._samples_tab)
        self._training.refresh_when(self._training_tab.select)
        self._sets.wire(demo)
        self._corpus.wire(demo, self._corpus_tab)
        self._models.wire(demo, self._models_tab)
        self._tuned.wire(demo, self._models_tab)
        own_profiles = self._services.own_profiles.refresh
        form.advanced.close_at(demo.load)
        form.advanced.offer_profiles((demo.load, self._profiles.wire(demo, self._profiles_tab).then), own_profiles)
        self._vllm.wire(demo, self._models_tab)
        self._servers.wire(demo, self._models_tab)
        self._engines.wire(demo)
        self._people.wire(demo, self._people_tab)
        self._sets.refresh_after(self._trash.wire(demo, self._trash_tab))
        self._audit.wire(demo, self._trash_tab)

        demo.load(with_query(self._on_load), None, [self._tabs, *jobs.outputs], **QUIET)
        cloned = [self._tabs, jobs.list, *form.inputs, *self._training.form.inputs]
        jobs.list.clone(self._on_clone, None, cloned, **QUIET)
        compared = [self._tabs, form.models]
        jobs.list.benchmark(self._on_benchmark, None, compared, **QUIET)

    async def _on_load(self, query: Mapping[str, str]) -> tuple[Any, ...]:
        """Show the job or tab named in the address."""
        asked = read_view({"job": query.get("job", "")[:64], "runs": query.get("runs", "")})
        shown = await self._jobs.shown(asked)
        tab = "jobs" if asked["job"] or asked["runs"] else query.get("tab", "")
        return gr.Tabs(selected=tab) if tab in _TABS else gr.skip(), *shown

    async def _on_clone(self, event: gr.EventData) -> dict[Any, Any]:
        """Fill the matching form with a job's recipe."""
        try:
            if event._data["run"]:
                recipe = await self._services.benchmarks.recipe_of(str(event._data["run"]))
                return {self._tabs: gr.Tabs(selected="launch")} | self._launch.form.fill_with(recipe)
            job = await self._services.jobs.get(str(event._data["job"]))
            filled = self._training.form.fill_with(TrainingRecipe.parse(dict(job.recipe)))
        except Exception as exc:  # noqa: BLE001 - the UI boundary
            return {self._jobs.list: {"notice": message_of(exc), "view": dict(event._data["view"])}}
        return {self._tabs: gr.Tabs(selected="training")} | filled

    async def _on_benchmark(self, event: gr.EventData) -> dict[Any, Any]:
        """Fill the benchmark form with a new model and its base."""
        models = [str(name) for name in event._data["models"]]
        return {self._tabs: gr.Tabs(selected="launch"), self._launch.form.models: models}
