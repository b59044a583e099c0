// Question sets: a list, imports from a file and from the hub, a preview. Files go to a route of their own.
let asked = 0;
let chosen = null;

function ask(action, values) {
  asked += 1;
  say("notice", "");
  trigger("ask", { number: asked, action, ...values });
}
const preview = (changes) => ask("preview", { id: chosen.id, text: chosen.text || "", offset: 0, ...changes });

function paintList(value) {
  const rows = value.rows.map((each) => {
    const row = node("tr");
    row.dataset.set = each.id;
    row.classList.toggle("is-chosen", each.id === chosen?.id);
    const name = node("td", "m1-stem");
    const open = node("button", "m1-row-button", each.name);
    open.type = "button";
    name.append(open);
    const from = node("td", "m1-quiet-cell m1-from", each.source);
    row.append(name, node("td", "m1-number", each.questions.toLocaleString("en-US")), node("td", "", each.layout), from);
    return row;
  });
  const focused = element.contains(document.activeElement) && document.activeElement.closest("tr[data-set]")?.dataset.set;
  q("rows").replaceChildren(...rows);
  if (focused) q("rows").querySelector(`tr[data-set="${focused}"] button`)?.focus({ preventScroll: true });
  q("table").hidden = !rows.length;
  q("overlap-box").hidden = !rows.length;
  q("overlaps").hidden = rows.length < 2;
  say("empty", rows.length ? "" : "No question set yet. Import a file of multiple-choice questions to begin.");
  element.querySelectorAll("select[name=layout]").forEach((select) => {
    if (select.options.length > 1) return;
    value.layouts.forEach(([id, label]) => select.add(new Option(label, id)));
  });
}
function overlapNodes(overlaps) {
  return overlaps.map((overlap) => {
    const box = node("details", "m1-details m1-overlap");
    box.append(node("summary", "", overlap.text));
    const list = node("ul");
    overlap.pairs.forEach(([first, second, share]) => {
      const item = node("li");
      item.append(node("b", "m1-number", share), node("p", "", first), node("p", "", second));
      list.append(item);
    });
    box.append(list);
    return box;
  });
}
function paintOverlaps(overlaps, nothing) {
  const found = overlapNodes(overlaps);
  q("overlap-report").replaceChildren(...(found.length ? found : [node("p", "m1-quiet", nothing)]));
}
function paintReport(report) {
  const lines = report.imported.map((each) => node("p", "m1-good", `${each.name}: ${each.questions.toLocaleString("en-US")} questions imported.`));
  q("report").replaceChildren(...lines, ...report.notes.map((text) => node("p", "", text)), ...overlapNodes(report.overlaps));
}
function questionNode(question) {
  const item = node("li");
  item.append(node("p", "", question.stem));
  const options = node("ul", "m1-options-list");
  question.options.forEach(([letter, text]) => {
    const option = node("li", "", `${letter}. ${text}`);
    if (letter === question.target) {
      option.className = "is-target";
      option.append(node("span", "m1-quiet-cell", " target"));
    }
    options.append(option);
  });
  item.append(options);
  return item;
}
function paintPreview(value) {
  chosen = value;
  q("set").hidden = !value;
  q("none").hidden = Boolean(value);
  element.querySelectorAll("tr[data-set]").forEach((row) => row.classList.toggle("is-chosen", row.dataset.set === value?.id));
  if (!value) return;
  setText(q("name"), value.name);
  facts(q("facts"), value.facts);
  if (document.activeElement !== q("search")) q("search").value = value.text;
  q("questions").start = value.offset + 1;
  q("questions").replaceChildren(...value.questions.map(questionNode));
  say("no-questions", value.empty);
  q("back").hidden = value.offset === 0;
  q("on").hidden = !value.has_more;
}
function busy(text) {
  say("busy", text);
  element.querySelectorAll(".m1-import button").forEach((each) => (each.disabled = Boolean(text)));
}
function show() {
  const value = props.value || {};
  if (value.rows) paintList(value);
  const reply = value.reply || {};
  if (value.number === undefined || value.number < asked) return;
  busy("");
  if (reply.error) say("notice", reply.error);
  if (reply.report) paintReport(reply.report);
  if (reply.preview) paintPreview(reply.preview);
  if (reply.deleted && reply.deleted === chosen?.id) paintPreview(null);
  if (reply.overlaps) paintOverlaps(reply.overlaps, "No two sets share a question.");
}

q("file-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const { file, name, layout } = event.target.elements;
  say("notice", "");
  q("report").replaceChildren();
  upload("question-sets", file.files[0], { name: name.value, layout: layout.value }, (report) => {
    paintReport(report);
    q("file-form").reset();
    ask("list");
  });
});
q("training-form").addEventListener("submit", (event) => {
  event.preventDefault();
  say("notice", "");
  const [file] = event.target.elements.file.files;
  upload("overlaps", file, {}, (found) => paintOverlaps(found.overlaps, `No set shares a question with ${file.name}, and no two sets do.`));
});
q("hub-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const values = Object.fromEntries(new FormData(event.target));
  q("report").replaceChildren();
  ask("hub", values);
  busy(`Fetching ${values.repo}…`);
});
q("rows").addEventListener("click", (event) => {
  const row = event.target.closest("tr[data-set]");
  if (row) ask("preview", { id: row.dataset.set, text: "", offset: 0 });
});
let typing = 0;
q("search").addEventListener("input", (event) => {
  clearTimeout(typing);
  typing = setTimeout(() => preview({ text: event.target.value }), 250);
});
q("back").addEventListener("click", () => preview({ offset: Math.max(0, chosen.offset - chosen.page) }));
q("on").addEventListener("click", () => preview({ offset: chosen.offset + chosen.page }));
q("overlaps").addEventListener("click", () => {
  ask("overlaps");
  busy("Comparing every question with every other…");
});
askTwice(q("delete"), "Delete this set?", () => ask("delete", { id: chosen.id }));
watch("value", show);
show();
