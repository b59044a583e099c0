// The rows of the list of samples.
import { all, node } from "../shell/elements.js";
import { number } from "../shell/words.js";

/** @typedef {import("./sample_card.js").Row} Row */

/**
 * @param {Row} each
 * @param {{ isChosen: boolean, isPicked: boolean, said: string }} state
 * @param {(isPicked: boolean) => void} pick
 */
export function sampleRow(each, { isChosen, isPicked, said }, pick) {
  const row = node("tr");
  row.dataset.key = each.key;
  row.classList.toggle("is-chosen", isChosen);
  const picked = node("td");
  if (each.is_kept) {
    const box = node("input");
    box.type = "checkbox";
    box.checked = isPicked;
    box.setAttribute("aria-label", `Pick ${each.key}`);
    box.addEventListener("change", () => pick(box.checked));
    picked.append(box);
  }
  const question = node("td", "m1-stem");
  const open = node("button", "m1-row-button", each.question || "(no question)");
  open.type = "button";
  open.dir = "auto";
  question.append(open);
  if (said) question.append(node("p", "m1-quiet-cell", said));
  const domain = [each.domain, each.source].filter(Boolean).join(" · ");
  row.append(picked, question, node("td", "m1-number", number(each.characters)), node("td", "", domain));
  return row;
}

/**
 * Moves the focus to the next or previous row.
 * @param {HTMLElement} rows
 * @param {KeyboardEvent} event
 */
export function walkRows(rows, event) {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  const buttons = all(rows, "button", HTMLButtonElement);
  const at = buttons.findIndex((each) => each.matches(":focus"));
  if (!step || at < 0) return;
  event.preventDefault();
  buttons[Math.max(0, Math.min(buttons.length - 1, at + step))].focus();
}
