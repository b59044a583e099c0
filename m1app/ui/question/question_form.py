"""The question part that every page's form shares: library, question, options, target, and the draft."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import gradio as gr

from m1app.privacy.service import IdentifierCheck
from m1app.privacy.words import findings_text
from m1app.question.errors import InvalidQuestion
from m1app.question.library import LibraryQuestion, load_library
from m1app.question.pastes.html_text import has_html
from m1app.question.pastes.pasted_question import read_paste
from m1app.question.question_text import as_target, format_options, parse_options_and_answer
from m1app.ui.question.paste_preview import formatted_value, preview_value
from m1app.ui.shell.events import QUIET, Updates, after_changes
from m1app.ui.shell.page_component import escaped, page_component
from storage.questions.records import Question

EXAMPLE_ID = "haematology-dabigatran-reversal"
"""The library question offered on an empty page."""
_NEW_QUESTION = "() => { sessionStorage.removeItem(%s); location.href = %s; }"


@dataclass(frozen=True, slots=True)
class TypedQuestion:
    """The question in the boxes."""

    stem: str
    options: dict[str, str]
    target: str | None
    source: str
    title: str


class QuestionForm:
    """Library, question, options and target. The surrounding form places the target: `place_target`."""

    def __init__(
        self, identifiers: IdentifierCheck, id_prefix: str = "", question_lines: int = 9, *, has_sets: bool = False
    ) -> None:
        """Args:
        identifiers: looks for what may identify a person while the question is typed.
        id_prefix: prefix of the elements' ids.
        question_lines: height of the question's box.
        has_sets: whether several questions can be asked as a set: the page handles `preview.ask_set`.
        """
        self._identifiers = identifiers
        self._has_sets = has_sets
        self.library = gr.Dropdown(
            _library_choices(),
            value=None,
            label="Question library",
            info="Written for this app, with target and explanation. Type to search.",
            elem_id=f"{id_prefix}library",
        )
        self.question = gr.Textbox(
            label="Question",
            lines=question_lines,
            max_lines=24,
            placeholder="Paste or type a vignette. Options and answer below it are recognised.",
            elem_id=f"{id_prefix}question",
        )
        self.preview = page_component(
            "question/paste_preview",
            element_id=f"{id_prefix}question-preview",
            events=("formatted", "ask_set") if has_sets else ("formatted",),
        )
        self.options = gr.Textbox(
            label="Options",
            info="The model answers with one letter. Leave empty for an open question.",
            lines=2,
            max_lines=14,
            placeholder="One per line: A. …",
            elem_id=f"{id_prefix}options",
        )
        self.findings = gr.HTML(
            "", elem_classes="m1-hint m1-warning", elem_id=f"{id_prefix}findings", apply_default_css=False
        )
        self.target = gr.Textbox(
            label="Target",
            info="If known. The model does not see it.",
            placeholder="Letter(s)",
            max_lines=1,
            min_width=70,
            elem_id=f"{id_prefix}target",
            render=False,
        )

    @property
    def fields(self) -> dict[str, tuple[str, ...]]:
        """Ids of the boxes by the field that an error names. Options may also stand below the question."""
        question, options, target = (str(box.elem_id) for box in self.texts)
        return {"question": (question,), "options": (options, question), "target": (target, question)}

    def place_target(self) -> None:
        """Place the target's box here."""
        self.target.render()  # type: ignore[no-untyped-call]  # Gradio's method has no annotation.

    @property
    def texts(self) -> list[gr.Textbox]:
        """The boxes that hold the question; `read` takes their values."""
        return [self.question, self.options, self.target]

    def read(self, question: str | None, options: str | None, target: str | None) -> TypedQuestion:
        """Return the question in the boxes; raises InvalidQuestion for invalid options."""
        stem, parsed, found = take_apart(question or "", options or "", target or "")
        entry = _library_entry(stem)
        return TypedQuestion(
            stem=stem,
            options=parsed,
            target=as_target(found, parsed) or None,
            source="library" if entry else "typed",
            title=entry.title if entry else "",
        )

    def fill_with(self, question: Question) -> Updates:
        """Fill the boxes with a stored question."""
        return self._filled(question.stem, question.options, question.target, "stored")

    def fill_with_example(self) -> Updates:
        """Fill the boxes with the question that an empty page offers."""
        return self.fill_with_library(EXAMPLE_ID)

    def fill_with_library(self, question_id: str) -> Updates:
        """Fill the boxes with a library question."""
        for entry in load_library():
            if entry.id == question_id:
                return self._filled(entry.question, entry.options, entry.target, "chosen")
        return {self.question: gr.skip()}

    def _filled(self, stem: str, options: Mapping[str, str], target: str | None, how: str) -> Updates:
        """Fill the boxes; `how` tells the page whether this is now the draft ("chosen") or only shown ("stored")."""
        boxes = (stem, format_options(options), target or "")
        return {**dict(zip(self.texts, boxes, strict=True)), self.preview: {"filled": how, "boxes": list(boxes)}}

    @property
    def filled(self) -> list[gr.components.Component]:
        """What filling in a question changes."""
        return [*self.texts, self.preview]

    def wire(self, demo: gr.Blocks) -> None:
        """Show what the question is read as, and fill in library questions. The page itself keeps the draft."""
        self.library.input(self.fill_with_library, self.library, self.filled, **QUIET)
        # Also with the page: boxes may have been filled before it listened.
        changes = [demo.load, *(each.change for each in self.texts)]
        after_changes(changes, self._on_change, self.texts, [self.findings, self.preview])
        self.preview.formatted(self._on_formatted, None, self.preview, trigger_mode="always_last", **QUIET)

    def _on_formatted(self, event: gr.EventData) -> dict[str, Any]:
        return formatted_value(event._data)

    def _on_change(self, question: str | None, options: str | None, target: str | None) -> tuple[str, dict[str, Any]]:
        findings = self._identifiers.findings((question or "", options or ""))
        boxes = (question or "", options or "", target or "")
        return escaped(findings_text(findings)), preview_value(*boxes, has_sets=self._has_sets)


