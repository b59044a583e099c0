"""What the text in the boxes is read as, for the preview below the question; shown by `paste_preview.{html,js}`."""

from typing import Any

from m1app.question.errors import InvalidQuestion
from m1app.question.pastes.line_breaks import has_soft_breaks, join_soft_breaks
from m1app.question.pastes.pasted_question import Offer, OfferKind, Paste, read_paste
from m1app.question.pastes.summary import options_summary, paste_summary
from m1app.question.question_text import as_target, format_options, parse_options_and_answer

_MOST_CHARACTERS = 200_000
"""Longer texts are read when they are run, which refuses them."""

Boxes = list[str]
"""What the three boxes hold: question, options, target."""


def preview_value(question: str, options: str, target: str) -> dict[str, Any]:
    """The preview's value.

    Returns:
        `text`, the question that it is about; `summary`; `split`, the boxes if options and answer move out of the
        question, or None; and `offers`, each with its kind, label and boxes, a triple for each question.
    """
    empty: dict[str, Any] = {"text": question, "summary": "", "split": None, "offers": []}
    if len(question) > _MOST_CHARACTERS or not (question + options).strip():
        return empty
    try:
        if options.strip():
            parsed, stated = parse_options_and_answer(options)
            offers = [_offer(offer, options, target) for offer in _joining(question)]
            summary = options_summary(len(parsed), as_target(target, parsed) or stated)
            return empty | {"summary": summary, "offers": offers}
        paste = read_paste(question)
    except InvalidQuestion as exc:
        return empty | {"summary": str(exc)}
    return empty | {
        "summary": paste_summary(paste, as_target(target, paste.options)),
        "split": _boxes(paste, target) if paste.options or paste.answer_line or paste.left_out else None,
        "offers": [_offer(offer, "", target) for offer in paste.offers],
    }


def _joining(question: str) -> list[Offer]:
    """The offer to join the lines of a question whose options have their own box."""
    if not has_soft_breaks(question):
        return []
    return [Offer(OfferKind.JOIN, (Paste(join_soft_breaks(question), {}),))]


def _offer(offer: Offer, options: str, target: str) -> dict[str, Any]:
    labels = {
        OfferKind.SPLIT: "Split as options",
        OfferKind.JOIN: "Join lines",
        OfferKind.SEVERAL: f"These are {len(offer.questions)} questions",
    }
    given = "" if offer.kind is OfferKind.SEVERAL else target
    return {
        "kind": offer.kind.value,
        "label": labels[offer.kind],
        "boxes": [_boxes(each, given, options) for each in offer.questions],
    }


def _boxes(paste: Paste, target: str, options: str = "") -> Boxes:
    return [paste.stem, options or format_options(paste.options), target or paste.target or ""]
