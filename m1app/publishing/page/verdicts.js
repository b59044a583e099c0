// Verdicts as characters, see verdicts.py: r right, w wrong, n unanswered, f failed, o unscored, - not asked.

/** @typedef {{ name: string, mark: string, kind: string }} VerdictWords */

/** @type {Record<string, VerdictWords>} */
const WORDS = {
  r: { name: "right", mark: "✓", kind: "right" },
  w: { name: "wrong", mark: "✗", kind: "wrong" },
  n: { name: "no answer", mark: "∅", kind: "wrong" },
  f: { name: "failed", mark: "!", kind: "wrong" },
  o: { name: "not scored", mark: "○", kind: "none" },
  "-": { name: "not asked", mark: "–", kind: "none" },
};

/** @param {string} code */
export function verdictWords(code) {
  return WORDS[code] ?? WORDS["-"];
}

/** What the list can be filtered by: a name, and for what verdicts before and after it holds. */
export const CHOICES = /** @type {[value: string, text: string][]} */ ([
  ["", "all"],
  ["right-wrong", "right, then wrong"],
  ["wrong-right", "wrong, then right"],
  ["right-right", "right both times"],
  ["wrong-wrong", "wrong both times"],
  ["unanswered", "no answer second"],
  ["failed", "failed second"],
]);

/**
 * Whether a question's verdicts are those that were chosen; unanswered and failed ones count as wrong.
 * @param {string} choice
 * @param {string} before
 * @param {string} after
 */
export function isChosen(choice, before, after) {
  if (choice === "") return true;
  if (choice === "unanswered") return after === "n";
  if (choice === "failed") return after === "f";
  if (!isScored(before) || !isScored(after)) return false;
  const [was, became] = choice.split("-");
  return (before === "r") === (was === "right") && (after === "r") === (became === "right");
}

/** @param {string} code */
function isScored(code) {
  return code !== "" && "rwnf".includes(code);
}
