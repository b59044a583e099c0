"""Whether an answer agrees with its target, where nothing may be guessed."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from m1app.training.verification import Verdict, asks_for_exception, verify
from tests.m1app.training.training_cases import OPTIONS


@pytest.mark.parametrize(
    ("answer", "verdict"),
    [
        ("The answer is A.", Verdict.AGREES),
        ("\\boxed{A}", Verdict.AGREES),
        ("It is a steroid. Therefore it comes from the adrenal gland.", Verdict.AGREES),
        ("ACTH acts on the Adrenal  Gland. This raises the pressure.", Verdict.AGREES),
        ("The answer is B.", Verdict.CONTRADICTS),
        ("It holds iodine.\n\nThus it is the thyroid gland.", Verdict.CONTRADICTS),
        ("It comes from a gland.", Verdict.UNSTATED),
        ("", Verdict.UNSTATED),
        ("It is made by the adrenal gland and the thyroid gland.", Verdict.UNSTATED),
        ("It is not made by the thyroid gland.", Verdict.UNSTATED),
        ("While the adrenal gland helps, it is the hypothalamus.", Verdict.UNSTATED),
        ("The thyroid gland is named in passing. It is the liver.", Verdict.UNSTATED),
    ],
)
def test_verdict(answer: str, verdict: Verdict) -> None:
    assert verify(answer, OPTIONS, "A") is verdict


def test_short_option_text_is_not_found_inside_a_sentence() -> None:
    assert verify("This might be recommended.", {"A": "be", "B": "ad"}, "A") is Verdict.UNSTATED


@pytest.mark.parametrize(("options", "target"), [({}, None), (OPTIONS, None), ({}, "A")])
def test_without_options_or_target_nothing_can_be_checked(options: dict[str, str], target: str | None) -> None:
    assert verify("The answer is A.", options, target) is Verdict.UNCHECKABLE


@pytest.mark.parametrize(
    ("answer", "verdict"),
    [
        ("The answers are A and C.", Verdict.AGREES),
        ("\\boxed{C, A}", Verdict.AGREES),
        ("The answer is A.", Verdict.CONTRADICTS),
        ("\\boxed{A, B, C}", Verdict.CONTRADICTS),
        ("Therefore it comes from the adrenal gland.", Verdict.UNSTATED),
        ("A or C", Verdict.UNSTATED),
    ],
)
def test_several_right_options_have_to_be_named_all(answer: str, verdict: Verdict) -> None:
    assert verify(answer, OPTIONS, "A, C") is verdict


def test_the_full_stop_of_a_species_ends_no_sentence() -> None:
    options = {"A": "E. coli", "B": "S. aureus"}
    assert verify("The cultures grew overnight. This is caused by E. coli.", options, "A") is Verdict.AGREES
    assert verify("The cultures grew overnight. This is caused by E. coli.", options, "B") is Verdict.CONTRADICTS


ARTERIES = {
    "A": "Left renal aery",
    "B": "Carcinoma of the gall bladder",
    "C": "Type 2 diabetes",
    "D": "Perforator veins",
}


@pytest.mark.parametrize(
    ("answer", "letter"),
    [
        ("The vessel that is narrowed is most likely the left renal artery, which raises the pressure.", "A"),
        ("What grows here is a gallbladder carcinoma. It is seldom found early.", "B"),
        ("The diagnosis is type II diabetes. Weight loss helps.", "C"),
        ("The blood returns through the perforating veins. The skin stays warm.", "D"),
        ("The most likely finding is a carcinoma in the gall bladder.", "B"),
    ],
)
def test_an_option_is_found_in_slightly_other_words(answer: str, letter: str) -> None:
    assert verify(answer, ARTERIES, letter) is Verdict.AGREES


@pytest.mark.parametrize(
    ("answer", "options"),
    [
        ("The picture is that of a nephritic syndrome.", {"A": "Nephrotic syndrome", "B": "Cystitis"}),
        ("The diagnosis is type 1 diabetes.", {"A": "Type 2 diabetes", "B": "Gout"}),
        ("They drain into deep veins, like the femoral vein.", {"A": "Deep femoral vein", "B": "Great saphenous vein"}),
        ("There is more renin and less potassium.", {"A": "Less renin and more potassium", "B": "Less sodium"}),
        ("It is a disorder of the bone.", {"A": "Bone infection", "B": "Bone tumor"}),
        ("The pressure rises within 20 to 40 minutes.", {"A": "20 minutes", "B": "40 minutes"}),
        ("Healing takes 4-6 weeks in all.", {"A": "4 weeks", "B": "6 weeks"}),
    ],
)
def test_what_only_looks_like_an_option_is_not_taken_for_it(answer: str, options: dict[str, str]) -> None:
    assert {verify(answer, options, letter) for letter in options} == {Verdict.UNSTATED}


def test_a_general_word_of_an_option_may_be_missing_if_the_rest_fits_no_other() -> None:
    options = {"A": "Rotavirus infection", "B": "Celiac disease"}
    assert verify("The child has diarrhea caused by rotavirus. It is winter.", options, "A") is Verdict.AGREES
    assert verify("The villi are flat, which is due to coeliac disease.", options, "B") is Verdict.AGREES


def test_what_the_first_sentence_states_is_not_refuted_by_what_the_last_one_mentions() -> None:
    options = {"A": "Ulnar nerve", "B": "Median nerve"}
    answer = "The nerve at the elbow is the ulnar nerve. From there it runs beside the median nerve."
    assert verify(answer, options, "A") is Verdict.AGREES
    assert verify(answer, options, "B") is Verdict.UNSTATED


def test_an_answer_that_states_two_options_agrees_with_neither_unless_it_concludes() -> None:
    options = {"A": "Ulnar nerve", "B": "Median nerve"}
    both = "At the elbow it is the ulnar nerve. At the wrist it is the median nerve. Both bring pain."
    assert verify(both, options, "A") is Verdict.UNSTATED
    assert verify("The cause is the ulnar nerve. No: it is the median nerve.", options, "A") is not Verdict.AGREES


def test_a_list_of_the_options_states_none() -> None:
    options = {"A": "Ulnar nerve", "B": "Median nerve", "C": "Radial nerve"}
    repeated = "A. Ulnar nerve\nB. Median nerve\nC. Radial nerve"
    assert verify(repeated, options, "A") is not Verdict.AGREES


EXCEPT = "Each of these raises the risk of a stroke, except:"
RISKS = {"A": "Smoking", "B": "High blood pressure", "C": "Hay fever"}


@pytest.mark.parametrize(
    ("answer", "verdict"),
    [
        ("The one that does not raise the risk is hay fever.", Verdict.AGREES),
        ("Hay fever does not raise the risk of a stroke.", Verdict.AGREES),
        (
            "However, one that is not a cause is hay fever. Smoking and high blood pressure are.",
            Verdict.AGREES,
        ),
        ("The least likely of all is hay fever.", Verdict.AGREES),
        ("Hay fever raises the risk, too.", Verdict.UNSTATED),
        ("Smoking does not raise the risk of a stroke.", Verdict.CONTRADICTS),
        ("The one that does not raise the risk is smoking, but hay fever may.", Verdict.UNSTATED),
    ],
)
def test_where_the_exception_is_asked_for_what_is_denied_is_chosen(answer: str, verdict: Verdict) -> None:
    assert verify(answer, RISKS, "C", EXCEPT) is verdict


@pytest.mark.parametrize(
    ("question", "is_exception"),
    [
        (EXCEPT, True),
        ("A man does not sleep. Which drug helps?", False),
        ("A man sleeps badly. Which of these is not a cause?", True),
        ("Which drug is given to a woman who does not sleep?", False),
        ("Which is the least likely?", True),
        ("", False),
    ],
)
def test_exception_is_recognised_in_the_last_sentence(question: str, is_exception: bool) -> None:
    assert asks_for_exception(question) is is_exception


@settings(max_examples=60, deadline=None)
@given(
    st.text(max_size=200),
    st.dictionaries(st.sampled_from("ABCDE"), st.text(max_size=40), min_size=1, max_size=5),
    st.text(max_size=60),
)
def test_any_text_has_a_verdict(answer: str, options: dict[str, str], question: str) -> None:
    assert verify(answer, options, next(iter(options)), question) in set(Verdict)
