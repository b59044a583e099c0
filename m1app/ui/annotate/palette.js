// The available labels, by group, each with a key; the definition of the current one is shown in a fixed place.
import { button, node } from "../shell/elements.js";

/** @typedef {import("./session.js").Label} Label */

const LABEL_KEYS = [..."1234567890", ..."abcdefghilmnopqrstuvwxyz"];

export class Palette {
  #session;
  #onChange;
  /** @type {Map<string, HTMLInputElement>} */
  #boxes = new Map();
  /** Folded until it is wanted: the form's fields come below it. */
  #isMoreOpen = false;
  /** @type {Map<string, string>} */
  #keys = new Map();
  /** @type {Set<string>} */
  chosen = new Set();

  /**
   * @param {import("./session.js").Session} session
   * @param {() => void} onChange
   */
  constructor(session, onChange) {
    this.#session = session;
    this.#onChange = onChange;
    this.root = node("div", "m1-palette");
    this.root.setAttribute("role", "group");
    this.root.setAttribute("aria-label", "Labels");
    this.meaning = node("div", "m1-meaning");
    this.meaning.setAttribute("aria-live", "polite");
    for (const kind of ["pointerover", "focusin"]) {
      this.root.addEventListener(kind, ({ target }) => {
        const chip = target instanceof Element ? target.closest("[data-label]") : null;
        if (chip instanceof HTMLElement && chip.dataset.label) this.#explain(chip.dataset.label);
      });
    }
  }

  /** @param {Label[]} offered */
  fill(offered) {
    const groups = Map.groupBy(
      offered.map((label, i) => ({ label, key: LABEL_KEYS[i] })),
      ({ label }) => label.group,
    );
    const made = [...groups].map(([name, labels]) => {
      const group = node("div", "m1-palette-group");
      const row = node("div");
      row.append(...labels.map(({ label, key }) => this.#chip(label, key)));
      group.append(node("span", "m1-palette-name", name), row);
      return group;
    });
    this.root.replaceChildren(...made);
    if (offered.length) this.#explain(offered[0].id);
  }

  /**
   * @param {Label} label
   * @param {string | undefined} key
   */
  #chip(label, key) {
    const chip = node("label", "m1-label-chip");
    chip.dataset.label = label.id;
    const box = node("input");
    box.type = "checkbox";
    box.addEventListener("change", () => this.#toggle(label.id, box.checked));
    chip.append(box);
    if (key) {
      chip.append(node("kbd", "", key));
      this.#keys.set(key, label.id);
      box.setAttribute("aria-keyshortcuts", key);
    }
    chip.append(node("span", "", label.name));
    this.#boxes.set(label.id, box);
    return chip;
  }

  /** @param {string} id */
  #explain(id) {
    const label = this.#session.labels.get(id);
    if (!label) return;
    const meaning = node("p");
    meaning.append(node("b", "", `${label.name}: `), label.definition);
    const more = node("details");
    more.open = this.#isMoreOpen;
    more.addEventListener("toggle", () => {
      this.#isMoreOpen = more.open;
    });
    const example = node("p");
    example.append(node("b", "", "Example: "), label.example);
    more.append(
      node("summary", "m1-quiet", "Example and source"),
      example,
      node("p", "m1-quiet", `Source: ${label.source}`),
    );
    this.meaning.replaceChildren(meaning, more);
  }

  /**
   * @param {string} id
   * @param {boolean} [isOn]
   */
  #toggle(id, isOn = !this.chosen.has(id)) {
    if (isOn) this.chosen.add(id);
    else this.chosen.delete(id);
    this.#explain(id);
    this.#show();
    this.#onChange();
  }

  /**
   * @param {string} key
   * @returns {boolean} Whether the key belongs to a label.
   */
  press(key) {
    const id = this.#keys.get(key);
    if (id !== undefined) this.#toggle(id);
    return id !== undefined;
  }

  /** @param {string[]} ids */
  set(ids) {
    this.chosen = new Set(ids);
    if (ids.length) this.#explain(ids[0]);
    this.#show();
  }

  #show() {
    for (const [id, box] of this.#boxes) box.checked = this.chosen.has(id);
    // A label that is no longer offered stays on marks that have it.
    for (const each of this.root.querySelectorAll(".is-retired")) each.remove();
    for (const id of this.chosen) {
      if (this.#boxes.has(id)) continue;
      const name = this.#session.labelName(id);
      const kept = node("span", "m1-label-chip is-retired", `${name} (no longer offered)`);
      kept.append(button("×", () => this.#toggle(id, false), `Remove ${name}`));
      this.root.append(kept);
    }
  }
}
