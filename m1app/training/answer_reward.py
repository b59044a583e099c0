"""The reward of GRPO: the app's own verdict on an answer, and nothing else. Without PyTorch."""

from collections.abc import Mapping, Sequence

from m1app.question.answers.scoring import lead_in, score


def is_right(text: str, closes: str, options: Mapping[str, str], target: str, stop_tokens: Sequence[str]) -> bool:
    """Whether what a model wrote after the prompt answers right: thinking, what closes it, answer, end of turn."""
    for token in stop_tokens:
        text = text.partition(token)[0]
    _, closed, answer = text.partition(closes.strip())
    if closes.strip() and not closed:
        return False  # It is still thinking.
    return score(lead_in(closes) + answer, options, target).is_correct is True
