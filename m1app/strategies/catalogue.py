"""Reads choices of strategies as they are written, and starts them.

A choice is written as its name and its options: `vote:k=8`, `adaptive-vote:k=8:share=0.8`; several choices are
separated by commas. In a value, such as a model's name, a colon is written %3A, a comma %2C, and a percent sign %25.
`kinds` has the table of strategies.
"""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from m1app.strategies.errors import StrategyRefused
from m1app.strategies.kinds import KINDS, ROUNDS, Kind, Option
from m1app.strategies.protocol import Strategy, Task

_SHOWN = 80
"""Characters of what cannot be chosen, in messages."""
_MOST_OF_A_NAME = 400

_BY_NAME = {kind.name: kind for kind in KINDS}


@dataclass(frozen=True, slots=True)
class Choice:
    """A strategy with its options set."""

    kind: Kind
    options: Mapping[str, int | float | str]

    @property
    def text(self) -> str:
        """As it is written: "vote:k=8"."""
        written = {each.name: self.options[each.name] for each in self._told if each.name in self.options}
        return ":".join([self.kind.name, *(f"{name}={_escaped(_written(value))}" for name, value in written.items())])

    @property
    def title(self) -> str:
        """For people: "Vote (passes 8)"."""
        set_ones = [each for each in self._told if self.options[each.name] != ""]
        shown = [f"{each.label.lower()} {_written(self.options[each.name])}" for each in set_ones]
        return f"{self.kind.title} ({', '.join(shown)})" if shown else self.kind.title

    @property
    def passes(self) -> int:
        """Most passes of the question that it asks for."""
        return self.kind.passes(self.options)

    @property
    def force_rounds(self) -> int:
        """Forced rounds of its passes; 0 takes the run's."""
        return int(self.options[ROUNDS.name]) if self.kind.can_force_rounds else 0

    @property
    def _told(self) -> Sequence[Option]:
        options = self.kind.options
        return [each for each in options if not each.is_written_if_set or self.options[each.name] != each.default]

    def start(self, task: Task) -> Strategy:
        """The strategy for a task.

        Raises:
            StrategyRefused: it cannot be asked this question.
        """
        if self.kind.needs_options and not task.options:
            raise StrategyRefused(
                f"{self.kind.title} compares options, and this question has none. Choose another strategy, or add "
                "options."
            )
        options: dict[str, Any] = dict(self.options)
        if self.kind.can_force_rounds:
            task = replace(task, force_rounds=options.pop(ROUNDS.name) or task.force_rounds)
        if self.kind.starts_others:
            options["start"] = _start_written
        return self.kind.make(task, **options)


def _start_written(written: str, task: Task) -> Strategy:
    return parse(written)[0].start(task)


def choice_beyond_the_table(
    name: str, title: str, summary: str, source: str, make: Callable[[Task], Strategy]
) -> Choice:
    """A strategy that only the room which defines it starts: it compares options, and each request has its own limit.

    Args:
        name: as it is stored.
        title: for people.
        summary: one sentence.
        source: where it is described.
        make: starts it for a task.
    """
    kind = Kind(
        name=name, title=title, summary=summary, source=source, make=make, needs_options=True, bounds_itself=True
    )
    return Choice(kind, {})


def kind_of(name: str) -> Kind:
    """The strategy of this name; raises StrategyRefused naming all."""
    if name not in _BY_NAME:
        raise StrategyRefused(f"There is no strategy named {name[:_SHOWN]!r}. Choose one of {', '.join(_BY_NAME)}.")
    return _BY_NAME[name]


def choose(name: str, options: Mapping[str, Any] | None = None) -> Choice:
    """A strategy with options, the others at their defaults; raises StrategyRefused naming what is wrong."""
    kind = kind_of(name)
    given = dict(options or {})
    known = {each.name: each for each in kind.options}
    for unknown in given.keys() - known.keys():
        names = ", ".join(known) or "none"
        raise StrategyRefused(f"{kind.title} has no option named {unknown[:_SHOWN]!r}. Its options are {names}.")
    return Choice(kind, {each.name: _checked(kind, each, given.get(each.name, each.default)) for each in kind.options})


