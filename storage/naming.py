"""The name and the tags that a person gives a trace or a sweep to find it again."""

from collections.abc import Sequence
from dataclasses import dataclass

from storage.columns import check_storable
from storage.errors import InvalidRecord

MAX_NAME_CHARACTERS = 120
MAX_TAG_CHARACTERS = 40
MAX_TAGS = 12


@dataclass(frozen=True, slots=True)
class Naming:
    """A name and tags; both may be empty."""

    name: str = ""
    """On one line, at most 120 characters."""
    tags: tuple[str, ...] = ()
    """At most 12, each on one line without commas, at most 40 characters; in the order given."""

    @property
    def texts(self) -> tuple[str, ...]:
        """What a search finds."""
        return (self.name, *self.tags)


def checked_naming(name: str, tags: Sequence[str]) -> Naming:
    """Return the name and the tags with single spaces, without empty and repeated tags (case does not matter).

    Raises:
        InvalidRecord: one is too long, there are too many tags, or a tag contains a comma or an unstorable character.
    """
    kept = " ".join(name.split())
    if len(kept) > MAX_NAME_CHARACTERS:
        raise InvalidRecord(f"The name has {len(kept)} characters; the limit is {MAX_NAME_CHARACTERS}. Shorten it.")
    by_folded = {each.casefold(): each for each in (" ".join(tag.split()) for tag in reversed(tags)) if each}
    distinct = tuple(reversed(by_folded.values()))
    if len(distinct) > MAX_TAGS:
        raise InvalidRecord(f"There are {len(distinct)} tags; the limit is {MAX_TAGS}. Remove some.")
    for tag in distinct:
        _check_tag(tag)
    try:
        check_storable(" ".join((kept, *distinct)), "the name or a tag")
    except ValueError as exc:
        raise InvalidRecord(f"The name or a tag cannot be stored: {exc}.") from exc
    return Naming(kept, distinct)


def _check_tag(tag: str) -> None:
    if len(tag) > MAX_TAG_CHARACTERS:
        raise InvalidRecord(
            f"The tag {tag[:20]!r}… has {len(tag)} characters; the limit is {MAX_TAG_CHARACTERS}. Shorten it."
        )
    if "," in tag:
        raise InvalidRecord(f"The tag {tag!r} contains a comma, which separates tags. Write two tags.")
