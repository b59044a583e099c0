// The ledger of a strategy: a row for each request, with what it cost. A pass leads to its trace and to its case.
import { button, link, node, setText } from "../shell/elements.js";
import { number, plural } from "../shell/words.js";

/**
 * @typedef {object} RequestRow
 * @property {number} position From 0.
 * @property {string} key
 * @property {number} attempt
 * @property {string} purpose
 * @property {string} model
 * @property {string} state
 * @property {number} generated
 * @property {number} injected
 * @property {number} new Prompt tokens that the engine computed.
 * @property {number} cached
 * @property {number} wasted
 * @property {number} seconds
 * @property {string} said What came of it.
 * @property {string} trace Id of the trace that it is a part of; empty without one.
 * @property {boolean} is_case Whether the trace can be annotated.
 * @property {boolean} has_text Whether its prompt and text can be read by themselves.
 */

const HEAD = [
  "Request",
  "Purpose",
  "Model",
  "Generated",
  "Injected",
  "Prompt, new",
  "Prompt, cached",
  "Wasted",
  "Seconds",
  "State",
  "Result",
  "Open",
];
const FIRST_NUMBER = 3;
const LAST_NUMBER = 8;

/**
 * The texts of a row, in the order of the head without the last column.
 * @param {RequestRow} row
 */
export function cellsOf(row) {
  const again = row.attempt ? ` (attempt ${row.attempt + 1})` : "";
  const counts = [row.generated, row.injected, row.new, row.cached, row.wasted].map(number);
  return [`${row.key}${again}`, row.purpose, row.model, ...counts, row.seconds.toFixed(1), row.state, row.said];
}

/**
 * The sums of the rows, for the foot.
 * @param {RequestRow[]} rows
 */
export function sumsOf(rows) {
  const sum = (/** @type {"generated" | "injected" | "new" | "cached" | "wasted"} */ name) =>
    number(rows.reduce((total, row) => total + row[name], 0));
  return [sum("generated"), sum("injected"), sum("new"), sum("cached"), sum("wasted")];
}

/** @param {number} i */
const classAt = (i) => (i >= FIRST_NUMBER && i <= LAST_NUMBER ? "m1-number" : "");

export class Ledger {
  root = node("details", "m1-details m1-ledger");
  #summary = node("summary");
  #body = node("tbody");
  #sums = node("tr");
  #hidden = node("p", "m1-quiet");
  #openRequest;
  /** @type {RequestRow[]} */
  #rows = [];
  /** @type {HTMLTableRowElement[]} */
  #drawn = [];

  /**
   * @param {string} of Title of the strategy.
   * @param {(position: number) => void} openRequest
   */
  constructor(of, openRequest) {
    this.#openRequest = openRequest;
    const table = node("table", "m1-table");
    const head = node("tr");
    HEAD.forEach((name, i) => {
      const cell = node("th", classAt(i), name);
      cell.scope = "col";
      head.append(cell);
    });
    const [top, foot] = [node("thead"), node("tfoot")];
    top.append(head);
    foot.append(this.#sums);
    table.append(top, this.#body, foot);
    const frame = node("div", "m1-ledger-frame");
    frame.tabIndex = 0;
    frame.setAttribute("role", "region");
    frame.setAttribute("aria-label", `Ledger: ${of}`);
    frame.append(table);
    this.root.append(this.#summary, frame, this.#hidden);
    this.root.addEventListener("toggle", () => this.#draw());
  }

  /**
   * @param {RequestRow[]} rows
   * @param {number} hidden
   */
  show(rows, hidden) {
    this.#rows = rows;
    setText(this.#summary, `Ledger: ${plural(rows.length + hidden, "request")}`);
    setText(this.#hidden, hidden ? `${plural(hidden, "more request")} in the downloads.` : "");
    this.#draw();
  }

  /** Drawn only while it is open: most are not, and change with every token. */
  #draw() {
    if (!this.root.open) return;
    for (const row of this.#drawn.splice(this.#rows.length)) row.remove();
    this.#rows.forEach((row, i) => {
      let drawn = this.#drawn[i];
      if (!drawn) {
        drawn = node("tr");
        drawn.append(...HEAD.map((_, at) => node("td", classAt(at))));
        this.#body.append(drawn);
        this.#drawn[i] = drawn;
      }
      this.#fill(drawn, row);
    });
    const sums = ["Sum", "", "", ...sumsOf(this.#rows)];
    if (!this.#sums.childElementCount) this.#sums.append(...HEAD.map((_, at) => node("td", classAt(at))));
    [...this.#sums.children].forEach((cell, i) => {
      setText(cell, sums[i]);
    });
  }

  /**
   * @param {HTMLTableRowElement} drawn
   * @param {RequestRow} row
   */
  #fill(drawn, row) {
    const cells = [...drawn.children];
    drawn.dataset.state = row.state;
    cellsOf(row).forEach((text, i) => {
      if (cells[i]) setText(cells[i], text);
    });
    const opens = cells[HEAD.length - 1];
    const wanted = [row.trace, row.is_case, row.has_text].join();
    if (!(opens instanceof HTMLElement) || opens.dataset.opens === wanted) return;
    opens.dataset.opens = wanted;
    opens.replaceChildren(...this.#links(row));
  }

  /** @param {RequestRow} row */
  #links({ trace, is_case, has_text, key, position }) {
    if (trace) {
      const made = [link("Trace", `/?trace=${trace}`, `Trace of ${key}`)];
      return is_case ? [...made, " ", link("Annotate", `/annotate/?case=${trace}`, `Annotate ${key}`)] : made;
    }
    return has_text ? [button("Text", () => this.#openRequest(position), `Text of ${key}`)] : [];
  }
}
