"""Whether models that are compared were asked alike."""

from m1app.runs.asked_prompts import QUESTION, asked_prompts, difference_value, difference_words
from tests.m1app.runs.trace_samples import a_question, a_trace

ASKED = "Which gland makes cortisol?\nA. Adrenal\nB. Thyroid"
BOX = "\nReturn your final response within \\boxed{}."


def prompt(system: str, user: str) -> str:
    return f"<|im_start|>system\n{system}<|im_end|>\n<|im_start|>user\n{user}<|im_end|>\n<|im_start|>assistant\n"


BASE = a_trace(model="base", profile="plain-chatml", prompt_text=prompt("Be careful.", ASKED))
TUNED = a_trace(model="tuned", profile="m1", prompt_text=prompt("You are Qwen.", ASKED + BOX))
BASE_ALIKE = a_trace(model="base by m1", profile="m1", prompt_text=prompt("You are Qwen.", ASKED + BOX))


def test_models_that_are_asked_alike_need_no_words() -> None:
    prompts = asked_prompts([BASE_ALIKE, TUNED], {})
    assert [each.models for each in prompts] == [("base by m1", "tuned")]
    assert difference_value(prompts) is None
    assert difference_words(prompts) == ""


def test_prompts_that_differ_are_said_and_their_lines_marked() -> None:
    prompts = asked_prompts([BASE, TUNED, BASE_ALIKE], {"plain-chatml": "Let's think.", "m1": "<|im_start|>think\n"})
    shown = difference_value(prompts)
    assert shown is not None
    assert "base: profile plain-chatml; tuned, base by m1: profile m1" in shown["said"]
    first, second = shown["prompts"]
    assert all(is_shared for _, is_shared in first["lines"])
    marked = [line for line, is_shared in second["lines"] if not is_shared]
    assert {"You are Qwen.<|im_end|>", f"{BOX.strip()}<|im_end|>", "<|im_start|>think"} <= set(marked)
    assert QUESTION in "\n".join(line for line, _ in first["lines"])


def test_another_question_is_no_other_prompt() -> None:
    other = a_question(stem="Which vitamin?", options={"A": "B12", "B": "C"})
    asked = a_trace(
        model="other",
        profile="m1",
        question=other,
        prompt_text=prompt("You are Qwen.", "Which vitamin?\nA. B12\nB. C" + BOX),
    )
    assert len(asked_prompts([TUNED, asked], {})) == 1


def test_another_system_prompt_is_another_prompt() -> None:
    brief = a_trace(model="brief", profile="m1", prompt_text=prompt("Be brief.", ASKED + BOX))
    assert len(asked_prompts([TUNED, brief], {})) == 2
