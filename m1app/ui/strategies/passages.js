// Picture "passages": what was thought, what was searched for, and the passages that were read, each with its source.
// Passages are foreign text: they are shown as text, whatever they say.
import { link, node } from "../shell/elements.js";
import { number, plural } from "../shell/words.js";
import { numberOf, recordOf, recordsOf, textOf } from "./shown_values.js";

/** @typedef {import("./bars.js").Drawing} Drawing */

const PASSAGE_CHARACTERS = 2_000;
const TEXT_CHARACTERS = 4_000;
const ID = /^[0-9a-f]{32}$/;

/** @param {Record<string, unknown>} given */
function passageOf(given) {
  const id = textOf(given.id, 40);
  const version = numberOf(given.version);
  const corpus = textOf(given.corpus, 120);
  return {
    href: ID.test(id) ? `/passages/${id}` : "",
    place: textOf(given.place, 500),
    corpus: version ? `${corpus}, version ${number(version)}` : corpus,
    text: textOf(given.text, PASSAGE_CHARACTERS),
    tokens: numberOf(given.tokens),
  };
}

/** @param {unknown} value `{"steps": [{"kind", "title", "text" | "query", "passages", "tokens", "state", "error", "note"}]}` */
export function passagesOf(value) {
  const steps = recordsOf(recordOf(value).steps).map((each) => ({
    kind: textOf(each.kind, 20),
    title: textOf(each.title, 300),
    text: textOf(each.kind === "search" ? each.query : each.text, TEXT_CHARACTERS),
    error: textOf(each.error),
    note: textOf(each.note),
    state: textOf(each.state, 20),
    tokens: numberOf(each.tokens),
    passages: recordsOf(each.passages).map(passageOf),
  }));
  const searches = steps.filter((each) => each.kind === "search");
  const read = searches.reduce((total, each) => total + each.passages.length, 0);
  const tokens = searches.reduce((total, each) => total + each.tokens, 0);
  return {
    steps,
    said: `${plural(searches.length, "search", "searches")}, ${plural(read, "passage")} read, ${plural(tokens, "token")}.`,
  };
}

/** @param {ReturnType<typeof passageOf>} passage */
function passageNode(passage) {
  const row = node("li", "m1-passage");
  const head = node("p", "m1-passage-place");
  head.dir = "auto";
  head.append(passage.href ? link(passage.place || "Passage", passage.href) : passage.place);
  const details = node("details");
  const text = node("blockquote", "", passage.text);
  text.dir = "auto";
  details.append(node("summary", "", `${passage.corpus}, ${plural(passage.tokens, "token")}`), text);
  row.append(head, details);
  return row;
}

/** @param {ReturnType<typeof passagesOf>["steps"][number]} step */
function stepNode(step) {
  const row = node("li");
  row.dataset.kind = step.kind;
  row.dataset.state = step.state;
  const isRunning = step.state === "running";
  const tokens = step.tokens ? `, ${plural(step.tokens, "token")}` : "";
  const head = node("p", "m1-plan-text", `${step.title}${tokens}${isRunning ? " …" : ""}`);
  head.dir = "auto";
  const text = node("p", "m1-step-text", step.text);
  text.dir = "auto";
  row.append(head, text);
  if (step.error) row.append(node("p", "m1-quiet", step.error));
  if (step.kind !== "search") return row;
  if (step.passages.length) {
    const list = node("ol", "m1-passages");
    list.append(...step.passages.map(passageNode));
    row.append(list);
  } else if (!isRunning && !step.error) {
    row.append(node("p", "m1-quiet", "No passage was found."));
  }
  if (step.note) row.append(node("p", "m1-quiet", step.note));
  return row;
}

/**
 * @param {unknown} value
 * @returns {Drawing}
 */
export function drawPassages(value) {
  const { steps, said } = passagesOf(value);
  const list = node("ol", "m1-plan m1-searching");
  list.append(...steps.map(stepNode));
  const readings = steps.map((each) => `${each.title}: ${each.text || each.error || each.state}`.slice(0, 300));
  return { said, content: [list, node("p", "m1-quiet m1-number", said)], readings };
}
