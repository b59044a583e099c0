// Asks for the name and the tags of a run.
import { button, node } from "./elements.js";

/**
 * @typedef {object} Naming
 * @property {string} id The run's.
 * @property {string} name
 * @property {string[]} tags
 */

// As in storage/naming.py, which checks them.
const MAX_NAME = 120;
const MAX_TAGS = 12 * (40 + 2);

export class NamingDialog {
  #dialog = node("dialog", "m1-dialog m1-naming-dialog");
  #name = node("input");
  #tags = node("input");
  #id = "";

  /**
   * @param {HTMLElement} host
   * @param {(naming: { id: string, name: string, tags: string }) => void} save
   */
  constructor(host, save) {
    const form = node("form");
    form.method = "dialog";
    const send = node("button", "m1-plain-button", "Save");
    send.type = "submit";
    const buttons = node("div", "m1-form-buttons");
    buttons.append(
      send,
      button("Cancel", () => this.#dialog.close()),
    );
    form.append(
      node("h2", "", "Name and tags"),
      field("Name", this.#name, MAX_NAME),
      field("Tags, separated by commas", this.#tags, MAX_TAGS),
      node("p", "m1-quiet", "Leave out anything that identifies a patient: names and tags are not checked."),
      buttons,
    );
    form.addEventListener("submit", () => save({ id: this.#id, name: this.#name.value, tags: this.#tags.value }));
    this.#dialog.setAttribute("aria-label", "Name and tags");
    this.#dialog.append(form);
    host.append(this.#dialog);
  }

  /** @param {Naming} naming */
  open({ id, name, tags }) {
    this.#id = id;
    this.#name.value = name;
    this.#tags.value = tags.join(", ");
    this.#dialog.showModal();
    this.#name.focus();
  }
}

/**
 * @param {string} text
 * @param {HTMLInputElement} input
 * @param {number} most Characters.
 */
function field(text, input, most) {
  const label = node("label", "", text);
  input.maxLength = most;
  input.autocomplete = "off";
  label.append(input);
  return label;
}
