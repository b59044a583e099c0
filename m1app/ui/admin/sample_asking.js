// The form that asks a model about the samples of a data set, as a job.
import { option, partsOf, say, setText } from "../shell/elements.js";

/** @typedef {{ models: string[], question_sets: string[] }} Offers */

/**
 * @typedef {object} AskActs
 * @property {() => void} offers Asks for models and question sets.
 * @property {(recipe: object, isEstimate: boolean) => void} job
 */

const ABOUT = {
  tag: "The model picks one MeSH qualifier from a list for each question; other replies are rejected. The result is the next version, whose domains you can confirm one by one. For a question set, the domains become tags.",
  distill:
    "The model answers each question that has a target, with its reasoning. Only answers that agree with the target are kept; truncated replies are left out. The result is a new data set.",
};

/**
 * The recipe of the form's values; empty boxes are left to the server.
 * @param {Record<string, string>} values
 * @param {string} set
 */
export function recipeOf(values, set) {
  const whole = (/** @type {string} */ text) => {
    const plain = text.trim().replaceAll(",", "");
    return /^\d+$/.test(plain) ? Number(plain) : plain || null;
  };
  const source = values.questions ? `questions:${values.questions}` : set;
  const shared = { action: values.action, source, model: values.model, limit: whole(values.limit) };
  if (values.action !== "distill") return shared;
  return {
    ...shared,
    name: values.name.trim(),
    thinking_tokens: whole(values.thinking_tokens),
    answer_tokens: whole(values.answer_tokens),
  };
}

export class AskForm {
  #part;
  #form;

  /**
   * @param {HTMLElement} element
   * @param {() => string} set The data set that is shown.
   * @param {AskActs} acts
   */
  constructor(element, set, acts) {
    this.#part = partsOf(element);
    this.#form = this.#part("ask-form", HTMLFormElement);
    const values = () => /** @type {Record<string, string>} */ (Object.fromEntries(new FormData(this.#form)));
    const ask = (/** @type {boolean} */ isEstimate) => {
      this.say(isEstimate ? "Counting…" : "");
      acts.job(recipeOf(values(), set()), isEstimate);
    };
    this.#part("ask-box").addEventListener("toggle", () => {
      if (this.#part("ask-box", HTMLDetailsElement).open) acts.offers();
    });
    this.#part("estimate").addEventListener("click", () => ask(true));
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      ask(false);
    });
    this.#form.addEventListener("change", () => {
      const action = values().action === "distill" ? "distill" : "tag";
      this.#part("distill-settings").hidden = action !== "distill";
      setText(this.#part("ask-about"), ABOUT[action]);
    });
  }

  /** @param {Offers} offers */
  offer({ models, question_sets }) {
    for (const [name, choices] of Object.entries({ model: models, questions: question_sets })) {
      const select = this.#form.elements.namedItem(name);
      if (!(select instanceof HTMLSelectElement)) continue;
      const known = new Set([...select.options].map(({ value }) => value));
      select.append(...choices.filter((each) => !known.has(each)).map((each) => option(each, each)));
    }
  }

  /** @param {string} text */
  say(text) {
    say(this.#part("ask-said"), text);
  }

  /**
   * @param {string} id
   * @param {string} name
   */
  started(id, name) {
    this.say("");
    this.#part("ask-job").hidden = false;
    const link = this.#part("ask-link", HTMLAnchorElement);
    link.href = `/admin/?job=${id}`;
    setText(link, `Started: ${name}`);
  }
}
