// Steps of a curation or of rendering: counts, expandable to examples and pairs.
import { node } from "../shell/elements.js";

/**
 * @typedef {object} Step
 * @property {string} name
 * @property {string} title
 * @property {string} counts
 * @property {number | boolean} dropped
 * @property {string[]} examples
 * @property {[here: string, there: string, share: string][]} pairs
 * @property {Unverified[]} [unverified] What the answers' check drops, and what somebody keeps of it.
 */

/**
 * @typedef {object} Unverified
 * @property {string} key
 * @property {string} why
 * @property {string} question
 * @property {string} target
 * @property {string} answer_end
 * @property {boolean} is_kept
 * @property {boolean} can_keep Whether somebody may keep it all the same: a sample, but not a preference pair.
 */

/**
 * Two texts and their overlap.
 * @param {[here: string, there: string, share: string]} pair
 */
export function pairItem([here, there, share]) {
  const item = node("li");
  item.append(node("b", "m1-number", share), node("p", "", here), node("p", "", there));
  return item;
}

/**
 * A dropped sample with the reason, and a box to keep it where that is possible.
 * @param {Unverified} each
 * @param {((key: string, isKept: boolean) => void) | undefined} onKeep
 */
function unverifiedItem(each, onKeep) {
  const item = node("li");
  const isOffered = onKeep && each.can_keep;
  const keep = node(isOffered ? "label" : "p", isOffered ? "m1-check" : "");
  if (isOffered) {
    const box = node("input");
    box.type = "checkbox";
    box.checked = each.is_kept;
    box.addEventListener("change", () => onKeep(each.key, box.checked));
    keep.append(box, " Keep: ");
  }
  keep.append(each.can_keep ? `its answer ${each.why}` : each.why);
  const ends = each.can_keep ? "The answer ends" : "The better answer ends";
  const said = `Target: ${each.target}. ${ends}: ${each.answer_end}`;
  item.append(keep, node("p", "", each.question), node("p", "m1-quiet-cell", said));
  return item;
}

/**
 * @param {Step} step
 * @param {(key: string, isKept: boolean) => void} [onKeep]
 */
export function stepNode(step, onKeep) {
  const unverified = step.unverified ?? [];
  const hasMore = step.examples.length > 0 || step.pairs.length > 0 || unverified.length > 0;
  const box = node(hasMore ? "details" : "div", "m1-details m1-step");
  const head = node(hasMore ? "summary" : "p");
  const counts = node("span", step.dropped ? "m1-number" : "m1-number m1-quiet-cell", ` ${step.counts}`);
  head.append(node("b", "", step.name), counts, node("span", "m1-quiet-cell", ` · ${step.title}`));
  box.append(head);
  if (!hasMore) return box;
  const list = node("ul", step.pairs.length ? "m1-pairs" : "");
  list.append(...step.pairs.map(pairItem), ...step.examples.map((text) => node("li", "", text)));
  list.append(...unverified.map((each) => unverifiedItem(each, onKeep)));
  box.append(list);
  return box;
}
