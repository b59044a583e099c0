// A list of links to earlier runs; a plain click opens a row in this page, and a button deletes it, with a way back.
import { button, node, partsOf, rowOfPlainClick, say } from "./elements.js";

/**
 * @template Row
 * @typedef {object} HistoryValue
 * @property {Row[]} [rows]
 * @property {string} [empty]
 * @property {string} [notice] What came of deleting or restoring.
 * @property {string} [undo] Id of the deletion that can be undone.
 */

/**
 * @template Row
 * @param {import("./elements.js").Host} host
 * @param {object} options
 * @param {string} options.key The rows' data attribute with their id.
 * @param {string} options.event Triggered with `{ id }`.
 * @param {(row: Row) => HTMLTableRowElement} options.rowOf
 * @returns {(value: HistoryValue<Row>) => void}
 */
export function mountHistory({ element, trigger }, { key, event, rowOf }) {
  const part = partsOf(element);
  let undo = "";
  part("undo").addEventListener("click", () => trigger("restore", { id: undo }));

  /** @param {Row} value */
  const rowWithButton = (value) => {
    const row = rowOf(value);
    const cell = node("td", "m1-row-action");
    const remove = () => trigger("discard", { id: row.dataset[key] });
    cell.append(button("Delete", remove, `Delete: ${row.querySelector(".m1-stem")?.textContent ?? ""}`));
    row.append(cell);
    return row;
  };

  element.addEventListener("click", (click) => {
    if (click.target instanceof Element && click.target.closest(".m1-row-action")) return; // Not the row, its button.
    const row = rowOfPlainClick(click, `tr[data-${key}]`);
    if (row) trigger(event, { id: row.dataset[key] });
  });

  return (value) => {
    // A search repaints the list while it has focus: keep the focus on the same row.
    const active = document.activeElement;
    const focused = active && element.contains(active) ? active.closest(`tr[data-${key}]`) : null;
    const id = focused instanceof HTMLElement ? focused.dataset[key] : undefined;
    part("rows").replaceChildren(...(value.rows || []).map(rowWithButton));
    const link = id && part("rows").querySelector(`tr[data-${key}="${CSS.escape(id)}"] .m1-stem a`);
    if (link instanceof HTMLElement) link.focus({ preventScroll: true });
    part("empty").textContent = value.empty || "";
    if (value.notice === undefined) return; // The last one stays.
    undo = value.undo || "";
    say(part("notice"), value.notice);
    part("undo").hidden = !undo;
  };
}
