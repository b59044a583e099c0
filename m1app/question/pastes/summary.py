"""What a paste is read as, in words: "4 options, target C"."""

from m1app.question.pastes.pasted_question import Paste
from m1app.wording import counted

_STEM_WORDS = 12
_STEM_CHARACTERS = 90


def paste_summary(paste: Paste, target: str = "") -> str:
    """What would be asked; `target` is the one in its own box, which counts. Empty for an empty paste."""
    if not paste.stem and not paste.options:
        return ""
    if paste.questions:
        return f"This looks like {len(paste.questions)} questions"
    if not paste.options:
        return f"Open question: no options found{_left_out(paste)}"
    return options_summary(len(paste.options), target or paste.target or "") + _left_out(paste)


def options_summary(count: int, target: str) -> str:
    """The number of options, and the target."""
    return f"{counted(count, 'option')}, {f'target {target}' if target else 'no target'}"


def _left_out(paste: Paste) -> str:
    parts = list(dict.fromkeys(each.part.value for each in paste.left_out))
    if paste.answer_line and not paste.options:
        parts.insert(0, "answer")
    return f"; left out: {', '.join(parts)}" if parts else ""


def first_words(stem: str) -> str:
    """The first words of a stem, on one line, to name a question by."""
    words = stem[: 2 * _STEM_CHARACTERS].split()
    shown = " ".join(words[:_STEM_WORDS])[:_STEM_CHARACTERS].rstrip()
    is_all = len(stem) <= 2 * _STEM_CHARACTERS and shown == " ".join(words)
    return shown if is_all else f"{shown.rstrip('.,;:')} …"