def new_question_js(draft_key: str, path: str) -> str:
    """Page code that clears the draft and opens `path`."""
    return _NEW_QUESTION % (json.dumps(draft_key), json.dumps(path))


def take_apart(question: str, options: str, target: str) -> tuple[str, dict[str, str], str]:
    """Stem, options and target from the three boxes; options below the question are used if their box is empty.

    Raises:
        InvalidQuestion: the question's box has several questions, or may hold its answer, or the options are invalid.
    """
    if options.strip():
        return _with_own_options(question, options, target)
    paste = read_paste(question)
    if paste.questions:
        raise InvalidQuestion(
            f"These look like {len(paste.questions)} questions. Choose below the question how to ask them, or leave "
            "only one."
        )
    if paste.unasked:
        raise InvalidQuestion(paste.unasked)
    if not paste.options and not paste.answer_line and not paste.left_out:
        return question, {}, target
    return paste.stem, paste.options, target or (paste.target or "")


def _with_own_options(question: str, options: str, target: str) -> tuple[str, dict[str, str], str]:
    """The three parts, without an answer line at the end of the question or the options, which is the target."""
    parsed, in_options = parse_options_and_answer(options)
    try:
        paste = read_paste(question)
    except InvalidQuestion:
        # A list in the question that would not do as options: these have their own box.
        return question, parsed, target or in_options
    is_code = not paste.options and not paste.offers
    if paste.unasked and (is_code or has_html(question)):
        raise InvalidQuestion(paste.unasked)
    is_answered = not paste.options and not paste.questions and paste.answer_line
    stem, in_question = (paste.stem, paste.target or "") if is_answered else (question, "")
    return stem, parsed, target or in_options or in_question


def library_explanation(stem: str) -> str:
    """Explanation and reference of a library question, shown after the answer; empty for other questions."""
    entry = _library_entry(stem)
    if entry is None:
        return ""
    expected = f"Expected: {entry.expected}\n\n" if entry.expected else ""
    return f"{expected}{entry.explanation}\n\nReference: {entry.reference}"


def _library_entry(stem: str) -> LibraryQuestion | None:
    return next((entry for entry in load_library() if entry.question.strip() == stem.strip()), None)


def _library_choices() -> list[tuple[str, str]]:
    entries = sorted(load_library(), key=lambda e: (e.specialty, e.title))
    kind = {False: "", True: " (open)"}
    return [(f"{e.specialty}: {e.title}{kind[e.is_open]}", e.id) for e in entries]
