// The list of questions: searched, filtered and paged through. What is chosen stands in the address.

import { node, option, partsOf, say, setText } from "../../ui/shell/elements.js";
import { cellName, showQuestion } from "./question_view.js";
import { load } from "./shards.js";
import { CHOICES, isChosen, verdictWords } from "./verdicts.js";
import { isBeginning, questionsWith, shardOf, wordsOf } from "./words.js";

/** @typedef {{ name: string, budgets: number[], rounds: number[] }} Source */
/** @typedef {{ name: string, first: number, end: number }} QuestionSet Its questions stand together: the first, and one past the last. */
/** @typedef {{ sources: Source[], sets: QuestionSet[], questions: number, rows: number, word_shards: number, words: number[] }} Site */
/** @typedef {[beginning: string, set: number, place: number, file: number, marks: number]} Row */

const PAGE_ROWS = 50;
const TYPING_MS = 200;

/** The page with the questions. */
export class QuestionList {
  /** Numbers of the questions that were found, in order. @type {number[]} */
  #found = [];
  #page = 0;
  /** What they were searched by, as in the address. */
  #searched = "";
  /** Of the latest search or question: what was asked for earlier is dropped. */
  #latest = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #typing;

  /**
   * @param {HTMLElement} root
   * @param {Site} site
   */
  constructor(root, site) {
    this.site = site;
    const part = partsOf(root);
    this.list = part("list");
    this.question = part("question");
    this.problem = part("problem");
    this.text = part("text", HTMLInputElement);
    this.set = part("set", HTMLSelectElement);
    this.source = part("source", HTMLSelectElement);
    this.before = part("before", HTMLSelectElement);
    this.after = part("after", HTMLSelectElement);
    this.verdict = part("verdict", HTMLSelectElement);
    this.count = part("count");
    this.rows = part("rows");
    this.pager = part("pager");
    this.place = part("place");
    this.back = part("back", HTMLButtonElement);
    this.on = part("on", HTMLButtonElement);
  }

  /** Fills the boxes, and shows what the address asks for. */
  async open() {
    this.set.append(option("", "all"), ...this.site.sets.map((each, at) => option(String(at), each.name)));
    this.source.append(...this.site.sources.map((each, at) => option(String(at), each.name)));
    this.verdict.append(...CHOICES.map(([value, text]) => option(value, text)));
    this.#fillCells();
    this.#listen();
    await this.#follow();
  }

