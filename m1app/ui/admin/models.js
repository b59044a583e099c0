// The models of this machine: what is here, what would fit; find, fetch, use and remove.
import { button, isNewFor, node, partsOf, say, setMeter, setText } from "../shell/elements.js";
import { askTwice } from "./ask_twice.js";
import { labelled } from "./cells.js";

/**
 * @typedef {object} ModelRow
 * @property {string} id
 * @property {string} title
 * @property {string} licence
 * @property {string} profile
 * @property {string} source
 * @property {string} state
 * @property {string} size
 * @property {string} memory
 * @property {boolean | null} fits
 * @property {{ share: number, said: string } | null} fetching
 * @property {string} error
 * @property {boolean} can_fetch
 * @property {boolean} can_try
 * @property {boolean} can_use
 * @property {boolean} can_remove
 */

/**
 * @typedef {object} SuggestedRow
 * @property {string} repo
 * @property {string} title
 * @property {string} about
 * @property {string} size
 * @property {string} memory
 * @property {boolean} fits
 * @property {boolean} is_best
 */

/**
 * @typedef {object} OfferedFile
 * @property {string} name
 * @property {string} quantisation
 * @property {string} size
 * @property {string} memory
 * @property {boolean} fits
 * @property {string} problem
 * @property {boolean} is_preferred
 */

/**
 * @typedef {object} Offer
 * @property {string} repo
 * @property {string} commit
 * @property {string} licence
 * @property {OfferedFile[]} files
 * @property {string[]} notes
 */

/**
 * @typedef {object} ModelsValue
 * @property {ModelRow[]} [here]
 * @property {ModelRow[]} [away]
 * @property {SuggestedRow[]} [suggestions]
 * @property {boolean} [demo]
 * @property {string} [broken] Why nothing can be shown.
 * @property {number} [number] Number of the request that this answers.
 * @property {{ error?: string, done?: string, offer?: Offer }} [reply]
 */

/** @type {Record<string, string>} */
const STATES = { default: "succeeded", loaded: "running", here: "queued", "file missing": "failed" };

/**
 * @param {string} label
 * @param {string} amount Empty if it is not known.
 */
function amountCell(label, amount) {
  const cell = node("td", "m1-number", amount);
  return amount ? labelled(label, cell) : cell;
}

/**
 * @param {string} memory
 * @param {boolean | null} fits
 */
function memoryCell(memory, fits) {
  const cell = amountCell("Memory", memory);
  if (fits === false) {
    cell.classList.add("m1-warned");
    cell.append(node("div", "m1-quiet-cell", "more than is free"));
  }
  return cell;
}

/**
 * @param {string} name
 * @param {string} below
 */
function nameCell(name, below) {
  const cell = node("td", "m1-model-name", name);
  cell.append(node("div", "m1-quiet-cell", below));
  return cell;
}

