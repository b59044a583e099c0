// Which column of a file holds what, for files that no layout knows: a choice, and three rows read by it.
import { node, partsOf, say } from "../shell/elements.js";
import { number } from "../shell/words.js";
import { guessMapping } from "./column_guess.js";
import { questionNode } from "./question_node.js";

/** @typedef {import("./question_node.js").Question & { where: string, problem: string }} SampledRow */

/**
 * @typedef {object} FileSample
 * @property {[name: string, first: string][]} columns With the first value of each.
 * @property {number} count Number of all columns.
 * @property {string} layout Empty if none was found.
 * @property {string} problem
 * @property {SampledRow[]} rows
 */

/** @typedef {import("./column_guess.js").Mapping} Mapping */

/** @param {SampledRow} row */
function rowNode(row) {
  if (!row.problem) return questionNode(row);
  const item = node("li");
  item.append(node("p", "m1-problem", `${row.where}: ${row.problem}`));
  return item;
}

export class ColumnChoice {
  #part;
  #box;
  #isOpen = false;
  #file = "";

  /**
   * @param {HTMLElement} element Of the template.
   * @param {(form: HTMLFormElement) => void} changed Called when another column is chosen.
   */
  constructor(element, changed) {
    this.#part = partsOf(element);
    this.#box = this.#part("columns", HTMLFieldSetElement);
    this.#box.addEventListener("change", () => {
      if (this.#box.form) changed(this.#box.form);
    });
  }

  /**
   * The choice made in a form; null while the columns decide.
   * @param {HTMLFormElement} form
   */
  mappingOf(form) {
    if (!this.#isOpen || this.#box.form !== form) return null;
    const part = this.#part;
    return {
      question: part("question-column", HTMLSelectElement).value,
      options: this.#checked("option-columns"),
      answer: part("answer-column", HTMLSelectElement).value,
      answer_base: part("answer-base", HTMLSelectElement).value,
      tags: this.#checked("tag-columns"),
    };
  }

  close() {
    this.#isOpen = false;
    this.#box.hidden = true;
    this.#file = "";
  }

  /**
   * Offers the columns of a file in a form; a choice made for the same file stays.
   * @param {HTMLFormElement} form
   * @param {string} file Its name.
   * @param {FileSample} sample
   */
  open(form, file, sample) {
    if (this.#box.form !== form) form.querySelector(":scope > .m1-actions")?.before(this.#box);
    if (file !== this.#file) this.#offer(sample);
    this.#file = file;
    this.#isOpen = true;
    this.#box.hidden = false;
  }

  /** @param {FileSample} sample */
  show({ rows, problem }) {
    this.#part("columns-preview").replaceChildren(...rows.map(rowNode));
    say(this.#part("columns-problem"), problem);
  }

  /** @param {FileSample} sample */
  #offer({ columns, count }) {
    const part = this.#part;
    const guess = guessMapping(columns);
    const left = count > columns.length ? ` The first ${number(columns.length)} of ${number(count)} are offered.` : "";
    say(part("columns-said"), `The file has ${number(count)} columns.${left}`);
    const options = () =>
      columns.map(([name, first]) => new Option(first ? `${name} (${first.slice(0, 40)})` : name, name));
    part("question-column").replaceChildren(...options());
    part("question-column", HTMLSelectElement).value = guess.question;
    part("answer-column").replaceChildren(new Option("In the question's text", ""), ...options());
    part("answer-column", HTMLSelectElement).value = guess.answer;
    part("answer-base", HTMLSelectElement).value = guess.answer_base;
    this.#boxes("option-columns", columns, guess.options);
    this.#boxes("tag-columns", columns, guess.tags);
  }

  /**
   * @param {string} name
   * @param {[name: string, first: string][]} columns
   * @param {string[]} chosen
   */
  #boxes(name, columns, chosen) {
    const labels = columns.map(([column]) => {
      const label = node("label", "m1-check");
      const box = node("input");
      box.type = "checkbox";
      box.value = column;
      box.checked = chosen.includes(column);
      label.append(box, node("span", "", column));
      return label;
    });
    this.#part(name).replaceChildren(...labels);
  }

  /** @param {string} name */
  #checked(name) {
    const boxes = this.#part(name).querySelectorAll("input");
    return [...boxes].filter((box) => box.checked).map((box) => box.value);
  }
}
