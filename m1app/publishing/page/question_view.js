// Shows one question: what was asked, the verdicts by budget and rounds, and chosen answers side by side.

import { node } from "../../ui/shell/elements.js";
import { cut, piecesOf } from "./pieces.js";
import { verdictWords } from "./verdicts.js";

/** @typedef {import("./pieces.js").Segment} Segment */
/** @typedef {import("./pieces.js").Span} Span */
/** @typedef {{ budget: number, rounds: number, verdict: string, tokens: number, answer: string | null, letter?: string | null, m1?: string | null }} Cell */
/** @typedef {{ tokens: number, ended: string, is_failed: boolean, cut?: number, text?: string, shares?: [letter: string, share: number][] }} Answer */
/** @typedef {{ kind: string, tokens: [number, number], letters?: (string | null)[], span?: Span, sentence?: string, why?: string }} Flip */
/** @typedef {{ who: string, part: string, labels: string[], severity: string, state: string, is_omission: boolean, answer: string | null, agreed: string[], span?: Span | null, quote?: string, comment?: string, correction?: string, evidence?: string[] }} Mark */
/** @typedef {{ source: number, pass: number, state: string, cells: Cell[], seed?: number | null, thinking_tokens?: number, answers?: Record<string, Answer>, flips?: Flip[], marks?: Mark[], segments?: Segment[] }} Pass */
/** @typedef {{ source: number, name: string, choice: string, verdict: string, generated: number, shared: number, is_from_pool: boolean, letter?: string | null }} Strategy */
/** @typedef {{ id: string, stem?: string, options?: [string, string][], target?: string | null, reference?: string | null, tags?: string[], passes: Pass[], strategies: Strategy[] }} Question */
/** @typedef {{ name: string }} Source */
/** @typedef {{ source: number, budget: number, rounds: number }} Wanted */

const MOST_COLUMNS = 6;

/**
 * Fills an element with a question.
 * @param {HTMLElement} place
 * @param {Question} question
 * @param {Source[]} sources
 * @param {Wanted[]} wanted Cells that are open at first; without any, the lowest and the highest budget of the first pass.
 */
export function showQuestion(place, question, sources, wanted) {
  const columns = new Columns(question, sources);
  const grids = question.passes.map((pass) => gridOf(pass, sources, columns));
  place.append(
    asked(question),
    heading("Answers by thinking budget and force rounds"),
    ...(grids.length
      ? [quiet(`Choose up to ${MOST_COLUMNS} answers to read side by side.`), ...grids]
      : [quiet("This question has not been asked yet.")]),
    columns.element,
    ...flipsOf(question, sources),
    ...strategiesOf(question, sources),
    ...marksOf(question, sources),
  );
  columns.openFirst(wanted);
}

/** @param {Question} question */
function asked(question) {
  const made = node("section", "asked");
  if (question.stem === undefined) {
    made.append(quiet("The texts of this set are left out: the question, and what models and people wrote about it."));
    return made;
  }
  made.append(node("p", "stem", question.stem));
  if (question.options?.length) {
    const list = node("ul", "options");
    for (const [letter, text] of question.options) {
      const isTarget = (question.target ?? "").split(", ").includes(letter);
      const item = node("li", isTarget ? "is-target" : "");
      item.append(node("b", "", letter), ` ${text}`);
      if (isTarget) item.append(node("span", "tag", "right"));
      list.append(item);
    }
    made.append(list);
  }
  if (question.reference) made.append(node("p", "reference", `Reference answer: ${question.reference}`));
  if (question.tags?.length) made.append(quiet(`Tags: ${question.tags.join(", ")}`));
  return made;
}

/**
 * A pass's cells as a table of buttons.
 * @param {Pass} pass
 * @param {Source[]} sources
 * @param {Columns} columns
 */
