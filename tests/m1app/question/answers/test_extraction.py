import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from m1app.question.answers.extraction import Extraction, How, extract_answer

IRON = {
    "A": "Iron deficiency",
    "B": "Folate deficiency",
    "C": "Anemia of chronic disease",
    "D": "Vitamin B12 deficiency",
}
VERDICTS = {"A": "yes", "B": "no", "C": "maybe"}
ORGANISMS = {
    "A": "Clostridioides difficile",
    "B": "E. coli",
    "C": "S. aureus",
    "D": "Hepatitis B virus",
    "E": "B lymphocytes",
}
DRUGS = {"A": "Vancomycin", "B": "Vancomycin and ceftriaxone", "C": "Ceftriaxone", "D": "MRI of the head"}
DOSES = {"A": "0.5 mg", "B": "5 mg", "C": "<5 mg", "D": "-5 mg"}


def letters_of(options, cases):
    return [pytest.param(options, text, letter, id=text[:50].replace("\n", " ")) for text, letter in cases.items()]


@pytest.mark.parametrize(
    ("text", "letter"),
    [
        (r"So \boxed{C}", "C"),
        (r"\boxed{ C }", "C"),
        (r"\boxed{c}", "C"),
        (r"\boxed{Ｃ}", "C"),
        (r"\fbox{B}", "B"),
        (r"\boxed{C. Anemia of chronic disease}", "C"),
        (r"\boxed{(B) Folate deficiency}", "B"),
        (r"\boxed{\text{C}}", "C"),
        (r"\boxed{\textbf{(C)}}", "C"),
        (r"$$\boxed{\mathrm{B}}$$", "B"),
        (r"\boxed{\text{Iron deficiency}}", "A"),
        (r"\boxed{\text{C. Anemia of {chronic} disease}}", "C"),
        (r"\boxed{\textbf{C.\ Anemia of chronic disease}}", "C"),
        (r"Final Answer:" + "\n\n" + r"The final answer is $\boxed{B}$", "B"),
        (r"The final answer is \( \boxed{B} \).", "B"),
        (r"\boxed{A} no, \boxed{B}", "B"),
        (r"\boxed{A", "A"),
        (r"\boxed{\text{A}", "A"),
        (r"The dose is \boxed{42}. \boxed{D}", "D"),
    ],
)
def test_last_box_is_the_answer(text, letter):
    found = extract_answer(text, IRON)
    assert (found.letter, found.how) == (letter, How.BOXED)


