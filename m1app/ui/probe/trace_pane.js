// Shows one trace: status, thinking and answer as they stream, then the verdict. Only new text is added to the page, a
// paragraph per line, so that long traces stay smooth and nothing above the end moves.
import { copyText, node, partsOf, say, setMeter, setText } from "../shell/elements.js";
import { number, percent } from "../shell/words.js";
import { selectByKeyboard, selectedSpan } from "./selection.js";
import { piecesToAppend } from "./streamed_text.js";

/** @typedef {import("./streamed_text.js").Segment} Segment */
/** @typedef {import("../shell/elements.js").FindPart} FindPart */

/**
 * @typedef {object} OptionResult
 * @property {string} letter
 * @property {string} text
 * @property {boolean} is_chosen
 * @property {boolean} is_target
 * @property {number | null} probability
 */

/**
 * @typedef {object} SegmentResult
 * @property {string} name
 * @property {number | null} tokens
 * @property {number | null} seconds
 * @property {string} ended
 */

/**
 * @typedef {object} TraceResult
 * @property {string} verdict
 * @property {string} verdict_label
 * @property {string} basis What the letter rests on.
 * @property {string} finish
 * @property {string} other
 * @property {OptionResult[]} options
 * @property {SegmentResult[]} segments
 * @property {[name: string, text: string][]} details
 */

/**
 * @typedef {object} TraceValue
 * @property {string} [id]
 * @property {string} [question] The first words of the question it answers.
 * @property {string} [state]
 * @property {string} [state_label]
 * @property {boolean} [is_kept] Whether it is stored.
 * @property {string} [notice]
 * @property {number} [budget]
 * @property {number} [used]
 * @property {number} [rounds]
 * @property {number} [rounds_used]
 * @property {number} [generated]
 * @property {number | null} [rate] In tokens per second.
 * @property {number | null} [first_token_seconds]
 * @property {Segment[]} [thinking]
 * @property {Segment[]} [answer]
 * @property {TraceResult | null} [result]
 * @property {{ run: string, text: string } | null} [policy] Of a run by a policy, whose passes are shown one after another.
 */

const NEAR_END_PIXELS = 48;
/** In the local storage once something was asked, or the example was tried. */
const USED = "m1-first-use";

/** @param {number | null | undefined} count */
const counted = (count) => (count === null || count === undefined ? "–" : number(count));

class Stream {
  #pane;
  /** @type {Segment[]} */
  #shown = [];
  /** @type {HTMLParagraphElement | null} */
  #line = null;
  /** @type {HTMLElement | null} The marker that is being written, where one is. */
  #marker = null;

  /** @param {HTMLElement} pane */
  constructor(pane) {
    this.#pane = pane;
  }

  clear() {
    this.#shown = [];
    this.#line = null;
    this.#marker = null;
    this.#pane.replaceChildren();
  }

