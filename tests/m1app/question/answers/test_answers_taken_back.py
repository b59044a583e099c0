"""Answers whose letter does not stand: taken back, improbable, a format, of one part, or spoken of and not chosen."""

import pytest

from m1app.question.answers.extraction import extract_answer
from m1app.question.answers.scoring import score

OPTIONS = {"A": "Furosemide", "B": "Spironolactone", "C": "Amlodipine", "D": "Bisoprolol"}

NOT_CHOSEN = {
    "the same as what is wrong": [
        "B is wrong. So is C.",
        "A and B are excluded, and so is option C.",
        "A is wrong, B is too.",
        "A ist falsch, B ebenfalls.",
    ],
    "as right as another": [
        "A is correct. B is too.",
        "The answer is A, as is C.",
        "Not only C is right, D is as well.",
        "La B es correcta, la D también.",
        "La réponse est B ; D aussi.",
    ],
    "a small chance": [
        "The chance that the answer is C is tiny.",
        "The likelihood that B is correct is 12%.",
        "The answer is D with a probability of 0.1.",
        "Answer: D (15%)",
        "There is scant evidence that the answer is D.",
        "La probabilidad de que sea la C es del 8 %.",
        "Die Wahrscheinlichkeit, dass es B ist, liegt bei 5 %.",
        "选B的概率只有20%。",
        "答案为B的可能性不大。",
        "정답은 B일 확률이 15%이다.",
    ],
    "taken back": [
        "The answer is B, which raises potassium, so it is not the answer.",
        "The answer is B. That is what I would say if the potassium were low. It is not.",
        "The answer is C... or is it?",
        "The answer is C. I doubt it.",
        "Answer: C (discarded)",
        "Answer: C [incorrect]",
        "Final answer: [C] is crossed out.",
        r"\boxed{C} $\neq$ the answer",
        "~~The answer is C.~~",
        r"\sout{\boxed{C}}",
        "<del>The answer is C.</del>",
        "The answer is D, wrote the referee.",
        "Option D: the answer that many expect. It is incorrect.",
        "D would have been correct.",
        '{"answer": "D", "is_correct": false}',
        '{"answer": "D", "status": "rejected"}',
    ],
    "an error": [
        "Choosing C is a beginner's error.",
        "Selecting B would harm this patient.",
        "Picking D misses the edema.",
        "The answer is D, which is a common mistake.",
        "La respuesta es B, lo cual es un error frecuente.",
        "La réponse est B, ce qui est une erreur classique.",
        "Die Antwort ist B, was ein häufiger Fehler ist.",
        "答案是B，这是常见的错误。",
        "정답은 B일 것 같지만 아니다.",
        "I hesitate to choose B.",
        "选B会使血钾升高。",
        "说答案是B的人错了。",
        "Answer: B is what I'd avoid",
        "!B",
    ],
    "several": [
        "Answer: C and D only",
        "Answer: A to C",
        "Answer: C and D blockers",
        "The answer is A for part (i) and D for part (ii).",
        r"\boxed{A} answers the first part and \boxed{D} the second.",
        "The answer is A, together with D.",
        "Rank: 1. C 2. A 3. B",
        "Which is safe? C. Which is not? A.",
        "A (score 3/10), B (score 8/10), C (score 1/10)",
    ],
    "a format": [
        'Reply in the format "Answer: B".',
        "The format is <answer>B</answer>. I cannot tell.",
        '"The answer is B" would be a valid reply.',
        "Das Format lautet: Antwort: B",
    ],
    "judged one by one": [
        "A: true\nB: true\nC: false\nD: true",
        "A. False\nB. True\nC. True\nD. True\nWanted is the false statement.",
        "A is correct. But the question asks which is incorrect, so the answer must be another.",
    ],
    "almost, or another time": [
        "B is nearly right.",
        "C would be my answer on another day.",
        "In the event of edema, A; in its absence, D.",
        "One could argue that the answer is A.",
    ],
}


@pytest.mark.parametrize("kind", NOT_CHOSEN)
def test_what_does_not_stand_is_not_read(kind: str) -> None:
    read = {text: extract_answer(text, OPTIONS).letter for text in NOT_CHOSEN[kind]}
    assert {text: letter for text, letter in read.items() if letter is not None} == {}


CHOSEN = [
    ("B is wrong. So is C. The answer is D.", "D"),
    ("The answer is D. Choosing C is a common mistake.", "D"),
    ("正确答案：D。选C是常见的错误。", "D"),
    ("Die richtige Antwort ist D, weil die Wahrscheinlichkeit für Ödeme nur 3 % beträgt.", "D"),
    ("Here is the answer in the format you asked for: D", "D"),
    ("<s>The answer is D.</s>", "D"),
    ("本题故选D是因为它减慢心率。", "D"),
    ("The answer is D. C is tempting, but it is not the answer.", "D"),
    ("The answer is D. Is there a role for C? No.", "D"),
    ("The answer is D. It is not safe in asthma.", "D"),
    ("The answer is D, which is contraindicated in asthma.", "D"),
    ("Answer: D (confidence: 85%)", "D"),
    ("I put the probability that D is correct at 90%.", "D"),
    ("The answer is D because 10% of patients do not tolerate A.", "D"),
    ("With 95% certainty, the answer is D.", "D"),
    ("In the required format:\n\nAnswer: D", "D"),
    ("Choosing D.", "D"),
    ("Choosing D because the rate is high.", "D"),
    ("Answer: D only", "D"),
    ("A: true. B: true. C: true. D: false. So the exception is D.", "D"),
    ("~~A~~ D", "D"),
    ("A. Incorrect\nB. Incorrect\nC. Incorrect\nD. Correct", "D"),
    ("La réponse est D et non A.", "D"),
    ("答案：D（不是A）", "D"),
    ("A ist falsch, B ebenfalls. D ist richtig.", "D"),
]


@pytest.mark.parametrize(("text", "letter"), CHOSEN)
def test_the_same_words_leave_what_is_chosen(text: str, letter: str) -> None:
    assert extract_answer(text, OPTIONS).letter == letter


def test_a_set_that_is_corrected_is_not_read_as_it_was() -> None:
    assert score("Answers: A and C. Correction: A only.", OPTIONS, "A, C").letter != "A, C"
