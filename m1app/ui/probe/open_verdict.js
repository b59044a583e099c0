// The verdicts on an answer to an open question: a model's by a reference answer, a person's beside it.
import { isNewFor, option, partsOf, say } from "../shell/elements.js";

/**
 * @typedef {object} JudgingValue
 * @property {string} [id] The trace; without it, or while it runs, there is nothing to judge.
 * @property {string} [reference]
 * @property {string} [model_verdict] What the newest judge said, in a sentence; empty if none has.
 * @property {string} [judgement] Its verdict.
 * @property {string} [reason]
 * @property {string} [person_verdict]
 * @property {string} [agreement] How models and persons agree so far.
 * @property {string[]} [models] Served models.
 * @property {boolean} [may_judge] Whether this person may have it judged and judge it.
 * @property {string} [message] Why nothing was done.
 * @property {boolean} [is_judging]
 */

/** What disagreeing with a verdict says. @type {Record<string, string>} */
const OPPOSITE = { right: "wrong", wrong: "right" };
const BUTTONS = ["judge", "agree", "disagree", "right", "wrong"];

/** @param {import("../shell/elements.js").Host} host */
export function mount({ element, trigger }) {
  const part = partsOf(element);
  const reference = part("reference", HTMLTextAreaElement);
  const model = part("model", HTMLSelectElement);
  /** @type {JudgingValue} */
  let shown = {};

  const asked = () => ({ id: shown.id, reference: reference.value });
  /** @param {string | undefined} judgement */
  const saying = (judgement) => () => trigger("say", { ...asked(), judgement });
  part("judge").addEventListener("click", () => trigger("judge", { ...asked(), model: model.value }));
  part("agree").addEventListener("click", () => saying(shown.judgement)());
  part("disagree").addEventListener("click", () => saying(OPPOSITE[shown.judgement ?? ""])());
  part("right").addEventListener("click", saying("right"));
  part("wrong").addEventListener("click", saying("wrong"));

  return (/** @type {JudgingValue} */ value) => {
    const isOther = value.id !== shown.id;
    shown = value;
    part("panel").hidden = !value.id;
    // What is typed stays while the same answer is judged, and where it was refused.
    if (isOther || !(value.message || value.is_judging)) reference.value = value.reference ?? "";
    if (isNewFor(model, value.models)) {
      model.replaceChildren(...(value.models ?? []).map((name) => option(name, name)));
    }
    say(part("model-verdict"), value.model_verdict);
    part("why").hidden = !value.reason;
    part("reason").textContent = value.reason ?? "";
    say(part("person-verdict"), value.person_verdict);
    say(part("message"), value.message);
    part("agreement").textContent = value.is_judging ? "The judge is thinking…" : (value.agreement ?? "");
    reference.readOnly = value.may_judge === false;
    part("actions").hidden = reference.readOnly;
    const isDecided = Boolean(OPPOSITE[value.judgement ?? ""]);
    for (const name of ["agree", "disagree"]) part(name).hidden = !isDecided;
    for (const name of ["right", "wrong"]) part(name).hidden = isDecided;
    for (const name of BUTTONS) part(name, HTMLButtonElement).disabled = Boolean(value.is_judging);
  };
}
