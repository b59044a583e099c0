// What a file has of the answers to one question of an imported run: thinking, answer, and the verdict of the file.
import { node, setText } from "../shell/elements.js";

/**
 * @typedef {object} Output
 * @property {string} title
 * @property {string} said The verdict of the file, and what our letter rests on.
 * @property {string} thinking Empty if nothing tells it from the answer.
 * @property {string} answer
 */

export class OutputDialog {
  #context;
  #dialog;

  /** @param {import("./context.js").Context} context */
  constructor(context) {
    this.#context = context;
    this.#dialog = context.part("output", HTMLDialogElement);
    context.part("output-close").addEventListener("click", () => this.#dialog.close());
  }

  /**
   * @param {string} item
   * @param {string} stem
   */
  async show(item, stem) {
    const { part, server } = this.#context;
    const reply = await server.ask("outputs", { item });
    if (reply.error) {
      this.#context.notice(reply.error);
      return;
    }
    setText(part("output-title"), stem);
    part("output-texts").replaceChildren(.../** @type {Output[]} */ (reply.outputs).flatMap(outputParts));
    this.#dialog.showModal();
    part("output-close").focus();
  }
}

/**
 * @param {Output} each
 * @returns {HTMLElement[]}
 */
function outputParts(each) {
  /** @type {HTMLElement[]} */
  const made = [node("h3", "", each.title), node("p", "m1-quiet", each.said)];
  if (each.thinking) made.push(node("h4", "", "Thinking"), node("pre", "", each.thinking));
  made.push(node("h4", "", "Answer"), node("pre", "", each.answer || "(empty)"));
  return made;
}
