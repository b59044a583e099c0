"""Answers of the kinds that mislead a reader, with the letter that a careful clinician would read, or None.

Written to attack the rule `strict`: conditions, restrictions, exceptions, boxes that are not meant, doubts, what others
say, and JSON, tags and brackets, in the languages that it reads.
"""

import pytest

from m1app.question.answers.scoring import score

ENGLISH = {"A": "Pulmonary embolism", "B": "Pneumothorax", "C": "Pneumonia", "D": "Myocardial infarction"}
CHINESE = {"A": "肺栓塞", "B": "气胸", "C": "肺炎", "D": "心肌梗死"}
SPANISH = {"A": "Embolia pulmonar", "B": "Neumotórax", "C": "Neumonía", "D": "Infarto de miocardio"}
FRENCH = {"A": "Embolie pulmonaire", "B": "Pneumothorax", "C": "Pneumonie", "D": "Infarctus du myocarde"}
GERMAN = {"A": "Lungenembolie", "B": "Pneumothorax", "C": "Pneumonie", "D": "Myokardinfarkt"}
KOREAN = {"A": "폐색전증", "B": "기흉", "C": "폐렴", "D": "심근경색"}
ANSWERS = [
    (ENGLISH, "Wait, so it cannot be A; B remains possible.", None),
    (ENGLISH, "C remains a possibility.", None),
    (ENGLISH, "The answer is A (for adults) or B (for children).", None),
    (ENGLISH, "The answer is A (see above), and B (the other one) is wrong.", "A"),
    (ENGLISH, "Answer: B is what most people say.", None),
    (ENGLISH, "C is what students choose. It is D.", "D"),
    (GERMAN, "Ich würde mich für Option A entscheiden.", "A"),
    (CHINESE, "本题选择B选项。", "B"),
    (ENGLISH, "Answer: I would start heparin at once and then image the chest.", None),
    (ENGLISH, "If he were febrile I would pick C; he is not, so A.", "A"),
    (
        ENGLISH,
        "With fever it would be C. Without fever, A would be the better choice. The vignette gives no temperature.",
        None,
    ),
    (ENGLISH, "D is right that the ECG matters, but only B accounts for the absent breath sounds.", "B"),
    (ENGLISH, "C is correct about the fever, yet it leaves the sudden onset unexplained. My pick is A.", "A"),
    (ENGLISH, "All of these cause dyspnoea except D, so D is the exception asked for.", "D"),
    (ENGLISH, "This is not \\boxed{C}; the correct choice is \\boxed{B}.", "B"),
    (ENGLISH, "\\boxed{A}. Had the D-dimer been negative, I would have written \\boxed{C}.", "A"),
    (ENGLISH, "First I settled on D. Wait, troponin is normal, so it cannot be D; B then.", "B"),
    (ENGLISH, "- \\boxed{A}: possible\n- \\boxed{B}: possible\n- \\boxed{C}: possible", None),
    (ENGLISH, '{"reasoning": "C was tempting", "final_answer": "B"}', "B"),
    (ENGLISH, "<final_answer>(d)</final_answer>", "D"),
    (ENGLISH, "Response: C", "C"),
    (ENGLISH, "(b)", "B"),
    (ENGLISH, "\\boxed{A\\text{. Pulmonary embolism}}", "A"),
    (ENGLISH, "I can't decide between A and C.", None),
    (ENGLISH, "A colleague would say C. I disagree.", None),
    (ENGLISH, "The textbook answer is C, but for this patient the answer is A.", "A"),
    (ENGLISH, "Neither C nor D fits. That leaves A or B, and the trachea is deviated: B.", "B"),
    (ENGLISH, "Of the four, B best explains hyperresonance.", "B"),
    (ENGLISH, "**Final answer:** option C (pneumonia)", "C"),
    (ENGLISH, "It's B, no question.", "B"),
    (ENGLISH, "Correct option -> D", "D"),
    (ENGLISH, "The diagnosis is most consistent with pneumothorax (B).", "B"),
    (CHINESE, "综合考虑，本题应选B。", "B"),
    (CHINESE, "如果患者发热，则选C；但患者无发热，故选A。", "A"),
    (CHINESE, "A项不能解释呼吸音消失，C项也不符合，因此正确答案为B项。", "B"),
    (CHINESE, "有人会选D，但心电图正常。", None),
    (CHINESE, "答案：(C)", "C"),
    (CHINESE, "最终答案是\\boxed{A}，而不是C。", "A"),
    (CHINESE, "无法确定是A还是C。", None),
    (CHINESE, "我选D。不对，肌钙蛋白正常，应该选B。", "B"),
    (CHINESE, "以上除D外均可引起呼吸困难，所以选D。", "D"),
    (SPANISH, "La respuesta correcta es la B.", "B"),
    (SPANISH, "Si tuviera fiebre elegiría la C; como no la tiene, la respuesta es A.", "A"),
    (SPANISH, "La opción C es correcta en cuanto a la fiebre, pero la mejor respuesta es la A.", "A"),
    (SPANISH, "Respuesta: Yo solicitaría primero una radiografía.", None),
    (SPANISH, "No es la D, sino la B.", "B"),
    (SPANISH, "Dudo entre A y C.", None),
    (SPANISH, "Opción correcta: c) Neumonía", "C"),
    (FRENCH, "La bonne réponse est la B.", "B"),
    (FRENCH, "S'il avait de la fièvre, ce serait C. Ici, c'est A.", "A"),
    (FRENCH, "Réponse : D", "D"),
    (FRENCH, "La réponse n'est pas C mais B.", "B"),
    (FRENCH, "J'hésite entre A et C.", None),
    (FRENCH, "C est juste pour la fièvre, mais seule A explique la douleur brutale.", "A"),
    (FRENCH, "D'abord j'ai pensé à D, mais la troponine est normale : je retiens donc B.", "B"),
    (GERMAN, "Richtig ist Antwort B.", "B"),
    (GERMAN, "Bei Fieber wäre es C, ohne Fieber A.", None),
    (GERMAN, "Zunächst dachte ich an D. Das Troponin ist aber normal, also B.", "B"),
    (GERMAN, "Die Lösung lautet: A", "A"),
    (GERMAN, "Nicht C, sondern A ist richtig.", "A"),
    (GERMAN, "Ich schwanke zwischen A und C.", None),
    (GERMAN, "Option D kann ausgeschlossen werden. Am ehesten trifft B zu.", "B"),
    (KOREAN, "정답은 B입니다.", "B"),
    (KOREAN, "열이 있다면 C이겠지만 열이 없으므로 답은 A이다.", "A"),
    (KOREAN, "C가 아니라 B가 맞습니다.", "B"),
    (KOREAN, "A인지 C인지 판단할 수 없습니다.", None),
    (KOREAN, "최종 답변: D", "D"),
    (KOREAN, "처음에는 D라고 생각했으나 다시 보면 B를 선택한다.", "B"),
]

