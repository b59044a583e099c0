// Pictures made of bars: votes by answer, tokens by pass, one chain, a plan's sub-questions, segments of a thinking.
// What a colour says, a word says too.
import { node } from "../shell/elements.js";
import { number, percent, plural } from "../shell/words.js";
import { amount, listOf, numberOf, numberOrNull, recordOf, recordsOf, textOf, within } from "./shown_values.js";

/**
 * @typedef {object} Drawing
 * @property {string} said The picture in a sentence.
 * @property {Element[]} content
 * @property {string[]} [readings] Its parts, to be read one after the other by the arrow keys.
 */

/**
 * @typedef {object} Bar
 * @property {string} label
 * @property {number} share From 0 to 1.
 * @property {string} text Beside the bar.
 * @property {string} [state]
 * @property {number} [limit] A mark on the bar, from 0 to 1.
 */

/** @param {Bar[]} bars */
function barList(bars) {
  const list = node("ol", "m1-share-rows");
  for (const { label, share, text, state = "", limit } of bars) {
    const row = node("li", "m1-share-row");
    row.dataset.state = state;
    const track = node("span", "m1-track");
    const fill = node("span", "m1-share-fill");
    fill.style.setProperty("--share", String(within(share)));
    track.append(fill);
    if (limit !== undefined) track.append(markAt(limit, "m1-limit"));
    const name = node("span", "m1-share-label", label);
    name.dir = "auto";
    row.append(name, track, node("span", "m1-share-text m1-number", text));
    list.append(row);
  }
  return list;
}

/**
 * @param {number} share
 * @param {string} className
 */
function markAt(share, className) {
  const mark = node("span", className);
  mark.style.setProperty("--share", String(within(share)));
  return mark;
}

/** @param {unknown} value `{"votes": {answer: votes or probability}, "done": 2, "passes": 4}` */
export function votesOf(value) {
  const given = recordOf(value);
  const votes = Object.entries(recordOf(given.votes)).map(
    ([answer, count]) => /** @type {const} */ ([textOf(answer, 80), numberOf(count)]),
  );
  const [done, passes] = [numberOf(given.done), numberOf(given.passes)];
  const largest = Math.max(0, ...votes.map(([, count]) => count));
  const areWhole = votes.every(([, count]) => Number.isInteger(count));
  const scale = (areWhole ? Math.max(passes, largest) : largest) || 1;
  const bars = votes.map(([label, count], i) => {
    return { label, share: count / scale, text: amount(count), state: i ? "" : "leads" };
  });
  const without = areWhole ? done - votes.reduce((total, [, count]) => total + count, 0) : 0;
  if (without > 0) bars.push({ label: "No answer", share: without / scale, text: amount(without), state: "none" });
  const counts = votes.map(([answer, count]) => `${answer}: ${amount(count)}`).join(", ");
  const missing = without > 0 ? `; without an answer: ${amount(without)}` : "";
  const said = `${number(done)} of ${plural(passes, "pass", "passes")} done. ${counts || "No votes yet"}${missing}`;
  return { bars, said: counts || missing ? said : `${said}.` };
}

/**
 * @param {unknown} value
 * @returns {Drawing}
 */
export function drawVotes(value) {
  const { bars, said } = votesOf(value);
  return { said, content: [barList(bars), node("p", "m1-quiet m1-number", said.split(". ")[0])] };
}

/** @type {Record<string, string>} */
const RACE_STATES = {
  runs: "runs",
  won: "won",
  cancelled: "cancelled",
  budget: "ended by its budget",
  failed: "failed",
};

/** @param {unknown} value `{"bars": [{"pass": 0, "tokens": 120, "state": "won"}], "budget": 512}` */
export function raceOf(value) {
  const given = recordOf(value);
  const passes = recordsOf(given.bars).map((each, i) => {
    return { number: numberOf(each.pass, i) + 1, tokens: numberOf(each.tokens), state: textOf(each.state, 40) };
  });
  const scale = numberOf(given.budget) || Math.max(1, ...passes.map((each) => each.tokens));
  const bars = passes.map((each) => {
    const state = RACE_STATES[each.state] ?? each.state;
    const text = `${number(each.tokens)} ${state}`;
    return { label: `Pass ${number(each.number)}`, share: each.tokens / scale, text, state: each.state };
  });
  const said = bars.map((each) => `${each.label}: ${each.text}`).join("; ") || "No pass yet.";
  return { bars, said: `Thinking tokens, at most ${number(scale)} each. ${said}` };
}

/**
 * @param {unknown} value
 * @returns {Drawing}
 */
export function drawRace(value) {
  const { bars, said } = raceOf(value);
  return { said, content: [barList(bars), node("p", "m1-quiet m1-number", said.split(". ")[0])] };
}

/** @type {Record<string, string>} */
const FINISHES = {
  natural: "the model ended its thinking",
  budget: "the budget ended its thinking",
  early_exit: "its thinking was closed",
  stopped: "stopped",
  failed: "failed",
};

/** @param {unknown} value See `m1app/ui/strategies/run_view.py`. */
export function chainOf(value) {
  const given = recordOf(value);
  const [tokens, budget] = [numberOf(given.tokens), numberOf(given.budget)];
  const waits = listOf(given.waits).map((each) => numberOf(each));
  const answer = numberOf(given.answer_tokens);
  const scale = Math.max(budget, tokens, 1);
  const parts = [`${number(tokens)} of ${plural(budget, "thinking token")}`];
  if (waits.length) parts.push(`“Wait” inserted after ${waits.map(number).join(", ")}`);
  const finish = textOf(given.finish, 40);
  if (finish) parts.push(FINISHES[finish] ?? finish);
  if (answer) parts.push(`answer ${plural(answer, "token")}`);
  const options = Object.entries(recordOf(given.probabilities)).map(([letter, share]) => {
    return { label: textOf(letter, 20), share: numberOf(share), text: percent(numberOf(share)) };
  });
  return { share: tokens / scale, waits: waits.map((each) => each / scale), said: `${parts.join("; ")}.`, options };
}

