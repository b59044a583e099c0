// A fact test: the verdict, an arm a row with its bar and a dot for each answer, and the texts side by side.
import { copyText, isNewFor, node, option, partsOf, say, setText } from "../shell/elements.js";
import { number, percent } from "../shell/words.js";
import { showTexts } from "./texts.js";

/** @typedef {import("../shell/elements.js").FindPart} FindPart */

/**
 * @typedef {object} Seed
 * @property {number} seed
 * @property {string} state "open", "answered" or "failed".
 * @property {string} letter
 * @property {boolean} is_right
 * @property {string} error
 */

/**
 * @typedef {object} Arm
 * @property {string} letter
 * @property {string} title
 * @property {number | null} probability Of the target, from 0 to 1.
 * @property {string} change
 * @property {number | null} share
 * @property {string} right
 * @property {string} interval
 * @property {Seed[]} seeds
 * @property {string} inserted
 * @property {number} inserted_tokens
 * @property {number[]} tokens Generated, injected, prompt new, prompt cached, wasted.
 */

/**
 * @typedef {object} Comparison
 * @property {string} label
 * @property {string} said
 * @property {number | null} difference From -1 to 1.
 * @property {number} low
 * @property {number} high
 */

/**
 * @typedef {object} TestValue
 * @property {string} [problem]
 * @property {string} [id]
 * @property {string} [state]
 * @property {string} [state_label]
 * @property {string} [done]
 * @property {string} [account]
 * @property {boolean} [can_stop]
 * @property {boolean} [can_resume]
 * @property {string} [again] What the link to another test like this one says; empty while it runs.
 * @property {string} [notice]
 * @property {string} [question]
 * @property {string[]} [options]
 * @property {string} [marked]
 * @property {string} [before]
 * @property {string} [fact]
 * @property {string} [names_target]
 * @property {string} [study] That a study made it.
 * @property {string} [study_link]
 * @property {{ kind: string, sentence: string, so_far: string }} [verdict]
 * @property {Comparison[]} [comparisons]
 * @property {Arm[]} [arms]
 * @property {string} [settings]
 * @property {string} [prefix_cache] How much of the prompts came from the engine's prefix cache.
 * @property {string} [length]
 * @property {string} [trace_link]
 * @property {string} [case_link]
 */

/** @param {Seed} seed */
function saidOf(seed) {
  const name = `Seed ${seed.seed}`;
  if (seed.state === "open") return `${name}: not answered yet`;
  if (seed.state === "failed") return `${name}: failed. ${seed.error}`;
  return `${name}: ${seed.letter || "no option"}, ${seed.is_right ? "right" : "wrong"}`;
}

/** @param {Seed[]} seeds */
function dots(seeds) {
  const list = node("ol", "m1-dots");
  for (const seed of seeds) {
    const dot = node(
      "li",
      "m1-dot-answer",
      seed.state === "failed" ? "!" : seed.letter || (seed.state === "open" ? "" : "–"),
    );
    dot.dataset.state = seed.state === "answered" ? (seed.is_right ? "right" : "wrong") : seed.state;
    dot.title = saidOf(seed);
    dot.append(node("span", "m1-sr", ` ${saidOf(seed)}`));
    list.append(dot);
  }
  return list;
}

/** @param {Arm} arm */
function probability(arm) {
  const cell = node("td", "m1-arm-probability");
  if (arm.probability === null) {
    cell.append(node("span", "m1-quiet", "–"));
    return cell;
  }
  const track = node("span", "m1-track");
  track.ariaHidden = "true";
  const fill = node("span", "m1-share-fill");
  fill.style.setProperty("--share", String(arm.probability));
  track.append(fill);
  cell.append(track, node("span", "m1-number", `${percent(arm.probability)}${arm.change ? ` (${arm.change})` : ""}`));
  return cell;
}

/** @param {Arm} arm */
function armRow(arm) {
  const row = node("tr");
  row.dataset.arm = arm.letter;
  const name = node("th", "", `${arm.letter}. ${arm.title}`);
  name.scope = "row";
  const answers = node("td");
  answers.append(dots(arm.seeds));
  const right = node("td", "", arm.right);
  if (arm.interval) right.append(node("span", "m1-quiet", ` ${arm.interval}`));
  const [generated = 0, injected = 0, fresh = 0, cached = 0, wasted = 0] = arm.tokens;
  const counts = [injected, generated, fresh, cached, wasted].map((each) => node("td", "m1-number", number(each)));
  row.append(name, probability(arm), answers, right, ...counts);
  return row;
}

/** @param {Comparison} comparison */
function comparisonRow({ label, said, difference, low, high }) {
  const row = node("li");
  const line = node("span", "m1-interval");
  line.ariaHidden = "true";
  const place = (/** @type {number} */ value) => String((value + 1) / 2);
  line.style.setProperty("--low", place(low));
  line.style.setProperty("--high", place(high));
  line.append(node("span", "m1-interval-zero"), node("span", "m1-interval-range"));
  if (difference !== null) {
    line.style.setProperty("--at", place(difference));
    line.append(node("span", "m1-interval-point"));
  }
  row.append(node("b", "", label), line, node("span", "m1-number", said));
  return row;
}

