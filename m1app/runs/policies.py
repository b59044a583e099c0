"""Policies that are kept here, each a JSON file of a name: M1_HOME/policies/NAME.json."""

import asyncio
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from m1app.access.person import Permission, needs
from m1app.strategies.catalogue import Choice
from m1app.strategies.choosing.policy import MOST_BYTES, Policy
from m1app.strategies.errors import PolicyRefused
from m1app.strategies.kinds import BY_POLICY

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,59}")
"""Nothing that a written choice, a path or an address would read in another way."""
_ENDING = ".json"


class PolicyLibrary:
    """Keeps policies by name. Every method may also raise OSError."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @needs(Permission.READ)
    async def names(self) -> Sequence[str]:
        """The names of all policies, in order; also of those that cannot be used any more."""
        return await asyncio.to_thread(self._names)

    @needs(Permission.READ)
    async def get(self, name: str) -> Policy:
        """Read a policy; raises PolicyRefused if there is none of that name, or it cannot be used."""
        return await asyncio.to_thread(self._read, name)

    @needs(Permission.READ)
    async def of_choices(self, choices: Iterable[Choice]) -> Mapping[str, Policy]:
        """Read the policies by which strategies choose; raises PolicyRefused."""
        names = {str(each.options["policy"]) for each in choices if each.kind.name == BY_POLICY}
        return {name: await self.get(name) for name in sorted(names)}

    @needs(Permission.MANAGE)
    async def save(self, name: str, policy: Policy) -> None:
        """Keep a policy; raises PolicyRefused for a name that cannot be used, or is taken.

        A run that goes on after a stop has to find the policy that it began with, so none is replaced.
        """
        await asyncio.to_thread(self._save, name, policy)

    @needs(Permission.MANAGE)
    async def remove(self, name: str) -> None:
        """Remove a policy; raises PolicyRefused if there is none of that name."""
        await asyncio.to_thread(self._remove, name)

    def _names(self) -> Sequence[str]:
        found = (path.stem for path in self._folder.glob(f"*{_ENDING}"))
        return sorted(name for name in found if _NAME.fullmatch(name))

    def _read(self, name: str) -> Policy:
        path = self._path(name)
        try:
            with path.open("rb") as file:
                content = file.read(MOST_BYTES + 1)
        except FileNotFoundError as exc:
            raise self._missing(name) from exc
        try:
            return Policy.from_json(content)
        except PolicyRefused as exc:
            raise PolicyRefused(f"The policy {name!r} cannot be used. {exc}") from exc

    def _save(self, name: str, policy: Policy) -> None:
        path = self._path(name)
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = self._folder / f".{name}.{os.getpid()}.new"
        try:
            draft.write_bytes(policy.to_json())
            os.link(draft, path)  # Unlike a rename, it replaces nothing.
        except FileExistsError as exc:
            raise PolicyRefused(
                f"There is already a policy named {name!r}. Choose another name, or remove it with `m1app policy "
                "remove`."
            ) from exc
        finally:
            draft.unlink(missing_ok=True)

    def _remove(self, name: str) -> None:
        try:
            self._path(name).unlink()
        except FileNotFoundError as exc:
            raise self._missing(name) from exc

    def _path(self, name: str) -> Path:
        if not name:
            raise PolicyRefused(f"No policy is chosen for this strategy. {self._offered()}")
        if not _NAME.fullmatch(name):
            raise PolicyRefused(
                f"{name[:80]!r} is not a valid policy name. Use up to 60 lower-case letters, digits, periods, hyphens "
                "and underscores, and start with a letter or digit."
            )
        return self._folder / f"{name}{_ENDING}"

    def _missing(self, name: str) -> PolicyRefused:
        return PolicyRefused(f"There is no policy named {name!r}. {self._offered()}")

    def _offered(self) -> str:
        here = ", ".join(self._names()[:20])
        return f"Available: {here}." if here else "Make one on the Benchmarks page, on the Fits tab."


def check_model(name: str, policy: Policy, model: str) -> None:
    """Raise PolicyRefused where a policy was made for another model, whose entropies mean something else."""
    if policy.model and policy.model != model:
        raise PolicyRefused(
            f"The policy {name!r} was made for {policy.model[:100]}, but {model[:100]} would be asked, and entropies "
            "differ between models. Choose that model, or make a policy from a run of this one."
        )
