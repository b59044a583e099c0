// Pictures made of lines: the options' probabilities along a pass with its exit, and the confidence of each pass with the
// bar. Lines differ by their dashes and labels, not only by colour.
import { node } from "../shell/elements.js";
import { svg } from "../shell/svg.js";
import { number, percent, plural } from "../shell/words.js";
import { amount, listOf, numberOf, numberOrNull, recordOf, recordsOf, textOf, within } from "./shown_values.js";

/** @typedef {import("./bars.js").Drawing} Drawing */

const EXIT = { width: 420, height: 160, left: 36, right: 24, top: 14, bottom: 22 };
const DASHES = ["", "6 3", "2 2", "8 3 2 3", "1 3", "10 4", "4 4", "12 2"];
const COLOURS = DASHES.length;

/** @param {unknown} value `{"trajectory": [{"tokens", "probabilities"}], "threshold", "exit", "tokens"}` */
export function exitOf(value) {
  const given = recordOf(value);
  const looks = recordsOf(given.trajectory).map((each) => {
    return { tokens: numberOf(each.tokens), probabilities: recordOf(each.probabilities) };
  });
  const letters = [...new Set(looks.flatMap((each) => Object.keys(each.probabilities)))];
  const exit = numberOrNull(given.exit);
  const most = Math.max(1, numberOf(given.tokens), exit ?? 0, ...looks.map((each) => each.tokens));
  const lines = letters.map((letter) => {
    const points = looks
      .filter((each) => letter in each.probabilities)
      .map((each) => /** @type {[number, number]} */ ([each.tokens, within(numberOf(each.probabilities[letter]))]));
    return { letter: textOf(letter, 12), points };
  });
  const readings = looks.map(({ tokens, probabilities }) => {
    const ranked = Object.entries(probabilities)
      .map(([letter, share]) => /** @type {const} */ ([textOf(letter, 12), numberOf(share)]))
      .sort((a, b) => b[1] - a[1]);
    const shares = ranked.map(([letter, share]) => `${letter} ${percent(share)}`).join(", ");
    return `${plural(tokens, "token")}: ${shares || "no probabilities"}`;
  });
  const ended = exit === null ? "No early exit" : `Exit after ${plural(exit, "token")}`;
  const said = `${ended}, ${plural(looks.length, "look")} at the options in ${plural(numberOf(given.tokens), "thinking token")}.`;
  return { lines, readings, exit, most, threshold: numberOrNull(given.threshold), said };
}

/**
 * @param {unknown} value
 * @returns {Drawing}
 */
export function drawExit(value) {
  const { lines, readings, exit, most, threshold, said } = exitOf(value);
  const { width, height, left, right, top, bottom } = EXIT;
  const x = (/** @type {number} */ tokens) => left + (tokens / most) * (width - left - right);
  const y = (/** @type {number} */ share) => top + (1 - share) * (height - top - bottom);
  const drawing = svg("svg", { viewBox: `0 0 ${width} ${height}`, class: "m1-lines-drawing" });
  for (const share of [0, 0.5, 1]) {
    drawing.append(svg("line", { x1: left, x2: width - right, y1: y(share), y2: y(share), class: "m1-grid-line" }));
    drawing.append(svg("text", { x: left - 5, y: y(share) + 4, "text-anchor": "end" }, String(share)));
  }
  drawing.append(svg("text", { x: left, y: height - 5 }, "0"));
  drawing.append(svg("text", { x: width - right, y: height - 5, "text-anchor": "end" }, `${number(most)} tokens`));
  if (threshold !== null) {
    drawing.append(
      svg("line", { x1: left, x2: width - right, y1: y(threshold), y2: y(threshold), class: "m1-threshold" }),
    );
  }
  lines.forEach(({ letter, points }, i) => {
    const colour = `var(--m1-line-${i % COLOURS})`;
    const path = points.map(([tokens, share]) => `${x(tokens)},${y(share)}`).join(" ");
    const line = svg("polyline", { points: path, class: "m1-line", "stroke-dasharray": DASHES[i % COLOURS] ?? "" });
    line.style.stroke = colour;
    drawing.append(line);
    const last = points[points.length - 1];
    if (!last) return;
    const label = svg("text", { x: x(last[0]) + 5, y: y(last[1]) + 4 }, letter);
    drawing.append(svg("circle", { cx: x(last[0]), cy: y(last[1]), r: 2.5, style: `fill: ${colour}` }), label);
  });
  if (exit !== null) {
    drawing.append(svg("line", { x1: x(exit), x2: x(exit), y1: top, y2: height - bottom, class: "m1-exit" }));
    drawing.append(svg("text", { x: x(exit) - 4, y: height - bottom - 4, "text-anchor": "end" }, "exit"));
  }
  const note = threshold === null ? said : `${said} Dashed across: ${amount(threshold)}, which ends it.`;
  return { said: note, content: [drawing, node("p", "m1-quiet m1-number", note)], readings };
}

