"""Profiles of one installation: saved, replaced and removed, while what traces name stays what it was."""

import os
import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.errors import CatalogError, UnknownProfile
from models.profiles import Profile, load_profiles, named_profile, profile_of
from models.profiles.own_profiles import LiveProfiles, toml_text

SHIPPED = tuple(load_profiles())


def values(**changed: Any) -> dict[str, Any]:
    return load_profiles().get("think-qwen3").values() | {"title": "Mine", "models": ["mine-*"], "hints": []} | changed


@pytest.fixture
def profiles(tmp_path: Path) -> LiveProfiles:
    return LiveProfiles(SHIPPED, tmp_path / "profiles")


def test_a_saved_profile_is_offered_first_and_after_a_restart(profiles: LiveProfiles, tmp_path: Path) -> None:
    saved = profiles.save("mine", values(), replaces=False)
    for each in (profiles, LiveProfiles(SHIPPED, tmp_path / "profiles")):
        assert next(iter(each)) == saved
        assert each.get("mine") == each.get(saved.id) == saved
        assert [profile.id for profile in each][1:] == [profile.id for profile in SHIPPED]


def test_its_text_is_what_was_saved(profiles: LiveProfiles) -> None:
    saved = profiles.save("mine", values(), replaces=False)
    assert saved.values() == values()


@pytest.mark.parametrize("profile", SHIPPED, ids=lambda profile: profile.id)
def test_every_shipped_profile_can_be_written_and_read(profile: Profile, profiles: LiveProfiles) -> None:
    assert profiles.save("mine", profile.values(), replaces=False).values() == profile.values()


@given(st.text(), st.lists(st.text(), max_size=3))
def test_any_text_can_be_written_and_read(text: str, texts: list[str]) -> None:
    import tomllib

    read = tomllib.loads(toml_text({"a": text, "b": texts, "c": {"d": text}}))
    expected = text.encode(errors="replace").decode()
    assert read == {"a": expected, "b": [t.encode(errors="replace").decode() for t in texts], "c": {"d": expected}}


def test_what_a_trace_names_stays_after_an_edit_and_a_removal(profiles: LiveProfiles, tmp_path: Path) -> None:
    first = profiles.save("mine", values(), replaces=False)
    second = profiles.save("mine", values(title="Changed"), replaces=True)
    assert second.id != first.id
    profiles.remove("mine")
    for each in (profiles, LiveProfiles(SHIPPED, tmp_path / "profiles")):
        assert (each.get(first.id), each.get(second.id)) == (first, second)
        assert each.own() == ()
        with pytest.raises(UnknownProfile):
            each.get("mine")


