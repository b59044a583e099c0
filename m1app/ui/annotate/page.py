"""The Annotate page: a queue of cases, marks on their texts, review of others' marks, and results.

The page code sends one request at a time with the event `ask`; each reply is the component's next value and carries its
request's number. Input stays in the page until a reply confirms that it is saved.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import gradio as gr

from m1app.access.person import current_person
from m1app.annotation.errors import AnnotationConflict, AnnotationRefused
from m1app.annotation.form_values import content_from_form
from m1app.bootstrap import Services
from m1app.ui.annotate.case_view import (
    case_value,
    evaluated_words,
    mark_value,
    revision_value,
    taxonomy_value,
    work_value,
)
from m1app.ui.annotate.numbers_view import agreement_value, summary_value
from m1app.ui.annotate.queue_view import case_filter, cases_value, queue_value
from m1app.ui.shell.boundary import message_of
from m1app.ui.shell.events import QUIET
from m1app.ui.shell.header import PageHeader
from m1app.ui.shell.page_component import page_component

_QUEUE_PAGE = 50
_MAX_DRAFT_CHARACTERS = 1_000_000

Values = Mapping[str, Any]
Reply = dict[str, Any]


class AnnotatePage:
    """Builds the page into the open Blocks and holds its handlers."""

    def __init__(self, demo: gr.Blocks, services: Services) -> None:
        self._annotations = services.annotations
        self._audit = services.access.audit
        header = PageHeader(services)
        self._page = page_component("annotate/page", element_id="annotate-page", events=("ask",))
        self._numbers = page_component("annotate/numbers", element_id="annotate-numbers", events=("summary", "compute"))
        self._page.ask(self._on_ask, None, self._page, trigger_mode="multiple", **QUIET)
        self._numbers.summary(self._on_summary, None, self._numbers, trigger_mode="multiple", **QUIET)
        self._numbers.compute(self._on_compute, None, self._numbers, **QUIET)
        demo.load(self._on_load, None, self._page, **QUIET)
        # The header offers the served models to a form; this page has none.
        header.wire(demo.load, gr.Dropdown([], visible=False))

    @property
    def _answers(self) -> Mapping[str, Callable[[str, Values], Awaitable[Reply]]]:
        return {
            "queue": self._queue,
            "group": self._group,
            "open": self._open,
            "save": self._save,
            "withdraw": self._withdraw,
            "submit": self._submit,
            "reopen": self._reopen,
            "draft": self._draft,
            "reject": self._reject,
            "agree": self._agree,
            "dispute": self._dispute,
            "adjudicate": self._adjudicate,
            "history": self._history,
        }

    async def _on_load(self) -> Reply:
        return _numbered(0, {"taxonomy": taxonomy_value(self._annotations.taxonomy), "person": current_person().name})

    async def _on_ask(self, event: gr.EventData) -> Reply:
        asked = event._data
        number = int(asked["number"])
        try:
            # Whoever has an account annotates, and filters by their own work, under its name.
            annotator = current_person().name or str(asked["annotator"])
            reply = await self._answers[asked["action"]](annotator, asked["values"])
        except AnnotationConflict as exc:
            changes = ["exact" if name == "selector" else name for name in exc.changes]
            reply = {"conflict": {"message": str(exc), "current": mark_value(exc.current), "changes": changes}}
        except Exception as exc:  # noqa: BLE001 - the UI boundary
            field = exc.field if isinstance(exc, AnnotationRefused) else ""
            reply = {"error": {"message": message_of(exc), "field": field}}
        return _numbered(number, reply)

    async def _queue(self, annotator: str, values: Values) -> Reply:
        asked, cursor = values["filter"], str(values.get("cursor") or "") or None
        page = await self._annotations.queue(case_filter(asked, annotator), annotator, _QUEUE_PAGE, cursor)
        return {
            "queue": queue_value(page, is_filtered=any(name not in ("order", "seed") for name in asked)),
            "models": await self._annotations.models(),
            "annotators": await self._annotations.annotators(),
        }

    async def _group(self, annotator: str, values: Values) -> Reply:
        wanted = case_filter(values["filter"], annotator)
        return {"cases": cases_value(await self._annotations.group(wanted, str(values["group"]), annotator))}

    async def _open(self, annotator: str, values: Values) -> Reply:
        case_id = str(values["case"])
        view = await self._annotations.open(case_id, annotator)
        self._audit.saw("case.open", case_id)
        wanted = case_filter(values["filter"], annotator)
        neighbours = await self._annotations.neighbours(wanted, case_id)
        # In a thread: the sentences of an imported text of 2 MB take a second to find.
        case = await asyncio.to_thread(case_value, view.case)
        case["evaluated"] = evaluated_words(await self._annotations.evaluated_in(case_id))
        return {"case": case, "work": work_value(view), "neighbours": neighbours}

    async def _work(self, annotator: str, values: Values) -> Reply:
        return {"work": work_value(await self._annotations.open(str(values["case"]), annotator))}

    async def _save(self, annotator: str, values: Values) -> Reply:
        case_id, form = str(values["case"]), values["values"]
        view = await self._annotations.open(case_id, annotator)
        kept = await self._annotations.save(
            case_id,
            annotator,
            content_from_form(view.case, form),
            annotation_id=str(form.get("id") or ""),
            revision=int(form.get("revision") or 0),
            suggestion_key=str(form.get("suggestion_key") or ""),
        )
        return {"saved": kept.id, **await self._work(annotator, values)}

    async def _withdraw(self, annotator: str, values: Values) -> Reply:
        await self._annotations.withdraw(str(values["annotation"]), annotator, int(values["revision"]))
        return await self._work(annotator, values)

    async def _submit(self, annotator: str, values: Values) -> Reply:
        case_id = str(values["case"])
        await self._annotations.submit(case_id, annotator)
        wanted = case_filter(values["filter"], annotator)
        return {"next": await self._annotations.next_to_assess(wanted, case_id, annotator)}

    async def _reopen(self, annotator: str, values: Values) -> Reply:
        await self._annotations.reopen(str(values["case"]), annotator)
        return {}

    async def _draft(self, annotator: str, values: Values) -> Reply:
        draft = dict(values["draft"])
        if len(str(draft)) > _MAX_DRAFT_CHARACTERS:
            raise AnnotationRefused("comment", f"The draft has more than {_MAX_DRAFT_CHARACTERS:,} characters.")
        await self._annotations.save_draft(str(values["case"]), annotator, draft, float(values["seconds"]))
        return {}

    async def _reject(self, annotator: str, values: Values) -> Reply:
        await self._annotations.reject_suggestion(str(values["case"]), annotator, str(values["key"]))
        return await self._work(annotator, values)

    async def _agree(self, annotator: str, values: Values) -> Reply:
        await self._annotations.agree(str(values["annotation"]), annotator)
        return await self._work(annotator, values)

    async def _dispute(self, annotator: str, values: Values) -> Reply:
        await self._annotations.dispute(str(values["annotation"]), annotator, str(values["reason"]))
        return await self._work(annotator, values)

    async def _adjudicate(self, annotator: str, values: Values) -> Reply:
        is_upheld, reason = bool(values["is_upheld"]), str(values["reason"])
        await self._annotations.adjudicate(str(values["annotation"]), annotator, is_upheld=is_upheld, reason=reason)
        return await self._work(annotator, values)

    async def _history(self, annotator: str, values: Values) -> Reply:
        revisions = await self._annotations.history(str(values["annotation"]), annotator)
        return {"revisions": [revision_value(each) for each in revisions]}

    async def _on_summary(self) -> Reply:
        try:
            labels, marks = await self._annotations.error_counts(), await self._annotations.mark_counts()
            return summary_value(labels, marks, self._annotations.taxonomy)
        except Exception as exc:  # noqa: BLE001 - the UI boundary
            return {"kind": "summary", "error": message_of(exc)}

    async def _on_compute(self) -> Reply:
        try:
            return agreement_value(await self._annotations.agreement(), self._annotations.taxonomy)
        except Exception as exc:  # noqa: BLE001 - the UI boundary
            return {"kind": "agreement", "error": message_of(exc)}


def _numbered(number: int, reply: Reply) -> dict[str, Any]:
    """The component's value as text: Gradio's page code watches every part of a value, which is slow for hundreds of
    marks."""
    return {"number": number, "reply": json.dumps(reply, ensure_ascii=False)}