/** @param {import("../shell/elements.js").Host} host */
export function mount({ element, trigger }) {
  const part = partsOf(element);
  let asked = 0;
  const ask = (/** @type {string} */ action, /** @type {Record<string, unknown>} */ values, said = "") => {
    asked += 1;
    say(part("notice"), "");
    say(part("done"), said);
    trigger("ask", { number: asked, action, ...values });
  };

  /** @param {ModelRow} model */
  function modelRow(model) {
    const row = node("tr");
    row.dataset.model = model.id;
    const name = nameCell(model.title, `${model.id} · ${model.licence} · profile ${model.profile}`);
    name.title = model.source;
    const state = node("td");
    const word = model.fetching ? "being fetched" : model.state;
    const badge = node("span", "m1-badge", word);
    badge.dataset.state = model.fetching ? "running" : STATES[model.state] || "";
    state.append(badge);
    if (model.fetching) {
      const meter = node("div", "m1-meter");
      meter.setAttribute("role", "progressbar");
      meter.setAttribute("aria-label", `Download of ${model.title}`);
      setMeter(meter, model.fetching.share);
      state.append(meter, node("div", "m1-quiet-cell", model.fetching.said));
    }
    if (model.error) state.append(node("div", "m1-notice", model.error));
    const actions = node("td", "m1-account-actions");
    if (model.fetching)
      actions.append(button("Stop", () => ask("stop", { id: model.id }), `Stop fetching ${model.title}`));
    if (model.can_fetch) {
      const verb = model.state === "partly here" ? "Resume" : "Fetch";
      actions.append(button(verb, () => ask("fetch", { id: model.id }), `${verb} ${model.title}`));
    }
    if (model.can_try)
      actions.append(button("Try", () => ask("try", { id: model.id }, `Asking ${model.id}…`), `Try ${model.title}`));
    if (model.can_use)
      actions.append(button("Use", () => ask("use", { id: model.id }, `Loading ${model.id}…`), `Use ${model.title}`));
    if (model.can_remove) {
      const remove = button("Remove", () => {}, `Remove ${model.title}`);
      remove.classList.add("m1-danger");
      askTwice(remove, "Remove its weights?", () => ask("remove", { id: model.id }));
      actions.append(remove);
    }
    const file = amountCell("File", model.size);
    row.append(name, state, file, memoryCell(model.memory, model.fits), actions);
    return row;
  }

  /** @param {SuggestedRow} each */
  function suggestedRow(each) {
    const row = node("tr");
    row.dataset.repo = each.repo;
    const note = node("td");
    if (each.is_best) note.append(node("span", "m1-badge", "fits best"));
    const actions = node("td", "m1-account-actions");
    const take = () => ask("suggested", { repo: each.repo }, `Asking the hub for ${each.repo}…`);
    actions.append(button("Fetch and use", take, `Fetch and use ${each.title}`));
    const size = labelled("Download", node("td", "m1-number", `about ${each.size}`));
    const name = nameCell(each.title, `${each.about} ${each.repo}`);
    row.append(name, note, size, memoryCell(each.memory, each.fits), actions);
    return row;
  }

  /**
   * @param {Offer} offer
   * @param {OfferedFile} file
   */
  function fileRow(offer, file) {
    const row = node("tr");
    row.dataset.file = file.name;
    const note = node("td");
    if (file.is_preferred) note.append(node("span", "m1-badge", "suits this machine"));
    const actions = node("td", "m1-account-actions");
    const named = { repo: offer.repo, file: file.name, commit: offer.commit };
    if (!file.problem)
      actions.append(
        button("Fetch", () => ask("add", named), `Fetch ${file.name}`),
        button("Fetch and use", () => ask("add", { ...named, use: true }), `Fetch and use ${file.name}`),
      );
    const size = labelled("Download", node("td", "m1-number", file.size));
    const name = nameCell(file.name, file.problem || file.quantisation);
    row.append(name, note, size, memoryCell(file.memory, file.fits), actions);
    return row;
  }

  /** @param {Offer} offer */
  function showOffer(offer) {
    part("offer").hidden = false;
    const licence = offer.licence || "not stated";
    setText(part("offered"), `${offer.repo} at commit ${offer.commit.slice(0, 12)}, licence: ${licence}`);
    part("notes").replaceChildren(...offer.notes.map((note) => node("li", "", note)));
    part("files").replaceChildren(...offer.files.map((file) => fileRow(offer, file)));
  }

  /** @param {string} name */
  const typed = (name) => /** @type {HTMLInputElement} */ (part(name)).value.trim();
  part("find").addEventListener("submit", (event) => {
    event.preventDefault();
    ask("offer", { repo: typed("repo"), revision: typed("revision") }, `Asking the hub for ${typed("repo")}…`);
  });
  part("own").addEventListener("submit", (event) => {
    event.preventDefault();
    ask("add_file", { place: typed("path") });
  });

  return (/** @type {ModelsValue} */ { here, away, suggestions, demo, broken, number: answered, reply = {} }) => {
    if (broken) say(part("notice"), broken);
    if (here && away && suggestions) {
      part("demo").hidden = !demo;
      part("none").hidden = here.length > 0;
      if (isNewFor(part("here"), here)) part("here").replaceChildren(...here.map(modelRow));
      if (isNewFor(part("away"), away)) part("away").replaceChildren(...away.map(modelRow));
      if (isNewFor(part("suggestions"), suggestions))
        part("suggestions").replaceChildren(...suggestions.map(suggestedRow));
    }
    if (answered === undefined || answered < asked) return;
    say(part("notice"), reply.error || "");
    say(part("done"), reply.done || "");
    if (reply.offer) showOffer(reply.offer);
  };
}
