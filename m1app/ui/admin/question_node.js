// A question with its options, the right one marked.
import { node } from "../shell/elements.js";

/** @typedef {{ stem: string, options: [letter: string, text: string][], targets: string[] }} Question */

/** @param {Question} question */
export function questionNode(question) {
  const item = node("li");
  item.append(node("p", "", question.stem));
  const options = node("ul", "m1-options-list");
  for (const [letter, text] of question.options) {
    const option = node("li", "", `${letter}. ${text}`);
    if (question.targets.includes(letter)) {
      option.className = "is-target";
      option.append(node("span", "m1-quiet-cell", " target"));
    }
    options.append(option);
  }
  item.append(options);
  return item;
}