def parse(text: str) -> tuple[Choice, ...]:
    """Read choices as they are written, such as "vote:k=8,first-finish:n=4"; raises StrategyRefused."""
    found: dict[str, Choice] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, *settings = part.split(":")
        kind = kind_of(name.strip())
        choice = choose(kind.name, _settings(kind, part, settings))
        found[choice.text] = choice
    if not found:
        raise StrategyRefused("No strategy is named. Write, for example, vote:k=8,adaptive-vote:k=8.")
    return tuple(found.values())


def _settings(kind: Kind, part: str, settings: Sequence[str]) -> Mapping[str, str]:
    """Options as they are written; a name may have colons of its own: "judge=m1-7B @ 127.0.0.1:8001"."""
    named = {each.name for each in kind.options if each.is_name}
    options: dict[str, str] = {}
    last = ""
    for setting in settings:
        key, equals, value = setting.partition("=")
        if equals:
            last = key.strip()
            options[last] = _unescaped(value.strip())
        elif last in named:
            options[last] += f":{_unescaped(setting.strip())}"
        else:
            raise StrategyRefused(
                f"{setting[:_SHOWN]!r} in {part[:_SHOWN]!r} is not an option; write it as name=value, such as k=8."
            )
    return options


def _checked(kind: Kind, option: Option, value: object) -> int | float | str:
    if option.is_name and (len(str(value)) > _MOST_OF_A_NAME or not str(value).isprintable()):
        raise StrategyRefused(
            f"{option.label} of {kind.title} is {str(value)[:_SHOWN]!r}; a name has at most {_MOST_OF_A_NAME} "
            "characters, all of them printable."
        )
    if isinstance(option.default, str):
        if option.choices and str(value) not in option.choices:
            raise StrategyRefused(
                f"{option.label} of {kind.title} is {value!s:.40}; choose one of {', '.join(option.choices)}."
            )
        return str(value)
    wanted = int if isinstance(option.default, int) else float
    try:
        number = wanted(value)  # type: ignore[arg-type, call-overload]
        is_exact = wanted is float or float(str(value)) == number
    except (TypeError, ValueError, OverflowError):
        is_exact = False
    if not is_exact or not option.low <= number <= option.high:
        limit = f"from {option.low:g}" + (f" to {option.high:g}" if math.isfinite(option.high) else "")
        what = "a whole number" if wanted is int else "a number"
        raise StrategyRefused(f"{option.label} of {kind.title} is {value!s:.40}; enter {what} {limit}.")
    return wanted(number)


def no_sets(choices: Sequence[Choice]) -> str:
    """Why some of these cannot answer a question with several right options; empty if all can."""
    unable = [each.kind.title for each in choices if not each.kind.chooses_sets]
    if not unable:
        return ""
    able = ", ".join(kind.title for kind in KINDS if kind.chooses_sets)
    return (
        f"Several options are right here, and {', '.join(dict.fromkeys(unable))} cannot choose sets of options. "
        f"Strategies that count answers can: {able}."
    )


_ESCAPES = str.maketrans({"%": "%25", ":": "%3A", ",": "%2C"})
_ESCAPE = re.compile("%(25|3A|2C)", re.IGNORECASE)


def _escaped(value: str) -> str:
    return value.translate(_ESCAPES)


def _unescaped(written: str) -> str:
    return _ESCAPE.sub(lambda found: chr(int(found[1], 16)), written)


def _written(value: float | str) -> str:
    """As short as it can be and still be read back as the same: what is stored is what a run goes on with."""
    if not isinstance(value, float):
        return str(value)
    short = f"{value:g}"
    return short if float(short) == value else repr(value)