const SPARK = { width: 180, height: 22 };
/** @type {Record<string, string>} */
const PASS_STATES = { runs: "runs", kept: "kept", cut: "cut", failed: "failed" };

/** @param {unknown} value `{"window", "bar", "passes": [{"pass", "points": [[tokens, confidence]], "lowest", "state", "warmup"}], "votes"}` */
export function confidenceOf(value) {
  const given = recordOf(value);
  const passes = recordsOf(given.passes).map((each, i) => {
    const points = listOf(each.points).map((point) => {
      const [tokens, confidence] = listOf(point);
      return /** @type {[number, number]} */ ([numberOf(tokens), numberOf(confidence)]);
    });
    const lowest = numberOrNull(each.lowest);
    const state = textOf(each.state, 20);
    const worth = lowest === null ? "" : `lowest ${amount(lowest)}, `;
    const text = `${worth}${PASS_STATES[state] ?? state}${each.warmup ? ", warm-up" : ""}`;
    return { label: `Pass ${number(numberOf(each.pass, i) + 1)}`, points, state, text };
  });
  const bar = numberOrNull(given.bar);
  const all = passes.flatMap((each) => each.points.map(([, confidence]) => confidence));
  const known = bar === null ? all : [...all, bar];
  const scale = {
    tokens: Math.max(1, ...passes.flatMap((each) => each.points.map(([tokens]) => tokens))),
    low: known.length ? Math.min(...known) : 0,
    high: known.length ? Math.max(...known) : 1,
  };
  const cut = passes.filter((each) => each.state === "cut").length;
  const votes = Object.entries(recordOf(given.votes)).map(
    ([answer, weight]) => `${textOf(answer, 80)}: ${amount(numberOf(weight))}`,
  );
  const limit = bar === null ? "The bar is not set yet" : `Bar ${amount(bar)}`;
  const said = `${limit}; ${number(cut)} of ${plural(passes.length, "pass", "passes")} cut. ${votes.length ? `Votes: ${votes.join(", ")}.` : ""}`;
  return { passes, bar, scale, said: said.trim(), readings: passes.map((each) => `${each.label}: ${each.text}`) };
}

/**
 * @param {unknown} value
 * @returns {Drawing}
 */
export function drawConfidence(value) {
  const { passes, bar, scale, said, readings } = confidenceOf(value);
  const range = scale.high - scale.low || 1;
  const x = (/** @type {number} */ tokens) => (tokens / scale.tokens) * SPARK.width;
  const y = (/** @type {number} */ confidence) => 2 + (1 - (confidence - scale.low) / range) * (SPARK.height - 4);
  const list = node("ol", "m1-sparks");
  for (const each of passes) {
    const row = node("li", "m1-spark-row");
    row.dataset.state = each.state;
    const drawing = svg("svg", { viewBox: `0 0 ${SPARK.width} ${SPARK.height}`, preserveAspectRatio: "none" });
    if (bar !== null)
      drawing.append(svg("line", { x1: 0, x2: SPARK.width, y1: y(bar), y2: y(bar), class: "m1-threshold" }));
    const path = each.points.map(([tokens, confidence]) => `${x(tokens)},${y(confidence)}`).join(" ");
    drawing.append(svg("polyline", { points: path, class: "m1-line" }));
    row.append(node("span", "", each.label), drawing, node("span", "m1-number", each.text));
    list.append(row);
  }
  return { said, content: [list, node("p", "m1-quiet m1-number", said)], readings };
}
