"""Where a chat template comes from: a model's file or folder here, a running engine, or what somebody pasted."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from m1app.engines.errors import TemplateRefused
from m1app.engines.template_rendering import Conversation, render_template
from models.engine.protocol import ChatMessage, Engine
from models.profiles.proposal import TemplateFacts
from models.profiles.stand_ins import ASSISTANT, SYSTEM, USER
from models.weights.gguf_check import BadModelFile, check_model_file, read_tokens
from models.weights.template_files import added_tokens_in, special_tokens_in, template_in

_TURNS = ("system", SYSTEM), ("user", USER), ("assistant", ASSISTANT), ("user", USER)


@dataclass(frozen=True, slots=True)
class FoundTemplate:
    """A template, with what is known of the vocabulary that it is for."""

    template: str
    tokens: Mapping[str, str] = field(default_factory=dict)
    """Spellings of special tokens, such as bos_token."""
    vocabulary: Collection[str] = ()
    """Spellings of its tokens, or of those that were added to it; empty if unknown."""


def read_template(path: Path) -> FoundTemplate:
    """Read the template of a GGUF file or of a folder. Blocks.

    Raises:
        TemplateRefused: it has none, or cannot be read.
    """
    if path.exists() and not (path.is_dir() or path.is_file()):
        raise TemplateRefused(f"{path} is neither a file nor a folder. Name a GGUF file, or a model's folder.")
    try:
        found = _of_folder(path) if path.is_dir() else _of_gguf(path)
    except BadModelFile as exc:
        raise TemplateRefused(str(exc)) from exc
    except OSError as exc:
        raise TemplateRefused(f"{path} cannot be read: {exc.strerror}.") from exc
    if not found.template.strip():
        raise TemplateRefused(
            f"{path} has no chat template, as base models have none. Paste the template of the model it was made from, "
            "or choose another model."
        )
    return found


def _of_folder(folder: Path) -> FoundTemplate:
    return FoundTemplate(template_in(folder), special_tokens_in(folder), added_tokens_in(folder))


def _of_gguf(path: Path) -> FoundTemplate:
    header = check_model_file(path)
    template = header.metadata.get("tokenizer.chat_template")
    vocabulary = read_tokens(path)
    tokens = {}
    for name in ("bos", "eos"):
        token_id = header.metadata.get(f"tokenizer.ggml.{name}_token_id")
        if isinstance(token_id, int) and 0 <= token_id < len(vocabulary):
            tokens[f"{name}_token"] = vocabulary[token_id]
    return FoundTemplate(template if isinstance(template, str) else "", tokens, frozenset(vocabulary))


async def facts_of_template(found: FoundTemplate, names: Sequence[str]) -> TemplateFacts:
    """What a template makes of the stand-ins.

    Raises:
        TemplateRefused: it cannot be parsed, refuses a question, or runs or grows without end.
    """
    turns = [{"role": role, "content": content} for role, content in _TURNS]
    conversations = [Conversation(turns[:2]), Conversation(turns[1:2]), Conversation(turns[1:])]
    with_system, without, answered = await render_template(found.template, found.tokens, conversations)
    if without.problem:
        raise TemplateRefused(
            f"The template cannot be rendered: {without.problem}. Choose another model, or correct and paste it."
        )
    return TemplateFacts(
        template=found.template,
        with_system=None if with_system.problem else with_system.text,
        without_system=without.text,
        with_answer=None if answered.problem else answered.text,
        eos_token=found.tokens.get("eos_token", ""),
        vocabulary=found.vocabulary,
        names=names,
    )


async def facts_of_engine(engine: Engine, names: Sequence[str]) -> TemplateFacts:
    """What a running engine makes of the stand-ins with its model's template; raises EngineError."""
    turns = [ChatMessage(role, content) for role, content in _TURNS]
    with_system, without, answered = [
        await engine.apply_chat_template(each) for each in (turns[:2], turns[1:2], turns[1:])
    ]
    return TemplateFacts("", with_system, without, answered, names=names)
