"""The domains that a model chooses from, and how its choice is read. `domains.toml` has them with their source."""

import re
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

MOST_QUESTION_CHARACTERS = 8_000
_LEAD = re.compile(r"^(?:subject|domain|answer)\s*:\s*", re.IGNORECASE)
_AROUND = " \t\"'`*_.-•“”‘’[]()#>"


@dataclass(frozen=True, slots=True)
class Domains:
    """A list of domains, and the prompt that shows it."""

    names: tuple[str, ...]
    prompt: str
    source: str

    def asked(self, question: str) -> str:
        """What a model is asked about a question; of a very long one, its end."""
        listed = "\n".join(self.names)
        shown = question[-MOST_QUESTION_CHARACTERS:]
        return self.prompt.replace("{domains}", listed).replace("{question}", shown).strip()

    def read(self, reply: str) -> str | None:
        """The domain that a reply names: its only line with text, if that is an entry of the list; else None."""
        lines = [line for line in map(_plain, reply.splitlines()) if line]
        by_name = {_plain(name): name for name in self.names}
        return by_name.get(lines[0]) if len(lines) == 1 else None


@cache
def load_domains() -> Domains:
    """Read the list; reads a file at the first call."""
    content = tomllib.loads(files(__package__).joinpath("domains.toml").read_text(encoding="utf-8"))
    return Domains(tuple(content["domains"]), content["prompt"], content["source"])


def _plain(text: str) -> str:
    """A text without marks around it, spelled alike: "Drug Therapy." as "drug therapy"."""
    plain = _LEAD.sub("", text.strip().strip(_AROUND)).strip(_AROUND)
    return " ".join(plain.casefold().replace("&", " and ").split())


load_domains()  # At import, so that no event loop reads the file.