  /** @param {Segment[]} segments */
  show(segments) {
    let pieces = piecesToAppend(this.#shown, segments);
    const isContinuation = pieces !== null;
    if (!pieces) {
      this.clear();
      pieces = piecesToAppend([], segments) ?? [];
    }
    const pane = this.#pane;
    const isAtEnd = pane.scrollHeight - pane.scrollTop - pane.clientHeight < NEAR_END_PIXELS;
    for (const { opens, text } of pieces) {
      if (opens !== null) this.#open(opens);
      this.#append(text);
    }
    this.#shown = segments.map(({ kind, text }) => ({ kind, text }));
    if (isAtEnd && isContinuation && segments.length) pane.scrollTop = pane.scrollHeight;
  }

  /** @param {string} kind */
  #open(kind) {
    const isMarker = kind === "wait" || kind === "lead" || kind === "edit";
    const line = this.#line && kind !== "wait" ? this.#line : this.#newLine();
    this.#marker = isMarker ? (kind === "edit" ? node("ins", "m1-edited") : node("span", `m1-${kind}`)) : null;
    if (!this.#marker) return;
    if (kind === "wait") this.#marker.title = "Inserted to force another round of thinking";
    if (kind === "edit") this.#marker.title = "Written by a person";
    line.append(this.#marker);
  }

  #newLine() {
    this.#line = node("p");
    this.#pane.append(this.#line);
    return this.#line;
  }

  /** @param {string} text */
  #append(text) {
    text.split("\n").forEach((part, i) => {
      if (i > 0 && !this.#marker) this.#newLine();
      else if (i > 0) this.#marker?.append("\n");
      if (!part) return;
      const target = this.#marker ?? this.#line ?? this.#newLine();
      const end = target.lastChild;
      if (end instanceof Text) end.appendData(part);
      else target.append(part);
    });
  }
}

/**
 * @param {FindPart} part
 * @param {TraceValue} value
 */
function showStatus(part, value) {
  const [used, budget] = [value.used ?? 0, value.budget ?? 0];
  const has = Boolean(value.id);
  say(part("question"), value.question);
  part("state").textContent = value.state_label || "";
  part("state").dataset.state = value.state || "";
  setMeter(part("meter"), budget ? Math.min(1, used / budget) : 0);
  const first = value.first_token_seconds;
  part("used").textContent = has ? `${counted(value.used)} of ${counted(value.budget)} tokens` : "";
  part("rounds").textContent = has ? `${value.rounds_used} of ${value.rounds} force rounds` : "";
  part("rate").textContent = value.rate ? `${value.rate.toFixed(1)} tokens/s` : "";
  part("first").textContent = first === null || first === undefined ? "" : `first token ${first.toFixed(2)} s`;
  part("cost").textContent = has ? `${counted(value.generated)} generated` : "";
  say(part("notice"), value.notice);
}

/** @param {OptionResult} option */
function optionRow(option) {
  const row = node("li", "m1-option");
  row.classList.toggle("is-chosen", option.is_chosen);
  row.classList.toggle("is-target", option.is_target);
  const tags = [option.is_chosen ? "chosen" : "", option.is_target ? "target" : ""].filter(Boolean).join(", ");
  row.append(node("span", "m1-letter", option.letter), node("span", "m1-option-text", option.text));
  row.append(node("span", "m1-tags", tags));
  if (option.probability !== null) {
    const bar = node("span", "m1-bar");
    bar.style.setProperty("--share", String(option.probability));
    row.append(bar, node("span", "m1-percent", percent(option.probability)));
  }
  return row;
}

/** @param {SegmentResult} segment */
function segmentRow(segment) {
  const row = node("tr");
  row.append(
    node("td", "", segment.name),
    node("td", "m1-number", counted(segment.tokens)),
    node("td", "m1-number", segment.seconds?.toFixed(1) ?? ""),
    node("td", "", segment.ended),
  );
  return row;
}

/**
 * @param {FindPart} part
 * @param {TraceValue} value
 */
function showResult(part, { result }) {
  part("result").hidden = !result;
  if (!result) return;
  part("verdict").textContent = result.verdict_label;
  part("verdict").dataset.verdict = result.verdict;
  part("basis").textContent = result.basis;
  part("basis").hidden = !result.basis;
  part("finish").textContent = result.finish;
  part("options").replaceChildren(...result.options.map(optionRow));
  part("other").textContent = result.other;
  part("segments").replaceChildren(...result.segments.map(segmentRow));
  part("details").replaceChildren(
    ...result.details.flatMap(([name, text]) => [node("dt", "", name), node("dd", "", text)]),
  );
}

/**
 * @param {FindPart} part
 * @param {TraceValue} value
 */
function showLinks(part, { id, result, is_kept }) {
  part("links").hidden = !id;
  if (!id) return;
  const addresses = {
    json: `/traces/${id}.json`,
    markdown: `/traces/${id}.md`,
    html: `/traces/${id}.html`,
    link: `/?trace=${id}`,
    compare: `/compare/?trace=${id}`,
    strategies: `/strategies/?trace=${id}`,
    annotate: `/annotate/?case=${id}`,
  };
  for (const [name, address] of Object.entries(addresses)) part(name, HTMLAnchorElement).href = address;
  part("compare").hidden = !result || !is_kept;
  part("strategies").hidden = !result || !is_kept;
  part("annotate").hidden = !result || !is_kept;
}

/**
 * @param {FindPart} part
 * @param {TraceValue} value
 */
function showPolicy(part, { policy }) {
  part("policy").hidden = !policy;
  if (!policy) return;
  setText(part("policy-text"), policy.text);
  part("policy-run", HTMLAnchorElement).href = `/strategies/?run=${policy.run}`;
}

/**
 * A stored thinking can be edited; and a fact tested, on an answer that was wrong, where the thinking is selected.
 * @param {FindPart} part
 * @param {TraceValue} value
 */
function showTest(part, { id, result, is_kept, thinking = [] }) {
  const isStored = Boolean(id && is_kept && result && thinking.length);
  const isFailure = isStored && ["wrong", "unanswered"].includes(result?.verdict ?? "");
  const text = thinking.map((segment) => segment.text).join("");
  const span = isStored ? selectedSpan(part("thinking"), text) : null;
  const place = span ? `&from=${span.start}&to=${span.end}` : "";
  part("test-hint").hidden = !isFailure || Boolean(span);
  part("test-fact").hidden = !isFailure || !span;
  if (span) part("test-fact", HTMLAnchorElement).href = `/facts/?case=${id}${place}`;
  part("edit").hidden = !isStored;
  if (isStored) part("edit", HTMLAnchorElement).href = `/thinking/?case=${id}${place}`;
}

/** @param {string | undefined} id */
function showAddress(id) {
  const url = new URL(window.location.href);
  if (!id || url.searchParams.get("trace") === id) return;
  url.search = `?trace=${id}`;
  window.history.pushState(null, "", url);
}

/**
 * On a narrow screen the trace comes below the form, out of sight of who has pressed Run or followed a link to it.
 * @param {HTMLElement} pane
 */
function bringIntoView(pane) {
  if (pane.getBoundingClientRect().top < window.innerHeight / 2) return; // Its state and some of its text can be seen.
  requestAnimationFrame(() => pane.scrollIntoView({ block: "start" }));
}

/** @param {import("../shell/elements.js").Host} host */
export function mount({ element, trigger, signal }) {
  const part = partsOf(element);
  document.addEventListener("selectionchange", () => showTest(part, shown), { signal });
  selectByKeyboard(part("thinking"), () => Boolean(shown.result));
  part("example").addEventListener("click", () => {
    localStorage.setItem(USED, "1");
    part("first-use").hidden = true;
    trigger("example", {});
  });
  const thinking = new Stream(part("thinking"));
  const answer = new Stream(part("answer"));
  /** @type {TraceValue} */
  let shown = {};
  /** @type {string | null | undefined} */
  let shownId = null;

  element.addEventListener("click", (event) => {
    const button = event.target instanceof Element ? event.target.closest("button[data-copy]") : null;
    if (!(button instanceof HTMLElement)) return;
    const what = button.dataset.copy;
    const segments = (what === "thinking" ? shown.thinking : shown.answer) || [];
    const text = segments.map((segment) => segment.text).join("");
    copyText(button, what === "link" ? part("link", HTMLAnchorElement).href : text);
  });

  return (/** @type {TraceValue} */ value) => {
    shown = value;
    if (value.id) localStorage.setItem(USED, "1");
    part("first-use").hidden = localStorage.getItem(USED) !== null;
    element.classList.toggle("is-empty", !value.id && !value.policy);
    const isNew = value.id !== shownId;
    if (isNew) {
      thinking.clear();
      answer.clear();
      shownId = value.id;
      // The passes of a run by a policy follow each other by themselves: no pages to go back to.
      if (!value.policy) showAddress(value.id);
    }
    showStatus(part, value);
    showPolicy(part, value);
    thinking.show(value.thinking || []);
    answer.show(value.answer || []);
    showResult(part, value);
    showLinks(part, value);
    showTest(part, value);
    if (isNew && value.id) bringIntoView(element);
  };
}
