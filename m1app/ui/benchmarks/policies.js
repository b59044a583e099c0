// A policy made from one run: which strategy for which question, what that is worth, its file, and a name to keep it by.
import { link, setText } from "../shell/elements.js";
import { fitChoice } from "./fits.js";
import { showTable } from "./tables.js";

/** Of the largest thinking budget: room for a pilot and a vote of a few passes. */
const BUDGETS_SPENT = 2;

export class Policies {
  #context;
  #form;
  #budget;
  #bins;
  #name;
  /** What the policy that is shown was made from. @type {Record<string, string> | null} */
  #made = null;

  /** @param {import("./context.js").Context} context */
  constructor(context) {
    const { part } = context;
    this.#context = context;
    this.#form = part("policy-form", HTMLFormElement);
    this.#budget = part("policy-budget", HTMLInputElement);
    this.#bins = part("policy-bins", HTMLSelectElement);
    this.#name = part("policy-name", HTMLInputElement);
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#make();
    });
    part("policy-keep", HTMLFormElement).addEventListener("submit", (event) => {
      event.preventDefault();
      this.#keep();
    });
  }

  /** Offers a policy of the run; one of another choice disappears. */
  show() {
    const { view, chosen } = this.#context;
    const { run } = fitChoice(view, chosen);
    if (this.#form.dataset.run !== run.id) {
      this.#form.dataset.run = run.id;
      this.#budget.value = String(BUDGETS_SPENT * Math.max(...run.budgets));
    }
    if (this.#made && !this.#isOf(this.#made)) this.#clear();
  }

  #asked() {
    const { view, chosen } = this.#context;
    const { run, model, set, cell } = fitChoice(view, chosen);
    const from = { run: run.id, rule: view.rule, model, set, cell };
    return { ...from, budget: this.#budget.value, bins: this.#bins.value };
  }

  /** @param {Record<string, string>} made */
  #isOf(made) {
    const now = this.#asked();
    return /** @type {const} */ (["run", "rule", "model", "set", "cell"]).every((name) => made[name] === now[name]);
  }

  #clear() {
    this.#made = null;
    this.#context.part("policy-found").hidden = true;
    this.#say("");
  }

  async #make() {
    const { part, server } = this.#context;
    const asked = this.#asked();
    this.#say("Making a policy…");
    const reply = await server.askLatest("policy", "policy", asked);
    if (!reply) return;
    part("policy-found").hidden = Boolean(reply.error);
    this.#say(reply.error ?? "");
    if (reply.error) return;
    this.#made = asked;
    setText(part("policy-verdict"), reply.verdict);
    setText(part("policy-note"), reply.note);
    showTable(part("policy-comparison"), reply.comparison);
    showTable(part("policy-table"), reply.bins);
    const { run, ...query } = asked;
    const address = `/benchmark-runs/${run}/policy.json?${new URLSearchParams(query)}`;
    const file = link("Download the policy", address, "Download the policy as JSON");
    file.download = "";
    part("policy-file").replaceChildren(file);
  }

  async #keep() {
    const reply = await this.#context.server.ask("keep_policy", { ...this.#made, name: this.#name.value.trim() });
    this.#say(reply.error ?? reply.notice);
  }

  /** @param {string} text */
  #say(text) {
    const status = this.#context.part("policy-said");
    status.hidden = !text;
    setText(status, text);
  }
}
