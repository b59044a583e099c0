// The form of a fact test: the marked stretch in its place, the fact, the seeds, the arms.
import { node, partsOf, say, setText } from "../shell/elements.js";

/**
 * @typedef {object} Subject
 * @property {string} case
 * @property {number} start In code points of the thinking.
 * @property {number} end
 * @property {string} annotation Empty without one.
 */

/**
 * @typedef {object} FormValue
 * @property {string} [problem]
 * @property {string} [field] The input that the problem is about.
 * @property {boolean} [may_run_anyway]
 * @property {string} [started] Id of the test that has begun.
 * @property {Subject} [subject]
 * @property {string} [question]
 * @property {string[]} [options]
 * @property {string} [answer]
 * @property {string} [target]
 * @property {string} [model]
 * @property {string} [before]
 * @property {boolean} [is_cut_off]
 * @property {string} [marked]
 * @property {string} [after]
 * @property {string} [fact]
 * @property {boolean} [is_of_annotation]
 * @property {number} [most_characters]
 * @property {string} [case_link]
 * @property {string} [seeds]
 * @property {string} [outlook] What the test costs.
 * @property {string} [names_target] A caution; empty if the fact does not name the target.
 */

const TYPING_MS = 300;

/** @param {FormValue} value */
function excerptOf(value) {
  const before = `${value.is_cut_off ? "…" : ""}${value.before ?? ""}`;
  return [before, node("mark", "", value.marked ?? ""), node("span", "m1-quiet", value.after ?? "")];
}

/** @param {import("../shell/elements.js").Host} host */
export function mount({ element, trigger }) {
  const part = partsOf(element);
  const form = part("form", HTMLFormElement);
  /** @type {Subject | undefined} */
  let subject;

  /** @param {string} name */
  const box = (name) => {
    const found = form.elements.namedItem(name);
    if (found instanceof HTMLInputElement || found instanceof HTMLTextAreaElement) return found;
    throw new Error(`The form has no input ${name}.`);
  };

  const read = () => {
    const armD = box("prompt_arm");
    return {
      subject,
      fact: box("fact").value,
      seeds: box("seeds").value,
      prompt_arm: armD instanceof HTMLInputElement && armD.checked,
      wrong_fact: box("wrong_fact").value,
    };
  };

  /** @param {boolean} anyway */
  const start = (anyway) => {
    if (!subject || part("start", HTMLButtonElement).disabled) return;
    part("start", HTMLButtonElement).disabled = true;
    trigger("start", { ...read(), anyway });
  };

  let typing = 0;
  const look = () => {
    clearTimeout(typing);
    typing = window.setTimeout(() => subject && trigger("look", read()), TYPING_MS);
  };
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    start(false);
  });
  part("anyway").addEventListener("click", () => start(true));
  form.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
    event.preventDefault();
    start(false);
  });
  form.addEventListener("input", () => {
    part("anyway").hidden = true;
    look();
  });

  /** @param {FormValue} value */
  const fill = (value) => {
    subject = value.subject;
    setText(part("stem"), value.question);
    part("options").replaceChildren(...(value.options ?? []).map((each) => node("li", "", each)));
    const answer = value.answer ? `answered ${value.answer}` : "chose no option";
    setText(part("was"), `${value.model} ${answer}; the target is ${value.target}.`);
    part("case", HTMLAnchorElement).href = value.case_link ?? "/annotate/";
    part("excerpt").replaceChildren(...excerptOf(value));
    box("fact").value = value.fact ?? "";
    if (value.seeds) box("seeds").value = value.seeds;
    box("fact").setAttribute("maxlength", String(value.most_characters ?? 2000));
    part("from").hidden = !value.is_of_annotation;
    look();
  };

  /** @param {FormValue} value */
  const showProblem = (value) => {
    for (const field of ["fact", "seeds", "wrong_fact"]) {
      box(field).setAttribute("aria-invalid", String(Boolean(value.problem) && value.field === field));
    }
    say(part("problem"), value.problem);
    say(part("alone"), subject ? "" : value.problem);
    if (value.problem && value.field === "wrong_fact") box("wrong_fact").closest("details")?.setAttribute("open", "");
  };

  return (/** @type {FormValue} */ value) => {
    if (value.outlook !== undefined) {
      setText(part("outlook"), value.outlook);
      say(part("names"), value.names_target);
      return;
    }
    if (value.subject) fill(value);
    part("form").hidden = !subject || Boolean(value.started);
    part("empty").hidden = Boolean(subject) || Boolean(value.problem);
    element.classList.toggle("is-started", Boolean(value.started));
    part("start", HTMLButtonElement).disabled = Boolean(value.started);
    part("anyway").hidden = !value.may_run_anyway;
    showProblem(value);
  };
}