function gridOf(pass, sources, columns) {
  const budgets = [...new Set(pass.cells.map((cell) => cell.budget))];
  const rounds = [...new Set(pass.cells.map((cell) => cell.rounds))];
  const frame = framed(passName(pass, sources));
  const table = node("table", "grid");
  table.append(node("caption", "", passName(pass, sources)));
  const head = node("tr");
  head.append(
    cellHead("rounds \\ tokens", "col"),
    ...budgets.map((each) => cellHead(each.toLocaleString("en"), "col")),
  );
  const rows = rounds.map((each) => {
    const row = node("tr");
    row.append(cellHead(String(each), "row"));
    for (const budget of budgets) {
      const data = node("td");
      const cell = pass.cells.find((found) => found.budget === budget && found.rounds === each);
      if (cell) data.append(columns.button(pass, cell));
      row.append(data);
    }
    return row;
  });
  const body = node("tbody");
  body.append(...rows);
  const top = node("thead");
  top.append(head);
  table.append(top, body);
  frame.append(table);
  return frame;
}

/** The answers that are open, side by side. */
class Columns {
  /** @type {{ pass: Pass, cell: Cell, button: HTMLButtonElement, column: HTMLElement }[]} */
  #open = [];
  /** @type {{ pass: Pass, cell: Cell, button: HTMLButtonElement }[]} */
  #all = [];

  /**
   * @param {Question} question
   * @param {Source[]} sources
   */
  constructor(question, sources) {
    this.question = question;
    this.sources = sources;
    this.element = node("div", "columns");
    this.element.setAttribute("role", "group");
    this.element.setAttribute("aria-label", "Open answers");
  }

  /**
   * @param {Pass} pass
   * @param {Cell} cell
   */
  button(pass, cell) {
    const { mark, name, kind } = verdictWords(cell.verdict);
    const made = node("button", `cell is-${kind}`, `${cell.letter ?? ""}${mark}`);
    made.type = "button";
    made.setAttribute("aria-pressed", "false");
    const letter = cell.letter ? `${cell.letter}, ` : "";
    made.setAttribute("aria-label", `${cellName(cell)}: ${letter}${name}`);
    made.addEventListener("click", () => this.#toggle(pass, cell, made));
    this.#all.push({ pass, cell, button: made });
    return made;
  }

  /** @param {Wanted[]} wanted */
  openFirst(wanted) {
    const isWanted = (/** @type {{ pass: Pass, cell: Cell }} */ { pass, cell }) =>
      pass.pass === 0 &&
      wanted.some((each) => each.source === pass.source && each.budget === cell.budget && each.rounds === cell.rounds);
    let first = this.#all.filter(isWanted);
    if (!first.length) {
      const all = this.#all.filter(({ pass }) => pass === this.question.passes[0]);
      const answered = all.filter(({ cell }) => cell.answer);
      const own = answered.length ? answered : all;
      const ends = own.filter(({ cell }) => cell.rounds === own[0].cell.rounds);
      first = [...new Set([ends.at(0), ends.at(-1)])].filter((each) => each !== undefined);
    }
    for (const { pass, cell, button } of first) this.#toggle(pass, cell, button);
  }

  /**
   * @param {Pass} pass
   * @param {Cell} cell
   * @param {HTMLButtonElement} button
   */
  #toggle(pass, cell, button) {
    const at = this.#open.findIndex((each) => each.button === button);
    if (at >= 0) {
      this.#close(at);
      return;
    }
    if (this.#open.length === MOST_COLUMNS) this.#close(0);
    const column = this.#column(pass, cell);
    this.#open.push({ pass, cell, button, column });
    button.setAttribute("aria-pressed", "true");
    this.element.append(column);
  }

  /** @param {number} at */
  #close(at) {
    const [{ button, column }] = this.#open.splice(at, 1);
    button.setAttribute("aria-pressed", "false");
    column.remove();
  }

