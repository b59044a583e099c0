// Why a form was refused. It leads to the field that must be changed, which may be folded away or out of sight.
import { partsOf, say } from "../shell/elements.js";

/**
 * @typedef {object} MessageValue
 * @property {string} [text] Empty: nothing was refused, or the field says it itself.
 * @property {string[]} [fields] Ids of the components that may hold what is wrong; the first that holds anything does.
 */

const BOX = "input:not([type=hidden]), textarea, select";

/** @param {HTMLElement} field */
const boxOf = (field) => /** @type {HTMLInputElement | HTMLTextAreaElement | null} */ (field.querySelector(BOX));

/** @param {string[]} ids */
function fieldOf(ids) {
  const fields = ids.flatMap((id) => document.getElementById(id) ?? []);
  return fields.find((field) => boxOf(field)?.value.trim()) ?? fields[0];
}

/**
 * Opens the folded parts of the form around a field. Gradio keeps their contents in the page.
 * @param {HTMLElement} field
 */
function unfold(field) {
  for (let around = field.parentElement; around; around = around.parentElement) {
    for (const fold of around.querySelectorAll(":scope > button.label-wrap:not(.open)")) {
      if (fold instanceof HTMLElement) fold.click();
    }
  }
}

/**
 * Scrolls to a field and puts the keyboard there, except into a list of choices, which would open over the message.
 * @param {HTMLElement} field
 */
function leadTo(field) {
  field.scrollIntoView({ block: "center" });
  const box = boxOf(field);
  if (!box) return;
  box.setAttribute("aria-invalid", "true");
  field.addEventListener("input", () => box.removeAttribute("aria-invalid"), { once: true });
  if (box.getAttribute("role") !== "combobox") box.focus({ preventScroll: true });
}

/** @param {import("../shell/elements.js").Host} host */
export function mount({ element }) {
  const text = partsOf(element)("text");

  return (/** @type {MessageValue} */ value) => {
    say(text, value.text);
    if (!value.fields?.length) return;
    const ids = value.fields;
    // Gradio shows the form's other changes with this one, and what is unfolded is laid out first.
    requestAnimationFrame(() => {
      const field = fieldOf(ids);
      if (!field) return;
      unfold(field);
      requestAnimationFrame(() => leadTo(field));
    });
  };
}
