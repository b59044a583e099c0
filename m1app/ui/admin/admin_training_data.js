// Training data: a list, a card as plain text, a form that previews and builds. A file goes to a route of its own.
const form = q("form");
let asked = 0;
let chosen = "";

function ask(action, values) {
  asked += 1;
  say("notice", "");
  trigger("ask", { number: asked, action, ...values });
}
const time = (text) => new Date(text).toLocaleString([], { year: "numeric", month: "short", day: "numeric", hour: "2-digit", minute: "2-digit" });

function paintList(value) {
  const focused = element.contains(document.activeElement) && document.activeElement.closest("tr[data-id]")?.dataset.id;
  const rows = value.rows.map((each) => {
    const row = node("tr");
    row.dataset.id = each.id;
    row.classList.toggle("is-chosen", each.id === chosen);
    const name = node("td", "m1-stem");
    const open = node("button", "m1-row-button", each.id);
    open.type = "button";
    name.append(open);
    row.append(name, node("td", "m1-number", each.samples.toLocaleString("en-US")), node("td", "m1-number m1-quiet-cell", time(each.created)));
    return row;
  });
  q("rows").replaceChildren(...rows);
  if (focused) [...q("rows").children].find((row) => row.dataset.id === focused)?.querySelector("button").focus({ preventScroll: true });
  q("table").hidden = !rows.length;
  say("empty", rows.length ? "" : "No data set yet. Build one from a file of reasoning traces, from own right answers, or from corrections.");
  if (!rows.length) q("build-box").open = true;
  const known = [...form.elements.run.options].map((option) => option.value);
  value.runs.filter(([id]) => !known.includes(id)).forEach(([id, label]) => form.elements.run.add(new Option(label, id)));
}
function paintReport(report) {
  q("report").replaceChildren(node("p", "m1-good", report.headline), ...report.notes.map((text) => node("p", "", text)), ...report.steps.map(stepNode));
}
function paintCard(card) {
  chosen = card?.id || "";
  q("card").hidden = !card;
  q("none").hidden = Boolean(card);
  [...q("rows").children].forEach((row) => row.classList.toggle("is-chosen", row.dataset.id === chosen));
  if (!card) return;
  setText(q("name"), card.id);
  setText(q("text"), card.text);
  q("text").scrollTop = 0;
}
function busy(text) {
  say("busy", text);
  form.querySelectorAll("button").forEach((each) => (each.disabled = Boolean(text)));
}
function take(reply) {
  if (reply.error) say("notice", reply.error);
  if (reply.report) paintReport(reply.report);
  if (reply.card) paintCard(reply.card);
  if (reply.deleted && reply.deleted === chosen) paintCard(null);
}
function show() {
  const value = props.value || {};
  if (value.rows) paintList(value);
  if (value.number === undefined || value.number < asked) return;
  busy("");
  take(value.reply || {});
}

const whole = (name) => form.elements[name].value.trim().replaceAll(",", "") || null;
function wanted(isPreview) {
  const fields = form.elements;
  return {
    name: fields.name.value.trim(),
    is_preview: isPreview,
    hub: fields.hub.value.trim(),
    with_own_traces: fields.with_own_traces.checked,
    with_corrections: fields.with_corrections.checked,
    plan: {
      deduplicate: fields.deduplicate.checked,
      overlap_ngram: fields.overlap.checked ? 8 : 0,
      verified_only: fields.verified_only.checked,
      balance: fields.balance.value,
      limit: whole("limit"),
      max_tokens: whole("max_tokens"),
      min_reasoning_characters: whole("min_reasoning") ?? "0",
      seed: whole("seed") ?? "0",
      exclude_answered_by_run: fields.run.value,
    },
  };
}
function make(isPreview) {
  say("notice", "");
  q("report").replaceChildren();
  const [file] = form.elements.file.files;
  if (file) {
    return upload("training-data", file, { form: JSON.stringify(wanted(isPreview)) }, (reply) => {
      take(reply);
      if (reply.built) ask("list", { built: reply.built });
    });
  }
  ask("make", { form: wanted(isPreview) });
  busy(isPreview ? "Looking at the samples…" : "Building…");
}
form.addEventListener("submit", (event) => {
  event.preventDefault();
  make(false);
});
q("preview").addEventListener("click", () => make(true));
q("rows").addEventListener("click", (event) => {
  const row = event.target.closest("tr[data-id]");
  if (row) ask("card", { id: row.dataset.id });
});
askTwice(q("delete"), "Delete this version?", () => ask("delete", { id: chosen }));
watch("value", show);
show();
