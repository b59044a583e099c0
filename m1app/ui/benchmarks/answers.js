// A run's answers to open questions, a page at a time: reference answer, answer, what models say of it, and a person's own
// verdict, with how far both agree.
import { button, isNewFor, link, node, say, setText } from "../shell/elements.js";
import { Pager } from "./pager.js";
import { cellsOf, known, oneRun } from "./view.js";

/**
 * @typedef {object} AnswerValue
 * @property {string} id
 * @property {string} item The sweep that has it.
 * @property {string} stem
 * @property {string} about Set, model and pass.
 * @property {string} reference
 * @property {string} text
 * @property {boolean} is_cut Whether the text goes on.
 * @property {boolean} can_be_judged False for an empty answer.
 * @property {{ said: string, judgement: string, reason: string }[]} models
 * @property {string} own The reader's verdict; empty without one.
 * @property {string} others What other persons say, for a reader who may see it.
 */

/** @type {[judgement: string, words: string][]} */
const JUDGEMENTS = [
  ["right", "Right"],
  ["wrong", "Wrong"],
  ["undecided", "Undecided"],
];

/**
 * @param {import("./view.js").View} view
 * @param {import("./view.js").Run[]} chosen
 */
function answerChoice(view, chosen) {
  const run = oneRun(view, chosen);
  const cells = cellsOf(run);
  return {
    run,
    model: known(view.model, run.models, ""),
    set: known(view.set, run.sets, ""),
    cell: known(view.cell, cells, cells[cells.length - 1]),
  };
}

/** One answer. It is changed in place, so that a button that was pressed keeps the focus. */
class AnswerCard {
  root = node("article", "m1-open-answer");
  #reference = textNode("m1-open-text");
  #text = textNode("m1-open-text");
  #models = node("div");
  #buttons;
  #own = node("p", "m1-judging-line");
  #others = node("p", "m1-judging-line m1-quiet");
  #actions = node("div", "m1-judging-actions");

  /**
   * @param {AnswerValue} value
   * @param {(judgement: string) => void} onSay
   */
  constructor(value, onSay) {
    this.root.dataset.answer = value.id;
    const heading = node("h3");
    heading.dir = "auto";
    heading.append(link(value.stem, `/compare/?sweep=${value.item}`));
    this.#buttons = JUDGEMENTS.map(([judgement, words]) => {
      const made = button(words, () => onSay(judgement), `${words}: ${value.stem}`);
      made.dataset.judgement = judgement;
      return made;
    });
    this.#actions.setAttribute("role", "group");
    this.#actions.setAttribute("aria-label", `Your verdict: ${value.stem}`);
    this.#actions.append(node("span", "m1-quiet", "Your verdict"), ...this.#buttons);
    this.#own.setAttribute("role", "status");
    const facts = node("dl", "m1-open-facts");
    facts.append(node("dt", "", "Reference answer"), this.#reference, node("dt", "", "Answer"), this.#text);
    this.root.append(heading, node("p", "m1-quiet", value.about), facts, this.#models);
    this.root.append(this.#actions, this.#own, this.#others);
  }

  focus() {
    this.#buttons[0]?.focus();
  }

  /**
   * @param {AnswerValue} value
   * @param {boolean} maySay
   */
  show(value, maySay) {
    setText(this.#reference, value.reference);
    setText(this.#text, value.can_be_judged ? `${value.text}${value.is_cut ? "…" : ""}` : "Empty: nothing to judge.");
    if (isNewFor(this.#models, value.models)) this.#models.replaceChildren(...value.models.flatMap(modelVerdict));
    this.#actions.hidden = !maySay || !value.can_be_judged;
    for (const each of this.#buttons) {
      each.setAttribute("aria-pressed", String(each.dataset.judgement === value.own));
    }
    const [, words] = JUDGEMENTS.find(([judgement]) => judgement === value.own) ?? [];
    say(this.#own, words && `You judged it ${words.toLowerCase()}.`);
    say(this.#others, value.others);
  }
}

/** @param {string} className */
function textNode(className) {
  const made = node("dd", className);
  made.dir = "auto";
  return made;
}

/** @param {AnswerValue["models"][number]} verdict */
function modelVerdict({ said, judgement, reason }) {
  const line = node("p", "m1-judging-line", said);
  line.dataset.judgement = judgement;
  if (!reason) return [line];
  const why = node("details", "m1-details");
  const text = node("p", "m1-judging-reason", reason);
  text.dir = "auto";
  why.append(node("summary", "", "The judge's reason"), text);
  return [line, why];
}

export class AnswersPane {
  #context;
  #pager;
  /** @type {Map<string, AnswerCard>} */
  #cards = new Map();

  /** @param {import("./context.js").Context} context */
  constructor(context) {
    this.#context = context;
    this.#pager = new Pager(context, "answers-", () => this.show());
    context.part("answers-filter").addEventListener("submit", (event) => event.preventDefault());
  }

  async show() {
    const { view, chosen, part, server } = this.#context;
    const { run, model, set, cell } = answerChoice(view, chosen);
    const { offset } = this.#pager;
    const asked = { run: run.id, model, set, cell, left: view.left === "1", offset };
    const reply = await server.askLatest("answers", "answers", asked);
    if (!reply) return;
    if (reply.error) {
      this.#context.notice(reply.error);
      return;
    }
    const rows = /** @type {AnswerValue[]} */ (reply.rows);
    const open = /** @type {string[]} */ (reply.open_sets);
    const none = reply.has_open
      ? set && !open.includes(set)
        ? `${set} has no open questions. The open questions of this run are in ${open.join(", ")}.`
        : "No answer matches the filter."
      : "This run has no answers to open questions. A question set can contain questions that have a reference answer instead of options.";
    say(part("no-answers"), rows.length ? "" : none);
    part("answers-said").hidden = !reply.has_open;
    setText(part("agreement"), reply.agreement);
    say(part("answers-role"), reply.has_open && !reply.may_say ? "Your role can read verdicts but not give them." : "");
    this.#showCards(rows, reply.may_say);
    this.#pager.place(offset, rows.length, reply.total);
  }

  /**
   * @param {AnswerValue[]} rows
   * @param {boolean} maySay
   */
  #showCards(rows, maySay) {
    const before = this.#cards;
    this.#cards = new Map(
      rows.map((each) => [
        each.id,
        before.get(each.id) ?? new AnswerCard(each, (judgement) => this.#say(each.id, judgement)),
      ]),
    );
    for (const each of rows) this.#cards.get(each.id)?.show(each, maySay);
    const place = this.#context.part("answers");
    const ids = rows.map((each) => each.id);
    if (isNewFor(place, ids)) place.replaceChildren(...[...this.#cards.values()].map((card) => card.root));
  }

  /**
   * @param {string} answer
   * @param {string} judgement
   */
  async #say(answer, judgement) {
    const place = [...this.#cards.keys()].indexOf(answer);
    const reply = await this.#context.server.ask("say", { answer, judgement });
    this.#context.notice(reply.error ?? "");
    if (reply.error) return;
    await this.show();
    if (this.#cards.has(answer)) return;
    // It is no longer among those without a verdict: go on with the next one.
    const left = [...this.#cards.values()];
    left[Math.min(place, left.length - 1)]?.focus();
  }
}
