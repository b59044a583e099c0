// Shows one trace: status, thinking and answer as they stream, then the verdict. Everything that a model wrote is
// set as text, never as HTML. Only what is new is added to the page, a paragraph per line, so that long traces stay
// smooth; nothing above the end moves.
const number = (value) => (value === null || value === undefined ? "–" : Number(value).toLocaleString("en-US"));

class Stream {
  constructor(pane) {
    this.pane = pane;
    this.clear();
  }
  clear() {
    this.shown = [];
    this.pane.replaceChildren();
    this.last = null;
  }
  // segments: [{kind, text}]; kinds other than "think" and "answer" stand out as markers.
  show(segments) {
    const isContinuation =
      segments.length >= this.shown.length &&
      this.shown.every((old, i) => segments[i].kind === old.kind && segments[i].text.startsWith(old.text));
    if (!isContinuation) this.clear();
    const atEnd = this.pane.scrollHeight - this.pane.scrollTop - this.pane.clientHeight < 48;
    segments.forEach((segment, i) => {
      const before = this.shown[i] ? this.shown[i].text : null;
      if (before === null) this.open(segment.kind);
      if (segment.text.length > (before || "").length) this.append(segment.text.slice((before || "").length));
    });
    this.shown = segments.map(({ kind, text }) => ({ kind, text }));
    if (atEnd && isContinuation && segments.length) this.pane.scrollTop = this.pane.scrollHeight;
  }
  open(kind) {
    this.isInline = kind === "wait" || kind === "lead";
    if (this.isInline) {
      if (!this.last || kind === "wait") this.paragraph();
      const mark = node("span", `m1-${kind}`);
      if (kind === "wait") mark.title = "Inserted to force another round of thinking";
      this.last.append(mark);
      this.target = mark;
      return;
    }
    if (!this.last) this.paragraph();
    this.target = this.last;
  }
  paragraph() {
    this.last = node("p");
    this.pane.append(this.last);
    this.target = this.last;
  }
  append(text) {
    text.split("\n").forEach((line, i) => {
      if (i > 0 && !this.isInline) this.paragraph();
      else if (i > 0) this.target.append("\n");
      if (!line) return;
      const end = this.target.lastChild;
      if (end && end.nodeType === Node.TEXT_NODE) end.appendData(line);
      else this.target.append(line);
    });
  }
}

const thinking = new Stream(q("thinking"));
const answer = new Stream(q("answer"));
let shownId = null;

function showStatus(value) {
  const state = q("state");
  state.textContent = value.state_label || "";
  state.dataset.state = value.state || "";
  const meter = q("meter");
  const share = value.budget ? Math.min(1, value.used / value.budget) : 0;
  meter.style.setProperty("--share", share);
  meter.setAttribute("aria-valuenow", Math.round(share * 100));
  q("used").textContent = value.id ? `${number(value.used)} of ${number(value.budget)} tokens` : "";
  q("rounds").textContent = value.id ? `${value.rounds_used} of ${value.rounds} forced rounds` : "";
  q("rate").textContent = value.rate ? `${value.rate.toFixed(1)} tokens/s` : "";
  q("first").textContent = value.first_token_seconds == null ? "" : `first token ${value.first_token_seconds.toFixed(2)} s`;
  q("cost").textContent = value.id ? `${number(value.generated)} generated` : "";
  const notice = q("notice");
  notice.textContent = value.notice || "";
  notice.hidden = !value.notice;
}

function showOptions(list, options) {
  list.replaceChildren();
  options.forEach((option) => {
    const row = node("li", "m1-option");
    if (option.is_chosen) row.classList.add("is-chosen");
    if (option.is_target) row.classList.add("is-target");
    row.append(node("span", "m1-letter", option.letter), node("span", "m1-option-text", option.text));
    const tags = [option.is_chosen ? "chosen" : "", option.is_target ? "target" : ""].filter(Boolean).join(", ");
    row.append(node("span", "m1-tags", tags));
    if (option.probability !== null) {
      const bar = node("span", "m1-bar");
      bar.style.setProperty("--share", option.probability);
      row.append(bar, node("span", "m1-percent", `${(option.probability * 100).toFixed(1)}%`));
    }
    list.append(row);
  });
}

function showResult(value) {
  const result = value.result;
  q("result").hidden = !result;
  if (!result) return;
  const verdict = q("verdict");
  verdict.textContent = result.verdict_label;
  verdict.dataset.verdict = result.verdict;
  q("finish").textContent = result.finish;
  showOptions(q("options"), result.options);
  q("other").textContent = result.other;
  const rows = result.segments.map((segment) => {
    const row = node("tr");
    row.append(
      node("td", "", segment.name),
      node("td", "m1-number", number(segment.tokens)),
      node("td", "m1-number", segment.seconds == null ? "" : segment.seconds.toFixed(1)),
      node("td", "", segment.ended),
    );
    return row;
  });
  q("segments").replaceChildren(...rows);
  q("details").replaceChildren(
    ...result.details.flatMap(([name, text]) => [node("dt", "", name), node("dd", "", text)]),
  );
}

function showLinks(value) {
  q("links").hidden = !value.id;
  if (!value.id) return;
  q("json").href = `/traces/${value.id}.json`;
  q("markdown").href = `/traces/${value.id}.md`;
  q("link").href = `/?trace=${value.id}`;
  q("compare").href = `/compare/?trace=${value.id}`;
  q("compare").hidden = !value.result;
  q("annotate").href = `/annotate/?case=${value.id}`;
  q("annotate").hidden = !value.result;
}

function show() {
  const value = props.value || {};
  element.classList.toggle("is-empty", !value.id);
  if (value.id !== shownId) {
    thinking.clear();
    answer.clear();
    shownId = value.id;
    const url = new URL(window.location.href);
    if (value.id && url.searchParams.get("trace") !== value.id) {
      url.search = `?trace=${value.id}`;
      window.history.pushState(null, "", url);
    }
  }
  showStatus(value);
  thinking.show(value.thinking || []);
  answer.show(value.answer || []);
  showResult(value);
  showLinks(value);
}

async function copy(button, text) {
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = "Copied";
  } catch {
    button.textContent = "Copy failed";
  }
  setTimeout(() => (button.textContent = button.dataset.label), 1500);
}

element.addEventListener("click", (event) => {
  const button = event.target.closest("button[data-copy]");
  if (!button) return;
  const text = (part) => ((props.value || {})[part] || []).map((segment) => segment.text).join("");
  if (button.dataset.copy === "link") copy(button, q("link").href);
  else copy(button, text(button.dataset.copy));
});

watch("value", show);
show();