  /**
   * @param {Pass} pass
   * @param {Cell} cell
   */
  #column(pass, cell) {
    const made = node("section", "column");
    const answer = cell.answer ? pass.answers?.[cell.answer] : undefined;
    made.append(node("h3", "", cellName(cell)), quiet(passName(pass, this.sources)), verdictLine(cell, this.question));
    if (!answer) {
      made.append(quiet("No answer is stored."));
      return made;
    }
    made.append(quiet(`${answer.tokens.toLocaleString("en")} thinking tokens: ${answer.ended}.`));
    const where = `${passName(pass, this.sources)}, ${cellName(cell)}`;
    if (pass.segments) made.append(pane("Thinking", where, thinkingOf(pass, cell, answer)));
    if (answer.is_failed) made.append(quiet("The answer failed."));
    if (answer.text !== undefined) made.append(pane("Answer", where, answerOf(pass, cell, answer)));
    if (answer.shares?.length) made.append(sharesOf(answer.shares));
    return made;
  }
}

/**
 * @param {Pass} pass
 * @param {Cell} cell
 * @param {Answer} answer
 */
function thinkingOf(pass, cell, answer) {
  const end = answer.cut ?? Number.POSITIVE_INFINITY;
  const shown = (pass.marks ?? []).filter((mark) => mark.answer === cell.answer && mark.part === "thinking");
  const marks = shown.flatMap((mark) => (mark.span ? [mark.span] : []));
  return piecesOf(pass.segments ?? [], end, marks).map(({ text, kind, isMarked }) => {
    const made = node(isMarked ? "mark" : "span", `is-${kind}`, text);
    if (kind === "wait") made.title = "inserted by the app";
    if (kind === "edit") made.title = "written by a person";
    return made;
  });
}

/**
 * @param {Pass} pass
 * @param {Cell} cell
 * @param {Answer} answer
 */
function answerOf(pass, cell, answer) {
  const text = answer.text ?? "";
  const shown = (pass.marks ?? []).filter((mark) => mark.answer === cell.answer && mark.part === "answer");
  const marks = shown.flatMap((mark) => (mark.span ? [mark.span] : []));
  return piecesOf([["answer", text, 0]], Number.POSITIVE_INFINITY, marks).map(({ text: part, isMarked }) =>
    node(isMarked ? "mark" : "span", "", part),
  );
}

/**
 * @param {string} title
 * @param {string} where
 * @param {HTMLElement[]} parts
 */
function pane(title, where, parts) {
  const made = node("div", "part");
  const box = node("div", `pane is-${title.toLowerCase()}`);
  box.tabIndex = 0;
  box.setAttribute("role", "region");
  box.setAttribute("aria-label", `${title}: ${where}`);
  box.append(...parts);
  made.append(node("h4", "", title), box);
  return made;
}

/** @param {[letter: string, share: number][]} shares */
function sharesOf(shares) {
  const words = shares.map(([letter, share]) => `${letter} ${(share * 100).toFixed(1)}%`);
  return quiet(`Option probabilities: ${words.join(", ")}`);
}

/**
 * @param {Cell} cell
 * @param {Question} question
 */
function verdictLine(cell, question) {
  const { mark, name, kind } = verdictWords(cell.verdict);
  const made = node("p", `verdict is-${kind}`);
  const letter = cell.letter ? `${cell.letter}: ` : "";
  const target = question.target && cell.verdict !== "r" ? `, target ${question.target}` : "";
  made.append(`${mark} ${letter}${name}${target}`);
  if (cell.m1 && cell.m1 !== cell.letter) made.append(` (the m1 rule reads ${cell.m1})`);
  return made;
}

/**
 * @param {Question} question
 * @param {Source[]} sources
 */
function flipsOf(question, sources) {
  const items = question.passes.flatMap((pass) =>
    (pass.flips ?? []).map((flip) => {
      const item = node("li");
      const [from, to] = flip.letters ?? [];
      const letters = flip.letters ? ` (${from ?? "none"} to ${to ?? "none"})` : "";
      const [low, high] = flip.tokens.map((each) => each.toLocaleString("en"));
      const where = `between ${low} and ${high} thinking tokens, ${passName(pass, sources)}.`;
      item.append(node("b", "", flip.kind), `${letters}, ${where} ${flip.why ?? ""}`);
      if (flip.sentence) item.append(node("blockquote", "", flip.sentence));
      return item;
    }),
  );
  return listed("Where the answer changed", "flips", items);
}

