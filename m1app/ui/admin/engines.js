// The engine in use, and the known models.
import { isNewFor, node, partsOf, say, setText, showFacts } from "../shell/elements.js";
import { askTwice } from "./ask_twice.js";
import { showLog } from "./log.js";

/**
 * @typedef {object} ModelRow
 * @property {string} id
 * @property {string} title
 * @property {string} licence
 * @property {string} parameters
 * @property {string} place
 * @property {string} size
 */

/**
 * @typedef {object} EngineValue
 * @property {string} state
 * @property {string} label
 * @property {string} message
 * @property {boolean} can_restart
 * @property {boolean} can_stop
 * @property {string} restart
 * @property {[name: string, text: string][]} facts
 * @property {string[]} served
 * @property {ModelRow[]} models
 * @property {string} log
 */

/** @type {Record<string, string>} */
const STATE_OF_PLACE = { "in use": "succeeded", "on disk": "queued" };

/** @param {ModelRow} model */
function modelRow(model) {
  const row = node("tr");
  const name = node("td", "", model.title);
  name.title = `${model.id}, ${model.licence}`;
  const place = node("td");
  const badge = node("span", "m1-badge", model.place);
  badge.dataset.state = STATE_OF_PLACE[model.place] || "";
  place.append(badge);
  row.append(name, node("td", "m1-number-left", model.parameters), place, node("td", "m1-number", model.size));
  return row;
}

/** @param {import("../shell/elements.js").Host} host */
export function mount({ element, trigger }) {
  const part = partsOf(element);
  part("restart").addEventListener("click", () => trigger("restart_engine", {}));
  askTwice(part("stop"), "Stop, and end running answers?", () => trigger("stop_engine", {}));

  return (/** @type {Partial<EngineValue>} */ shown) => {
    if (!shown.state) return;
    const value = /** @type {EngineValue} */ (shown);
    part("dot").dataset.state = value.state;
    setText(part("label"), value.label);
    say(part("message"), value.message);
    part("restart").hidden = !value.can_restart;
    part("stop").hidden = !value.can_stop;
    setText(part("restart"), value.restart);
    showFacts(part("facts"), value.facts);
    say(part("served"), value.served.length ? `Served now: ${value.served.join(", ")}` : "");
    if (isNewFor(part("models"), value.models)) part("models").replaceChildren(...value.models.map(modelRow));
    part("log-box").hidden = !value.log;
    showLog(part("log"), value.log);
  };
}
