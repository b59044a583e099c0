// The Studies page: the list of started studies, the form that starts one, and the study that is open.
import { isNewFor, linkedRow, partsOf, saveFile, say, setText } from "../shell/elements.js";
import { Server } from "../shell/server.js";
import { shortTime } from "../shell/words.js";
import { offerOthers, showComparison } from "./comparison.js";
import { showOutcome, showProgress } from "./outcome.js";
import { StartForm } from "./start_form.js";

const POLL_MS = 2000;
const TYPING_MS = 400;
const WAIT_MS = 600_000;
/** While a study runs, its claims are tested again after this time only. */
const OUTCOME_MS = 10_000;

/** @typedef {{ id: string, name: string, state_label: string, progress: string, models: string, started: string }} Started */

class StudiesPage {
  #part;
  #server;
  #form;
  #signal;
  /** Id of the open study; empty for none. */
  #study = new URLSearchParams(location.search).get("study") ?? "";
  /** Id of the study that it is compared with; empty for none. */
  #other = new URLSearchParams(location.search).get("with") ?? "";
  #stamp = "";
  #isTested = true;
  #isOver = false;
  #testedAt = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #typing;

  /** @param {import("../shell/elements.js").Host} host */
  constructor({ element, trigger, signal }) {
    this.#part = partsOf(element);
    this.#signal = signal;
    const onBusy = (/** @type {boolean} */ isBusy) => element.setAttribute("aria-busy", String(isBusy));
    const late = { error: "The app did not respond in time. Reload the page." };
    this.#server = new Server({ trigger, onBusy, late, waitMs: WAIT_MS });
    this.#form = new StartForm(this.#part);
    this.#wire();
    this.#open();
  }

  /** @param {{ number: number, reply: string }} value */
  settle(value) {
    this.#server.settle(value.number, JSON.parse(value.reply));
  }

