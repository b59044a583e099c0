// What a strategy shows, each in a frame with a title, a text alternative, and its parts read by the arrow keys. A picture
// that is not known here is shown as text.
import { node, say } from "../shell/elements.js";
import { nextPoint } from "../shell/reading_keys.js";
import { drawChain, drawPlan, drawRace, drawStrip, drawVotes } from "./bars.js";
import { drawGraph } from "./graph.js";
import { drawConfidence, drawExit } from "./lines.js";
import { drawPassages } from "./passages.js";
import { drawPolicy } from "./policy.js";
import { drawHeat, drawMatrix, drawTranscript } from "./tables.js";

/** @typedef {import("./bars.js").Drawing} Drawing */

/** @type {Record<string, { title: string, draw: (value: unknown) => Drawing }>} */
const PICTURES = {
  chain: { title: "One chain", draw: drawChain },
  votes: { title: "Votes by answer", draw: drawVotes },
  race: { title: "Thinking tokens by pass", draw: drawRace },
  exit: { title: "Options along the thinking", draw: drawExit },
  strip: { title: "Segments of the thinking", draw: drawStrip },
  heat: { title: "Passes by temperature and answer", draw: drawHeat },
  confidence: { title: "Confidence along each pass", draw: drawConfidence },
  matrix: { title: "A judge's scores", draw: drawMatrix },
  plan: { title: "Sub-questions and their tokens", draw: drawPlan },
  passages: { title: "Searches and passages", draw: drawPassages },
  graph: { title: "Sub-questions", draw: drawGraph },
  policy: { title: "What the policy chose", draw: drawPolicy },
  transcript: { title: "What was said", draw: drawTranscript },
};
const MOST_CHARACTERS = 4000;

/**
 * A picture without a drawing, as text of bounded length.
 * @param {unknown} value
 */
export function asText(value) {
  const text = JSON.stringify(value, null, 1) ?? "";
  return text.length > MOST_CHARACTERS ? `${text.slice(0, MOST_CHARACTERS)}…` : text;
}

/**
 * @param {unknown} value
 * @returns {Drawing}
 */
function drawText(value) {
  return { said: "Shown as text.", content: [node("pre", "m1-picture-text", asText(value))] };
}

/**
 * @param {string} name
 * @param {unknown} value
 */
function drawn(name, value) {
  try {
    return (PICTURES[name]?.draw ?? drawText)(value);
  } catch (error) {
    console.warn(`The picture ${name} could not be drawn.`, error);
    return drawText(value);
  }
}

export class Picture {
  #name;
  #shown = "";
  #title;
  #frame = node("div", "m1-picture-frame");
  #readout = node("p", "m1-readout m1-number");
  /** @type {string[]} */
  #readings = [];
  #at = -1;

  /** @param {string} name */
  constructor(name) {
    this.#name = name;
    this.#title = PICTURES[name]?.title ?? name;
    this.root = node("figure", "m1-picture");
    this.root.dataset.picture = name;
    this.#frame.tabIndex = 0;
    this.#frame.setAttribute("role", "group");
    this.#frame.addEventListener("keydown", (event) => this.#read(event));
    this.#readout.setAttribute("role", "status");
    this.#readout.hidden = true;
    this.root.append(node("figcaption", "", this.#title), this.#frame, this.#readout);
  }

  /** @param {unknown} value */
  show(value) {
    const shown = JSON.stringify(value);
    if (shown === this.#shown) return;
    this.#shown = shown;
    const { said, content, readings = [] } = drawn(this.#name, value);
    const [top, left] = [this.#frame.scrollTop, this.#frame.scrollLeft];
    this.#frame.replaceChildren(...content);
    this.#frame.scrollTo(left, top);
    const keys = readings.length ? " Left and right arrow keys read the values." : "";
    this.#frame.setAttribute("aria-label", `${this.#title}: ${said}${keys}`);
    this.#readings = readings;
  }

  /** @param {KeyboardEvent} event */
  #read(event) {
    const place = this.#readings.length ? nextPoint(this.#at, event.key, this.#readings.length) : null;
    if (place === null) return;
    event.preventDefault();
    this.#at = place;
    say(this.#readout, this.#readings[place]);
  }
}