LEAST_READ = 0.85


@pytest.mark.parametrize(("options", "text", "right"), ANSWERS, ids=[text[:40] for _, text, _ in ANSWERS])
def test_no_answer_is_read_as_another_letter(options: dict[str, str], text: str, right: str | None) -> None:
    assert score(text, options, "A").letter in (right, None)


def test_most_answers_that_name_an_option_are_read() -> None:
    readable = [(options, text, right) for options, text, right in ANSWERS if right]
    read = [score(text, options, "A").letter == right for options, text, right in readable]
    assert sum(read) >= LEAST_READ * len(readable)


NEW_FORMS = [
    "It's B, no question.",
    "It is B, without question.",
    "Correct option -> B",
    "Answer => B",
    "The presentation is most consistent with pneumothorax (B).",
    "Am ehesten trifft B zu.",
    "열이 없으므로 답은 B이다.",
    "처음에는 D라고 생각했으나 B를 선택한다.",
]


@pytest.mark.parametrize("text", NEW_FORMS)
def test_arrows_assurances_and_conclusions_lead_to_an_option(text: str) -> None:
    assert score(text, ENGLISH, "A").letter == "B"


NO_CHOICE = [
    "If it were fever -> C, if not -> A.",
    "The earlier film was most consistent with pneumonia.",
    "Chest pain -> D? Dyspnoea -> A?",
    "Am ehesten trifft B zu, falls Fieber besteht; sonst A.",
]


@pytest.mark.parametrize("text", NO_CHOICE)
def test_the_same_words_choose_nothing_in_a_case_or_a_question(text: str) -> None:
    assert score(text, ENGLISH, "A").letter is None
