// Pictures that are tables: passes by temperature and answer, a judge's scores, what was said in turn.
import { node } from "../shell/elements.js";
import { number, plural } from "../shell/words.js";
import { amount, listOf, numberOf, numberOrNull, recordOf, recordsOf, textOf, within } from "./shown_values.js";

/** @typedef {import("./bars.js").Drawing} Drawing */

/**
 * @typedef {object} Cell
 * @property {string} text
 * @property {number} [shade] From 0 to 1.
 * @property {string} [className]
 * @property {string} [title]
 */

/**
 * @param {string[]} head
 * @param {Cell[][]} rows The first cell of each names the row.
 * @param {string} className
 */
function tableOf(head, rows, className) {
  const made = node("table", `m1-table ${className}`);
  const top = node("tr");
  for (const name of head) {
    const cell = node("th", "", name);
    cell.scope = "col";
    top.append(cell);
  }
  const body = node("tbody");
  for (const cells of rows) {
    const row = node("tr");
    cells.forEach((each, i) => {
      const cell = node(i ? "td" : "th", each.className ?? "", each.text);
      if (cell instanceof HTMLTableCellElement && !i) cell.scope = "row";
      cell.dir = "auto";
      if (each.title) cell.title = each.title;
      if (each.shade !== undefined) {
        cell.classList.add("m1-shaded");
        cell.style.setProperty("--share", String(within(each.shade)));
      }
      row.append(cell);
    });
    body.append(row);
  }
  const thead = node("thead");
  thead.append(top);
  made.append(thead, body);
  return made;
}

/** @param {unknown} value `{"temperatures", "answers", "counts": [[by answer]], "share", "done", "passes"}` */
export function heatOf(value) {
  const given = recordOf(value);
  const answers = listOf(given.answers).map((each) => textOf(each, 80));
  const counts = listOf(given.counts).map((row) => listOf(row).map((each) => numberOf(each)));
  const rows = listOf(given.temperatures).map((each, i) => {
    const own = answers.map((_, j) => counts[i]?.[j] ?? 0);
    const sum = own.reduce((total, count) => total + count, 0);
    const cells = own.map((count) => ({ text: count ? number(count) : "", shade: sum ? count / sum : 0 }));
    return [{ text: numberOf(each).toFixed(1) }, ...cells];
  });
  const share = numberOf(given.share);
  const said =
    `${number(numberOf(given.done))} of ${plural(numberOf(given.passes), "pass", "passes")} done. ` +
    (share ? `Ends early where one answer has ${amount(share)} of the passes at every temperature.` : "");
  return { head: ["Temperature", ...answers], rows, said: said.trim() };
}

/**
 * @param {unknown} value
 * @returns {Drawing}
 */
export function drawHeat(value) {
  const { head, rows, said } = heatOf(value);
  return { said, content: [tableOf(head, rows, "m1-heat-table"), node("p", "m1-quiet m1-number", said)] };
}

/** @type {Record<string, string>} */
const SCORE_STATES = { waiting: "…", neither: "?", failed: "!", unpaid: "–" };

/** @param {unknown} value `{"of", "judge", "columns", "rows": [{"pass", "answer", "scores", "states", "value", "is_chosen"}], "answers"}` */
export function matrixOf(value) {
  const given = recordOf(value);
  const of = textOf(given.of, 40) || "verifications";
  const rows = recordsOf(given.rows);
  const columns = Math.min(64, Math.max(numberOf(given.columns), ...rows.map((each) => listOf(each.scores).length), 0));
  const drawn = rows.map((each, i) => {
    const scores = listOf(each.scores).map(numberOrNull);
    const states = listOf(each.states).map((state) => textOf(state, 20));
    const cells = Array.from({ length: columns }, (_, at) => {
      const score = scores[at] ?? null;
      if (score !== null) return { text: score.toFixed(2), shade: score };
      const state = states[at] ?? "";
      return { text: SCORE_STATES[state] ?? (state && "–"), title: state };
    });
    const total = numberOrNull(each.value);
    return [
      { text: `Pass ${number(numberOf(each.pass, i) + 1)}${each.is_chosen ? " ✓ chosen" : ""}` },
      { text: textOf(each.answer, 60) },
      ...cells,
      { text: total === null ? "" : total.toFixed(2), className: "m1-number" },
    ];
  });
  const judge = textOf(given.judge, 80);
  const answers = Object.entries(recordOf(given.answers)).map(
    ([name, worth]) => `${textOf(name, 60)}: ${amount(numberOf(worth))}`,
  );
  const said = [
    `${plural(rows.length, "pass", "passes")}, ${of} by ${judge || "the model that answers"}: how likely each is to be correct.`,
    answers.length ? `Answers: ${answers.join(", ")}.` : "",
  ];
  const head = ["Pass", "Answer", ...Array.from({ length: columns }, (_, i) => number(i + 1)), "Score"];
  return { head, rows: drawn, said: said.filter(Boolean).join(" ") };
}

/**
 * @param {unknown} value
 * @returns {Drawing}
 */
export function drawMatrix(value) {
  const { head, rows, said } = matrixOf(value);
  const legend = "… waiting, ? neither yes nor no, ! failed, – not paid for";
  return {
    said,
    content: [tableOf(head, rows, "m1-matrix"), node("p", "m1-quiet", said), node("p", "m1-quiet", legend)],
  };
}

const TAIL_CHARACTERS = 160;

/** @param {unknown} thinking */
const endOf = (thinking) => (typeof thinking === "string" ? thinking.slice(-TAIL_CHARACTERS) : "");

/** @param {unknown} value `{"turns": [{"who", "round", "text", "thinking", "letter", "tokens", "is_done", "error"}]}` */
export function transcriptOf(value) {
  const turns = recordsOf(recordOf(value).turns).map((each) => {
    const isDone = each.is_done !== false;
    return {
      who: textOf(each.who, 60),
      round: numberOf(each.round),
      // While it thinks, the end of what it thinks.
      said: textOf(each.error) || textOf(each.text, 2000) || (isDone ? "" : endOf(each.thinking)),
      isThinking: !isDone && !each.text && !each.error,
      letter: textOf(each.letter, 20),
      tokens: numberOf(each.tokens),
      state: each.error ? "failed" : isDone ? "" : "writes",
    };
  });
  const tokens = turns.reduce((total, each) => total + each.tokens, 0);
  return { turns, said: `${plural(turns.length, "turn")}, ${plural(tokens, "token")}.` };
}

/**
 * @param {unknown} value
 * @returns {Drawing}
 */
export function drawTranscript(value) {
  const { turns, said } = transcriptOf(value);
  const rows = turns.map((each) => [
    { text: `${each.who}, round ${number(each.round)}${each.state ? ` (${each.state})` : ""}` },
    { text: each.said, className: each.isThinking ? "m1-turn is-thinking" : "m1-turn" },
    { text: each.letter },
    { text: number(each.tokens), className: "m1-number" },
  ]);
  const table = tableOf(["Who", "Said", "Answer", "Tokens"], rows, "m1-transcript");
  return { said, content: [table, node("p", "m1-quiet m1-number", said)] };
}
