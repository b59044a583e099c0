// The profiles of this installation: made from a chat template, edited, previewed as tokens, saved and removed.
import { all, button, isNewFor, node, option, partsOf, say, setText } from "../shell/elements.js";
import { askTwice } from "./ask_twice.js";
import { labelled } from "./cells.js";
import { visible } from "./token_text.js";

/**
 * @typedef {object} OwnProfile
 * @property {string} name
 * @property {string} id With its digest, as traces keep it.
 * @property {string} title
 * @property {string[]} models Patterns and hints.
 */

/**
 * @typedef {object} Source
 * @property {string} id
 * @property {string} title
 * @property {boolean} running
 */

/**
 * @typedef {object} PreviewPart
 * @property {string} title
 * @property {string} text
 * @property {{ id: number, text: string, special: boolean }[]} tokens
 */

/**
 * @typedef {object} ProfileReply
 * @property {string} [error]
 * @property {string} [done]
 * @property {string} [saved] Name of the profile that was saved.
 * @property {Record<string, string>} [form] A profile to edit.
 * @property {string} [replaces] Name of the profile that is edited; empty for a new one.
 * @property {string} [model] The model that a proposal was made from.
 * @property {string[]} [notes]
 * @property {{ parts: PreviewPart[], notes: string[] }} [preview]
 */

/**
 * @typedef {object} ProfilesValue
 * @property {OwnProfile[]} [rows]
 * @property {Source[]} [sources]
 * @property {string} [broken] Why nothing can be shown.
 * @property {number} [number] Number of the request that this answers.
 * @property {ProfileReply} [reply]
 */

/** @param {PreviewPart} part */
function previewPart(part) {
  const shown = node("div", "m1-tokens");
  shown.setAttribute("aria-label", part.title);
  if (!part.tokens.length) shown.append(node("pre", "m1-command", part.text));
  for (const each of part.tokens) {
    const token = node("span", each.special ? "m1-token is-special" : "m1-token");
    token.title = each.special ? `Token ${each.id}, a delimiter` : `Token ${each.id}`;
    token.append(
      node("span", "m1-token-text", visible(each.text) || "∅"),
      node("span", "m1-token-id", String(each.id)),
    );
    shown.append(token);
  }
  const count = part.tokens.length ? `${part.title} (${part.tokens.length} tokens)` : part.title;
  const whole = node("div");
  whole.append(node("h4", "", count), shown);
  return whole;
}

/** @param {import("../shell/elements.js").Host} host */
export function mount({ element, trigger }) {
  const part = partsOf(element);
  const form = part("form", HTMLFormElement);
  const model = part("model", HTMLSelectElement);
  let asked = 0;
  let replaces = "";
  let previewed = "";
  const ask = (/** @type {string} */ action, /** @type {Record<string, unknown>} */ values, said = "") => {
    asked += 1;
    say(part("notice"), "");
    say(part("problem"), "");
    say(part("done"), said);
    trigger("ask", { number: asked, action, ...values });
  };
  const inputs = () => [...all(form, "input", HTMLInputElement), ...all(form, "textarea", HTMLTextAreaElement)];
  const filled = () => {
    const fields = Object.fromEntries(inputs().map((each) => [each.name, each.value]));
    return { fields, name: fields.name, replaces, model: previewed };
  };

  /** @param {OwnProfile} profile */
  function profileRow(profile) {
    const row = node("tr");
    row.dataset.profile = profile.name;
    const name = node("td", "m1-model-name", profile.name);
    name.append(node("div", "m1-quiet-cell", `${profile.title} · ${profile.id}`));
    const actions = node("td", "m1-account-actions");
    const remove = button("Remove", () => {}, `Remove ${profile.name}`);
    remove.classList.add("m1-danger");
    askTwice(remove, "Remove it?", () => ask("remove", { name: profile.name }));
    actions.append(
      button("Edit", () => ask("edit", { name: profile.name }), `Edit ${profile.name}`),
      remove,
    );
    const models = node("td", "m1-quiet-cell", profile.models.join(", ") || "chosen by hand");
    row.append(name, labelled("Models", models), actions);
    return row;
  }

  /** @param {Source[]} sources */
  function showSources(sources) {
    const chosen = model.value;
    const named = (/** @type {Source} */ each) => (each.running ? `${each.title} (running)` : each.title);
    model.replaceChildren(option("", "None"), ...sources.map((each) => option(each.id, named(each))));
    model.value = sources.some((each) => each.id === chosen) ? chosen : (sources[0]?.id ?? "");
  }

  /** @param {ProfileReply} reply */
  function showForm({ form: fields = {}, replaces: named = "", notes = [] }) {
    replaces = named;
    for (const each of inputs()) each.value = fields[each.name] ?? "";
    const name = inputs().find((each) => each.name === "name");
    if (name) name.readOnly = Boolean(named);
    setText(part("editing"), named ? `Edit ${named}` : "Proposal");
    part("notes").replaceChildren(...notes.map((note) => node("li", "", note)));
    part("edit").hidden = false;
    part("shown").hidden = true;
    part("edit").scrollIntoView({ block: "nearest" });
  }

  /** @param {{ parts: PreviewPart[], notes: string[] }} preview */
  function showPreview(preview) {
    part("shown").hidden = false;
    const isTokens = preview.parts.some((each) => each.tokens.length > 0);
    setText(part("preview-title"), isTokens ? `Preview, as tokens of ${previewed || model.value}` : "Preview");
    part("warnings").replaceChildren(...preview.notes.map((note) => node("li", "", note)));
    part("parts").replaceChildren(...preview.parts.map(previewPart));
  }

  // What was chosen last is what is read.
  const place = part("place", HTMLInputElement);
  const template = part("template", HTMLTextAreaElement);
  model.addEventListener("change", () => {
    place.value = "";
    template.value = "";
  });
  place.addEventListener("input", () => {
    template.value = "";
  });
  template.addEventListener("input", () => {
    place.value = "";
  });
  part("source").addEventListener("submit", (event) => {
    event.preventDefault();
    ask("propose", { model: model.value, place: place.value, template: template.value }, "Reading the template…");
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    ask("save", filled());
  });
  part("preview").addEventListener("click", () => ask("preview", { ...filled(), model: previewed || model.value }));
  part("cancel").addEventListener("click", () => {
    part("edit").hidden = true;
  });

  return (/** @type {ProfilesValue} */ { rows, sources, broken, number: answered, reply = {} }) => {
    if (broken) say(part("notice"), broken);
    if (rows) {
      part("table").hidden = !rows.length;
      part("none").hidden = rows.length > 0;
      if (isNewFor(part("rows"), rows)) part("rows").replaceChildren(...rows.map(profileRow));
    }
    if (sources && isNewFor(model, sources)) showSources(sources);
    if (answered === undefined || answered < asked) return;
    say(part("done"), reply.done || "");
    say(part(part("edit").hidden ? "notice" : "problem"), reply.error || "");
    if (reply.form) {
      previewed = reply.model || "";
      showForm(reply);
      ask("preview", { ...filled(), model: previewed || model.value });
    }
    if (reply.preview) showPreview(reply.preview);
    if (reply.saved) part("edit").hidden = true;
  };
}
