// Two samples side by side, with what differs between their questions.
import { button, node } from "../shell/elements.js";
import { number } from "../shell/words.js";

/** @typedef {{ text: string, is_shared: boolean }} Piece */

/**
 * @typedef {object} Side
 * @property {string} key
 * @property {boolean} is_kept
 * @property {string} why
 * @property {string} source
 * @property {number} characters
 * @property {Piece[]} pieces
 * @property {string} target
 * @property {string} reasoning
 * @property {string} answer
 */

/** @typedef {{ said: string, sides: [Side, Side] }} Pair */

/**
 * @param {Side} side
 * @param {(key: string) => void} open
 */
function sideNode(side, open) {
  const made = node("div", "m1-pair-side");
  made.role = "group";
  made.setAttribute("aria-label", `Sample ${side.key}`);
  const state = side.is_kept ? "kept" : `left out, ${side.why}`;
  const head = node("p", "m1-quiet");
  head.append(
    button(side.key, () => open(side.key), `Open sample ${side.key}`),
    ` ${[side.source, state, side.target ? `target ${side.target}` : "no target"].filter(Boolean).join(" · ")}`,
  );
  const question = node("p", "m1-sample-text");
  question.dir = "auto";
  question.append(...side.pieces.map(({ text, is_shared }) => (is_shared ? text : node("mark", "", text))));
  const more = node("details", "m1-details");
  const reasoning = node("p", "m1-sample-text", side.reasoning);
  const answer = node("p", "m1-sample-text", side.answer);
  for (const each of [reasoning, answer]) each.dir = "auto";
  const title = node("summary", "", `Reasoning (${number(side.characters)} characters) and answer`);
  more.append(title, reasoning, node("h4", "", "Answer"), answer);
  made.append(head, question, more);
  return made;
}

/**
 * @param {Pair} pair
 * @param {(key: string) => void} open
 */
export function pairNode(pair, open) {
  const made = node("div", "m1-pair");
  const sides = node("div", "m1-pair-sides");
  sides.append(...pair.sides.map((side) => sideNode(side, open)));
  made.append(node("h3", "", pair.said), sides);
  return made;
}
