// Asks for confirmation.
import { setText } from "../shell/elements.js";

export class ConfirmDialog {
  #part;
  #dialog;

  /** @param {import("../shell/elements.js").FindPart} part */
  constructor(part) {
    this.#part = part;
    this.#dialog = part("dialog", HTMLDialogElement);
    part("dialog-yes").addEventListener("click", () => this.#dialog.close("yes"));
    part("dialog-no").addEventListener("click", () => this.#dialog.close(""));
  }

  /**
   * @param {string} title
   * @param {string} text
   * @param {string} yes
   * @returns {Promise<boolean>}
   */
  ask(title, text, yes) {
    setText(this.#part("dialog-title"), title);
    setText(this.#part("dialog-text"), text);
    setText(this.#part("dialog-yes"), yes);
    this.#dialog.returnValue = "";
    this.#dialog.showModal();
    this.#part("dialog-no").focus();
    return new Promise((done) => {
      this.#dialog.addEventListener("close", () => done(this.#dialog.returnValue === "yes"), { once: true });
    });
  }
}
