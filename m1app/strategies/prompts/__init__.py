"""The prompts of strategies, as data: a file for each strategy, with the source of its words.

A file is TOML: `source` says where the words come from and what was changed; every other key is a prompt. Fields in
braces, such as {question}, are filled in; everything else stays as it is, braces of JSON examples too.
"""

import re
import tomllib
from functools import cache
from importlib.resources import files

_FIELD = re.compile(r"\{([a-z_]+)\}")


@cache
def prompts(name: str) -> dict[str, str]:
    """All prompts of a strategy by their keys, with `source`; raises FileNotFoundError.

    Reads a file at the first call: a strategy's module calls it when it is imported, not on the event loop.
    """
    loaded: dict[str, str] = tomllib.loads(files(__name__).joinpath(f"{name}.toml").read_text(encoding="utf-8"))
    return loaded


def fill(name: str, key: str, **fields: object) -> str:
    """A prompt with its fields filled in; what is filled in is not read again.

    Raises:
        KeyError: the prompt has a field that is not given.
    """
    return _FIELD.sub(lambda found: str(fields[found[1]]), prompts(name)[key]).strip()
