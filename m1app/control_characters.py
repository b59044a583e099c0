"""Characters that no text of a person needs, and that nobody sees."""

import unicodedata


def control_character(text: str) -> str:
    """The first control character of a text, as "U+0007 at place 12"; empty without any.

    Line breaks and tabs are none; nor are joiners and direction marks, which Persian, Hindi and emoji need.
    """
    for place, each in enumerate(text, start=1):
        if unicodedata.category(each) in ("Cc", "Cs") and not each.isspace():
            return f"U+{ord(each):04X} at place {place:,}"
    return ""


def is_blank(text: str) -> bool:
    """Whether nothing of a text is seen: it is empty, or has only spaces, joiners and marks."""
    return not any(each.isprintable() and not each.isspace() for each in text)