@pytest.mark.parametrize(
    ("options", "text", "letter"),
    letters_of(
        IRON,
        {
            "final answer: C": "C",
            "Final Answer C": "C",
            "FINAL ANSWER: C": "C",
            "the answer is (C)": "C",
            "The answer is C!": "C",
            "The answer is: **C**, anemia of chronic disease": "C",
            "The answer is $B$.": "B",
            r"The answer is \(B\).": "B",
            "The answer is [B].": "B",
            'The answer is "C".': "C",
            "Answer: **C**": "C",
            "**Answer: C**": "C",
            "**Answer:** C) Anemia of chronic disease": "C",
            "### Answer: C": "C",
            "Answer:\n\nC": "C",
            "Answer - C": "C",
            "Answer = C": "C",
            "## Answer\n\nB. Folate deficiency\n\nExplanation: macrocytes.\nEnd.": "B",
            "### Final Answer\n**C**\nBecause of x and y.": "C",
            "My answer: C": "C",
            "Correct option: B": "B",
            "The correct option is: **B) Folate deficiency**": "B",
            "The correct answer is option D: Vitamin B12 deficiency.": "D",
            "The best answer to this question is B.": "B",
            "The answer to the question is: B": "B",
            "The answer is therefore C.": "C",
            "The answer is definitely C.": "C",
            "The answer is almost certainly C": "C",
            "The answer would be C": "C",
            "The answer is C because ferritin is high.": "C",
            "The answer is C, because ferritin is high.": "C",
            "The answer is C with high certainty.": "C",
            "The answer is C (not B).": "C",
            "The answer is C not D.": "C",
            "The answer is A, not B.": "A",
            "The answer is A. Not B.": "A",
            "The answer is A and not B.": "A",
            "The answer is C, A is wrong.": "C",
            "The answer is C, A and B are wrong.": "C",
            "The answer is C; A is tempting.": "C",
            "I think the answer is C": "C",
            "I would say the answer is A.": "A",
            "I'd go with B.": "B",
            "I choose D": "D",
            "I would choose option C because of ferritin.": "C",
            "So A.": "A",
            "Therefore, C is the correct answer.": "C",
            "I believe that C is correct.": "C",
            "C is correct.": "C",
            "Option C is correct.": "C",
            "Option A fits best; option C does not.": "A",
            "A is incorrect. B is incorrect. C is correct.": "C",
            "A is not correct; C is correct.": "C",
            "The patient is in group C. The answer is D.": "D",
            "The answer is C? Actually D.": "D",
            "A. Incorrect.\nB. Incorrect.\nC. Fits.\n\nTherefore, the correct answer is C.": "C",
            "- **A. Iron deficiency**: no.\n- **B. Folate deficiency**: no.\n\n**Answer: C**": "C",
            "Final Answer: The final answer is C. I hope it is correct.": "C",
            # Lower case is a letter only where nothing else makes sense.
            "the answer is c": "C",
            "answer is b": "B",
            "The answer is a.": "A",
            "the answer is a, since ferritin is low": "A",
            # Full width.
            "Answer：Ｃ": "C",
            "The answer is （Ｂ）。": "B",
            # The option's text instead of its letter.
            "The most likely diagnosis is iron deficiency.": "A",
            "Most likely: iron deficiency": "A",
            "Iron deficiency is the most likely diagnosis.": "A",
            "Answer: vitamin b12 deficiency.": "D",
            "Answer: **Vitamin  B12\ndeficiency**": "D",
        },
    )
    + letters_of(
        VERDICTS,
        {
            "The answer is yes": "A",
            "The answer is yes, tailored interventions help.": "A",
            "The final answer is no.": "B",
            "There is no evidence, so the answer is maybe.": "C",
            "The answer is (A) yes": "A",
            "maybe can be excluded. Therefore yes": "A",
            "Wait, no. The answer is yes.": "A",
            "Maybe, but the answer is no.": "B",
        },
    )
    + letters_of(
        ORGANISMS,
        {
            "The answer is E. coli.": "B",
            "The answer is E. coli, which grows.": "B",
            "Answer: C. S. aureus": "C",
            "The most likely organism is S. aureus.": "C",
            "The answer is B lymphocytes.": "E",
            "The answer is hepatitis B virus": "D",
            "The answer is E.": "E",
        },
    )
    + letters_of(
        DRUGS,
        {
            "The answer is vancomycin and ceftriaxone.": "B",
            "The answer is vancomycin.": "A",
            "The best choice is Ceftriaxone, not MRI of the head.": "C",
            "The best next step is an MRI of the head.": "D",
        },
    )
    + letters_of(
        DOSES,
        {
            "The answer is 5 mg.": "B",
            "The answer is 0.5 mg.": "A",
            "The answer is <5 mg.": "C",
            "The answer is -5 mg.": "D",
        },
    ),
)
def test_stated_answer_is_found(options, text, letter):
    found = extract_answer(text, options)
    assert (found.letter, found.how) == (letter, How.STATED)


