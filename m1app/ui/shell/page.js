// Runs once when a page loads: keyboard, dark mode, and, on going back, the trace in the address.
import "./choice_lists.js";
import { isFreeEscape } from "./escape.js";
import { followReplies } from "./event_stream.js";

followReplies();

/** @param {string} id Of a button; on the Compare and Strategies pages it is prefixed. */
const buttonOf = (id) => document.querySelector(`#${id}, #compare-${id}, #strategies-${id}`);

/** @param {string} id */
function press(id) {
  const button = buttonOf(id);
  if (button instanceof HTMLButtonElement && !button.disabled) button.click();
}

/** @param {KeyboardEvent} event */
const isControlEnter = (event) => event.key === "Enter" && (event.ctrlKey || event.metaKey);

/** @param {KeyboardEvent} event */
function runOrAnswer(event) {
  event.preventDefault();
  if (event.shiftKey) press("answer-now");
  else setTimeout(press, 60, "run");
}

// Before Gradio's checkboxes, which change at every Enter. The Annotate page has its own boxes and its own keys.
document.addEventListener(
  "keydown",
  (event) => {
    const isCheckbox = event.target instanceof HTMLInputElement && event.target.type === "checkbox";
    if (!isCheckbox || !isControlEnter(event) || !buttonOf("run")) return;
    event.stopPropagation();
    runOrAnswer(event);
  },
  { capture: true },
);

document.addEventListener("keydown", (event) => {
  if (isControlEnter(event)) {
    // Gradio commits a typed value when the field loses focus.
    document.activeElement?.dispatchEvent(new Event("change", { bubbles: true }));
    runOrAnswer(event);
  }
  if (isFreeEscape(event)) press("stop");
});

document.addEventListener("click", (event) => {
  if (event.target instanceof Element && event.target.closest("[data-toggle-dark]")) {
    const isDark = document.body.classList.toggle("dark");
    localStorage.setItem("m1-dark", isDark ? "1" : "0");
  }
});

const wished = localStorage.getItem("m1-dark");
if (wished !== null) document.body.classList.toggle("dark", wished === "1");
window.addEventListener("popstate", () => window.location.reload());
