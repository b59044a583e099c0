// Models that were fine-tuned here: quantized, and pushed to the hub after what would go up was shown.
import { button, isNewFor, node, option, partsOf, say, setMeter, setText } from "../shell/elements.js";

/**
 * @typedef {object} Activity
 * @property {string} words
 * @property {number | null} share
 * @property {boolean} is_running
 * @property {string} done
 * @property {string} error
 */

/**
 * @typedef {object} Tuned
 * @property {string} id
 * @property {string} about
 * @property {[kind: string, name: string, size: string][]} files
 * @property {[kind: string, name: string][]} kinds What it can be quantized to.
 * @property {boolean} has_adapter
 * @property {Activity | null} activity
 */

/** @typedef {{ words: string, repo: string, card: string }} Plan What would go up. */

/**
 * @typedef {object} TunedValue
 * @property {Tuned[]} [models]
 * @property {string} [broken] Why nothing can be shown.
 * @property {number} [number] Number of the request that this answers.
 * @property {{ error?: string, card?: string, plan?: Plan }} [reply]
 */

/**
 * What is being done with a model, or what came of it.
 * @param {Activity} activity
 */
export function activityWords({ words, share, is_running, done, error }) {
  if (error) return error;
  if (!is_running) return done;
  return share === null ? `${words}…` : `${words}, ${Math.round(100 * share)}%`;
}

class TunedModels {
  #part;
  #trigger;
  #asked = 0;
  /** @type {Tuned | null} */
  #chosen = null;
  /** @type {Plan | null} */
  #plan = null;

  /** @param {import("../shell/elements.js").Host} host */
  constructor({ element, trigger }) {
    this.#part = partsOf(element);
    this.#trigger = trigger;
    this.#part("quantize").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#ask("quantize", { kind: this.#part("kind", HTMLSelectElement).value });
    });
    this.#part("push").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#ask("plan", this.#wanted());
    });
    // What is confirmed is what was shown.
    this.#part("push").addEventListener("input", () => this.#showPlan(null));
    this.#part("upload").addEventListener("click", () => {
      if (!this.#plan) return;
      this.#ask("upload", { ...this.#wanted(), confirmed: this.#plan.words });
      this.#showPlan(null);
    });
  }

  /**
   * @param {string} action
   * @param {Record<string, unknown>} [values]
   */
  #ask(action, values) {
    this.#asked += 1;
    say(this.#part("notice"), "");
    this.#trigger("ask", { number: this.#asked, action, id: this.#chosen?.id, ...values });
  }

  #wanted() {
    const kinds = [...this.#part("gguf").querySelectorAll("input:checked")];
    return {
      repo: this.#part("repo", HTMLInputElement).value.trim(),
      is_public: this.#part("public", HTMLInputElement).checked,
      with_adapter: this.#part("adapter", HTMLInputElement).checked,
      gguf: kinds.map((each) => (each instanceof HTMLInputElement ? each.value : "")),
    };
  }

  /** @param {Tuned} model */
  #row(model) {
    const row = node("tr");
    row.dataset.model = model.id;
    const name = node("td", "m1-model-name", model.id);
    name.append(node("div", "m1-quiet-cell", model.about));
    const files = node("td", "", model.files.map(([, kind, size]) => `${kind} ${size}`).join(", ") || "none");
    if (model.activity) {
      const { is_running, error, share } = model.activity;
      if (is_running && share !== null) {
        const meter = node("div", "m1-meter");
        meter.setAttribute("role", "progressbar");
        meter.setAttribute("aria-label", `${model.activity.words} of ${model.id}`);
        setMeter(meter, share);
        files.append(meter);
      }
      files.append(node("div", error ? "m1-notice" : "m1-quiet-cell", activityWords(model.activity)));
    }
    const actions = node("td", "m1-account-actions");
    actions.append(button("Hand on", () => this.#choose(model), `Hand on ${model.id}`));
    row.append(name, files, actions);
    return row;
  }

  /** @param {Tuned} model */
  #choose(model) {
    this.#chosen = model;
    this.#part("chosen").hidden = false;
    setText(this.#part("name"), model.id);
    this.#part("adapter", HTMLInputElement).checked = false;
    setText(this.#part("card"), "");
    this.#showPlan(null);
    this.#showChosen(model);
    this.#ask("card");
  }

  /**
   * What depends on the files that there are.
   * @param {Tuned} model
   */
  #showChosen(model) {
    this.#part("quantize").hidden = !model.kinds.length;
    this.#part("adapter-box").hidden = !model.has_adapter;
    if (isNewFor(this.#part("kind"), [model.id, model.kinds]))
      this.#part("kind").replaceChildren(...model.kinds.map(([kind, name]) => option(kind, name)));
    if (isNewFor(this.#part("gguf"), [model.id, model.files]))
      this.#part("gguf").replaceChildren(...model.files.map(([kind, name]) => this.#box(kind, name)));
  }

  /**
   * @param {string} kind
   * @param {string} name
   */
  #box(kind, name) {
    const label = node("label", "m1-check");
    const box = node("input");
    box.type = "checkbox";
    box.value = kind;
    label.append(box, ` With GGUF ${name}`);
    return label;
  }

  /** @param {Plan | null} plan */
  #showPlan(plan) {
    this.#plan = plan;
    this.#part("plan").hidden = !plan;
    if (!plan) return;
    setText(this.#part("words"), plan.words);
    setText(this.#part("upload"), `Upload to ${plan.repo}`);
    setText(this.#part("card"), plan.card);
  }

  /** @param {TunedValue} value */
  show({ models, broken, number: answered, reply = {} }) {
    if (broken) say(this.#part("notice"), broken);
    if (models) {
      this.#part("none").hidden = models.length > 0;
      this.#part("table").hidden = !models.length;
      if (isNewFor(this.#part("rows"), models))
        this.#part("rows").replaceChildren(...models.map((each) => this.#row(each)));
      const chosen = models.find((each) => each.id === this.#chosen?.id);
      if (chosen) this.#showChosen(chosen);
    }
    if (answered === undefined || answered < this.#asked) return;
    say(this.#part("notice"), reply.error || "");
    if (reply.card) setText(this.#part("card"), reply.card);
    if (reply.plan) this.#showPlan(reply.plan);
  }
}

/** @param {import("../shell/elements.js").Host} host */
export function mount(host) {
  const section = new TunedModels(host);
  return (/** @type {TunedValue} */ value) => section.show(value);
}
