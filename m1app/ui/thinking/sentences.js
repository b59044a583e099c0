// The sentences of a thinking, those that moved the answer's letter most first.
import { button, isNewFor, link, node, option, partsOf, say, setText } from "../shell/elements.js";
import { plural } from "../shell/words.js";

/**
 * @typedef {object} SentenceRow
 * @property {number} start In code points of the thinking.
 * @property {number} end
 * @property {string} text
 * @property {number} change From -1 to 1.
 * @property {string} said
 * @property {string} where
 * @property {string} mark Where it is marked.
 * @property {number} most_tokens That one rollout from each side generates at most.
 */

/**
 * @typedef {object} SentencesValue
 * @property {string} [problem]
 * @property {string} [letter]
 * @property {SentenceRow[]} [rows]
 * @property {number} [more]
 * @property {SentenceRow | null} [decided]
 * @property {string} [notice]
 * @property {string} [compare]
 * @property {boolean} [has_sentences]
 * @property {boolean} [is_known] Whether any sentence's change is known.
 * @property {string} [case]
 * @property {boolean} [can_resample]
 * @property {[least: number, most: number]} [seeds]
 */

/**
 * @param {SentenceRow} sentence
 * @param {((sentence: SentenceRow, pressed: HTMLButtonElement) => void) | null} resample
 */
function rowOf(sentence, resample) {
  const row = node("tr");
  row.dataset.start = String(sentence.start);
  const detail = { start: sentence.start, end: sentence.end };
  const edit = () => document.dispatchEvent(new CustomEvent("m1-edit-sentence", { detail }));
  const acts = node("td", "m1-anchor-acts");
  acts.append(
    button("Edit", edit, `Edit: ${sentence.text}`),
    link("Mark", sentence.mark, `Mark in Annotate: ${sentence.text}`),
  );
  if (resample) {
    const pressed = button("Resample", () => resample(sentence, pressed), `Resample: ${sentence.text}`);
    acts.append(pressed);
  }
  const text = node("td", "m1-wide", sentence.text);
  text.dir = "auto";
  row.append(
    node("td", "m1-number", sentence.said),
    text,
    node("td", "m1-quiet m1-anchor-where", sentence.where),
    acts,
  );
  return row;
}

/** @param {import("../shell/elements.js").Host} host */
export function mount({ element, trigger }) {
  const part = partsOf(element);
  const seeds = part("seeds", HTMLSelectElement);
  let caseId = "";
  /** The button that says what its resampling costs. @type {{ pressed: HTMLButtonElement, text: string } | null} */
  let asked = null;

  const forget = () => {
    if (!asked) return;
    asked.pressed.classList.remove("is-asking");
    setText(asked.pressed, "Resample");
    asked.pressed.setAttribute("aria-label", `Resample: ${asked.text}`);
    asked = null;
  };

  // The cost is told first, where it was pressed: the second press begins.
  const resample = (/** @type {SentenceRow} */ sentence, /** @type {HTMLButtonElement} */ pressed) => {
    const count = Number(seeds.value);
    const isSecond = asked?.pressed === pressed;
    forget();
    say(part("problem"), "");
    if (isSecond) {
      trigger("resample", { case: caseId, start: sentence.start, end: sentence.end, seeds: count });
      return;
    }
    asked = { pressed, text: sentence.text };
    const begin = `Start: at most about ${plural(count * sentence.most_tokens, "token")}`;
    pressed.classList.add("is-asking");
    setText(pressed, begin);
    pressed.setAttribute("aria-label", `${begin}: ${sentence.text}`);
  };
  seeds.addEventListener("change", forget);
  return (/** @type {SentencesValue} */ value) => {
    const { rows = [], decided, notice = "" } = value;
    if (!value.case) {
      say(part("problem"), value.problem);
      if (value.problem) part("problem").scrollIntoView({ block: "nearest" });
      return;
    }
    caseId = value.case;
    part("section").hidden = !value.has_sentences;
    say(part("notice"), notice);
    part("how").hidden = !value.is_known;
    part("resampling").hidden = !value.can_resample;
    part("elsewhere").hidden = !notice;
    part("compare", HTMLAnchorElement).href = value.compare ?? "/compare/";
    part("known").hidden = rows.length === 0;
    if (!rows.length || !isNewFor(part("rows"), rows)) return;
    part("decided").hidden = !decided;
    if (decided) {
      setText(part("letter"), value.letter);
      setText(part("decided-text"), decided.text);
      setText(part("decided-said"), `${decided.said} points`);
      part("decided-mark", HTMLAnchorElement).href = decided.mark;
    }
    part("rows").replaceChildren(...rows.map((each) => rowOf(each, value.can_resample ? resample : null)));
    const [least, most] = value.seeds ?? [5, 20];
    const counts = Array.from({ length: most - least + 1 }, (_, i) => String(least + i));
    seeds.replaceChildren(...counts.map((count) => option(count, count)));
    say(part("more"), value.more ? `${plural(value.more, "more sentence")} changed it less.` : "");
  };
}