def test_files_that_have_not_changed_are_not_read_again(
    profiles: LiveProfiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    profiles.save("mine", values(), replaces=False)
    monkeypatch.setattr("models.profiles.own_profiles.read_profile", lambda *_: pytest.fail("it was read again"))
    profiles.refresh()


def test_a_file_changed_by_hand_has_another_id(profiles: LiveProfiles, tmp_path: Path) -> None:
    first = profiles.save("mine", values(), replaces=False)
    file = tmp_path / "profiles" / "mine.toml"
    file.write_text(file.read_text(encoding="utf-8").replace('"Mine"', '"By hand"'), encoding="utf-8")
    profiles.refresh()
    assert profiles.get("mine").title == "By hand"
    assert profiles.get("mine").id != first.id


@pytest.mark.parametrize("name", ["", "Mine", "a b", "../x", "a/b", "-a", "é", "a@b", "x" * 61])
def test_a_name_that_is_no_file_name_is_refused(profiles: LiveProfiles, tmp_path: Path, name: str) -> None:
    with pytest.raises(CatalogError, match="is not a valid profile name"):
        profiles.save(name, values(), replaces=False)
    assert not (tmp_path / "profiles").exists()


def test_a_name_that_exists_is_refused(profiles: LiveProfiles) -> None:
    with pytest.raises(CatalogError, match="The app already includes a profile named 'm1'"):
        profiles.save("m1", values(), replaces=False)
    saved = profiles.save("mine", values(), replaces=False)
    with pytest.raises(CatalogError, match="already exists"):
        profiles.save("mine", values(title="Other"), replaces=False)
    with pytest.raises(CatalogError, match="There is no profile named 'other'"):
        profiles.save("other", values(), replaces=True)
    assert profiles.get("mine") == saved


def test_a_wrong_field_is_named_and_changes_nothing(profiles: LiveProfiles, tmp_path: Path) -> None:
    broken = values()
    broken["thinking"] = broken["thinking"] | {"stop_tokens": []}
    with pytest.raises(CatalogError, match=r"thinking\.stop_tokens: List should have at least 1 item"):
        profiles.save("mine", broken, replaces=False)
    assert not (tmp_path / "profiles").exists()


def test_a_broken_file_is_named_and_leaves_the_others(profiles: LiveProfiles, tmp_path: Path) -> None:
    saved = profiles.save("mine", values(), replaces=False)
    (tmp_path / "profiles" / "broken.toml").write_text("[", encoding="utf-8")
    with pytest.raises(CatalogError, match=r"broken\.toml"):
        profiles.refresh()
    assert profiles.get("mine") == saved


def test_a_file_that_cannot_be_read_is_named(profiles: LiveProfiles, tmp_path: Path) -> None:
    (tmp_path / "profiles" / "folder.toml").mkdir(parents=True)
    with pytest.raises(CatalogError, match=r"folder\.toml cannot be read"):
        profiles.refresh()


@pytest.mark.parametrize("name", ["pipe.toml", "earlier/pipe@12345678.toml"])
def test_a_pipe_is_refused_and_not_waited_for(profiles: LiveProfiles, tmp_path: Path, name: str) -> None:
    (tmp_path / "profiles" / "earlier").mkdir(parents=True)
    os.mkfifo(tmp_path / "profiles" / name)
    with pytest.raises(CatalogError, match="it is not a regular file"):
        profiles.refresh()


def test_an_earlier_file_that_cannot_be_read_is_named(profiles: LiveProfiles, tmp_path: Path) -> None:
    (tmp_path / "profiles" / "earlier" / "mine@12345678.toml").mkdir(parents=True)
    with pytest.raises(CatalogError, match=r"mine@12345678\.toml cannot be read"):
        profiles.refresh()


def test_a_file_that_is_no_profile_by_its_size_is_not_read(profiles: LiveProfiles, tmp_path: Path) -> None:
    (tmp_path / "profiles").mkdir()
    with (tmp_path / "profiles" / "large.toml").open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(CatalogError, match="is larger than 8 MB"):
        profiles.refresh()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ('extends = "b"', "extends 'a', which extends this one"),
        ('extends = "../secret"', "extends 'secret', and there is no"),
        ("a = " + "[" * 100_000, "not valid TOML"),
    ],
)
def test_a_file_that_leads_astray_is_named(profiles: LiveProfiles, tmp_path: Path, content: str, words: str) -> None:
    (tmp_path / "secret.toml").write_text(toml_text(values()), encoding="utf-8")
    (tmp_path / "profiles").mkdir()
    (tmp_path / "profiles" / "a.toml").write_text(content, encoding="utf-8")
    (tmp_path / "profiles" / "b.toml").write_text('extends = "a"', encoding="utf-8")
    with pytest.raises(CatalogError, match=words):
        profiles.refresh()


def extending(profiles: LiveProfiles, tmp_path: Path) -> Profile:
    profiles.save("base", values(), replaces=False)
    (tmp_path / "profiles" / "more.toml").write_text('extends = "base"\ntitle = "More"\n', encoding="utf-8")
    profiles.refresh()
    return profiles.get("more")


def test_a_profile_is_another_one_when_the_one_that_it_extends_changes(profiles: LiveProfiles, tmp_path: Path) -> None:
    before = extending(profiles, tmp_path)
    profiles.save("base", values(reference="another"), replaces=True)
    for each in (profiles, LiveProfiles(SHIPPED, tmp_path / "profiles")):
        assert each.get("more").reference == "another"
        assert each.get("more").id != before.id
        assert each.get(before.id) == before


