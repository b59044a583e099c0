// Creates and finds elements. Text is always set as text, never parsed as HTML.

/**
 * What Gradio passes to a component's page code; the module's `mount` takes it and returns a function that shows a
 * value.
 * @typedef {object} Host
 * @property {HTMLElement} element The component's element, filled from its template.
 * @property {(event: string, data: object) => void} trigger Sends an event to the component's handler in Python.
 * @property {AbortSignal} signal Aborted when the component is recreated; pass it to listeners outside `element`.
 */

/**
 * @typedef {{
 *   (name: string): HTMLElement,
 *   <T extends HTMLElement>(name: string, kind: new () => T): T,
 * }} FindPart
 */

/**
 * Finds the parts that the template names with `data-part`.
 * @param {HTMLElement} element
 * @returns {FindPart}
 */
export function partsOf(element) {
  /**
   * @param {string} name
   * @param {new () => HTMLElement} kind
   */
  const find = (name, kind = HTMLElement) => {
    const found = element.querySelector(`[data-part="${name}"]`);
    if (found instanceof kind) return found;
    throw new Error(`The template has no part "${name}" that is a ${kind.name}.`);
  };
  return /** @type {FindPart} */ (find);
}

/**
 * @template {HTMLElement} T
 * @param {Element} root
 * @param {string} selector
 * @param {new () => T} kind
 * @returns {T[]}
 */
export function all(root, selector, kind) {
  return /** @type {T[]} */ ([...root.querySelectorAll(selector)].filter((found) => found instanceof kind));
}

/**
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {string | null} [className]
 * @param {string | null} [text]
 * @returns {HTMLElementTagNameMap[Tag]}
 */
export function node(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

/**
 * @param {string} text
 * @param {() => void} act
 * @param {string} [label] For screen readers, if the text alone is not descriptive enough.
 */
export function button(text, act, label) {
  const made = node("button", "m1-plain-button", text);
  made.type = "button";
  made.addEventListener("click", () => act());
  if (label) made.setAttribute("aria-label", label);
  return made;
}

/**
 * @param {string} text
 * @param {string} href
 * @param {string} [label]
 */
export function link(text, href, label) {
  const made = node("a", "", text);
  made.href = href;
  if (label) made.setAttribute("aria-label", label);
  return made;
}

/**
 * @param {string} value
 * @param {string} text
 */
export function option(value, text) {
  const made = node("option", "", text);
  made.value = value;
  return made;
}

/**
 * A row of a list whose cells are all links to the same place; only the `m1-stem` cell is in the tab order.
 * @param {string} href
 * @param {[text: string, className?: string][]} cells
 */
export function linkedRow(href, cells) {
  const row = node("tr");
  for (const [text, className] of cells) {
    const cell = node("td", className);
    const made = link(text, href);
    made.tabIndex = className === "m1-stem" ? 0 : -1;
    if (!text) made.ariaHidden = "true";
    cell.append(made);
    row.append(cell);
  }
  return row;
}

/**
 * The row to open in this page for a plain click; clicks with Ctrl or Shift are left to the browser.
 * @param {MouseEvent} event
 * @param {string} selector
 */
export function rowOfPlainClick(event, selector) {
  const row = event.target instanceof Element ? event.target.closest(selector) : null;
  if (!(row instanceof HTMLElement) || event.ctrlKey || event.metaKey || event.shiftKey) return null;
  event.preventDefault();
  return row;
}

/**
 * Writes only differences, so that repainting the same text keeps layout and selection.
 * @param {Element} target
 * @param {string | null | undefined} text
 */
export function setText(target, text) {
  if (target.textContent !== (text ?? "")) target.textContent = text ?? "";
}

/**
 * Sets a text, and hides the element if it is empty.
 * @param {HTMLElement} target
 * @param {string | null | undefined} text
 */
export function say(target, text) {
  setText(target, text);
  target.hidden = !text;
}

/**
 * @param {HTMLElement} meter
 * @param {number} share From 0 to 1.
 */
export function setMeter(meter, share) {
  meter.style.setProperty("--share", String(share));
  meter.setAttribute("aria-valuenow", String(Math.round(share * 100)));
}

/**
 * Remembers on the element what it shows; true if `value` is different.
 * @param {HTMLElement} target
 * @param {unknown} value
 */
export function isNewFor(target, value) {
  const text = JSON.stringify(value);
  if (target.dataset.shown === text) return false;
  target.dataset.shown = text;
  return true;
}

/**
 * @param {HTMLElement} list A `<dl>`.
 * @param {[name: string, text: string][]} facts
 */
export function showFacts(list, facts) {
  if (!isNewFor(list, facts)) return;
  list.replaceChildren(...facts.flatMap(([name, text]) => [node("dt", "", name), node("dd", "", text)]));
}

/**
 * Copies a text, and briefly shows on the button whether that worked.
 * @param {HTMLElement} made
 * @param {string} text
 * @param {string} [failed]
 */
export async function copyText(made, text, failed = "Copy failed") {
  made.dataset.label ??= made.textContent ?? "";
  try {
    await navigator.clipboard.writeText(text);
    made.textContent = "Copied";
  } catch {
    made.textContent = failed;
  }
  setTimeout(() => setText(made, made.dataset.label), 1500);
}

/** For which a saved file is kept in memory: the browser reads it later. */
const KEPT_MS = 10_000;

/**
 * Has the browser save a file.
 * @param {Blob} blob
 * @param {string} name
 */
export function saveFile(blob, name) {
  const made = node("a");
  made.href = URL.createObjectURL(blob);
  made.download = name;
  made.click();
  setTimeout(() => URL.revokeObjectURL(made.href), KEPT_MS);
}