  #listen() {
    this.text.addEventListener("input", () => {
      clearTimeout(this.#typing);
      this.#typing = setTimeout(() => this.#changed(), TYPING_MS);
    });
    for (const box of [this.set, this.before, this.after, this.verdict])
      box.addEventListener("change", () => this.#changed());
    this.source.addEventListener("change", () => {
      this.#fillCells();
      this.#changed();
    });
    this.back.addEventListener("click", () => this.#turn(-1));
    this.on.addEventListener("click", () => this.#turn(1));
    this.list.addEventListener("keydown", (event) => this.#move(event));
    addEventListener("hashchange", () => this.#follow());
    addEventListener("keydown", (event) => {
      if (event.key === "Escape" && !this.question.hidden) location.hash = this.#address();
    });
  }

  /** The settings of the chosen source; the lowest and the highest budget at first. */
  #fillCells() {
    const { budgets, rounds } = this.site.sources[Number(this.source.value)] ?? { budgets: [], rounds: [] };
    const cells = rounds.flatMap((each) => budgets.map((budget) => ({ budget, rounds: each })));
    for (const [box, at] of /** @type {[HTMLSelectElement, number][]} */ ([
      [this.before, 0],
      [this.after, budgets.length - 1],
    ])) {
      box.replaceChildren(...cells.map((cell) => option(`${cell.budget}-${cell.rounds}`, cellName(cell))));
      box.selectedIndex = at;
    }
  }

  /** What is searched by, as a part of an address. */
  #chosen() {
    return {
      words: this.text.value.trim(),
      set: this.set.value,
      source: this.source.value,
      before: this.before.value,
      after: this.after.value,
      verdict: this.verdict.value,
    };
  }

  /**
   * The part of an address after "#" that leads to a question, or to the page of the list.
   * @param {string} [question]
   */
  #address(question = "") {
    const page = this.#page ? String(this.#page + 1) : "";
    const all = Object.entries({ ...this.#chosen(), page, question });
    return new URLSearchParams(all.filter(([, value]) => value !== "")).toString();
  }

  #changed() {
    this.#page = 0;
    history.replaceState(null, "", `#${this.#address()}`);
    this.#attempt(() => this.#search());
  }

  /** Shows what the address says. */
  async #follow() {
    const asked = new URLSearchParams(location.hash.slice(1));
    if (asked.has("words") || this.text.value.trim() !== "") this.text.value = asked.get("words") ?? "";
    this.set.value = asked.get("set") ?? "";
    if (asked.has("source") && asked.get("source") !== this.source.value) {
      this.source.value = asked.get("source") ?? "0";
      this.#fillCells();
    }
    for (const [box, name] of /** @type {[HTMLSelectElement, string][]} */ ([
      [this.before, "before"],
      [this.after, "after"],
    ])) {
      if (asked.has(name)) box.value = asked.get(name) ?? "";
    }
    this.verdict.value = asked.get("verdict") ?? "";
    const question = Number.parseInt(asked.get("question") ?? "", 10);
    const isQuestion = question >= 0 && question < this.site.questions;
    this.#page = Math.max(0, Number.parseInt(asked.get("page") ?? "1", 10) - 1) || 0;
    await this.#attempt(async () => {
      if (JSON.stringify(this.#chosen()) !== this.#searched) await this.#search();
      else if (!isQuestion) await this.#show();
      if (isQuestion) await this.#open(question);
      else this.#close();
    });
  }

  /**
   * Does something that loads data, and says what went wrong.
   * @param {() => Promise<void>} work
   */
  async #attempt(work) {
    say(this.problem, "");
    try {
      await work();
    } catch (problem) {
      say(this.problem, problem instanceof Error ? problem.message : String(problem));
    }
  }

  async #search() {
    this.#latest += 1;
    const mine = this.#latest;
    const numbers = await this.#matching();
    const [before, after] = await Promise.all([this.#verdicts(this.before.value), this.#verdicts(this.after.value)]);
    if (mine !== this.#latest) return;
    const { first, end } = this.site.sets[Number(this.set.value || Number.NaN)] ?? {
      first: 0,
      end: this.site.questions,
    };
    this.#found = numbers.filter(
      (number) => number >= first && number < end && isChosen(this.verdict.value, before[number], after[number]),
    );
    this.#searched = JSON.stringify(this.#chosen());
    await this.#show();
  }

  /** Questions that have all the words. */
  async #matching() {
    const all = Array.from({ length: this.site.questions }, (_, number) => number);
    const words = wordsOf(this.text.value);
    if (!words.length) return all;
    const sets = await Promise.all(
      words.map(async (word, at) => {
        const shard = shardOf(word, this.site.word_shards);
        if (!this.site.words.includes(shard)) return new Set();
        const isPrefix = at === words.length - 1 && isBeginning(this.text.value, word);
        return questionsWith(await load(`words/${shard}`), word, isPrefix);
      }),
    );
    return all.filter((number) => sets.every((each) => each.has(number)));
  }

  /**
   * The verdicts of the chosen source at a setting, one character for each question.
   * @param {string} cell
   * @returns {Promise<string>}
   */
  async #verdicts(cell) {
    return cell ? load(`verdicts/${this.source.value}-${cell}`) : "";
  }

