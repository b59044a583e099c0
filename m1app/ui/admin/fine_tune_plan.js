// Below the form: the plan.
import { node, partsOf, showFacts } from "../shell/elements.js";
import { stepNode } from "./curation_steps.js";

/**
 * @typedef {object} Sample
 * @property {string} tokens
 * @property {string} prompt
 * @property {string} prompt_tokens
 * @property {boolean} is_left_out
 * @property {[kind: string, name: string, text: string, tokens: string][]} parts
 * @property {string} rejected Of a preference pair, the response to avoid; empty for a sample.
 */

/**
 * @typedef {object} Plan
 * @property {[name: string, text: string][]} facts
 * @property {string[]} notes
 * @property {import("./curation_steps.js").Step[]} steps
 * @property {Sample[]} samples
 */

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
  if (sample.rejected) {
    const rejected = node("div", "m1-sample-prompt");
    rejected.append(...partHead("the other response, to avoid", ""), node("pre", "", sample.rejected));
    box.append(rejected);
  }
  return box;
}

/** @param {import("../shell/elements.js").Host} host */
export function mount({ element }) {
  const part = partsOf(element);

  return (/** @type {{ plan?: Plan }} */ { plan }) => {
    part("plan").hidden = !plan;
    if (!plan) return;
    showFacts(part("facts"), plan.facts);
    part("notes").replaceChildren(...plan.notes.map((text) => node("li", "", text)));
    part("steps").replaceChildren(...plan.steps.map((step) => stepNode(step)));
    part("samples").replaceChildren(...plan.samples.map(sampleNode));
  };
}
