// The numbers of the curves, and the table of accuracies in both readings.
import { isNewFor, node, setText } from "../shell/elements.js";
import { budgetsOf, known, modelsOf } from "./view.js";

/** @typedef {{ text: string, title?: string, mark?: string }} Cell */
/** @typedef {{ cells: Cell[], kind?: string }} Row */

/**
 * A table as the server describes it.
 * @typedef {object} Table
 * @property {string[]} heads
 * @property {number} first_number The first column of numbers.
 * @property {Row[]} rows
 */

/** @param {Table} table */
export function tableNode({ heads, first_number: firstNumber, rows }) {
  const made = node("table", "m1-table");
  const kindOf = (/** @type {number} */ i) => (i >= firstNumber ? "m1-number" : "");
  const head = node("tr");
  head.append(...heads.map((text, i) => node("th", kindOf(i), text)));
  const body = node("tbody");
  for (const { cells, kind } of rows) {
    const row = node("tr", kind && `is-${kind}`);
    cells.forEach(({ text, title, mark }, i) => {
      const isPlain = !mark && !title;
      const cell = node("td", kindOf(i), isPlain ? text : undefined);
      if (!isPlain) cell.append(Object.assign(node("span", mark && `m1-${mark}`, text), { title: title ?? "" }));
      row.append(cell);
    });
    body.append(row);
  }
  const top = node("thead");
  top.append(head);
  made.append(top, body);
  return made;
}

/**
 * @param {HTMLElement} place
 * @param {Table} value
 * @returns {HTMLTableElement | null} Null if it is already shown.
 */
export function showTable(place, value) {
  if (!isNewFor(place, value)) return null;
  const made = tableNode(value);
  place.replaceChildren(made);
  return made;
}

/**
 * Verdicts of models on answers to open questions, apart from all accuracies.
 *
 * @param {HTMLElement} place
 * @param {{ title: string, table: Table, note: string }[]} runs
 */
function showJudged(place, runs) {
  if (!isNewFor(place, runs)) return;
  place.replaceChildren(
    ...runs.flatMap((run) => {
      const heading = document.createElement("h3");
      heading.textContent = `Open questions, judged by a model: ${run.title}`;
      const scroller = document.createElement("div");
      scroller.className = "m1-history";
      scroller.tabIndex = 0;
      scroller.setAttribute("role", "group");
      scroller.setAttribute("aria-label", heading.textContent);
      scroller.append(tableNode(run.table));
      const note = document.createElement("p");
      note.className = "m1-quiet";
      note.textContent = run.note;
      return [heading, scroller, note];
    }),
  );
}

/** @param {import("./context.js").Context} context */
export async function showReadings(context) {
  const { view, chosen, part } = context;
  const budgets = budgetsOf(chosen).map(String);
  const reply = await context.server.askLatest("readings", "readings", {
    runs: context.chosenIds,
    rule: view.rule,
    model: known(view.model, modelsOf(chosen), ""),
    budget: known(view.at, budgets, budgets[budgets.length - 1]),
    paper: view.paper === "1",
  });
  if (!reply) return;
  if (reply.error) {
    context.notice(reply.error);
    return;
  }
  const made = showTable(part("readings"), reply.table);
  if (made) {
    made.classList.add("m1-readings");
    // Two readings of the same model belong together.
    const own = [...made.tBodies[0].rows].filter((row) => !row.classList.contains("is-paper"));
    own.forEach((row, i) => {
      row.classList.add(i % 2 ? "is-second" : "is-first");
    });
  }
  const how = `Each accuracy is followed by its 95% interval. ${reply.note} ${reply.paper_note}`;
  const isEmpty = !reply.table.rows.length && !reply.judged.length;
  setText(part("readings-note"), isEmpty ? context.nothingYet : reply.table.rows.length ? how : "");
  showJudged(part("judged"), reply.judged);
}
