"""Keys and references in brackets behind what they belong to: "D. Iodine (B)", "D. Iodine [3]", "Answer [3]: B"."""

import pytest

from m1app.question.pastes.pasted_question import LeftOut, OfferKind, Part, read_paste

ENGLISH = ("Zinc", "Iron", "Copper", "Iodine")
ASKED = "Which is lacking?"
LATIN = "A. Zinc\nB. Iron\nC. Copper\nD. Iodine"


def read(text, options=ENGLISH):
    """The question of a paste, which has these options."""
    paste = read_paste(text)
    assert tuple(paste.options.values()) == tuple(options)
    return paste


@pytest.mark.parametrize(
    ("text", "options"),
    [
        (f"{ASKED}\n{LATIN} [B]", ENGLISH),
        (f"{ASKED}\n{LATIN} [B].", ENGLISH),
        (f"{ASKED}\n{LATIN} [B] [3]", ENGLISH),
        (f"{ASKED}\n{LATIN}\n(B)", ENGLISH),
        ("下列哪项缺乏？\nA. 锌\nB. 铁\nC. 铜\nD. 碘（B）", ("锌", "铁", "铜", "碘")),
        ("下列哪项缺乏？\nA、锌\nB、铁\nC、铜\nD、碘 【B】", ("锌", "铁", "铜", "碘")),
        ("下列哪项缺乏？ A.锌 B.铁 C.铜 D.碘 （B）", ("锌", "铁", "铜", "碘")),
        ("¿Qué falta?\nA) Zinc\nB) Hierro\nC) Cobre\nD) Yodo [B]", ("Zinc", "Hierro", "Cobre", "Yodo")),
        ("부족한 것은?\nA. 아연\nB. 철\nC. 구리\nD. 요오드 [B]", ("아연", "철", "구리", "요오드")),
    ],
)
def test_a_key_behind_the_last_option_is_the_target_and_no_part_of_it(text, options):
    paste = read(text, options)
    assert (paste.target, paste.unasked, paste.offers) == ("B", "", ())
    assert paste.answer_line.strip("()（）[]【】.") == "B"


@pytest.mark.parametrize(
    ("text", "last"),
    [
        (f"{ASKED}\n{LATIN} (B)", "Iodine"),
        (f"{ASKED}\n{LATIN}(B)", "Iodine"),
        (f"{ASKED} A. Zinc B. Iron C. Copper D. Iodine (B)", "Iodine"),
        (f"{ASKED}\na) Zinc\nb) Iron\nc) Copper\nd) Iodine (b)", "Iodine"),
        ("¿Qué falta?\nA) Zinc\nB) Hierro\nC) Cobre\nD) Yodo (B)", "Yodo"),
        ("Que manque-t-il ?\nA. Zinc\nB. Fer\nC. Cuivre\nD. Iode (B)", "Iode"),
        ("Was fehlt?\nA) Zink\nB) Eisen\nC) Kupfer\nD) Jod (B)", "Jod"),
        ("부족한 것은?\nA. 아연\nB. 철\nC. 구리\nD. 요오드 (B)", "요오드"),
    ],
)
def test_what_may_be_a_key_is_held_back_until_somebody_says_so(text, last):
    paste = read_paste(text)
    assert "may be the answer" in paste.unasked
    taken, kept = (offer.questions[0] for offer in paste.offers)
    assert [offer.kind for offer in paste.offers] == [OfferKind.TAKE_LETTER, OfferKind.KEEP_LETTER]
    assert (taken.options["D"], taken.target, taken.unasked) == (last, "B", "")
    assert (kept.options["D"][: len(last)], kept.target) == (last, None)
    assert len(kept.options["D"]) > len(last)


@pytest.mark.parametrize(
    "last",
    [
        "Hepatitis (B)",
        "Blood group (A)",
        "Vitamin (B)",
        "The same as (B)",
        "All except (B)",
        "Both (A) and (B)",
        "Wie (B)",
        "Vitamin K (E)",
        "(B)",
    ],
)
def test_a_letter_that_names_something_stays_in_its_option(last):
    paste = read(f"{ASKED}\nA. Zinc\nB. Iron\nC. Copper\nD. {last}", ("Zinc", "Iron", "Copper", last))
    assert (paste.target, paste.unasked) == (None, "")


def test_letters_behind_several_options_are_their_names():
    names = ("Retinol (A)", "Thiamine (B)", "Ascorbate (C)", "Calciferol (D)")
    lines = "\n".join(f"{letter}. {name}" for letter, name in zip("ABCD", names, strict=True))
    paste = read(f"Which vitamin?\n{lines}", names)
    assert (paste.target, paste.unasked) == (None, "")


