// Gradio's lists of choices, by keyboard: Tab closes an open list and goes on to the next field, and a click opens again
// what Escape has closed.

const OPEN_LIST = "[role=combobox][aria-expanded=true]";

/**
 * Close the list that Tab leaves, and keep the keyboard out of it. Gradio opens a list at every key but Escape, this one
 * too, and leaves it open over the fields below it.
 * @param {KeyboardEvent} event
 */
function closeOnTab(event) {
  const box = event.target instanceof Element ? event.target.closest("[role=combobox]") : null;
  if (event.key !== "Tab" || !box) return;
  event.stopPropagation();
  // It fades away, and meanwhile the browser would take it for the next field, as whatever can be scrolled.
  const list = document.getElementById(box.getAttribute("aria-controls") ?? "");
  for (const each of [list, list?.parentElement]) each?.setAttribute("tabindex", "-1");
  if (box.matches(OPEN_LIST)) box.dispatchEvent(new KeyboardEvent("keydown", { key: "Escape", bubbles: true }));
}

/**
 * A list that Escape has closed opens by a click again. Gradio opens it when its box gets the keyboard, which the box
 * still has: without this, a click did nothing.
 * @param {MouseEvent} event
 */
function letOpenAgain(event) {
  const box = event.target instanceof Element ? event.target.closest("[role=combobox][aria-expanded=false]") : null;
  if (box instanceof HTMLElement && box === document.activeElement) box.blur();
}

document.addEventListener("keydown", closeOnTab, { capture: true });
document.addEventListener("mousedown", letOpenAgain, { capture: true });
