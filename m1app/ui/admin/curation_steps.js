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

/** @param {Step} step */
export function stepNode(step) {
  const hasMore = step.examples.length > 0 || step.pairs.length > 0;
  const box = node(hasMore ? "details" : "div", "m1-details m1-step");
  const head = node(hasMore ? "summary" : "p");
  const counts = node("span", step.dropped ? "m1-number" : "m1-number m1-quiet-cell", ` ${step.counts}`);
  head.append(node("b", "", step.name), counts, node("span", "m1-quiet-cell", ` · ${step.title}`));
  box.append(head);
  if (!hasMore) return box;
  const list = node("ul", step.pairs.length ? "m1-pairs" : "");
  list.append(...step.pairs.map(pairItem), ...step.examples.map((text) => node("li", "", text)));
  box.append(list);
  return box;
}
