// Checkboxes for strategies, with the options of those that are chosen. What is chosen stands in the text box below, as
// it is written everywhere else: each follows the other.
import { all, button, link, node, option, partsOf, say } from "../shell/elements.js";
import { plural } from "../shell/words.js";
import { readChoices, writeChoices } from "./written_choices.js";

/**
 * @typedef {object} OptionOfKind
 * @property {string} name
 * @property {string} label
 * @property {string} help
 * @property {number | string} default
 * @property {number} low
 * @property {number | null} high Null without a limit.
 * @property {"whole" | "number" | "word" | "model" | "policy" | "corpus"} type
 * @property {string[]} words
 */

/**
 * @typedef {object} Kind
 * @property {string} name
 * @property {string} title
 * @property {string} summary
 * @property {string} source
 * @property {string[]} needs
 * @property {string} docs Address of its page; empty if the app has none.
 * @property {OptionOfKind[]} options
 */

/**
 * @typedef {object} ChoicesValue
 * @property {Kind[]} [kinds]
 * @property {string[]} [models]
 * @property {string[]} [policies]
 * @property {string[]} [corpora]
 * @property {string} [written] What is chosen now.
 * @property {Record<string, string>} [refused] By a strategy's name: why it cannot be asked as it is set.
 */

/** @typedef {import("./written_choices.js").Written} Written */

const BOX = "#strategies-written :is(textarea, input)";
/** @type {Record<string, string>} */
const NEEDS = { options: "needs options", probabilities: "needs token probabilities" };

/**
 * Names that are chosen from a list: what an empty one means.
 * @type {Record<string, string>}
 */
const EMPTY = { policy: "Choose a policy", corpus: "All corpora" };

const box = () => /** @type {HTMLTextAreaElement | HTMLInputElement | null} */ (document.querySelector(BOX));

/** @param {Kind} kind */
const withDefaults = (kind) => ({
  name: kind.name,
  options: Object.fromEntries(kind.options.map((each) => [each.name, String(each.default)])),
});

class Choices {
  #part;
  /** @type {Kind[]} */
  #kinds = [];
  /** @type {Written[]} */
  #chosen = [];
  /** What an unticked strategy was set to, for when it is ticked again. @type {Map<string, Written[]>} */
  #unticked = new Map();
  /** @type {Record<string, string[]>} */
  #names = { policy: [], corpus: [] };
  #isWriting = false;
  /** @type {Map<string, HTMLElement>} */
  #rows = new Map();

  /** @param {import("../shell/elements.js").FindPart} part */
  constructor(part) {
    this.#part = part;
  }

  /** @param {ChoicesValue} value */
  show({ kinds, models, policies, corpora, written, refused }) {
    if (policies) this.#names.policy = policies;
    if (corpora) this.#names.corpus = corpora;
    if (kinds) {
      this.#kinds = kinds;
      this.#rows = new Map(kinds.map((kind) => [kind.name, this.#row(kind)]));
      this.#part("kinds").replaceChildren(...this.#rows.values());
      this.read(box()?.value ?? "");
    }
    if (models) this.#part("models").replaceChildren(...models.map((name) => option(name, name)));
    if (written !== undefined) this.read(written);
    if (refused) this.#showRefused(refused);
  }

