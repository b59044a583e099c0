"""The Benchmarks page: curves of stored and running benchmark runs, their tables, transitions and questions.

Like the Annotate page's, the page code sends one request at a time with the event `ask`; the address stores the view.
Only cell counts and single pages of questions are read, so a run may have a million results.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import gradio as gr

from m1app.access.person import current_person
from m1app.benchmark.charts.panels import panels
from m1app.benchmark.descriptions import is_imported, open_sets_note, run_name, unscored_note
from m1app.benchmark.first_traces import prompts_of
from m1app.benchmark.judged_table import agreement_sentence, judged_notes, judged_table
from m1app.benchmark.paper_figures import MAXIMUM_NOTE, SOURCE
from m1app.benchmark.queries import CellPair, QuestionFilter
from m1app.benchmark.strategy_comparison import PassSelection
from m1app.benchmark.tables import BEST_NOTE, TAGS_NOTE, accuracy_table, curve_table, points_table, tags_table
from m1app.bootstrap import Services
from m1app.judging.agreement import VerdictAgreement
from m1app.runs.asked_prompts import difference_value
from m1app.trash.words import extent_text
from m1app.ui.benchmarks.answers_view import answers_value
from m1app.ui.benchmarks.fits_view import fits_value, gain_of, pass_choice_of
from m1app.ui.benchmarks.knowledge_view import knowledge_value
from m1app.ui.benchmarks.policy_view import policy_request_of, policy_value
from m1app.ui.benchmarks.query import cell_of, choice_of, is_shown, rule_of, tag_filter_of, without_average
from m1app.ui.benchmarks.runs_view import imported_facts, outputs_value, questions_value, run_value, stamp_of
from m1app.ui.benchmarks.strategies_view import strategies_value
from m1app.ui.benchmarks.transitions_view import transitions_value
from m1app.ui.shell.asked import Reply, Values, answer
from m1app.ui.shell.deletions import discarded, restored
from m1app.ui.shell.events import QUIET
from m1app.ui.shell.header import PageHeader
from m1app.ui.shell.page_component import page_component
from m1app.ui.shell.shared_reading import SharedReading
from storage.benchmarks.open_answers import OpenAnswerFilter
from storage.benchmarks.records import BenchmarkRun
from storage.benchmarks.tags import MOST_TAGS
from storage.errors import RecordNotFound
from storage.open_verdicts.records import Judgement
from storage.trash.records import TrashKind

RUNS_SHOWN = 200
QUESTIONS_SHOWN = 50
TAGS_SHOWN = 50
MOST_RUNS_COMPARED = 8
_SHARED_SECONDS = 1.0


class BenchmarksPage:
    """Builds the page into the open Blocks and holds its handlers."""

    def __init__(self, demo: gr.Blocks, services: Services) -> None:
        self._reading = services.benchmark_reading
        self._strategies_of = services.strategy_reading.compare
        self._fits_of = services.fit_reading.fits
        self._policies = services.policy_making
        self._benchmarks = services.benchmarks
        self._sweeps = services.sweeps
        self._profiles = services.profiles
        self._judging = services.judging
        self._trash = services.trash
        self._facts = services.fact_tests
        self._taxonomy = services.annotations.taxonomy
        self._imported: dict[str, str] = {}
        # Every open tab polls the runs.
        self._listed: SharedReading[Sequence[BenchmarkRun]] = SharedReading(_SHARED_SECONDS)
        header = PageHeader(services)
        self._page = page_component("benchmarks/page", element_id="benchmarks-page", events=("ask",))
        self._page.ask(self._on_ask, None, self._page, trigger_mode="multiple", **QUIET)
        # The header offers the served models to a form; this page has none.
        header.wire(demo.load, gr.Dropdown([], visible=False))

    @property
    def _answers(self) -> Mapping[str, Callable[[Values], Awaitable[Reply]]]:
        return {
            "runs": self._runs,
            "curves": self._curves,
            "points": self._points,
            "readings": self._readings,
            "prompts": self._prompts,
            "transitions": self._transitions,
            "along": self._along,
            "strategies": self._strategies,
            "fits": self._fits,
            "policy": self._policy,
            "keep_policy": self._keep_policy,
            "knowledge": self._knowledge,
            "tags": self._tags,
            "questions": self._questions,
            "outputs": self._outputs,
            "answers": self._open_answers,
            "say": self._say,
            "rename": self._rename,
            "tag": self._tag,
            "archive": self._archive,
            "extent": self._extent,
            "delete": self._delete,
            "restore": self._restore,
        }

    async def _on_ask(self, event: gr.EventData) -> dict[str, Any]:
        return await answer(event, self._answers)

    async def _runs(self, values: Values) -> Reply:
        """The runs table and the chosen runs; only `is_same` if nothing changed since the page's last stamp."""
        text, tag, with_archived = str(values.get("find", "")), str(values.get("tag", "")), bool(values.get("archived"))
        found = await self._listed.get(
            (text, tag, with_archived),
            lambda: self._reading.runs(text=text, tag=tag, with_archived=with_archived, limit=RUNS_SHOWN),
        )
        known = {run.id: run for run in found}
        chosen, problem = [], ""
        for run_id in _ids(values):
            try:
                chosen.append(known.get(run_id) or await self._reading.get(run_id))
            except RecordNotFound as exc:
                problem = str(exc)
        rows, picked = [run_value(run) for run in found], [run_value(run, await self._facts_of(run)) for run in chosen]
        stamp = stamp_of([*rows, *picked])
        if stamp == values.get("stamp"):
            return {"is_same": True}
        is_cut = len(found) == RUNS_SHOWN
        return {"stamp": stamp, "runs": rows, "chosen": picked, "problem": problem, "is_cut": is_cut}

    async def _curves(self, values: Values) -> Reply:
        run_names = await self._run_names(values)
        cells = await self._reading.cells(list(run_names), rule_of(values))
        open_sets = await self._reading.open_sets(list(run_names))
        choice = without_average(choice_of(values), cells, open_sets)
        # In a thread: figures and intervals of hundreds of cells would block all other tabs.
        drawn = await asyncio.to_thread(panels, cells, choice, run_names)
        notes = (open_sets_note(open_sets), await self._unscored(run_names, values))
        return {"panels": [asdict(panel) for panel in drawn], "unscored": " ".join(filter(None, notes))}

    async def _points(self, values: Values) -> Reply:
        run_names = await self._run_names(values)
        strict, m1 = [await self._reading.cells(list(run_names), rule) for rule in ("strict", "m1")]
        choice = without_average(choice_of(values), strict, await self._reading.open_sets(list(run_names)))
        shown = [cell for cell in strict if is_shown(cell, choice)]
        return {"table": asdict(await asyncio.to_thread(points_table, shown, m1, run_names))}

    async def _readings(self, values: Values) -> Reply:
        run_names = await self._run_names(values)
        cells = await self._reading.cells(list(run_names), rule_of(values))
        wanted = [cell for cell in cells if str(values.get("model") or cell.model) == cell.model]
        with_paper = bool(values.get("paper"))
        budget = int(values.get("budget") or 0)
        found = await asyncio.to_thread(accuracy_table, wanted, budget, run_names, with_paper=with_paper)
        return {
            "table": asdict(found),
            "note": f"{BEST_NOTE} {await self._unscored(run_names, values)}".strip(),
            "paper_note": f"{SOURCE}. {MAXIMUM_NOTE}" if with_paper else "",
            "judged": await self._judged(run_names),
        }

    async def _judged(self, run_names: Mapping[str, str]) -> list[Reply]:
        found = [(name, await self._reading.judged(run_id)) for run_id, name in run_names.items()]
        return [
            {"title": name, "table": asdict(judged_table(each)), "note": " ".join(judged_notes(each))}
            for name, each in found
            if each.counts
        ]

    async def _prompts(self, values: Values) -> Reply:
        """Where the models of the chosen runs were not asked alike."""
        runs = [await self._reading.get(run_id) for run_id in _ids(values)]
        openings = {each.id: each.thinking.opening for each in self._profiles}
        return {"prompts": difference_value(await prompts_of(runs, self._reading, self._sweeps, openings))}

    async def _transitions(self, values: Values) -> Reply:
        run_id, rule = str(values["run"]), rule_of(values)
        before, after = cell_of(values["before"]), cell_of(values["after"])
        pair = CellPair(
            str(values["model"]), str(values.get("set", "")), before, after, other_model=str(values.get("other", ""))
        )
        transitions = await self._reading.transitions(run_id, pair, rule)
        return transitions_value(transitions, pair, (await self._reading.get(run_id)).passes)

    async def _along(self, values: Values) -> Reply:
        """Each budget against the previous one; a separate request because it is slow."""
        run_id, rule = str(values["run"]), rule_of(values)
        rounds = cell_of(values["after"])[1]
        curve = await self._reading.compare_curve(
            run_id, str(values["model"]), str(values.get("set", "")), rounds, rule
        )
        return {"table": asdict(curve_table(curve, (await self._reading.get(run_id)).budgets[0]))}

    async def _strategies(self, values: Values) -> Reply:
        budget, rounds = cell_of(values["cell"])
        choice = PassSelection(
            run_id=str(values["run"]),
            model=str(values["model"]),
            question_set=str(values.get("set", "")),
            force_rounds=rounds,
            budget_tokens=budget,
            rule=rule_of(values),
        )
        return await asyncio.to_thread(strategies_value, await self._strategies_of(choice))

    async def _knowledge(self, values: Values) -> Reply:
        return knowledge_value(await self._facts.shares(), self._taxonomy)

    async def _fits(self, values: Values) -> Reply:
        choice = pass_choice_of(str(values["run"]), values)
        return await asyncio.to_thread(fits_value, await self._fits_of(choice, gain_of(values)))

    async def _policy(self, values: Values) -> Reply:
        made = await self._policies.make(policy_request_of(str(values["run"]), values))
        return await asyncio.to_thread(policy_value, made)

    async def _keep_policy(self, values: Values) -> Reply:
        name = str(values.get("name", ""))
        await self._policies.keep(policy_request_of(str(values["run"]), values), name)
        return {"notice": f"Kept as {name}. Choose it on Probe, under Advanced, or as the strategy auto:policy={name}."}

    async def _tags(self, values: Values) -> Reply:
        offset = max(0, int(values.get("offset") or 0))
        wanted = tag_filter_of(values)
        page = await self._reading.tags(
            str(values["run"]), wanted, rule=rule_of(values), limit=TAGS_SHOWN, offset=offset
        )
        return {
            "table": asdict(tags_table(page)),
            "offset": offset,
            "total": page.total,
            "reachable": min(page.total, MOST_TAGS),
            "note": f"{TAGS_NOTE} {await self._unscored([str(values['run'])], values)}".strip(),
        }

    async def _questions(self, values: Values) -> Reply:
        before, offset = str(values.get("before", "")), max(0, int(values.get("offset") or 0))
        wanted = QuestionFilter(
            model=str(values.get("model", "")),
            question_set=str(values.get("set", "")),
            cell=cell_of(values["cell"]),
            before=cell_of(before) if before else None,
            before_model=str(values.get("before_model", "")),
            verdict=str(values.get("verdict", "")),
            text=str(values.get("text", "")),
        )
        page = await self._reading.questions(
            str(values["run"]), wanted, rule=rule_of(values), limit=QUESTIONS_SHOWN, offset=offset
        )
        return questions_value(page, offset)

    async def _outputs(self, values: Values) -> Reply:
        return outputs_value(await self._reading.imported_answers(str(values["item"])))

    async def _facts_of(self, run: BenchmarkRun) -> str:
        """What is known of an imported run, which is read once: it never changes. Empty for others."""
        if not is_imported(run):
            return ""
        if run.id not in self._imported:
            while len(self._imported) >= MOST_RUNS_COMPARED * 10:
                self._imported.pop(next(iter(self._imported)))
            self._imported[run.id] = imported_facts(run, await self._reading.imported(run.id))
        return self._imported[run.id]

    async def _open_answers(self, values: Values) -> Reply:
        run_id, offset = str(values["run"]), max(0, int(values.get("offset") or 0))
        wanted = OpenAnswerFilter(
            cell=cell_of(values["cell"]),
            model=str(values.get("model", "")),
            question_set=str(values.get("set", "")),
            without_verdict_of=current_person().account_id if values.get("left") else None,
        )
        page = await self._reading.open_answers(run_id, wanted, limit=QUESTIONS_SHOWN, offset=offset)
        found = await self._reading.judged(run_id)
        return answers_value(page, offset) | {
            "agreement": agreement_sentence(VerdictAgreement(found.pairs)),
            "has_open": bool(found.counts),
            "open_sets": sorted({each.question_set for each in found.counts}),
        }

    async def _say(self, values: Values) -> Reply:
        """Keep a person's verdict; the page asks for the answers anew."""
        await self._judging.say_of_checkpoint(str(values["answer"]), Judgement(str(values["judgement"])))
        return {}

    async def _rename(self, values: Values) -> Reply:
        return self._changed(await self._benchmarks.rename(str(values["run"]), str(values["name"]).strip()))

    async def _tag(self, values: Values) -> Reply:
        tags = [tag.strip() for tag in str(values["tags"]).split(",") if tag.strip()]
        return self._changed(await self._benchmarks.set_tags(str(values["run"]), tags))

    async def _archive(self, values: Values) -> Reply:
        return self._changed(await self._benchmarks.archive(str(values["run"]), bool(values["is_archived"])))

    async def _extent(self, values: Values) -> Reply:
        extent = await self._trash.extent(TrashKind.BENCHMARK_RUN, str(values["run"]))
        return {"text": extent_text(extent, self._trash.days)}

    async def _delete(self, values: Values) -> Reply:
        notice = await discarded(self._benchmarks.delete(str(values["run"])))
        self._listed.forget()
        return dict(notice) if notice["undo"] else {"error": notice["notice"]}

    async def _restore(self, values: Values) -> Reply:
        notice = await restored(self._trash.restore(str(values["deletion"])))
        self._listed.forget()
        return dict(notice)

    async def _unscored(self, run_ids: Iterable[str], values: Values) -> str:
        return unscored_note(await self._reading.count_unscored(list(run_ids), rule_of(values)))

    def _changed(self, run: BenchmarkRun) -> Reply:
        self._listed.forget()
        return {"run": run_value(run)}

    async def _run_names(self, values: Values) -> dict[str, str]:
        runs = [await self._reading.get(run_id) for run_id in _ids(values)]
        names = [run_name(run) for run in runs]
        return {
            run.id: name if names.count(name) == 1 else f"{name} ({run.id[:6]})"
            for run, name in zip(runs, names, strict=True)
        }


def _ids(values: Values) -> Sequence[str]:
    return tuple(dict.fromkeys(str(each) for each in values.get("runs", ())))[:MOST_RUNS_COMPARED]
