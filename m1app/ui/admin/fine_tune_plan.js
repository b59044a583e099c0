// Below the form: the equivalent command line, and the plan.
import { copyText, node, partsOf, say, showFacts } from "../shell/elements.js";
import { COPY_FAILED } from "./ask_twice.js";
import { stepNode } from "./curation_steps.js";

/**
 * @typedef {object} Sample
 * @property {string} tokens
 * @property {string} prompt
 * @property {string} prompt_tokens
 * @property {boolean} is_left_out
 * @property {[kind: string, name: string, text: string, tokens: string][]} parts
 */

/**
 * @typedef {object} Plan
 * @property {[name: string, text: string][]} facts
 * @property {string[]} notes
 * @property {import("./curation_steps.js").Step[]} steps
 * @property {Sample[]} samples
 */

/** @typedef {{ command?: string, hint?: string, plan?: Plan | null }} PlanValue */

/**
 * @param {string} name
 * @param {string} tokens
 */
const partHead = (name, tokens) => [
  node("span", "m1-part-name", name),
  node("span", "m1-quiet-cell", tokens ? ` ${tokens}` : ""),
];

/**
 * @param {Sample} sample
 * @param {number} place
 * @param {Sample[]} samples
 */
function sampleNode(sample, place, samples) {
  const box = node("details", "m1-details m1-sample");
  box.open = place === 0;
  box.append(node("summary", "", `Sample ${place + 1} of ${samples.length}, ${sample.tokens}`));
  const prompt = node("div", "m1-sample-prompt");
  prompt.append(...partHead("prompt, not trained on", sample.prompt_tokens), node("pre", "", sample.prompt));
  const trained = node("div", sample.is_left_out ? "m1-sample-prompt" : "m1-sample-trained");
  trained.append(node("span", "m1-part-name", sample.is_left_out ? "left out, not trained on" : "trained on"));
  for (const [kind, name, text, tokens] of sample.parts) {
    const part = node("div", "m1-part");
    if (!sample.is_left_out) part.dataset.kind = kind; // Only trained parts are coloured.
    part.append(...partHead(name, tokens), node("pre", "", text));
    trained.append(part);
  }
  box.append(prompt, trained);
  return box;
}

/** @param {import("../shell/elements.js").Host} host */
export function mount({ element }) {
  const part = partsOf(element);
  part("copy").addEventListener("click", () => copyText(part("copy"), part("command").textContent ?? "", COPY_FAILED));

  return (/** @type {PlanValue} */ { command, hint, plan }) => {
    say(part("command"), command);
    part("copy").hidden = !command;
    say(part("hint"), hint);
    part("plan").hidden = !plan;
    if (!plan) return;
    showFacts(part("facts"), plan.facts);
    part("notes").replaceChildren(...plan.notes.map((text) => node("li", "", text)));
    part("steps").replaceChildren(...plan.steps.map(stepNode));
    part("samples").replaceChildren(...plan.samples.map(sampleNode));
  };
}
