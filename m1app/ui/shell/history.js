// A list of links to earlier runs, below those that run now. A plain click opens a row in this page; buttons name it and
// delete it, with a way back.
import { button, isNewFor, node, partsOf, rowOfPlainClick, say, setMeter } from "./elements.js";
import { NamingDialog } from "./naming_dialog.js";

/**
 * @typedef {object} NamedRow
 * @property {string} id
 * @property {string} name
 * @property {string[]} tags
 * @property {number | null} share How much of it is done, if it runs; from 0 to 1.
 * @property {boolean} may_change Whether this person may name and delete it.
 */

/**
 * @template Row
 * @typedef {object} HistoryValue
 * @property {Row[]} [running] What runs now.
 * @property {Row[]} [rows]
 * @property {string} [empty]
 * @property {string} [notice] What came of deleting, restoring or naming.
 * @property {string} [undo] Id of the deletion that can be undone.
 */

const REFRESH_MS = 3000;
// Another process or tab may have begun a run.
const REFRESH_IDLE_MS = 10_000;

/**
 * @template {NamedRow} Row
 * @param {import("./elements.js").Host} host
 * @param {object} options
 * @param {string} options.key The rows' data attribute with their id.
 * @param {string} options.event Triggered with `{ id }`.
 * @param {(row: Row) => HTMLTableRowElement} options.rowOf Its last cell is the state.
 * @param {boolean} [options.isNamed] Whether runs can have a name and tags.
 * @returns {(value: HistoryValue<Row>) => void}
 */
export function mountHistory({ element, trigger, signal }, { key, event, rowOf, isNamed = true }) {
  const part = partsOf(element);
  const dialog = new NamingDialog(element, (naming) => trigger("rename", naming));
  let undo = "";
  let isRunning = false;
  part("undo").addEventListener("click", () => trigger("restore", { id: undo }));

  /** @param {Row} value */
  const wholeRow = (value) => {
    const row = rowOf(value);
    const what = row.querySelector(".m1-stem")?.textContent ?? "";
    addName(row, value);
    const cell = node("td", "m1-row-action");
    if (value.share !== null) {
      addMeter(row, value.share);
    } else if (value.may_change) {
      if (isNamed)
        cell.append(
          button("Name", () => dialog.open(value), `Name and tags: ${what}`),
          " ",
        );
      cell.append(button("Delete", () => trigger("discard", { id: value.id }), `Delete: ${what}`));
    }
    row.append(cell);
    return row;
  };

  element.addEventListener("click", (click) => {
    if (click.target instanceof Element && click.target.closest(".m1-row-action")) return; // Not the row, its button.
    const row = rowOfPlainClick(click, `tr[data-${key}]`);
    if (row) trigger(event, { id: row.dataset[key] });
  });
  refreshRegularly(
    () => trigger("refresh", {}),
    () => (isRunning ? REFRESH_MS : REFRESH_IDLE_MS),
    signal,
  );

  /**
   * @param {string} name
   * @param {Row[]} rows
   */
  const showRows = (name, rows) => {
    if (!isNewFor(part(name), rows)) return;
    // A search repaints the list while it has focus: keep the focus in the same row.
    const back = focusIn(part(name), key);
    part(name).replaceChildren(...rows.map(wholeRow));
    back();
  };

  return (value) => {
    if (value.rows) {
      isRunning = Boolean(value.running?.length);
      showRows("running", value.running ?? []);
      showRows("rows", value.rows);
      say(part("empty"), value.empty);
    }
    if (value.notice === undefined) return; // The last one stays.
    undo = value.undo || "";
    say(part("notice"), value.notice);
    part("undo").hidden = !undo;
  };
}

/**
 * @param {HTMLTableRowElement} row
 * @param {NamedRow} value
 */
function addName(row, { name, tags }) {
  const cell = row.querySelector(".m1-stem");
  if (name) cell?.querySelector("a")?.prepend(node("strong", "m1-called", name), " ");
  cell?.append(...tags.map((tag) => node("span", "m1-tag", tag)));
}

/**
 * @param {HTMLTableRowElement} row
 * @param {number} share
 */
function addMeter(row, share) {
  const meter = node("div", "m1-meter");
  meter.setAttribute("role", "progressbar");
  meter.setAttribute("aria-label", "Done");
  setMeter(meter, share);
  row.lastElementChild?.append(meter);
}

/**
 * Remembers which control of which row has the focus.
 * @param {HTMLElement} rows
 * @param {string} key
 * @returns {() => void} Gives it back, if the row is still there.
 */
function focusIn(rows, key) {
  const active = document.activeElement;
  const row = active && rows.contains(active) ? active.closest(`tr[data-${key}]`) : null;
  if (!(row instanceof HTMLElement)) return () => {};
  const selector = `tr[data-${key}="${CSS.escape(row.dataset[key] ?? "")}"]`;
  const place = [...row.querySelectorAll("a, button")].indexOf(/** @type {Element} */ (active));
  return () => {
    const found = rows.querySelector(selector)?.querySelectorAll("a, button")[place];
    if (found instanceof HTMLElement) found.focus({ preventScroll: true });
  };
}

/**
 * @param {() => void} refresh
 * @param {() => number} pauseMs
 * @param {AbortSignal} signal Ends it.
 */
function refreshRegularly(refresh, pauseMs, signal) {
  let last = Date.now();
  const isDue = () => document.visibilityState === "visible" && Date.now() - last >= pauseMs();
  const tick = () => {
    if (!isDue()) return;
    last = Date.now();
    refresh();
  };
  const timer = setInterval(tick, REFRESH_MS / 2);
  document.addEventListener("visibilitychange", tick, { signal });
  signal.addEventListener("abort", () => clearInterval(timer));
}
