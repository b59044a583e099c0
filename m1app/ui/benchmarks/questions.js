// The questions of one run, a page at a time, with links to their sweeps and to annotation, or to what a file has.
import { button, isNewFor, link, node, setText } from "../shell/elements.js";
import { OutputDialog } from "./output.js";
import { Pager } from "./pager.js";
import { cellsOf, cellText, known, oneRun } from "./view.js";

/** @typedef {import("./context.js").Context} Context */
/** @typedef {import("./view.js").Choices} Choices */

/**
 * @typedef {object} QuestionRow
 * @property {string} item
 * @property {boolean} has_sweep
 * @property {boolean} is_imported
 * @property {string} stem
 * @property {string} set
 * @property {string} model
 * @property {string} target
 * @property {string} before
 * @property {string} before_label
 * @property {string} verdict
 * @property {string} verdict_label
 * @property {string} basis What the letter rests on.
 * @property {string} tokens
 * @property {string} case
 * @property {string} error
 */

/** @type {Choices} */
const VERDICTS = [
  ["", "All"],
  ["right", "Right"],
  ["wrong", "Wrong"],
  ["unanswered", "No option chosen"],
  ["failed", "Failed"],
];
/** @type {Choices} */
const CHANGES = [
  ["right-right", "Stayed right"],
  ["right-wrong", "Right became wrong"],
  ["wrong-right", "Wrong became right"],
  ["wrong-wrong", "Stayed wrong"],
];

/**
 * @param {import("./view.js").View} view
 * @param {import("./view.js").Run[]} chosen
 */
export function questionChoice(view, chosen) {
  const run = oneRun(view, chosen);
  const cells = cellsOf(run);
  const from = known(view.from, cells, "");
  const verdicts = [...VERDICTS, ...(from ? CHANGES : [])];
  const ids = verdicts.map(([id]) => id);
  return {
    run,
    verdicts,
    from,
    than: from && known(view.than, run.models, ""),
    model: known(view.model, run.models, ""),
    set: known(view.set, run.sets, ""),
    cell: known(view.cell, cells, cells[cells.length - 1]),
    verdict: known(view.verdict, ids, ""),
  };
}

export class QuestionsPane {
  #context;
  #output;
  #pager;

  /** @param {Context} context */
  constructor(context) {
    this.#context = context;
    this.#output = new OutputDialog(context);
    this.#pager = new Pager(context, "", () => this.show());
    context.part("questions-filter").addEventListener("submit", (event) => event.preventDefault());
  }

  async show() {
    const { view, chosen, part, server } = this.#context;
    const { run, model, set, cell, from, than, verdict } = questionChoice(view, chosen);
    const { offset } = this.#pager;
    const filter = { model, set, cell, before: from, before_model: than, verdict, text: view.text };
    const question = { run: run.id, rule: view.rule, ...filter, offset };
    const reply = await server.askLatest("questions", "questions", question);
    if (!reply) return;
    if (reply.error) {
      this.#context.notice(reply.error);
      return;
    }
    if (!isNewFor(part("questions"), [reply, from, than])) return;
    const rows = /** @type {QuestionRow[]} */ (reply.rows);
    part("before-head").hidden = !from;
    if (from) setText(part("before-head"), than ? `${than}, ${cellText(from)}` : `At ${cellText(from)}`);
    part("questions").replaceChildren(...rows.map((each) => this.#row(each, Boolean(from))));
    const table = part("questions").closest("table");
    if (table) table.hidden = !rows.length;
    part("no-questions").hidden = rows.length > 0;
    const none = view.text ? "No question matches these words and the filter." : "No question matches the filter.";
    setText(part("no-questions"), none);
    this.#pager.place(offset, rows.length, reply.total);
  }

  /**
   * @param {QuestionRow} each
   * @param {boolean} hasBefore
   */
  #row(each, hasBefore) {
    const row = questionRow(each, hasBefore);
    if (each.is_imported) {
      const open = () => this.#output.show(each.item, each.stem);
      row.lastElementChild?.append(button("Output", open, `Output of the model to: ${each.stem}`));
    }
    return row;
  }
}

/**
 * @param {QuestionRow} each
 * @param {boolean} hasBefore
 */
function questionRow(each, hasBefore) {
  const row = node("tr");
  row.dataset.item = each.item;
  /**
   * @param {Node | string} content
   * @param {string} [className]
   */
  const cell = (content, className) => {
    const made = node("td", className);
    made.append(content);
    row.append(made);
    return made;
  };
  cell(each.has_sweep ? link(each.stem, `/compare/?sweep=${each.item}`) : node("span", "", each.stem), "m1-stem");
  cell(each.set);
  cell(each.model, "m1-list");
  cell(each.target);
  if (hasBefore) cell(each.before_label, "m1-mark").dataset.verdict = each.before;
  const verdict = cell(each.verdict_label, "m1-mark");
  verdict.dataset.verdict = each.verdict;
  verdict.title = each.basis;
  cell(each.tokens, "m1-number");
  const links = cell("");
  const label = `Annotate the answer to: ${each.stem}`;
  if (each.case) links.append(link("Annotate", `/annotate/?case=${each.case}`, label));
  if (each.error) row.title = each.error;
  return row;
}