def test_beside_a_stated_answer_the_same_letter_is_taken_out_and_another_stays():
    same = read(f"{ASKED}\n{LATIN} (B)\nAnswer: B")
    assert (same.target, same.unasked) == ("B", "")
    other = read(f"{ASKED}\n{LATIN} (A)\nAnswer: B", (*ENGLISH[:3], "Iodine (A)"))
    assert (other.target, other.unasked) == ("B", "")


@pytest.mark.parametrize(
    ("text", "options"),
    [
        (f"According to [3], which is lacking?\n{LATIN}", ENGLISH),
        (f"{ASKED} [3]\n{LATIN}", ENGLISH),
        (f"{ASKED} [2]\n1. Zinc\n2. Iron\n3. Copper\n4. Iodine", ENGLISH),
        (f"{ASKED}\n{LATIN} [3]", (*ENGLISH[:3], "Iodine [3]")),
        (f"{ASKED}\n1. Zinc\n2. Iron\n3. Copper\n4. Iodine [3]", (*ENGLISH[:3], "Iodine [3]")),
        (
            f"{ASKED}\nA. Zinc [3]\nB. Iron [1, 2]\nC. Copper\nD. Iodine",
            ("Zinc [3]", "Iron [1, 2]", "Copper", "Iodine"),
        ),
        (f"{ASKED}\n{LATIN}\n[3]", ENGLISH),
        (f"{ASKED}\n{LATIN}\n[3] Smith et al., 2019.", ENGLISH),
        (f"{ASKED}\n{LATIN}\n\n[1] Smith 2019.\n[2] Jones 2020.\n[3] Doe 2021.", ENGLISH),
        (f"In the cohort:\n[1] some died.\n[2] some relapsed.\n[3] some recovered.\n{ASKED}\n{LATIN}", ENGLISH),
        (f"{ASKED}\n{LATIN}\nAnswer: [3]", ENGLISH),
        ("根据指南[3]，下列哪项缺乏？\nA. 锌\nB. 铁[1]\nC. 铜\nD. 碘[3]", ("锌", "铁[1]", "铜", "碘[3]")),
        ("Según [2], ¿qué falta?\nA) Zinc\nB) Hierro\nC) Cobre [2]\nD) Yodo", ("Zinc", "Hierro", "Cobre [2]", "Yodo")),
        ("Que manque-t-il [1] ?\nA. Zinc\nB. Fer\nC. Cuivre\nD. Iode [1]", ("Zinc", "Fer", "Cuivre", "Iode [1]")),
        (
            "Was fehlt laut [1]?\nA) Zink\nB) Eisen\nC) Kupfer\nD) Jod\n[1] Leitlinie",
            ("Zink", "Eisen", "Kupfer", "Jod"),
        ),
        ("[2]에 따르면 부족한 것은?\nA. 아연\nB. 철\nC. 구리\nD. 요오드", ("아연", "철", "구리", "요오드")),
    ],
)
def test_the_number_of_a_reference_is_no_target_and_no_option(text, options):
    paste = read(text, options)
    assert (paste.target, paste.unasked) == (None, "")


@pytest.mark.parametrize(
    "line", ["Answer: B [3]", "Answer [3]: B", "Answer: B[1, 2]", "答案[3]：B", "Respuesta [1]: B"]
)
def test_an_answer_with_a_reference_is_read_without_it(line):
    assert read(f"{ASKED}\n{LATIN}\n{line}").target == "B"


def test_the_number_of_a_reference_behind_the_number_of_an_option_is_no_second_answer():
    paste = read(f"{ASKED}\n1. Zinc\n2. Iron\n3. Copper\n4. Iodine\nAnswer: 2 [3]")
    assert paste.target == "B"


def test_references_below_the_options_are_left_out_and_named():
    paste = read(f"{ASKED}\n{LATIN}\n[1] Smith 2019.\n[2] Jones 2020.")
    assert paste.left_out == (
        LeftOut(Part.EXPLANATION, "[1] Smith 2019."),
        LeftOut(Part.EXPLANATION, "[2] Jones 2020."),
    )


def test_numbers_in_square_brackets_are_options_where_they_are_the_only_list():
    read("Which study is right?\n[1] Smith\n[2] Jones\n[3] Doe", ("Smith", "Jones", "Doe"))