/**
 * @param {FindPart} part
 * @param {string} id
 */
function showAddress(part, id) {
  const url = new URL(window.location.href);
  if (url.searchParams.get("fact") !== id) {
    url.search = `?fact=${id}`;
    window.history.pushState(null, "", url);
  }
  part("link", HTMLAnchorElement).href = `/facts/?fact=${id}`;
  part("json", HTMLAnchorElement).href = `/fact-tests/${id}.json`;
  part("csv", HTMLAnchorElement).href = `/fact-tests/${id}.csv`;
}

class FactTest {
  #part;
  #id = "";
  /** @type {Arm[]} */
  #arms = [];
  #textsOf = "";

  /** @param {FindPart} part */
  constructor(part) {
    this.#part = part;
    part("seed").addEventListener("change", () => this.#readTexts());
  }

  /** @param {TestValue} value */
  show(value) {
    const part = this.#part;
    if (value.problem !== undefined) {
      say(part("problem"), value.problem);
      part("test").hidden = !this.#id && !value.problem;
    }
    if (!value.id) return;
    if (value.id !== this.#id) this.#begin(value, value.id);
    setText(part("state"), value.state_label);
    part("state").dataset.state = value.state ?? "";
    setText(part("done"), value.done);
    setText(part("account"), value.account);
    part("stop").hidden = !value.can_stop;
    part("resume").hidden = !value.can_resume;
    say(part("again"), value.again);
    part("again", HTMLAnchorElement).href = `/facts/?again=${value.id}`;
    say(part("notice"), value.notice);
    this.#showVerdict(value);
    this.#showArms(value.arms ?? []);
    setText(part("settings"), value.settings);
    setText(part("length"), value.length);
    setText(part("prefix-cache"), value.prefix_cache);
  }

  /**
   * @param {TestValue} value
   * @param {string} id
   */
  #begin(value, id) {
    const part = this.#part;
    this.#id = id;
    this.#textsOf = "";
    part("test").hidden = false;
    say(part("problem"), "");
    showAddress(part, id);
    setText(part("stem"), value.question);
    part("options").replaceChildren(...(value.options ?? []).map((each) => node("li", "", each)));
    setText(part("fact"), value.fact);
    say(part("names"), value.names_target);
    part("study").hidden = !value.study;
    setText(part("study-said"), value.study ?? "");
    part("study-link", HTMLAnchorElement).href = value.study_link || "/studies/";
    setText(part("before"), value.before);
    setText(part("marked"), value.marked);
    part("trace", HTMLAnchorElement).href = value.trace_link ?? "/";
    part("case", HTMLAnchorElement).href = value.case_link ?? "/annotate/";
    const seeds = value.arms?.[0]?.seeds ?? [];
    part("seed").replaceChildren(...seeds.map((each, i) => option(String(i), String(each.seed))));
  }

  /** @param {TestValue} value */
  #showVerdict({ verdict, comparisons = [] }) {
    const part = this.#part;
    part("verdict").dataset.verdict = verdict?.kind ?? "";
    setText(part("so-far"), verdict?.so_far);
    setText(part("sentence"), verdict?.sentence);
    if (isNewFor(part("comparisons"), comparisons))
      part("comparisons").replaceChildren(...comparisons.map(comparisonRow));
  }

  /** @param {Arm[]} arms */
  #showArms(arms) {
    this.#arms = arms;
    if (isNewFor(this.#part("arms"), arms)) this.#part("arms").replaceChildren(...arms.map(armRow));
    this.#readTexts();
  }

  /** Reads the texts of the chosen seed, again whenever one more of its answers is there. */
  async #readTexts() {
    const part = this.#part;
    const chosen = Number(part("seed", HTMLSelectElement).value || 0);
    const wanted = `${this.#id}/${chosen}/${this.#arms.map((arm) => arm.seeds[chosen]?.state).join()}`;
    if (wanted === this.#textsOf) return;
    this.#textsOf = wanted;
    try {
      const response = await fetch(`/fact-tests/${this.#id}/${chosen}`);
      if (!response.ok) throw new Error(`The app answered ${response.status}.`);
      const texts = await response.json();
      if (wanted !== this.#textsOf) return;
      say(part("texts-problem"), "");
      showTexts(part("texts"), this.#arms, texts.arms);
    } catch (error) {
      this.#textsOf = "";
      say(part("texts-problem"), `The texts could not be loaded. ${error instanceof Error ? error.message : error}`);
    }
  }
}

/** @param {import("../shell/elements.js").Host} host */
export function mount({ element, trigger }) {
  const part = partsOf(element);
  const test = new FactTest(part);
  part("copy").addEventListener("click", () => copyText(part("copy"), part("link", HTMLAnchorElement).href));
  part("stop").addEventListener("click", () => trigger("stop", {}));
  part("resume").addEventListener("click", () => trigger("resume", {}));
  return (/** @type {TestValue} */ value) => test.show(value);
}
