"""What the text in the boxes is read as, for the preview below the question; shown by `paste_preview.{html,js}`."""

from collections.abc import Mapping
from typing import Any

from m1app.question.errors import InvalidQuestion
from m1app.question.pastes.answer_shares import answer_shares
from m1app.question.pastes.clipboard import better_text
from m1app.question.pastes.html_text import has_html, html_to_text
from m1app.question.pastes.line_breaks import has_soft_breaks, join_soft_breaks
from m1app.question.pastes.pasted_question import Offer, OfferKind, Paste, read_paste
from m1app.question.pastes.summary import options_summary, paste_summary
from m1app.question.question_text import as_target, format_options, parse_options_and_answer
from m1app.ui.question.question_set import set_offer

_MOST_CHARACTERS = 200_000
"""Longer texts are read when they are run, which refuses them."""

Boxes = list[str]
"""What the three boxes hold: question, options, target."""


def preview_value(question: str, options: str, target: str, *, has_sets: bool = False) -> dict[str, Any]:
    """The preview's value.

    Args:
        question: text of its box, as are `options` and `target`.
        options: text of its box.
        target: text of its box.
        has_sets: whether the page asks several questions as a set.

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
            given = [*_plain(question, options), *_joining(question)]
            offers = [_offer(offer, options, target) for offer in given] + _share_offers(question, parsed, target)
            summary = options_summary(len(parsed), as_target(target, parsed) or stated)
            return empty | {"summary": summary, "offers": offers}
        paste = read_paste(question)
    except InvalidQuestion as exc:
        return empty | {"summary": str(exc)}
    if paste.unasked:
        return empty | {"summary": paste.unasked, "offers": [_offer(each, "", target) for each in paste.offers]}
    return empty | {
        "summary": paste_summary(paste, as_target(target, paste.options)),
        "split": _boxes(paste, target) if paste.options or paste.answer_line or paste.left_out else None,
        "offers": [_offer(offer, "", target, has_sets=has_sets) for offer in paste.offers],
    }


def formatted_value(pasted: object) -> dict[str, Any]:
    """Answers what the page sends of a paste: its plain text, and the text to take in its place; empty for none."""
    data = pasted if isinstance(pasted, dict) else {}
    plain, html = str(data.get("text", "")), str(data.get("html", ""))
    is_read = len(plain) <= _MOST_CHARACTERS
    return {"formatted": {"text": plain, "shown": better_text(plain, html) if is_read else ""}}


def _share_offers(question: str, options: Mapping[str, str], target: str) -> list[dict[str, Any]]:
    """The offer to take percentages of answers off options in their own box."""
    shares = answer_shares(options)
    offered = [] if shares is None else [Offer(OfferKind.SHARES, (Paste(question, dict(shares.options)),))]
    return [_offer(offer, "", target) for offer in offered]


def _plain(question: str, options: str) -> list[Offer]:
    """The offer to turn HTML of a question into text whose options have their own box."""
    return [Offer(OfferKind.HTML, (Paste(html_to_text(question), {}),))] if has_html(question) else []


def _joining(question: str) -> list[Offer]:
    """The offer to join the lines of a question whose options have their own box."""
    if not has_soft_breaks(question):
        return []
    return [Offer(OfferKind.JOIN, (Paste(join_soft_breaks(question), {}),))]


def _offer(offer: Offer, options: str, target: str, *, has_sets: bool = False) -> dict[str, Any]:
    labels = {
        OfferKind.SPLIT: "Split as options",
        OfferKind.JOIN: "Join lines",
        OfferKind.SHARES: "Remove percentages",
        OfferKind.KEEP_SHARES: "Keep percentages",
        OfferKind.HTML: "Remove HTML",
        OfferKind.TAKE_LETTER: "Take the letter as the answer",
        OfferKind.KEEP_LETTER: "Keep the letter",
        OfferKind.SEVERAL: "One after another",
    }
    is_several = offer.kind is OfferKind.SEVERAL
    made = {
        "kind": offer.kind.value,
        "label": labels[offer.kind],
        "boxes": [_boxes(each, "" if is_several else target, options) for each in offer.questions],
    }
    is_set = is_several and has_sets and not any(each.unasked for each in offer.questions)
    return made | {"set": set_offer(offer.questions)} if is_set else made


def _boxes(paste: Paste, target: str, options: str = "") -> Boxes:
    if paste.unasked and not options:
        # In one box it is read again, and the choice is offered.
        return [f"{paste.stem}\n{format_options(paste.options)}", "", target]
    return [paste.stem, options or format_options(paste.options), target or paste.target or ""]