  /** @param {Record<string, string>} refused */
  #showRefused(refused) {
    for (const [name, row] of this.#rows) {
      const [place] = all(row, ".m1-kind-refused", HTMLElement);
      if (place) say(place, refused[name] ?? "");
    }
  }

  /** The box below was edited. */
  readBox() {
    if (!this.#isWriting) this.read(box()?.value ?? "");
  }

  /** @param {string} written */
  read(written) {
    this.#chosen = readChoices(written);
    for (const kind of this.#kinds) this.#showChosen(kind);
    this.#count();
  }

  #write() {
    const found = box();
    if (!found) return;
    this.#isWriting = true;
    found.value = writeChoices(this.#chosen);
    found.dispatchEvent(new Event("input", { bubbles: true }));
    this.#isWriting = false;
    this.#count();
  }

  #count() {
    say(this.#part("count"), `${plural(this.#chosen.length, "strategy", "strategies")} chosen`);
  }

  /** @param {Kind} kind */
  #row(kind) {
    const row = node("li", "m1-kind");
    const check = node("input");
    check.type = "checkbox";
    check.addEventListener("change", () => this.#choose(kind, check.checked));
    const head = node("label", "m1-kind-head");
    head.append(check, node("strong", "", kind.title));
    const about = node("p", "m1-quiet", `${kind.summary} `);
    if (kind.docs) about.append(link("How it works", kind.docs, `How it works: ${kind.title}`), " · ");
    about.append(kind.source, ...kind.needs.map((each) => ` · ${NEEDS[each] ?? each}`));
    const refused = node("p", "m1-kind-refused");
    refused.hidden = true;
    row.append(head, about, refused, node("div", "m1-kind-chosen"));
    return row;
  }

  /**
   * @param {Kind} kind
   * @param {boolean} isChosen
   */
  #choose(kind, isChosen) {
    const own = this.#chosen.filter((each) => each.name === kind.name);
    if (own.length) this.#unticked.set(kind.name, own);
    this.#chosen = this.#chosen.filter((each) => each.name !== kind.name);
    if (isChosen) this.#chosen.push(...(this.#unticked.get(kind.name) ?? [withDefaults(kind)]));
    this.#showChosen(kind);
    this.#write();
  }

  /** @param {Kind} kind */
  #showChosen(kind) {
    const row = this.#rows.get(kind.name);
    const check = row?.querySelector("input");
    const place = row?.querySelector(".m1-kind-chosen");
    if (!row || !check || !place) return;
    const own = this.#chosen.filter((each) => each.name === kind.name);
    check.checked = own.length > 0;
    row.classList.toggle("is-chosen", check.checked);
    place.replaceChildren(
      ...(kind.options.length ? own : []).map((each, i) => this.#options(kind, each, i, own.length)),
    );
  }

  /**
   * @param {Kind} kind
   * @param {Written} chosen
   * @param {number} number From 0, among those of this kind.
   * @param {number} count Of this kind.
   */
  #options(kind, chosen, number, count) {
    const made = node("div", "m1-kind-options");
    made.setAttribute("role", "group");
    made.setAttribute("aria-label", count > 1 ? `${kind.title}, ${number + 1} of ${count}` : kind.title);
    made.append(...kind.options.map((each) => this.#field(each, chosen)));
    const buttons = node("span", "m1-kind-buttons");
    buttons.append(button("Add another", () => this.#add(kind, chosen), `Add another: ${kind.title}`));
    if (count > 1) buttons.append(button("Remove", () => this.#remove(kind, chosen), `Remove: ${kind.title}`));
    made.append(buttons);
    return made;
  }

  /**
   * @param {Kind} kind
   * @param {Written} after
   */
  #add(kind, after) {
    this.#chosen.splice(this.#chosen.indexOf(after) + 1, 0, { name: kind.name, options: { ...after.options } });
    this.#showChosen(kind);
    this.#write();
    const fields = this.#rows.get(kind.name)?.querySelectorAll(".m1-kind-options:last-child :is(input, select)");
    if (fields?.[0] instanceof HTMLElement) fields[0].focus();
  }

  /**
   * @param {Kind} kind
   * @param {Written} chosen
   */
  #remove(kind, chosen) {
    this.#chosen.splice(this.#chosen.indexOf(chosen), 1);
    this.#showChosen(kind);
    this.#write();
    this.#rows.get(kind.name)?.querySelector("input")?.focus();
  }

  /**
   * @param {OptionOfKind} of
   * @param {Written} chosen
   */
  #field(of, chosen) {
    const made = node("label", "m1-kind-option");
    const value = chosen.options[of.name] ?? String(of.default);
    const field = fieldOf(of, this.#names[of.type], value);
    field.value = value;
    field.title = of.help;
    field.addEventListener("input", () => {
      if (field.value === "" && of.type !== "model") delete chosen.options[of.name];
      else chosen.options[of.name] = field.value;
      this.#write();
    });
    made.append(node("span", "", of.label), field, node("span", "m1-quiet", of.help));
    return made;
  }
}

/**
 * @param {OptionOfKind} of
 * @param {string[] | undefined} names That can be chosen; undefined where no list has them all.
 * @param {string} value What is set now, which may be gone from the names.
 */
function fieldOf({ type, words, low, high }, names, value) {
  if (type === "word" || names) {
    const made = node("select");
    made.append(...listed(type, names ?? words, value));
    return made;
  }
  const made = node("input");
  if (type === "model") {
    made.setAttribute("list", "strategies-models");
    made.placeholder = "same model";
    return made;
  }
  made.type = "number";
  made.min = String(low);
  if (high !== null) made.max = String(high);
  made.step = type === "whole" ? "1" : "any";
  return made;
}

/**
 * @param {string} type
 * @param {string[]} names
 * @param {string} value
 */
function listed(type, names, value) {
  const known = type in EMPTY ? ["", ...names] : names;
  const gone = known.includes(value) ? [] : [option(value, `${value} (not here)`)];
  return [...known.map((name) => option(name, name || EMPTY[type] || "")), ...gone];
}

/** @param {import("../shell/elements.js").Host} host */
export function mount({ element, signal }) {
  const part = partsOf(element);
  const choices = new Choices(part);
  document.addEventListener(
    "input",
    (event) => {
      if (event.target instanceof Element && event.target.matches(BOX)) choices.readBox();
    },
    { signal },
  );
  return (/** @type {ChoicesValue} */ value) => choices.show(value);
}