def test_a_profile_that_extends_one_here_can_be_removed_and_not_the_other_way_round(
    profiles: LiveProfiles, tmp_path: Path
) -> None:
    more = extending(profiles, tmp_path)
    with pytest.raises(CatalogError, match=r"more\.toml: extends 'base', and there is no"):
        profiles.remove("base")
    assert profiles.get("base").title == "Mine"
    profiles.remove("more")
    profiles.remove("base")
    again = LiveProfiles(SHIPPED, tmp_path / "profiles")
    assert again.own() == ()
    assert again.get(more.id) == more


def test_a_profile_here_can_extend_a_shipped_one(profiles: LiveProfiles, tmp_path: Path) -> None:
    (tmp_path / "profiles").mkdir()
    file = tmp_path / "profiles" / "own.toml"
    file.write_text('extends = "think-qwen3"\ntitle = "Own"\n[thinking]\nwait = "Hm"\n', encoding="utf-8")
    profiles.refresh()
    assert profiles.get("own").thinking.wait == "Hm"


def test_what_extends_another_one_here_can_be_replaced_and_is_read_after_both_have_gone(
    profiles: LiveProfiles, tmp_path: Path
) -> None:
    profiles.save("base", values(), replaces=False)
    file = tmp_path / "profiles" / "own.toml"
    file.write_text('extends = "base"\ntitle = "Own"\n[thinking]\nwait = "Hm"\n', encoding="utf-8")
    profiles.refresh()
    first = profiles.get("own")
    with pytest.raises(CatalogError, match="extends 'base'"):
        profiles.remove("base")
    assert LiveProfiles(SHIPPED, tmp_path / "profiles").get("own") == first
    profiles.save("own", first.values() | {"title": "Edited"}, replaces=True)
    profiles.remove("base")
    assert LiveProfiles(SHIPPED, tmp_path / "profiles").get(first.id) == first


def test_reading_the_folder_does_not_undo_what_is_saved_meanwhile(
    profiles: LiveProfiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    profiles.save("first", values(), replaces=False)
    (tmp_path / "profiles" / "first.toml").touch()
    is_reading, may_go_on = threading.Event(), threading.Event()
    read = LiveProfiles._read

    def slow(self: LiveProfiles, path: Path) -> Profile:
        if threading.current_thread() is reader:
            is_reading.set()
            may_go_on.wait(30)
        return read(self, path)

    monkeypatch.setattr(LiveProfiles, "_read", slow)
    reader = threading.Thread(target=profiles.refresh)
    saver = threading.Thread(target=lambda: profiles.save("second", values(), replaces=False))
    reader.start()
    is_reading.wait(30)
    saver.start()
    saver.join(1)
    may_go_on.set()
    reader.join()
    saver.join()
    assert profiles.get("second").title == "Mine"


def test_one_s_own_profile_comes_before_the_shipped_one_for_the_same_model(profiles: LiveProfiles) -> None:
    assert profiles.match("Qwen/Qwen3-8B").profile.id == "think-qwen3"
    saved = profiles.save("mine", values(models=["qwen/qwen3-8b"]), replaces=False)
    match = profiles.match("Qwen/Qwen3-8B")
    assert (match.profile, match.is_guess) == (saved, False)
    assert named_profile(profiles.own(), "Qwen/Qwen3-8B") == saved
    assert named_profile(profiles.own(), "Qwen/Qwen3-4B", "") is None


def test_a_field_of_a_draft_is_checked_without_a_file() -> None:
    with pytest.raises(CatalogError, match=r"^title: Field required\.$"):
        profile_of({name: each for name, each in values().items() if name != "title"}, "draft")


def test_another_text_of_what_it_extends_is_another_id(profiles: LiveProfiles, tmp_path: Path) -> None:
    profiles.save("base", values(), replaces=False)
    (tmp_path / "profiles" / "mine.toml").write_text('extends = "base"\ntitle = "Own"\n', encoding="utf-8")
    before = LiveProfiles(SHIPPED, tmp_path / "profiles").get("mine")
    changed = values()
    changed["thinking"] = {**changed["thinking"], "wait": "Hm"}
    profiles.save("base", changed, replaces=True)
    after = LiveProfiles(SHIPPED, tmp_path / "profiles").get("mine")
    assert (before.thinking.wait, after.thinking.wait) == (values()["thinking"]["wait"], "Hm")
    assert before.id != after.id