  #wire() {
    const part = this.#part;
    const form = part("form", HTMLFormElement);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#start();
    });
    form.addEventListener("input", ({ target }) => {
      if (target === part("choice")) this.#choose();
      else this.#estimateSoon();
    });
    part("import").addEventListener("click", () => this.#importSets());
    part("remove").addEventListener("click", () => this.#remove());
    part("add-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#add();
    });
    part("compare-form").addEventListener("submit", (event) => {
      event.preventDefault();
      location.assign(`/studies/?study=${this.#study}&with=${part("other", HTMLSelectElement).value}`);
    });
    part("stop").addEventListener("click", () => this.#act("stop"));
    part("resume").addEventListener("click", () => this.#act("resume"));
    part("extend").addEventListener("click", () => this.#act("extend"));
    part("delete").addEventListener("click", () => this.#delete());
    part("report-pdf").addEventListener("click", (event) => {
      event.preventDefault();
      this.#print();
    });
  }

  async #open() {
    const part = this.#part;
    part("start-section").hidden = Boolean(this.#study);
    await this.#list();
    if (this.#other) {
      await this.#compare();
      return;
    }
    if (!this.#study) await this.#choose();
    while (!this.#signal.aborted) {
      if (!document.hidden) {
        await this.#refresh();
        await this.#test();
      }
      await new Promise((done) => setTimeout(done, POLL_MS));
    }
  }

  async #compare() {
    this.#part("comparison").hidden = false;
    showComparison(this.#part, await this.#server.ask("compare", { study: this.#study, with: this.#other }));
  }

  async #refresh() {
    const study = this.#study;
    if (!study) return;
    const reply = await this.#server.ask("study", { study, stamp: this.#stamp });
    if (reply.is_same || study !== this.#study) return;
    say(this.#part("notice"), reply.error);
    if (reply.error) return;
    this.#stamp = reply.stamp;
    this.#part("study").hidden = false;
    showProgress(this.#part, reply);
    await this.#list();
    this.#isTested = false;
    this.#isOver = reply.is_over;
  }

  /** Tests the claims anew if anything has changed since, while a study runs not too often. */
  async #test() {
    const isEarly = !this.#isOver && Date.now() - this.#testedAt < OUTCOME_MS;
    if (!this.#study || this.#isTested || isEarly) return;
    this.#isTested = true;
    const reply = await this.#server.ask("outcome", { study: this.#study });
    this.#testedAt = Date.now();
    if (reply.error) say(this.#part("computing"), reply.error);
    else showOutcome(this.#part, reply);
  }

  async #list() {
    const part = this.#part;
    const reply = await this.#server.ask("list");
    if (reply.error) {
      say(part("notice"), reply.error);
      return;
    }
    this.#form.offer(reply.files, reply.may_run);
    offerOthers(
      part,
      reply.started.filter((/** @type {Started} */ each) => each.id !== this.#study),
    );
    part("none").hidden = reply.started.length > 0;
    part("started-frame").hidden = reply.started.length === 0;
    if (isNewFor(part("started"), reply.started)) part("started").replaceChildren(...reply.started.map(startedRow));
  }

  async #choose() {
    const file = await this.#server.askLatest("file", "file", { name: this.#form.name });
    if (!file) return;
    this.#form.show(file);
    if (!file.error) await this.#estimate();
  }

  #estimateSoon() {
    clearTimeout(this.#typing);
    this.#typing = setTimeout(() => this.#estimate(), TYPING_MS);
  }

  async #estimate() {
    const reply = await this.#server.askLatest("estimate", "estimate", this.#form.values);
    if (reply) this.#form.estimate(reply);
  }

  async #start() {
    const run = this.#part("run", HTMLButtonElement);
    if (run.disabled) return;
    run.disabled = true;
    run.textContent = "Starting…";
    const reply = await this.#server.ask("start", this.#form.values);
    run.textContent = "Run";
    run.disabled = false;
    if (reply.error) this.#form.refuse(reply.error);
    else location.assign(`/studies/?study=${reply.study}`);
  }

  async #importSets() {
    const button = this.#part("import", HTMLButtonElement);
    button.disabled = true;
    button.textContent = "Importing…";
    const reply = await this.#server.ask("import_sets", this.#form.values);
    button.disabled = false;
    button.textContent = "Import the missing sets";
    if (reply.error) {
      this.#form.refuse(reply.error);
      return;
    }
    say(this.#part("said"), `Imported ${reply.notes.join("; ")}`);
    await this.#estimate();
  }

  async #add() {
    const form = this.#part("add-form", HTMLFormElement);
    const reply = await this.#server.ask("add", { text: new FormData(form).get("text") });
    say(this.#part("add-problem"), reply.error);
    if (reply.error) return;
    form.reset();
    await this.#list();
    this.#form.choose(reply.name);
    await this.#choose();
  }

  async #remove() {
    const reply = await this.#server.ask("remove", { name: this.#form.name });
    say(this.#part("notice"), reply.error);
    await this.#list();
    await this.#choose();
  }

  /** @param {string} action */
  async #act(action) {
    const reply = await this.#server.ask(action, { study: this.#study });
    say(this.#part("notice"), reply.error);
    this.#stamp = "";
    await this.#refresh();
    if (reply.error) say(this.#part("notice"), reply.error);
  }

  /** Saves the report as PDF, which a browser beside the app prints for seconds, if there is one. */
  async #print() {
    const link = this.#part("report-pdf", HTMLAnchorElement);
    if (link.ariaDisabled === "true") return;
    link.ariaDisabled = "true";
    setText(link, "PDF, printing…");
    try {
      const reply = await fetch(link.href);
      if (!reply.ok) throw new Error((await reply.json()).detail);
      const name = /filename="(.*)"/.exec(reply.headers.get("Content-Disposition") ?? "")?.[1] ?? "report.pdf";
      saveFile(await reply.blob(), name);
      say(this.#part("notice"), "");
    } catch (error) {
      say(this.#part("notice"), `There is no PDF. ${error instanceof Error ? error.message : error}`);
    }
    setText(link, "PDF");
    link.ariaDisabled = null;
  }

  async #delete() {
    const part = this.#part;
    const study = this.#study;
    const reply = await this.#server.ask("delete", { study });
    say(part("notice"), reply.error);
    if (reply.error) return;
    this.#study = "";
    history.replaceState(null, "", "/studies/");
    part("study").hidden = true;
    part("start-section").hidden = false;
    part("gone").hidden = false;
    setText(part("deleted"), reply.said);
    part("undo").onclick = () => this.#restore(study, reply.deletion);
    part("undo").focus();
    await this.#list();
    await this.#choose();
  }

  /**
   * @param {string} study
   * @param {string} deletion
   */
  async #restore(study, deletion) {
    const reply = await this.#server.ask("restore", { deletion });
    say(this.#part("notice"), reply.error);
    if (!reply.error) location.assign(`/studies/?study=${study}`);
  }
}

/** @param {Started} study */
function startedRow(study) {
  const row = linkedRow(`/studies/?study=${study.id}`, [
    [study.name, "m1-stem"],
    [study.state_label],
    [study.progress, "m1-number"],
    [study.models],
    [shortTime(study.started), "m1-quiet-cell"],
  ]);
  row.dataset.study = study.id;
  return row;
}

/** @param {import("../shell/elements.js").Host} host */
export function mount(host) {
  const page = new StudiesPage(host);
  return (/** @type {any} */ value) => value.number && page.settle(value);
}
