// Traces from elsewhere: what a file holds, then its import. The file goes to a separate route both times.
import { all, link, node, partsOf, say, setText, showFacts } from "../shell/elements.js";
import { number } from "../shell/words.js";
import { upload } from "./upload.js";

/** @typedef {[name: string, count: number | null][]} LabelCounts */
/** @typedef {{ where: string, facts: [name: string, text: string][] }} FoundCase */

/**
 * @typedef {object} CasesPreview
 * @property {string} found
 * @property {number} importable Number of traces; 0 if the file is refused.
 * @property {LabelCounts} labels
 * @property {LabelCounts} unknown
 * @property {string} left_out
 * @property {string[]} problems The first ones.
 * @property {number} problem_count
 * @property {FoundCase[]} first
 */

/** @typedef {{ imported: string, notes: string[] }} CasesReport */

/** @param {FoundCase} each */
function caseNode({ where, facts }) {
  const item = node("li");
  const list = node("dl", "m1-facts");
  showFacts(list, facts);
  item.append(node("p", "m1-quiet", where), list);
  return item;
}

class CasesTab {
  #element;
  #part;
  #form;

  /** @param {import("../shell/elements.js").Host} host */
  constructor({ element }) {
    this.#element = element;
    this.#part = partsOf(element);
    this.#form = this.#part("form", HTMLFormElement);
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#send("cases-preview", (found) => this.#showPreview(found));
    });
    // What was previewed is not what another file or field would import.
    this.#form.addEventListener("input", () => this.#close());
    this.#part("import").addEventListener("click", () => this.#send("cases", (report) => this.#showReport(report)));
  }

  /**
   * @param {string} place
   * @param {(reply: any) => void} done
   */
  #send(place, done) {
    const { file, ...values } = /** @type {any} */ (Object.fromEntries(new FormData(this.#form)));
    say(this.#part("notice"), "");
    this.#part("report").replaceChildren();
    upload(place, file, values, {
      busy: (text) => this.#busy(text),
      notice: (text) => {
        this.#close();
        say(this.#part("notice"), text);
      },
      done,
    });
  }

  #close() {
    this.#part("preview").hidden = true;
  }

  /** @param {CasesPreview} found */
  #showPreview(found) {
    const part = this.#part;
    part("preview").hidden = false;
    setText(part("found"), found.found);
    const more = found.problem_count - found.problems.length;
    const said = found.problem_count === 1 ? "1 problem:" : `${number(found.problem_count)} problems:`;
    part("problems").hidden = !found.problem_count;
    setText(part("problems-said"), `Correct the file, then import it again; nothing was imported. ${said}`);
    part("problem-list").replaceChildren(
      ...found.problems.map((text) => node("li", "", text)),
      ...(more > 0 ? [node("li", "m1-quiet", `… and ${number(more)} more`)] : []),
    );
    this.#showLabels("labels", found.labels);
    this.#showLabels("unknown", found.unknown);
    setText(part("left-out"), found.left_out);
    part("first").replaceChildren(...found.first.map(caseNode));
    part("import").hidden = !found.importable;
    setText(part("import"), `Import ${number(found.importable)} ${found.importable === 1 ? "trace" : "traces"}`);
  }

  /**
   * @param {string} name
   * @param {LabelCounts} labels
   */
  #showLabels(name, labels) {
    this.#part(`${name}-box`).hidden = !labels.length;
    const items = labels.map(([label, count]) => node("li", "", count === null ? label : `${label}: ${number(count)}`));
    this.#part(name).replaceChildren(...items);
  }

  /** @param {CasesReport} report */
  #showReport({ imported, notes }) {
    this.#close();
    this.#form.reset();
    const open = node("p");
    open.append(link("Open the queue", "/annotate/"));
    this.#part("report").replaceChildren(
      node("p", "m1-good", imported),
      ...notes.map((text) => node("p", "", text)),
      open,
    );
  }

  /** @param {string} text */
  #busy(text) {
    say(this.#part("busy"), text);
    for (const each of all(this.#element, "button", HTMLButtonElement)) each.disabled = Boolean(text);
  }
}

/** @param {import("../shell/elements.js").Host} host */
export function mount(host) {
  new CasesTab(host);
  return () => {};
}
