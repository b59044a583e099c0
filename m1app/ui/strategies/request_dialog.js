// The prompt and the text of a request that has no trace of its own.
import { node, setText } from "../shell/elements.js";

/** @typedef {{ key: string, prompt: string, text: string }} RequestValue */

export class RequestDialog {
  #part;
  #dialog;

  /** @param {import("../shell/elements.js").FindPart} part */
  constructor(part) {
    this.#part = part;
    this.#dialog = part("dialog", HTMLDialogElement);
    part("dialog-close").addEventListener("click", () => this.#dialog.close());
  }

  /** @param {string} address */
  async open(address) {
    const content = this.#part("dialog-content");
    setText(this.#part("dialog-title"), "Request");
    content.replaceChildren(node("p", "m1-quiet", "Loading…"));
    this.#dialog.showModal();
    try {
      const response = await fetch(address);
      if (!response.ok) throw new Error(`The app answered ${response.status}.`);
      this.#show(/** @type {RequestValue} */ (await response.json()));
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      content.replaceChildren(node("p", "m1-notice", `The request could not be loaded. ${reason}`));
    }
  }

  /** @param {RequestValue} value */
  #show({ key, prompt, text }) {
    setText(this.#part("dialog-title"), key);
    const parts = [
      ["Prompt of the strategy", prompt],
      ["Written by the model", text],
    ];
    const shown = parts.filter(([, said]) => said);
    this.#part("dialog-content").replaceChildren(
      ...shown.flatMap(([title, said]) => {
        const pane = node("div", "m1-request-text", said);
        pane.dir = "auto";
        pane.tabIndex = 0;
        pane.setAttribute("role", "group");
        pane.setAttribute("aria-label", title ?? "");
        return [node("h3", "", title), pane];
      }),
    );
  }
}