@pytest.mark.parametrize(
    ("options", "text", "letter", "how"),
    [
        (IRON, "C", "C", How.LINE),
        (IRON, "\nC.\n", "C", How.LINE),
        (IRON, "(C)", "C", How.LINE),
        (IRON, "C)", "C", How.LINE),
        (IRON, "c", "C", How.LINE),
        (IRON, "(c)", "C", How.LINE),
        (IRON, "'C'", "C", How.LINE),
        (IRON, "`C`", "C", How.LINE),
        (IRON, "Ａ．", "A", How.LINE),
        (IRON, "Option C", "C", How.LINE),
        (IRON, "(C) Anemia of chronic disease", "C", How.LINE),
        (IRON, "D: Vitamin B12 deficiency\n\nBecause C would need more time.", "D", How.LINE),
        (IRON, "Ferritin is high.\n\nC", "C", How.LINE),
        (IRON, "iron  DEFICIENCY.", "A", How.LINE),
        (IRON, "Vitamin B12 deficiency", "D", How.LINE),
        (VERDICTS, "yes", "A", How.LINE),
        (VERDICTS, "No.", "B", How.LINE),
        (VERDICTS, "Yes, they do.\nSeveral trials say so.", "A", How.LINE),
        (ORGANISMS, "E. coli", "B", How.LINE),
        (ORGANISMS, "Hepatitis B virus", "D", How.LINE),
        (IRON, "**C.** Anemia of chronic disease", "C", How.LINE),
        (IRON, "**C. Anemia of chronic disease**", "C", How.LINE),
        (IRON, "Ferritin is high: **C** here.", "C", How.MARKED),
        (IRON, "A is wrong. **C**", "C", How.MARKED),
        (IRON, "Both A and B are wrong. **C**", "C", How.MARKED),
        (IRON, "Ferritin points to **Iron deficiency** here.", "A", How.MARKED),
    ],
)
def test_option_that_stands_alone_is_the_answer(options, text, letter, how):
    found = extract_answer(text, options)
    assert (found.letter, found.how) == (letter, how)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        *[
            (IRON, text)
            for text in (
                "",
                "   \n",
                r"\boxed{",
                r"\boxed{}",
                "a",
                "a patient",
                "A patient",
                "A patient like this needs iron deficiency workup.",
                "A 45-year-old woman has anemia.",
                "vitamin A",
                "Vitamin C is the best.",
                "hepatitis B",
                "Hepatitis B is the most likely diagnosis.",
                "Factor C is correct",
                "I think",
                "I think so.",
                "I answer questions.",
                "I will go with a conservative approach.",
                "I choose A patient approach",
                "not A",
                "The answer is not A.",
                "The answer isn't A.",
                "The correct answer cannot be A.",
                "Rule out B",
                "We can rule out B.",
                "Neither A nor B is correct.",
                "None of the above",
                "C is wrong",
                "**C** is wrong",
                "Answer: A is wrong.",
                "Option C is not the correct answer.",
                "Option C isn't correct.",
                "Is the answer C?",
                "It is unlikely that C is correct.",
                "The answer is a beta blocker.",
                "The answer is a\nbeta blocker.",
                "Therefore a \nblocker",
                "wait, a.",
                "The answer is A-fib",
                "The answer is A1c",
                "The answer is A+",
                "The answer is C-reactive protein.",
                "The answer is B12.",
                "The answer is B cells.",
                "The answer is A. baumannii",
                "Thus, B cells are low.",
                "A. Incorrect because of ferritin.\nB. Also incorrect.",
                "Iron deficiency is not the answer.",
                "The patient has iron deficiency, folate deficiency or both.",
                "Answer: Vitamin B-12 deficiency",
                "Vitamin B12 defic",
                "I cannot answer.",
            )
        ],
        (VERDICTS, "No evidence was found."),
        (VERDICTS, "The answer is no doubt complicated."),
        (VERDICTS, "The answer is not yes."),
        (VERDICTS, "There is no answer."),
        (VERDICTS, "I would start treatment now"),
        (VERDICTS, "The study says yes in some cases and no in others."),
        (ORGANISMS, "Answer: C. difficile"),
        (ORGANISMS, "The answer is hepatitis B."),
        (ORGANISMS, "A. baumannii"),
        (DRUGS, "The answer is vancomycin and cefepime."),
        (DOSES, "15 mg"),
    ],
)
def test_mention_is_no_answer(options, text):
    assert extract_answer(text, options) == Extraction(None, How.NO_ANSWER, None, "")


