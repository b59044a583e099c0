// Where models that are compared were not asked alike: a sentence, and the prompts with their differing lines marked.
import { isNewFor, node } from "./elements.js";

/** @typedef {{ title: string, lines: [text: string, isShared: boolean][] }} ShownPrompt */
/** @typedef {{ said: string, prompts: ShownPrompt[] }} PromptDifference */

/**
 * @param {HTMLElement} place
 * @param {PromptDifference | null | undefined} value Empty where all were asked alike.
 */
export function showPrompts(place, value) {
  place.hidden = !value;
  if (!value || !isNewFor(place, value)) return;
  const box = node("details", "m1-details");
  box.append(node("summary", "", "Show the prompts"), ...value.prompts.map(promptNode));
  place.replaceChildren(node("p", "", value.said), box);
}

/** @param {ShownPrompt} prompt */
function promptNode(prompt) {
  const text = node("pre", "m1-prompt");
  for (const [line, isShared] of prompt.lines) {
    // A mark, not a colour alone: screen readers and prints have it too.
    text.append(isShared ? node("span", "", `  ${line}\n`) : node("mark", "", `≠ ${line}\n`));
  }
  const part = node("section");
  part.append(node("h3", "", prompt.title), text);
  return part;
}