  /**
   * @param {number} number
   * @returns {Promise<Row>}
   */
  async #row(number) {
    const rows = await load(`list/${Math.floor(number / this.site.rows)}`);
    return rows[number % this.site.rows];
  }

  async #show() {
    const mine = this.#latest;
    const pages = Math.max(1, Math.ceil(this.#found.length / PAGE_ROWS));
    this.#page = Math.min(this.#page, pages - 1);
    const numbers = this.#found.slice(this.#page * PAGE_ROWS, (this.#page + 1) * PAGE_ROWS);
    const [before, after] = await Promise.all([this.#verdicts(this.before.value), this.#verdicts(this.after.value)]);
    const rows = await Promise.all(numbers.map((number) => this.#row(number)));
    if (mine !== this.#latest) return;
    this.rows.replaceChildren(
      ...numbers.map((number, at) => this.#item(number, rows[at], before[number], after[number])),
    );
    const total = this.#found.length;
    const hint = total ? "" : ". Try fewer words, or other choices.";
    setText(
      this.count,
      `${total.toLocaleString("en")} of ${this.site.questions.toLocaleString("en")} questions${hint}`,
    );
    this.pager.hidden = pages === 1;
    setText(this.place, `Page ${this.#page + 1} of ${pages.toLocaleString("en")}`);
    this.back.disabled = this.#page === 0;
    this.on.disabled = this.#page >= pages - 1;
  }

  /**
   * @param {number} number
   * @param {Row} row
   * @param {string} before
   * @param {string} after
   */
  #item(number, [beginning, set, place, , marks], before, after) {
    const item = node("li");
    const link = node("a");
    link.dataset.question = String(number);
    link.href = `#${this.#address(String(number))}`;
    const name = `${this.site.sets[set]?.name ?? ""} ${place}`;
    link.append(node("span", "name", name), node("span", "beginning", beginning || "its texts are left out"));
    if (marks) link.append(node("span", "tag", `${marks} ${marks === 1 ? "annotation" : "annotations"}`));
    const verdicts = node("span", "verdicts");
    for (const code of [before, after]) {
      const { mark, name: words, kind } = verdictWords(code);
      const shown = node("span", `is-${kind}`, mark);
      shown.title = words;
      shown.setAttribute("role", "img");
      shown.setAttribute("aria-label", words);
      verdicts.append(shown);
    }
    link.append(verdicts);
    item.append(link);
    return item;
  }

  /** @param {number} way */
  #turn(way) {
    this.#page += way;
    history.replaceState(null, "", `#${this.#address()}`);
    this.#attempt(async () => {
      await this.#show();
      this.rows.querySelector("a")?.focus();
    });
  }

  /**
   * Arrow keys move through the list.
   * @param {KeyboardEvent} event
   */
  #move(event) {
    const links = [...this.rows.querySelectorAll("a")];
    const at = links.findIndex((link) => link.matches(":focus"));
    /** @type {Record<string, number>} */
    const places = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: links.length - 1 };
    const isHere = at >= 0 || (event.target === this.text && event.key === "ArrowDown");
    if (!(event.key in places) || !isHere) return;
    event.preventDefault();
    const next = places[event.key];
    if (next < 0) this.text.focus();
    else links[Math.min(next, links.length - 1)]?.focus();
  }

  /** @param {number} number */
  async #open(number) {
    this.#latest += 1;
    const mine = this.#latest;
    const [, set, place, file] = await this.#row(number);
    const kept = new Map(await load(`question/${file}`));
    if (mine !== this.#latest) return;
    const name = `${this.site.sets[set]?.name ?? ""}, question ${place}`;
    const title = node("h1", "", name);
    title.tabIndex = -1;
    const shown = /** @type {import("./question_view.js").Question} */ (kept.get(number));
    this.question.replaceChildren(this.#ways(number), title, node("p", "quiet", `Id ${shown.id}`));
    const wanted = [this.before.value, this.after.value].map((cell) => {
      const [budget, rounds] = cell.split("-").map(Number);
      return { source: Number(this.source.value), budget, rounds };
    });
    showQuestion(this.question, shown, this.site.sources, wanted);
    this.question.dataset.number = String(number);
    this.list.hidden = true;
    this.question.hidden = false;
    scrollTo(0, 0);
    title.focus({ preventScroll: true });
  }

  /**
   * Links to the list, and to the questions before and after in what was found.
   * @param {number} number
   */
  #ways(number) {
    const made = node("nav", "ways");
    made.setAttribute("aria-label", "Questions found");
    const at = this.#found.indexOf(number);
    const before = at > 0 ? this.#found[at - 1] : undefined;
    const after = at >= 0 ? this.#found[at + 1] : undefined;
    for (const [text, to] of /** @type {[string, string | undefined][]} */ ([
      ["All questions", ""],
      ["Previous", before?.toString()],
      ["Next", after?.toString()],
    ])) {
      if (to === undefined) continue;
      const link = node("a", "", text);
      link.href = `#${this.#address(to)}`;
      made.append(link);
    }
    if (at >= 0)
      made.append(
        node("span", "quiet", `${(at + 1).toLocaleString("en")} of ${this.#found.length.toLocaleString("en")}`),
      );
    return made;
  }

  #close() {
    const wasOpen = !this.question.hidden;
    this.list.hidden = false;
    this.question.hidden = true;
    this.question.replaceChildren();
    const opened = this.rows.querySelector(`a[data-question="${this.question.dataset.number}"]`);
    if (wasOpen) (opened instanceof HTMLElement ? opened : this.text).focus();
  }
}