@pytest.mark.parametrize(
    "text",
    [
        "The answer could be C",
        "A and C are both plausible.",
        "The wrong answer is A.",
        "If the answer is C, then ferritin is high.",
        "I thought the answer was A.",
        "I don't think the answer is A.",
        "Some would say the answer is A.",
        "The answer is A. Actually, that is wrong.",
    ],
)
def test_an_option_named_with_a_doubt_or_for_another_case_is_unsettled(text):
    found = extract_answer(text, IRON)
    assert (found.letter, found.how) in ((None, How.UNSETTLED), (None, How.NO_ANSWER))


@pytest.mark.parametrize(
    ("text", "letter"),
    [
        ("The answer is A. Wait, ferritin is high... the answer is D.", "D"),
        ("Answer: A is tempting, but the answer is B", "B"),
        ("Answer: A. Wait, D.", "D"),
        ("Answer: A.\n\nActually, it's D.", "D"),
        ("The answer is A. No, it is C.", "C"),
        ("The answer is A.\n\nHowever, on reflection the answer is C.", "C"),
        ("The answer is A. Final answer: C", "C"),
        ("The answer is A or C. Therefore the answer is C.", "C"),
        ("\\boxed{A}\n\nWait, the answer is D.", "D"),
        ("The answer is C. Ferritin is high. The answer is C.", "C"),
        ("A\n\nFerritin is low, so the answer is D.", "D"),
    ],
)
def test_later_commitment_that_corrects_the_earlier_counts(text, letter):
    assert extract_answer(text, IRON).letter == letter


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (IRON, "A or C"),
        (IRON, "A/B"),
        (IRON, "Either A or B."),
        (IRON, "The answer is A or C."),
        (IRON, "the answer is a or c"),
        (IRON, "The answer is either A or C"),
        (IRON, "The answer is A, B and C."),
        (IRON, "The correct answers are A and C."),
        (IRON, r"\boxed{A, C}"),
        (IRON, r"\boxed{A \text{ or } C}"),
        (IRON, r"\boxed{C. Iron deficiency}"),
        (IRON, "The answer is C. Iron deficiency."),
        (IRON, "The answer is A. The answer is D."),
        (IRON, r"\boxed{A} \boxed{B}"),
        (IRON, r"The answer is D. \boxed{A}"),
        (IRON, "A is correct. C is correct."),
        (IRON, "\\boxed{A}\n\nThe answer is D."),
        (IRON, "A. Iron deficiency\nB. Folate deficiency\nC. Anemia of chronic disease\nD. Vitamin B12 deficiency"),
        (IRON, "**A** and later **B**"),
        (VERDICTS, "yes or no"),
        (VERDICTS, "The answer is yes or no."),
        (DRUGS, "The answer is vancomycin or ceftriaxone."),
        ({"A": "Rest", "B": "rest"}, "The answer is rest."),
    ],
)
def test_several_options_without_a_correction_are_ambiguous(options, text):
    found = extract_answer(text, options)
    assert (found.letter, found.how) == (None, How.AMBIGUOUS)


@pytest.mark.parametrize(
    ("text", "answer_text"),
    [
        ("The answer is F.", "F"),
        ("the answer is e", "e"),
        ("E", "E"),
        ("I", "I"),
        (r"\boxed{F}", "F"),
        (r"so \boxed{42}", "42"),
        (r"\boxed{x = C}", "x = C"),
        (r"\boxed{\text{Copper deficiency}}", r"\text{Copper deficiency}"),
    ],
)
def test_what_is_none_of_the_options_is_reported_as_such(text, answer_text):
    start = text.rindex(answer_text)
    span = (start, start + len(answer_text))
    found = extract_answer(text, IRON)
    assert (found.letter, found.how, found.span, found.answer_text) == (None, How.NOT_AN_OPTION, span, answer_text)


def test_span_covers_letter_and_text_in_code_points():
    text = "🩺 Final answer: **C. Anemia of chronic disease**."
    start = text.index("C.")
    answer_text = "C. Anemia of chronic disease"
    found = extract_answer(text, IRON)
    assert (found.letter, found.how, found.answer_text) == ("C", How.STATED, answer_text)
    assert found.span == (start, start + len(answer_text))
    assert found.basis == (text.index("Final"), start + len(answer_text))


def test_open_question_has_no_letter():
    assert extract_answer("The answer is A.", {}) == Extraction(None, How.OPEN_QUESTION, None, "")


