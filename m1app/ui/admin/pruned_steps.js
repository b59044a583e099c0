// A sample's reasoning by steps: what each does, how much it matters, and which were pruned.
import { node } from "../shell/elements.js";

/**
 * @typedef {object} ReasoningStep
 * @property {string} text
 * @property {string} label What it does: progressive, verification, alternative, correction.
 * @property {number | null} importance Loss of log p(target) without it; null if it was not probed.
 * @property {boolean} is_pruned
 */

/**
 * @typedef {object} PrunedSample
 * @property {string} question
 * @property {string} facts What it saves; empty before anything is pruned.
 * @property {ReasoningStep[]} steps
 * @property {number} left_out Further steps that are not shown.
 */

/**
 * What is said of a step: "verification, importance -0.15, pruned".
 * @param {ReasoningStep} step
 */
export function stepWords({ label, importance, is_pruned }) {
  const parts = [label];
  if (importance !== null) parts.push(`importance ${importance.toFixed(2).replace("-", "−")}`);
  if (is_pruned) parts.push("pruned");
  return parts.join(", ");
}

/** @param {ReasoningStep} step */
function stepItem(step) {
  const item = node("li");
  if (step.label !== "progressive") item.append(node("span", "m1-badge", stepWords(step)));
  item.append(node(step.is_pruned ? "del" : "p", "", step.text));
  item.dataset.label = step.label;
  return item;
}

/** @param {PrunedSample} sample */
export function prunedSample({ question, facts, steps, left_out }) {
  const box = node("div", "m1-reasoning-steps");
  box.append(node("p", "m1-asked-of", question));
  if (facts) box.append(node("p", "m1-quiet", facts));
  const list = node("ol");
  list.append(...steps.map(stepItem));
  box.append(list);
  if (left_out) box.append(node("p", "m1-quiet", `${left_out} more steps are not shown.`));
  return box;
}