/**
 * @param {Question} question
 * @param {Source[]} sources
 */
function strategiesOf(question, sources) {
  if (!question.strategies.length) return [];
  const frame = framed("Strategies");
  const table = node("table");
  const head = node("tr");
  for (const name of ["Strategy", "Model", "Answer"]) head.append(cellHead(name, "col"));
  for (const name of ["Tokens", "Of these shared"]) {
    const title = cellHead(name, "col");
    title.className = "n";
    head.append(title);
  }
  const top = node("thead");
  top.append(head);
  const body = node("tbody");
  for (const each of question.strategies) {
    const row = node("tr");
    const { mark, name } = verdictWords(each.verdict);
    const title = node("th", "", each.name);
    title.scope = "row";
    title.append(node("span", "quiet", ` ${each.choice}`));
    row.append(
      title,
      node("td", "", sources[each.source]?.name ?? ""),
      node("td", "", `${mark} ${each.letter ? `${each.letter}: ` : ""}${name}`),
      node("td", "n", each.generated.toLocaleString("en")),
      node("td", "n", each.shared.toLocaleString("en")),
    );
    body.append(row);
  }
  table.append(top, body);
  frame.append(table);
  return [heading("Strategies"), frame];
}

/**
 * @param {Question} question
 * @param {Source[]} sources
 */
function marksOf(question, sources) {
  const items = question.passes.flatMap((pass) =>
    (pass.marks ?? []).map((mark) => {
      const item = node("li");
      const cell = pass.cells.find((each) => each.answer === mark.answer);
      const where = [passName(pass, sources), ...(cell ? [cellName(cell)] : []), mark.part].join(", ");
      const agreed = mark.agreed.length ? ` ${mark.agreed.join(", ")} agreed.` : "";
      const kind = mark.is_omission ? "something is missing" : "";
      const said = [mark.labels.join(", "), `severity ${mark.severity}`, kind, mark.state].filter(Boolean).join(" · ");
      item.append(node("b", "", `Annotator ${mark.who}`), `: ${said}. ${where}.${agreed}`);
      if (mark.quote) item.append(node("blockquote", "", cut(mark.quote, 0)));
      for (const [name, text] of [
        ["Comment", mark.comment],
        ["Correction", mark.correction],
        ["Evidence", mark.evidence?.join("; ")],
      ]) {
        if (text) item.append(node("p", "said", `${name}: ${text}`));
      }
      return item;
    }),
  );
  return listed("Annotations", "marks", items);
}

/**
 * @param {string} title
 * @param {string} kind
 * @param {HTMLElement[]} items
 */
function listed(title, kind, items) {
  if (!items.length) return [];
  const list = node("ul", kind);
  list.append(...items);
  return [heading(title), list];
}

/**
 * @param {Pass} pass
 * @param {Source[]} sources
 */
function passName(pass, sources) {
  const several = pass.pass > 0 ? `, pass ${pass.pass + 1}` : "";
  const seed = pass.seed === null || pass.seed === undefined ? "" : `, seed ${pass.seed}`;
  return `${sources[pass.source]?.name ?? ""}${several}${seed}`;
}

/** @param {{ budget: number, rounds: number }} cell */
export function cellName({ budget, rounds }) {
  return `${budget.toLocaleString("en")} tokens, ${rounds} ${rounds === 1 ? "round" : "rounds"}`;
}

/** @param {string} label */
function framed(label) {
  const made = node("div", "wide");
  made.tabIndex = 0;
  made.setAttribute("role", "region");
  made.setAttribute("aria-label", label);
  return made;
}

/**
 * @param {string} text
 * @param {string} scope
 */
function cellHead(text, scope) {
  const made = node("th", "", text);
  made.scope = scope;
  return made;
}

/** @param {string} text */
function heading(text) {
  return node("h2", "", text);
}

/** @param {string} text */
function quiet(text) {
  return node("p", "quiet", text);
}
