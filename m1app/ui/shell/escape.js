// Escape, one rule for all pages: it closes what is open, such as a list of choices, a menu or a dialog. Only where
// nothing is open does it do what the page has for it, such as stopping a run.

const OPEN = [
  "[role=combobox][aria-expanded=true]",
  "[aria-haspopup][aria-expanded=true]",
  "dialog[open]",
  "[role=dialog]",
  "details.m1-chip[open]",
  ":popover-open",
].join();

/** Whether something was open when the key was pressed: by the time others see the key, it may be closed. */
let isTaken = false;

/** @param {KeyboardEvent} event */
function look(event) {
  if (event.key !== "Escape") return;
  const isInChoice = event.target instanceof HTMLSelectElement;
  isTaken = event.isComposing || isInChoice || Boolean(document.querySelector(OPEN));
  for (const menu of document.querySelectorAll("details.m1-chip[open]")) {
    menu.removeAttribute("open");
    if (menu.contains(document.activeElement)) menu.querySelector("summary")?.focus();
  }
}

// Page code is also imported by tests without a page.
globalThis.document?.addEventListener("keydown", look, { capture: true });

/**
 * Whether a key is Escape and has nothing to close. Whoever acts on it calls `preventDefault`, so that nobody else does.
 * @param {KeyboardEvent} event
 */
export const isFreeEscape = (event) => event.key === "Escape" && !isTaken && !event.defaultPrevented;
