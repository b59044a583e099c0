"""Which questions count as the one that is asked."""

import re
import unicodedata

import pytest

from m1app.knowledge.guard import AskedQuestion, same_questions

STEM = (
    "A 54-year-old man with alcohol use disorder is confused and cannot look to the side. His gait is broad-based. "
    "Which of the following should be given first?"
)
OTHER = "A 60-year-old woman has crushing chest pain for one hour. Which of the following should be given first?"


@pytest.mark.parametrize(
    ("stem", "is_same"),
    [
        (STEM, True),
        (STEM.upper().replace("?", " ?"), True),
        (STEM.replace("54-year-old man", "61-year-old woman"), True),
        (f"{STEM} Explain your answer in detail, step by step, before you give it.", True),
        (STEM[: len(STEM) // 2], True),
        (OTHER, False),
        ("What is the capital of France?", False),
        ("", False),
    ],
)
def test_a_question_is_the_asked_one_if_a_good_part_of_its_words_is(stem: str, is_same: bool) -> None:
    assert same_questions(AskedQuestion(STEM), {"q": stem}) == (("q",) if is_same else ())


def test_however_many_variants_there_are_all_are_the_asked_one() -> None:
    variants = {f"q{age}": STEM.replace("54", str(age)) for age in range(20, 80)}
    assert same_questions(AskedQuestion(STEM), variants) == tuple(sorted(variants))


def test_the_stored_question_itself_is_the_asked_one_whatever_its_words() -> None:
    assert same_questions(AskedQuestion("?", "q7"), {"q7": OTHER, "q8": OTHER}) == ("q7",)


def spread(text: str, mark: str, every: int = 4) -> str:
    """The text with a mark within each of its longer words."""
    return re.sub(rf"(\w{{{every // 2}}})(\w{{{every // 2},}})", rf"\g<1>{mark}\g<2>", text)


HEART = (
    "A 54-year-old man presents with crushing chest pain radiating to the left arm for two hours. What is given first?"
)
FRENCH = (
    "Un homme âgé de 54 ans, éthylique, présente une confusion et une ophtalmoplégie. Que donnez-vous à ce patient ?"
)
RUSSIAN = "Мужчина 54 лет поступил с давящей болью за грудиной ещё два часа назад. Какой препарат вводят первым?"
ARABIC = "رجل عمره 54 سنة يعاني من ألم في الصدر منذ ساعتين. ما هو الدواء الذي يعطى أولا؟"
CHINESE = "患者男性，54岁，长期饮酒，意识模糊，眼球活动受限，首选的治疗药物是什么？"
CHINESE_HEART = "患者男性，54岁，因胸痛2小时就诊，疼痛向左臂放射，心电图示V1至V4导联ST段抬高，首选的治疗药物是什么？"
CHINESE_LUNG = "患者女性，60岁，发热、咳嗽5天，右下肺可闻及湿啰音，首选的治疗药物是什么？"
JAPANESE = (
    "54歳の男性が2時間前からの胸痛を主訴に来院した。心電図でV1からV4のSTが上昇している。最初に投与すべき薬剤はどれか。"
)
JAPANESE_LUNG = (
    "60歳の女性が3日前からの発熱を主訴に来院した。胸部X線で右下肺野に浸潤影を認める。最初に投与すべき薬剤はどれか。"
)
KOREAN = "54세 남성이 알코올 사용 장애로 내원하였다. 의식이 혼미하고 눈을 옆으로 움직이지 못한다. 먼저 투여할 약은?"
KOREAN_HEART = "54세 남성이 2시간 동안의 가슴 통증으로 내원하였다. 가장 먼저 투여할 약물은?"
KOREAN_LUNG = "60세 여성이 3일 전부터의 발열과 기침으로 내원하였다. 가장 먼저 투여할 약물은?"
THAI = "ชายอายุ 54 ปี มาด้วยอาการเจ็บหน้าอกร้าวไปแขนซ้ายนาน 2 ชั่วโมง ยาที่ควรให้เป็นอันดับแรกคือยาใด"
THAI_LUNG = "หญิงอายุ 60 ปี มาด้วยอาการไข้และไอ 3 วัน ยาที่ควรให้เป็นอันดับแรกคือยาใด"

SAME = {
    "hyphens at line ends": (STEM, spread(STEM, "-\n")),
    "hyphens at line ends, with carriage returns": (STEM, spread(STEM, "\u2010\r\n  ")),
    "line ends that became spaces": (STEM, spread(STEM, "- ")),
    "soft hyphens": (STEM, spread(STEM, "\u00ad")),
    "soft hyphens at line ends": (STEM, spread(STEM, "\u00ad\n")),
    "zero-width spaces": (STEM, spread(STEM, "\u200b")),
    "emphasis with underscores": (HEART, " ".join(f"_{word}_" for word in HEART.split())),
    "emphasis with asterisks": (HEART, " ".join(f"**{word}**" for word in HEART.split())),
    "no spaces": (HEART, HEART.replace(" ", "")),
    "ligatures": (STEM.replace("first", "\ufb01rst"), STEM),
    "full-width letters": (HEART, "".join(chr(ord(each) + 0xFEE0) if "!" <= each <= "~" else each for each in HEART)),
    "French without accents": (FRENCH, unicodedata.normalize("NFKD", FRENCH).encode("ascii", "ignore").decode()),
    "French, decomposed": (FRENCH, unicodedata.normalize("NFD", FRENCH)),
    "Russian without the dots": (RUSSIAN, RUSSIAN.replace("ё", "е")),
    "Arabic with vowel marks": (ARABIC, re.sub("([مدل])", "\\g<1>\u064e", ARABIC)),
    "Chinese, age and two words changed": (
        CHINESE,
        "患者男性，56岁，长期饮酒史，意识模糊，双眼活动受限，首选治疗药物是什么？",
    ),
    "Chinese, sex, age and numbers changed": (
        CHINESE_HEART,
        "患者女性，56岁，因胸痛3小时就诊，疼痛向左肩放射，心电图示V1至V5导联ST段抬高，首选治疗药物是哪种？",
    ),
    "Chinese without marks": (CHINESE, re.sub("[，？]", "", CHINESE)),
    "Chinese, short": ("坏血病是缺乏哪种维生素引起的？", "坏血病由缺乏何种维生素引起？"),
    "Japanese, in the form of notes": (
        JAPANESE,
        "５４歳男性。2時間前からの胸痛を主訴に来院。心電図でV1からV4のSTが上昇している。まず投与すべき薬剤はどれか。",
    ),
    "Korean, particles changed": (
        KOREAN,
        "54세 남자가 알코올 사용장애로 내원하였다. 의식이 혼미하며 눈을 옆으로 움직이지 못하였다. 먼저 투여할 약은?",
    ),
    "Korean, endings changed": (
        KOREAN_HEART,
        "54세 남자가 2시간 전부터 시작된 가슴 통증으로 내원하였다. 먼저 투여해야 할 약물은?",
    ),
    "Thai, two words changed": (THAI, THAI.replace("54 ปี", "55 ปี").replace("2 ชั่วโมง", "สองชั่วโมง")),
    "short, a question word changed": ("Which vitamin prevents scurvy?", "What vitamin prevents scurvy?"),
    "short, as a heading": ("Cause of scurvy", "The cause of scurvy is"),
    "one word": ("Scurvy?", "What is scurvy?"),
    "short, within a row": ("Cause of scurvy?", f"{HEART} C.\nThe cause of scurvy: lack of ascorbic acid."),
    "short, one of six words changed": (
        "Which enzyme is deficient in infants with classic galactosemia?",
        "Which enzyme is deficient in newborns with classic galactosemia?",
    ),
}
DIFFERENT = {
    "vignettes with the same end": (STEM, HEART),
    "with the same beginning": (
        "A 54-year-old man presents with a cough that has lasted for three weeks. What is the diagnosis?",
        "A 54-year-old man presents with swollen ankles and dark urine. Which test confirms it?",
    ),
    "of the same form": (
        "Ein 54-jähriger Mann stellt sich mit seit zwei Stunden bestehenden Brustschmerzen vor. Was ist indiziert?",
        "Eine 30-jährige Frau stellt sich mit seit drei Tagen bestehenden Kopfschmerzen vor. Was fehlt ihr?",
    ),
    "Chinese with the same end": (CHINESE, CHINESE_LUNG),
    "Chinese with the same end, longer": (CHINESE_HEART, CHINESE_LUNG),
    "Chinese with the same age": (CHINESE, CHINESE_HEART),
    "Chinese, both for a diagnosis": (
        "患儿，3岁，反复血尿2个月，最可能的诊断是什么？",
        "患者男性，54岁，突发右侧肢体无力，言语不清，最可能的诊断是什么？",
    ),
    "Chinese, short": ("坏血病是缺乏哪种维生素引起的？", "佝偻病是缺乏哪种维生素引起的？"),
    "Japanese with the same end": (JAPANESE, JAPANESE_LUNG),
    "Japanese, short": ("壊血病の原因はどれか。", "くる病の原因はどれか。"),
    "Korean with the same end": (KOREAN_HEART, KOREAN_LUNG),
    "Korean with the same age": (KOREAN, KOREAN_HEART),
    "Korean, short": ("괴혈병의 원인은?", "구루병의 원인은?"),
    "Thai with the same end": (THAI, THAI_LUNG),
    "short, another disease": ("Which vitamin prevents scurvy?", "Which vitamin prevents rickets?"),
    "short, another nerve": ("Which nerve moves the diaphragm?", "Which nerve moves the deltoid?"),
    "short, asked otherwise": ("What causes scurvy?", "What cures scurvy?"),
    "one word": ("Scurvy?", "What causes scurvy in sailors?"),
    "a row on the same disease": (
        "Cause of scurvy?",
        "Sailors with scurvy recovered after they had eaten lemons, as Lind described; the cause was found much later.",
    ),
    "other languages": (CHINESE_HEART, "V1 V4 ST 54 2"),
    "nothing to compare": ("?!", "…"),
}


@pytest.mark.parametrize(("first", "second"), SAME.values(), ids=SAME)
def test_a_question_that_was_copied_spelled_or_inflected_otherwise_is_the_asked_one(first: str, second: str) -> None:
    assert same_questions(AskedQuestion(first), {"q": second}) == ("q",)
    assert same_questions(AskedQuestion(second), {"q": first}) == ("q",)


@pytest.mark.parametrize(("first", "second"), DIFFERENT.values(), ids=DIFFERENT)
def test_questions_that_share_stock_phrases_are_different_ones(first: str, second: str) -> None:
    assert same_questions(AskedQuestion(first), {"q": second}) == ()
    assert same_questions(AskedQuestion(second), {"q": first}) == ()


def test_a_long_text_is_compared_without_being_kept() -> None:
    row = f"{'word ' * 3_000}{spread(STEM, '- ')}"
    assert same_questions(AskedQuestion(STEM), {"row": row, "other": "word " * 3_000}) == ("row",)
