// A list of links to earlier runs; a plain click opens a row in this page.
import { partsOf, rowOfPlainClick } from "./elements.js";

/**
 * @template Row
 * @param {import("./elements.js").Host} host
 * @param {object} options
 * @param {string} options.key The rows' data attribute with their id.
 * @param {string} options.event Triggered with `{ id }`.
 * @param {(row: Row) => HTMLTableRowElement} options.rowOf
 * @returns {(value: { rows?: Row[], empty?: string }) => void}
 */
export function mountHistory({ element, trigger }, { key, event, rowOf }) {
  const part = partsOf(element);
  element.addEventListener("click", (click) => {
    const row = rowOfPlainClick(click, `tr[data-${key}]`);
    if (row) trigger(event, { id: row.dataset[key] });
  });

  return (value) => {
    // A search repaints the list while it has focus: keep the focus on the same row.
    const active = document.activeElement;
    const focused = active && element.contains(active) ? active.closest(`tr[data-${key}]`) : null;
    const id = focused instanceof HTMLElement ? focused.dataset[key] : undefined;
    part("rows").replaceChildren(...(value.rows || []).map(rowOf));
    const link = id && part("rows").querySelector(`tr[data-${key}="${CSS.escape(id)}"] .m1-stem a`);
    if (link instanceof HTMLElement) link.focus({ preventScroll: true });
    part("empty").textContent = value.empty || "";
  };
}