@pytest.mark.parametrize("text", ["The answer is A.", "A", r"\boxed{A}", '{"answer": "A"}', "A is correct."])
def test_a_letter_is_refused_if_an_options_text_is_another_letter(text):
    """It may mean option A, or option B, which says A."""
    found = extract_answer(text, {"A": "B", "B": "A"})
    assert (found.letter, found.how) == (None, How.AMBIGUOUS)


def test_an_option_whose_text_is_its_own_letter_can_be_chosen():
    assert extract_answer("The answer is B.", {"A": "A", "B": "B", "C": "AB"}).letter == "B"


def test_lower_case_keys_are_returned_as_they_are():
    assert extract_answer("The answer is B.", {"a": "Iron", "b": "Folate"}).letter == "b"


PHRASES = (
    "the answer is", "Answer:", "A", "b", "C.", "(D)", "E", "yes", "no", "maybe", "Iron deficiency", "or", "and",
    "not", "wait,", "**", "\\boxed{", "\\text{", "}", "$", "\n", "\n\n", ",", ".", "?", "is correct", "option",
    "both", "are", "final answer", "so", "but", "Ａ", "：", "🩺", "C. difficile", "because", "/", "-", "(", ")",
)  # fmt: skip
answers = st.lists(st.sampled_from(PHRASES), max_size=25).map(" ".join) | st.text()
option_texts = st.text() | st.sampled_from(["yes", "A", "(", "\\", "a\nb", "[", "*", "", "C. difficile", "\x00"])
any_options = st.dictionaries(st.sampled_from("ABCDEFxyz"), option_texts, max_size=6)


@given(answers, any_options)
def test_any_answer_gives_an_option_or_none_and_a_span_that_fits(text, options):
    found = extract_answer(text, options)
    is_committed = found.how in (How.BOXED, How.FIELD, How.STATED, How.MARKED, How.LINE, How.NAMED)
    assert found.letter in options if is_committed else found.letter is None
    assert found.answer_text == (text[slice(*found.span)] if found.span else "")
    assert bool(found.span) == (found.how not in (How.NO_ANSWER, How.OPEN_QUESTION))


@pytest.mark.parametrize("text", ["²", "The answer is ²", "x² + ①", "Option ⁴"])
def test_signs_that_only_look_like_numbers_choose_nothing(text):
    assert extract_answer(text, {"A": "Iron", "B": "Zinc"}).letter is None


@given(
    st.dictionaries(st.sampled_from("ABCDEF"), st.text(st.characters(categories=["L", "N", "P", "Z"]))),
    st.sampled_from("ABCDEF"),
    st.sampled_from(["\\boxed{%s}", "The answer is %s", "Final answer: (%s)", "**Answer:** %s", "%s", "(%s)", "%s\n"]),
)
def test_bare_letter_is_found_whatever_the_options_texts_are(options, letter, form):
    options = {**options, letter: options.get(letter, "x")}
    assume(not {text.strip().upper() for text in options.values()} & {*"ABCDEF"})
    assert extract_answer(form % letter, options).letter == letter


@given(st.sampled_from("ABCD"), st.text(st.sampled_from("abc xyz,.\n"), max_size=80))
def test_final_box_wins_over_any_text_before_it(letter, before):
    assert extract_answer(f"{before} \\boxed{{{letter}}}", IRON).letter == letter


MENTIONS = (
    "a", "b", "c", "i", "patient", "think", "with", "vitamin A", "hepatitis B", "group C", "type D", "A 45-year-old",
    "B cells", "C-reactive", "has", "not", "no", "of", "rule out", ",", ".", "\n", "therefore", "iron",
    "deficiency anemia", "wait", "so",
)  # fmt: skip


@given(st.lists(st.sampled_from(MENTIONS), max_size=20).map(" ".join))
def test_prose_that_only_mentions_letters_gives_none(text):
    options = {"A": "Copper", "B": "Zinc", "C": "Lead", "D": "Tin"}
    assert extract_answer(f"Seen: {text} and that.", options).letter is None
