// The form that starts a study: which one, which models play its roles, which sets are meant, and what it costs.
import { isNewFor, node, option, say, setText, showFacts } from "../shell/elements.js";
import { rowOf } from "./outcome.js";

/** @typedef {import("../shell/elements.js").FindPart} FindPart */
/** @typedef {{ role: string, about: string, is_optional: boolean }} Role */

/**
 * @typedef {object} StudyFile
 * @property {string} name
 * @property {string} about
 * @property {[string, string][]} facts
 * @property {[string, string][]} claims
 * @property {Role[]} roles
 * @property {string[]} sets
 * @property {string} text
 * @property {boolean} is_own
 */

/**
 * @typedef {object} Estimate
 * @property {string} said
 * @property {string[][]} rows
 * @property {string[]} problems
 * @property {boolean} is_missing_sets
 * @property {string[]} other_sizes
 * @property {Record<string, string>} models
 * @property {Record<string, string>} sets
 * @property {string[]} served
 * @property {string[]} own_sets
 */

/** @typedef {{ name: string, title: string, is_preset: boolean, problem: string }} Listed */

export class StartForm {
  #part;
  #form;
  /** @type {StudyFile | undefined} */
  #file;
  #mayRun = false;

  /** @param {FindPart} part */
  constructor(part) {
    this.#part = part;
    this.#form = part("form", HTMLFormElement);
  }

  /** The name of the chosen study. */
  get name() {
    return this.#part("choice", HTMLSelectElement).value;
  }

  /** What the server asks of every action about the chosen study. */
  get values() {
    const given = new FormData(this.#form);
    return {
      name: this.name,
      models: this.#chosen("roles"),
      sets: this.#chosen("set-choices"),
      as_name: given.get("as_name") ?? "",
      limit: given.get("limit") ?? "",
      other_sizes: given.get("other_sizes") === "on",
    };
  }

  /**
   * @param {Listed[]} files
   * @param {boolean} mayRun
   */
  offer(files, mayRun) {
    this.#mayRun = mayRun;
    const box = this.#part("choice", HTMLSelectElement);
    const before = box.value;
    if (!isNewFor(box, files)) return;
    const named = files.map((each) =>
      option(each.name, each.problem ? `${each.name}: cannot be used` : `${each.name}: ${each.title}`),
    );
    box.replaceChildren(...named);
    if (files.some((each) => each.name === before)) box.value = before;
  }

  /** @param {string} name */
  choose(name) {
    this.#part("choice", HTMLSelectElement).value = name;
  }

  /** @param {StudyFile & { error?: string }} file */
  show(file) {
    const part = this.#part;
    say(part("file-problem"), file.error);
    part("chosen").hidden = Boolean(file.error);
    if (file.error) return;
    this.#file = file;
    setText(part("about"), file.about);
    showFacts(part("file-facts"), file.facts);
    part("file-claims").replaceChildren(...file.claims.map(rowOf));
    part("roles").replaceChildren(...file.roles.map((each) => this.#box(each.role, each.about)));
    part("set-choices").replaceChildren(...file.sets.map((each) => this.#box(each, "")));
    setText(part("file-text"), file.text);
    part("remove").hidden = !file.is_own || !this.#mayRun;
    part("import").hidden = true;
    part("run", HTMLButtonElement).disabled = true;
    part("run").hidden = !this.#mayRun;
    part("may-not").hidden = this.#mayRun;
    setText(part("cost"), "Estimating…");
    say(part("problems"), "");
  }

  /** @param {Estimate & { error?: string }} estimate */
  estimate(estimate) {
    const part = this.#part;
    const problems = estimate.error ? [estimate.error] : estimate.problems;
    part("problems").hidden = problems.length === 0;
    part("problems").replaceChildren(...problems.map((each) => node("li", "", each)));
    part("run", HTMLButtonElement).disabled = problems.length > 0;
    if (estimate.error) {
      setText(part("cost"), "");
      return;
    }
    for (const role of this.#file?.roles ?? []) {
      const nothing = role.is_optional ? "Leave this role out" : "Choose a model";
      this.#fill("roles", role.role, nothing, estimate.served, estimate.models[role.role] ?? "");
    }
    for (const name of this.#file?.sets ?? [])
      this.#fill("set-choices", name, "Choose a set", estimate.own_sets, estimate.sets[name] ?? "");
    setText(part("cost"), estimate.said);
    part("cost-details").hidden = estimate.rows.length === 0;
    part("cost-rows").replaceChildren(...estimate.rows.map(costRow));
    part("import").hidden = !estimate.is_missing_sets || !this.#mayRun;
    part("sizes").hidden = estimate.other_sizes.length === 0;
    setText(
      part("sizes-said"),
      `${estimate.other_sizes.join(" ")} Use it anyway; the study lists this as a difference.`,
    );
  }

  /** @param {string} error */
  refuse(error) {
    this.#part("problems").hidden = !error;
    this.#part("problems").replaceChildren(...error.split("\n").map((each) => node("li", "", each)));
  }

  /** @param {string} where */
  #chosen(where) {
    /** @type {Record<string, string>} */
    const found = {};
    for (const box of this.#part(where).querySelectorAll("select"))
      if (box.dataset.of && box.dataset.isChosen) found[box.dataset.of] = box.value;
    return found;
  }

  /**
   * @param {string} name
   * @param {string} about
   */
  #box(name, about) {
    const label = node("label", "m1-field", name);
    const box = node("select");
    box.dataset.of = name;
    // What was not chosen is proposed by the server.
    box.addEventListener("change", () => {
      box.dataset.isChosen = "yes";
    });
    label.append(box);
    if (about) label.append(node("span", "m1-quiet", about));
    return label;
  }

  /**
   * @param {string} where
   * @param {string} name
   * @param {string} nothing The words of the empty choice.
   * @param {string[]} choices
   * @param {string} value
   */
  #fill(where, name, nothing, choices, value) {
    for (const box of this.#part(where).querySelectorAll("select")) {
      if (box.dataset.of !== name) continue;
      if (isNewFor(box, choices))
        box.replaceChildren(option("", nothing), ...choices.map((each) => option(each, each)));
      if (!box.dataset.isChosen || !choices.includes(box.value)) box.value = value;
    }
  }
}

/** @param {string[]} cells */
function costRow(cells) {
  const row = rowOf(cells);
  for (const place of [4, 5, 6]) row.children[place].classList.add("m1-number");
  return row;
}
