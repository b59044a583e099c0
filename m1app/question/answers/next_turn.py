"""Where an answer ends because the model goes on with a turn of the person's, as in "Human: next question".

Models that missed their end of turn invent another question and answer it; that answer is to something else.
"""

import re

from m1app.question.prompt_text import narrow

_TURN = re.compile(
    r"""^[ \t>#*_]{0,8}(?:
        (?:
          Human|HUMAN|User|USER|(?P<asked>Question|QUESTION|Q)
          |(?:Next[ ])?Question(?:[ ]\d{1,3})?|Q\d{1,3}
        )[*_]{0,2}[ \t]?:
      |\[?(?:用户|人类|(?P<asked_in_chinese>问题)|下一题)\]?[ \t]?:)
    |<\|(?:im_start|start_header_id)\|>(?!\s{0,3}(?:answer|assistant|think))""",
    re.MULTILINE | re.VERBOSE,
)


def answer_end(text: str) -> int:
    """The index at which the person's next turn begins; the text's length if none does.

    "Question: ..." with which an answer begins repeats the question that was asked.
    """
    narrowed = narrow(text)
    found = _TURN.search(narrowed)
    if found and found.lastgroup and not narrowed[: found.start()].strip():
        found = _TURN.search(narrowed, found.end())
    return found.start() if found else len(text)
