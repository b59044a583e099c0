// What two lists share, with some pairs of it.
import { node } from "../shell/elements.js";
import { pairItem } from "./curation_steps.js";

/** @typedef {{ text: string, pairs: [here: string, there: string, share: string][] }} Overlap */

/** @param {Overlap} overlap */
export function overlapNode(overlap) {
  const box = node("details", "m1-details m1-overlap");
  const list = node("ul");
  list.append(...overlap.pairs.map(pairItem));
  box.append(node("summary", "", overlap.text), list);
  return box;
}