/**
 * @param {unknown} value
 * @returns {Drawing}
 */
export function drawChain(value) {
  const { share, waits, said, options } = chainOf(value);
  const track = node("div", "m1-track m1-chain");
  const fill = node("span", "m1-share-fill");
  fill.style.setProperty("--share", String(within(share)));
  track.append(fill, ...waits.map((each) => markAt(each, "m1-chain-wait")));
  const content = [track, node("p", "m1-quiet m1-number", said)];
  if (!options.length) return { said, content };
  return { said, content: [...content, node("p", "m1-quiet", "Options at the end of thinking:"), barList(options)] };
}

/** @param {unknown} value `{"plan_tokens": 80, "parts": [{"text", "difficulty", "budget", "used", "answer", "state"}], "answer_tokens": 12}` */
export function planOf(value) {
  const given = recordOf(value);
  const parts = recordsOf(given.parts).map((each, i) => {
    return {
      label: `${i + 1}. ${textOf(each.text, 300)}`,
      difficulty: numberOf(each.difficulty),
      budget: numberOf(each.budget),
      used: numberOf(each.used),
      answer: textOf(each.answer),
      state: textOf(each.state, 40),
    };
  });
  const largest = Math.max(1, ...parts.map((each) => Math.max(each.budget, each.used)));
  const [plan, answer] = [numberOf(given.plan_tokens), numberOf(given.answer_tokens)];
  const whole = `Plan ${plural(plan, "token")}; final answer ${plural(answer, "token")}.`;
  const said = parts.map((each) => `${each.label} ${number(each.used)} of ${number(each.budget)}, ${each.state}`);
  return { parts, largest, whole, said: `${whole} ${said.join("; ") || "No sub-questions."}` };
}

/**
 * @param {unknown} value
 * @returns {Drawing}
 */
export function drawPlan(value) {
  const { parts, largest, whole, said } = planOf(value);
  const list = node("ol", "m1-plan");
  for (const each of parts) {
    const row = node("li");
    const label = node("p", "m1-plan-text", each.label);
    label.dir = "auto";
    const text = `${number(each.used)} of ${number(each.budget)}`;
    const bar = { label: "", share: each.used / largest, limit: each.budget / largest, text, state: each.state };
    const state = node("p", "m1-quiet", `${each.state}; difficulty ${amount(each.difficulty)}`);
    row.append(label, barList([bar]), state);
    if (each.answer) {
      const answer = node("p", "m1-quiet m1-plan-answer", each.answer);
      answer.dir = "auto";
      row.append(answer);
    }
    list.append(row);
  }
  return { said, content: [list, node("p", "m1-quiet m1-number", whole)] };
}

/** @type {Record<string, string>} */
const REASONS = {
  repeated: "conclusions were repeated",
  divergent: "the thinking diverged",
  loop: "the thinking ran in a loop",
};
const CLEAR = 0.5;

/** @param {unknown} value `{"segments": [{"from", "to", "repeats", "diverges", "is_kept"}], "closed", "reason", "tokens"}` */
export function stripOf(value) {
  const given = recordOf(value);
  const segments = recordsOf(given.segments).map((each, i) => {
    const [from, to] = [numberOf(each.from), numberOf(each.to)];
    const [repeats, diverges] = [numberOrNull(each.repeats), numberOrNull(each.diverges)];
    const isKept = each.is_kept !== false;
    const judged = [
      repeats === null ? "" : `repeats its predecessor ${percent(repeats)}`,
      diverges === null ? "" : `diverges ${percent(diverges)}`,
    ];
    const words = [isKept ? "kept" : "trimmed", ...judged.filter(Boolean)].join(", ");
    const mark = (repeats ?? 0) > CLEAR ? "=" : (diverges ?? 0) > CLEAR ? "≠" : "";
    return {
      tokens: Math.max(0, to - from),
      isKept,
      mark,
      said: `Segment ${i + 1}, tokens ${number(from)} to ${number(to)}: ${words}`,
    };
  });
  const closed = numberOrNull(given.closed);
  const reason = textOf(given.reason, 60);
  const why =
    closed === null ? "Nothing trimmed." : `Closed after ${plural(closed, "token")}: ${REASONS[reason] ?? reason}.`;
  const tokens = plural(numberOf(given.tokens), "thinking token");
  return { segments, said: `${plural(segments.length, "segment")}, ${tokens}. ${why}` };
}

/**
 * @param {unknown} value
 * @returns {Drawing}
 */
export function drawStrip(value) {
  const { segments, said } = stripOf(value);
  const strip = node("div", "m1-segments");
  for (const each of segments) {
    const part = node("span", each.isKept ? "" : "is-trimmed", each.mark);
    part.style.flexGrow = String(Math.max(1, each.tokens));
    part.title = each.said;
    strip.append(part);
  }
  const legend = node("p", "m1-quiet", "= repeats, ≠ diverges, hatched: trimmed");
  return {
    said,
    content: [strip, node("p", "m1-quiet m1-number", said), legend],
    readings: segments.map((s) => s.said),
  };
}
