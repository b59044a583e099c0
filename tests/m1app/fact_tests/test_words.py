"""Facts that name the target, and facts that have nothing to do with a question."""

import pytest

from m1app.fact_tests.unrelated import candidates, library
from m1app.fact_tests.words import names_target, telling_words

OPTIONS = {"A": "Acute myocardial infarction", "B": "Anaemia", "C": "Vitamin C"}


@pytest.mark.parametrize(
    ("fact", "target", "how"),
    [
        ("The answer is B.", "B", "letter"),
        ("option (b) it is", "B", "letter"),
        ("B is correct", "B", "letter"),
        ("Low haemoglobin defines anaemia.", "B", "text"),
        ("ANAEMIA: fewer red cells", "B", "text"),
        ("An infarction of the myocardial wall.", "A", "words"),
        ("An infarction of the brain.", "A", ""),
        ("Haemoglobin carries oxygen.", "B", ""),
        ("Hepatitis B is a virus.", "B", ""),
        ("Scurvy is cured by vitamin C.", "C", "text"),
        ("Anaemias are many.", "B", "words"),
        ("The right ones are A and B: anaemia.", "A, B", "text"),
        ("", "B", ""),
    ],
)
def test_a_fact_that_names_the_target_is_recognized(fact, target, how):
    assert names_target(fact, target, OPTIONS) == how


VITAMINS = {"A": "Vitamin D deficiency", "B": "Vitamin C deficiency", "C": "Vitamin A deficiency", "D": "Vitamin B12"}
DOSES = {"A": "10 mg", "B": "5 mg", "C": "A fracture", "D": "0,5 mg"}
CHINESE = {"A": "维生素D缺乏", "B": "维生素C缺乏", "C": "铁", "D": "急性心肌梗死"}


@pytest.mark.parametrize(
    ("fact", "target", "options", "how"),
    [
        ("Vitamin C is deficient in this patient", "B", VITAMINS, "words"),
        ("Vit. C deficiency causes it", "B", VITAMINS, "words"),
        ("Vitamin-C deficiency causes it", "B", VITAMINS, "text"),
        ("Vitamin\u200b C\u00a0deficiency", "B", VITAMINS, "text"),
        ("It is a deficiency of vitamin K", "B", VITAMINS, ""),
        ("A deficiency of vitamin K", "C", VITAMINS, ""),
        ("It is a deficiency of vitamin A", "C", VITAMINS, "words"),
        ("The cobalamin called vitamin B-12", "D", VITAMINS, "text"),
        ("Vitamin B6 is pyridoxine", "D", VITAMINS, ""),
        ("Choose B", "B", VITAMINS, "letter"),
        ("So pick (b) here", "B", VITAMINS, "letter"),
        ("Select a statin", "A", VITAMINS, ""),
        ("Select A, then stop", "A", VITAMINS, "letter"),
        ("The answer is a statin", "A", VITAMINS, ""),
        ("The answer: b.", "B", VITAMINS, "letter"),
        ("Choose B-lactams", "B", VITAMINS, ""),
        ("Hepatitis B is true", "B", VITAMINS, ""),
        ("Group B is correct only for ABO", "B", VITAMINS, ""),
        ("Iron is stored, so B is right", "B", VITAMINS, "letter"),
        ("Iron is stored. B is true", "B", VITAMINS, "letter"),
        ("Give 0.5 mg/kg", "B", DOSES, ""),
        ("Give 5 mg", "B", DOSES, "text"),
        ("Give 5mg", "B", DOSES, "text"),
        ("Give 0.5 mg", "D", DOSES, "text"),
        ("A break is a fracture", "C", DOSES, "text"),
        ("Fracture of the hip", "C", DOSES, "words"),
        ("坏血病由维生素C缺乏引起", "B", CHINESE, "text"),
        ("缺乏维生素C会引起坏血病", "B", CHINESE, "words"),
        ("缺乏维生素K会引起出血", "B", CHINESE, ""),
        ("贫血多因缺铁", "C", CHINESE, "text"),
        ("心肌的急性梗死", "D", CHINESE, "words"),
        ("脑梗死", "D", CHINESE, ""),
        ("因此选B。", "B", CHINESE, "letter"),
        ("答案是B", "B", CHINESE, "letter"),
        ("选BCG疫苗", "B", CHINESE, ""),
    ],
)
def test_what_tells_an_option_from_its_like_has_to_be_named(fact, target, options, how):
    assert names_target(fact, target, options) == how


def test_the_library_has_forty_facts_of_several_lengths():
    facts = library()
    assert len(facts) >= 40
    lengths = {len(" ".join(each)) for each in facts}
    assert min(lengths) < 60
    assert max(lengths) > 180
    assert all(sentence.endswith(".") for each in facts for sentence in each)
    assert len({" ".join(each) for each in facts}) == len(facts)


@pytest.mark.parametrize("length", [20, 60, 150, 400, 1500])
def test_an_unrelated_fact_has_about_the_length_of_the_fact(length):
    fact = ("Scurvy comes from a lack of ascorbic acid. " * 40)[:length]
    found = candidates(fact, ("Which?", "alpha"))
    assert abs(len(found[0]) - length) <= max(25, length * 0.05)


def test_an_unrelated_fact_shares_no_telling_word_with_the_question():
    question = (
        "An astronaut on the Moon sees the Earth: why does Saturn float in water, and what of gold and honeybees?"
    )
    taken = telling_words(question)
    for length in (30, 90, 200):
        for each in candidates("x" * length, (question,)):
            assert not telling_words(each) & taken
