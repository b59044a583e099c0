"""The question part that every page's form shares: library, question, options, target, and the draft."""

import json
from dataclasses import dataclass

import gradio as gr

from m1app.privacy.service import IdentifierCheck
from m1app.privacy.words import findings_text
from m1app.question.library import LibraryQuestion, load_library
from m1app.question.question_text import format_options, parse_options, parse_question
from m1app.ui.shell.events import QUIET, Updates
from m1app.ui.shell.page_component import escaped
from storage.questions.records import Question

# Typed input survives reloads in the tab's session storage, until the tab closes.
_KEEP_DRAFT = "(q, o, t) => { sessionStorage.setItem(%s, JSON.stringify([q, o, t])); }"
_TAKE_DRAFT = """(q, o, t) => {
  const draft = JSON.parse(sessionStorage.getItem(%s) || 'null');
  const asked = new URL(location.href).searchParams;
  return %s.some((name) => asked.has(name)) || !draft ? [q, o, t] : draft;
}"""
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

    def __init__(self, identifiers: IdentifierCheck, id_prefix: str = "", question_lines: int = 9) -> None:
        """Args:
        identifiers: looks for what may identify a person while the question is typed.
        id_prefix: prefix of the elements' ids.
        question_lines: height of the question's box.
        """
        self._identifiers = identifiers
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
            placeholder="Paste or type a vignette. Options typed below it as lines “A. …”, “B. …” are recognised.",
            elem_id=f"{id_prefix}question",
        )
        self.options = gr.Textbox(
            label="Options",
            lines=2,
            max_lines=14,
            placeholder="One per line: A. … Leave empty for an open question.",
            elem_id=f"{id_prefix}options",
        )
        self.note = gr.HTML("", elem_classes="m1-hint", elem_id=f"{id_prefix}question-note", apply_default_css=False)
        self.findings = gr.HTML(
            "", elem_classes="m1-hint m1-warning", elem_id=f"{id_prefix}findings", apply_default_css=False
        )
        self.target = gr.Textbox(
            label="Target",
            placeholder="Letter",
            max_lines=1,
            min_width=70,
            elem_id=f"{id_prefix}target",
            render=False,
        )

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
            target=found.strip().upper() or None,
            source="library" if entry else "typed",
            title=entry.title if entry else "",
        )

    def fill_with(self, question: Question) -> Updates:
        """Fill the boxes with a stored question."""
        return {
            self.question: question.stem,
            self.options: format_options(question.options),
            self.target: question.target or "",
        }

    def fill_with_library(self, question_id: str) -> Updates:
        """Fill the boxes with a library question."""
        for entry in load_library():
            if entry.id == question_id:
                return {
                    self.question: entry.question,
                    self.options: format_options(entry.options),
                    self.target: entry.target or "",
                }
        return {self.question: gr.skip()}

    def recognise(self, question: str | None, options: str | None, target: str | None) -> Updates:
        """Move options typed below the question to their own box, with a note that they were recognised."""
        stem, parsed, found = take_apart(question or "", options or "", target or "")
        if (options or "").strip() or not parsed:
            return {self.note: gr.skip()}
        return {
            self.question: stem,
            self.options: format_options(parsed),
            self.target: found,
            self.note: f"{len(parsed)} options recognised and moved to Options; edit them there.",
        }

    def wire(self, demo: gr.Blocks, draft_key: str, opening: list[str]) -> None:
        """Recognise options, fill in library questions, and store input as the tab's draft.

        Args:
            demo: the page.
            draft_key: key of the draft in the session storage.
            opening: query parameters of addresses that provide a question; these leave the draft alone.
        """
        self.library.input(self.fill_with_library, self.library, self.texts, **QUIET)
        self.question.blur(self._on_blur, self.texts, [*self.texts, self.note], **QUIET)
        for text in (self.question, self.options):
            text.change(self._on_change, self.texts, self.findings, trigger_mode="always_last", **QUIET)
        key = json.dumps(draft_key)
        for text in self.texts:
            text.change(None, self.texts, None, js=_KEEP_DRAFT % key, queue=False)
        demo.load(None, self.texts, self.texts, js=_TAKE_DRAFT % (key, json.dumps(opening)), queue=False)

    def _on_blur(self, question: str, options: str, target: str) -> Updates:
        try:
            return self.recognise(question, options, target)
        except Exception:  # noqa: BLE001 - what is wrong with the options is said when they are run
            return {self.note: gr.skip()}

    def _on_change(self, question: str | None, options: str | None, _target: str | None) -> str:
        return escaped(findings_text(self._identifiers.findings((question or "", options or ""))))


def new_question_js(draft_key: str, path: str) -> str:
    """Page code that clears the draft and opens `path`."""
    return _NEW_QUESTION % (json.dumps(draft_key), json.dumps(path))


def take_apart(question: str, options: str, target: str) -> tuple[str, dict[str, str], str]:
    """Stem, options and target from the three boxes; options below the question are used if their box is empty."""
    if options.strip():
        return question, parse_options(options), target
    parsed = parse_question(question)
    if not parsed.options:
        return question, {}, target
    return parsed.stem, parsed.options, target or parsed.target or ""


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
