"""The chat template and the stop tokens of a fine-tuned model, as its samples were rendered.

Whoever loads the model elsewhere (vLLM, llama.cpp, transformers) asks it through its chat template. The base's own
would lack what the profile adds: another system prompt, other turns.
"""

from models.profiles import ChatSection, Profile
from models.profiles.stand_ins import SYSTEM, USER

_TURNS = ("<|im_start|>", "<|start_header_id|>", "<start_of_turn>", "<|start|>", "<｜User｜>", "[INST]")
"""Tokens that begin a turn. The text from the last one on begins a later turn of the user."""


def exported_template(profile: Profile, base_template: str, end_of_turn: str) -> str:
    """Return the Jinja template that renders a question as the samples were rendered.

    The opening of the thinking is not part of it: the model learnt to write it. Earlier answers of a conversation stand
    there without their thinking.

    Args:
        profile: the one that rendered the samples.
        base_template: the base model's own template, which a profile without one uses.
        end_of_turn: the token that ends the assistant's turn.
    """
    if profile.chat.source == "profile":
        return _of_profile(profile.chat, end_of_turn)
    system = profile.chat.default_system
    return f"{_with_system(system)}{base_template}" if system else base_template


def stop_tokens(profile: Profile, end_of_turn: str) -> tuple[str, ...]:
    """Tokens that end a whole answer, the end of turn first.

    The app asks in two parts and stops the answer at more of them: some also open the answer, which the model writes
    itself where nobody interrupts it.
    """
    within = profile.thinking.opening + profile.thinking.natural_close
    others = (token for token in profile.answer.stop_tokens if token != end_of_turn and token not in within)
    return (end_of_turn, *others)


def _with_system(system: str) -> str:
    """Put the profile's system prompt before a conversation without one, as the samples were rendered."""
    return (
        "{%- if messages[0]['role'] != 'system' -%}{%- set messages = [{'role': 'system', 'content': "
        f"{_literal(system)}}}] + messages -%}}{{%- endif -%}}"
    )


def _of_profile(chat: ChatSection, end_of_turn: str) -> str:
    with_system = chat.template.replace("{system}", SYSTEM).replace("{user}", USER)
    before_system, _, rest = with_system.partition(SYSTEM)
    between, _, after = rest.partition(USER)
    before, _, _ = chat.template_without_system.partition("{user}")
    user_end, header = _split_end(after, end_of_turn)
    gap = user_end.removeprefix(end_of_turn)
    first = (
        f"{{%- if system -%}}{{{{- {_literal(before_system)} + system + {_literal(between)} -}}}}"
        f"{{%- else -%}}{{{{- {_literal(before)} -}}}}{{%- endif -%}}"
    )
    return "\n".join(
        [
            f"{{%- set system = {_literal(chat.default_system)} -%}}",
            "{%- set turns = messages -%}",
            "{%- if messages[0]['role'] == 'system' -%}",
            "    {%- set system = messages[0]['content'] -%}",
            "    {%- set turns = messages[1:] -%}",
            "{%- endif -%}",
            "{%- for message in turns -%}",
            "    {%- if message['role'] == 'user' -%}",
            f"        {{%- if loop.first -%}}{first}{{%- else -%}}{{{{- {_literal(_turn(before))} -}}}}{{%- endif -%}}",
            f"        {{{{- message['content'] + {_literal(user_end)} -}}}}",
            "    {%- elif message['role'] == 'assistant' -%}",
            f"        {{{{- {_literal(header)} + message['content'] + {_literal(end_of_turn + gap)} -}}}}",
            "    {%- endif -%}",
            "{%- endfor -%}",
            f"{{%- if add_generation_prompt -%}}{{{{- {_literal(header)} -}}}}{{%- endif -%}}",
        ]
    )


def _split_end(after: str, end_of_turn: str) -> tuple[str, str]:
    """What follows the question: the end of the user's turn, and what begins the assistant's."""
    if not after.startswith(end_of_turn):
        return "", after
    header = after.removeprefix(end_of_turn).lstrip()
    return after[: len(after) - len(header)], header


def _turn(before: str) -> str:
    """What begins a later turn of the user, from what begins the first one."""
    begins = max(map(before.rfind, _TURNS))
    return before[begins:] if begins > 0 else before


def _literal(text: str) -> str:
    """A string of Jinja; its engines agree on these escapes only."""
    for plain, escaped in (("\\", "\\\\"), ("'", "\\'"), ("\n", "\\n"), ("\r", "\\r"), ("\t", "\\t")):
        text = text.replace(plain, escaped)
    return f"'{text}'"
