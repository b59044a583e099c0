"""Percentages of people who chose an option leave the prompt; percentages that belong to an option stay."""

import pytest

from m1app.question.pastes.pasted_question import OfferKind, Paste, read_paste

NAMES = {"A": "Spironolactone", "B": "Furosemide", "C": "Mannitol", "D": "Acetazolamide"}


def options(*texts: str, stem: str = "Which diuretic is given?", marks: str = "ABCDE", tail: str = "") -> str:
    return "\n".join([stem, *(f"{mark}. {text}" for mark, text in zip(marks, texts, strict=False)), tail])


@pytest.mark.parametrize(
    "text",
    [
        options("Spironolactone 12%", "Furosemide 71%", "Mannitol 9%", "Acetazolamide 8%"),
        options("Spironolactone (12%)", "Furosemide (71%)", "Mannitol (9%)", "Acetazolamide (8%)"),
        options("Spironolactone [12 %]", "Furosemide [71 %]", "Mannitol [9 %]", "Acetazolamide [8 %]"),
        options("Spironolactone - 12.5%", "Furosemide - 70.5%", "Mannitol - 9%", "Acetazolamide - 8%"),
        options("Spironolactone 12,5 %", "Furosemide 70,5 %", "Mannitol 9,0 %", "Acetazolamide 8,0 %"),
        options("Spironolactone\n12%", "Furosemide\n71%", "Mannitol\n9%", "Acetazolamide\n8%"),
        options(*(f"{name} {share}% chose" for name, share in zip(NAMES.values(), (1, 50, 3, 4), strict=True))),
        options(*(f"{name} ({share}% of users)" for name, share in zip(NAMES.values(), (1, 50, 3, 4), strict=True))),
        options(*(f"{name} – chosen by {share}%" for name, share in zip(NAMES.values(), (1, 50, 3, 4), strict=True))),
        options("Spironolactone 12%", "Furosemide 71%", "Mannitol 9%", "Acetazolamide 8%", marks="1234"),
        "Which diuretic is given? A. Spironolactone 12% B. Furosemide 71% C. Mannitol 9% D. Acetazolamide 8%",
        options(
            *("Spironolactone 12%", "Furosemide 71%", "Mannitol 9%", "Acetazolamide 8%"),
            tail="71% of people answered this correctly.",
        ),
    ],
)
def test_shares_leave_the_options_and_are_named_as_left_out(text: str) -> None:
    paste = read_paste(text)
    assert paste.options == NAMES
    assert "%" not in paste.stem
    assert [each.part.value for each in paste.left_out] == ["percentages of answers"]


def test_the_right_option_marked_before_its_share_is_the_target_and_its_mark_leaves_too() -> None:
    paste = read_paste(options("Spironolactone 12%", "Furosemide (correct) 71%", "Mannitol 9%", "Acetazolamide 8%"))
    assert (paste.options, paste.target) == (NAMES, "B")
    (kept,) = (offer.questions[0] for offer in paste.offers if offer.kind is OfferKind.KEEP_SHARES)
    assert kept.target == "B" and not any("correct" in text for text in kept.options.values())


def test_an_answer_line_below_shares_is_read_as_ever() -> None:
    text = options("Spironolactone 12%", "Furosemide 71%", "Mannitol 9%", "Acetazolamide 8%", tail="Answer: B (71%)")
    assert (read_paste(text).options, read_paste(text).target) == (NAMES, "B")


@pytest.mark.parametrize(
    "texts",
    [
        ("0.9% saline", "5% dextrose", "20% mannitol"),
        ("10%", "25%", "65%"),
        ("(10%)", "(25%)", "(65%)"),
        ("Oxygen at 24%", "Oxygen at 28%", "Air at 48%"),
        ("less than 5%", "5 to 10%", "more than 85%"),
        ("0 - 20%", "20 - 40%", "40 - 40%"),
        ("about 5%", "about 25%", "about 70%"),
        ("Haematocrit 45%", "Haematocrit 55%"),
        ("Stenosis of 30%", "Stenosis of 70%"),
        ("A specificity of 95%", "A sensitivity of 80%", "Neither"),
        ("FEV1 >80%", "FEV1 <20%"),
        ("Alcohol 70%", "Chlorhexidine 2%", "Povidone 10%"),
        ("Aspirin", "Warfarin 60%", "Heparin", "Gin", "Tea 40%"),
    ],
)
def test_percentages_of_the_options_themselves_stay(texts: tuple[str, ...]) -> None:
    paste = read_paste(options(*texts))
    assert tuple(paste.options.values()) == texts
    assert not [offer for offer in paste.offers if offer.kind in (OfferKind.SHARES, OfferKind.KEEP_SHARES)]


def test_a_share_keeps_the_percentage_within_its_option() -> None:
    paste = read_paste(options("0.9% saline 62%", "5% dextrose 30%", "20% mannitol 8%"))
    assert list(paste.options.values()) == ["0.9% saline", "5% dextrose", "20% mannitol"]


@pytest.mark.parametrize(
    "texts",
    [
        ("Spironolactone 60%", "Furosemide 20%", "Mannitol 15%", "Acetazolamide"),
        ("Spironolactone 60%", "Furosemide 20%", "Mannitol 8%", "Acetazolamide 4%"),
    ],
)
def test_doubtful_shares_are_offered_and_not_taken_off(texts: tuple[str, ...]) -> None:
    paste = read_paste(options(*texts))
    assert tuple(paste.options.values()) == texts
    (offer,) = paste.offers
    assert (offer.kind, offer.questions[0].options) == (OfferKind.SHARES, NAMES)


def test_lines_without_marks_are_offered_as_options_without_their_shares() -> None:
    paste = read_paste("Which diuretic is given?\nSpironolactone 12%\nFurosemide 71%\nMannitol 9%\nAcetazolamide 8%")
    (offer,) = paste.offers
    assert (offer.kind, offer.questions[0].options) == (OfferKind.SPLIT, NAMES)


def test_several_questions_lose_their_shares_each() -> None:
    one = "Which is a loop diuretic?\nA. Furosemide 90%\nB. Mannitol 10%\nAnswer: A"
    other = "Which is osmotic?\nA. Furosemide 20%\nB. Mannitol 80%\nAnswer: B"
    paste = read_paste(f"1. {one}\n\n2. {other}")
    found: list[Paste] = list(paste.questions)
    assert [each.options for each in found] == 2 * [{"A": "Furosemide", "B": "Mannitol"}]
    assert [each.target for each in found] == ["A", "B"]
