"""The template of a fine-tuned model renders what its samples have, for every profile."""

import pytest

from m1app.question.wording import render_question
from m1app.training.exported_template import exported_template, stop_tokens
from m1app.training.rendering import Messages, end_of_turn, render
from m1app.training.samples import TrainingSample
from models.profiles import Profile, load_profiles
from models.profiles.chat_template import pieces_of

PROFILES = load_profiles()
OWN = [each.id for each in PROFILES if each.chat.source == "profile"]
BASE = (
    "{% for message in messages %}<|start|>{{ message.role }}|{{ message.content }}<|eot_id|>{% endfor %}"
    "{% if add_generation_prompt %}<|start|>assistant|{% endif %}"
)
SAMPLE = TrainingSample("Isn't 'x' a \\ sign?\n{{ 1 + 1 }}", {"A": "No", "B": "Yes"}, "B", "It is.", "B. Yes")


def rendered(profile: Profile) -> str:
    def base_renders(messages: Messages) -> str:
        return "".join(pieces_of(BASE, messages, {}))

    return render(SAMPLE, profile, "as-asked", base_renders, end_of_turn(profile)).prompt


def asked(profile: Profile, *messages: tuple[str, str], is_open: bool = True) -> str:
    template = exported_template(profile, BASE, end_of_turn(profile))
    return "".join(pieces_of(template, [{"role": a, "content": b} for a, b in messages], {}, is_open=is_open))


def user_text(profile: Profile) -> str:
    return render_question(profile.prompt, SAMPLE.question, dict(SAMPLE.options), SAMPLE.target)


@pytest.mark.parametrize("profile_id", [each.id for each in PROFILES])
def test_a_question_is_rendered_as_the_samples_are(profile_id: str) -> None:
    profile = PROFILES.get(profile_id)
    assert asked(profile, ("user", user_text(profile))) == rendered(profile)


@pytest.mark.parametrize("profile_id", OWN)
def test_a_system_prompt_takes_the_place_of_the_profiles(profile_id: str) -> None:
    profile = PROFILES.get(profile_id)
    wanted = profile.chat.template.replace("{system}", "Be brief.").replace("{user}", "Why?")
    assert asked(profile, ("system", "Be brief."), ("user", "Why?")) == wanted


@pytest.mark.parametrize("profile_id", [each.id for each in PROFILES])
def test_what_opens_the_answer_is_no_stop_token(profile_id: str) -> None:
    profile = PROFILES.get(profile_id)
    stops = stop_tokens(profile, end_of_turn(profile))
    assert stops[0] == end_of_turn(profile)
    assert not [each for each in stops[1:] if each in profile.thinking.natural_close]


def test_m1_stops_at_the_end_of_its_turn_and_not_at_the_beginning_of_the_next() -> None:
    assert stop_tokens(PROFILES.get("m1"), "<|im_end|>") == ("<|im_end|>", "<|endoftext|>")


def test_a_conversation_goes_on() -> None:
    turns = (("system", "S"), ("user", "Q1"), ("assistant", "A1"), ("user", "Q2"))
    assert asked(PROFILES.get("m1"), *turns) == (
        "<|im_start|>system\nS<|im_end|>\n<|im_start|>user\nQ1<|im_end|>\n<|im_start|>assistant\nA1<|im_end|>\n"
        "<|im_start|>user\nQ2<|im_end|>\n<|im_start|>assistant\n"
    )
    llama = asked(PROFILES.get("plain-llama3"), *turns)
    assert llama.count("<|begin_of_text|>") == 1
    assert llama.endswith(
        "A1<|eot_id|><|start_header_id|>user<|end_header_id|>\n\nQ2<|eot_id|>"
        "<|start_header_id|>assistant<|end_header_id|>\n\n"
    )


def test_without_a_turn_to_come_the_assistants_is_not_begun() -> None:
    assert asked(PROFILES.get("m1"), ("system", "S"), ("user", "Q"), is_open=False) == (
        "<|im_start|>system\nS<|im_end|>\n<|im_start|>user\nQ<|im_end|>\n"
    )
