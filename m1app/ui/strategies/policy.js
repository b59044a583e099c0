// What a policy chose, and by which entropy of its pilot.
import { node } from "../shell/elements.js";
import { number, plural } from "../shell/words.js";
import { numberOf, numberOrNull, recordOf, textOf } from "./shown_values.js";

const MOST_CHARACTERS = 200;

/**
 * @param {unknown} value `{"pilot_passes": 1, "entropy": 0.42, "choice": "vote:k=4", "thinking_tokens": 512}`; without an
 *   entropy while the pilot runs.
 */
export function policyOf(value) {
  const given = recordOf(value);
  const pilots = plural(numberOf(given.pilot_passes), "pilot pass", "pilot passes");
  const entropy = numberOrNull(given.entropy);
  if (entropy === null) return { said: `${pilots}, not ended yet.`, facts: [] };
  /** @type {[name: string, text: string][]} */
  const facts = [
    ["Entropy", `${entropy.toFixed(2)} bits, of ${pilots}`],
    ["Chosen", textOf(given.choice, MOST_CHARACTERS)],
    ["Thinking tokens", `${number(numberOf(given.thinking_tokens))} a pass`],
  ];
  return { said: facts.map(([name, text]) => `${name}: ${text}`).join(". "), facts };
}

/**
 * @param {unknown} value
 * @returns {import("./bars.js").Drawing}
 */
export function drawPolicy(value) {
  const { said, facts } = policyOf(value);
  const list = node("dl", "m1-facts");
  list.append(...facts.flatMap(([name, text]) => [node("dt", "", name), node("dd", "", text)]));
  const readings = facts.map(([name, text]) => `${name}: ${text}`);
  return { said, content: facts.length ? [list] : [node("p", "m1-quiet", said)], readings };
}
