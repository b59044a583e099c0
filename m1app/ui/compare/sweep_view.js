// Says how a sweep stands: state, account, question, links. All texts are set as text.
const say = (name, text) => {
  if (q(name).textContent !== text) q(name).textContent = text || "";
  q(name).hidden = !text;
};
let shownId;

function showAddress(id) {
  const url = new URL(window.location.href);
  if (id && url.searchParams.get("sweep") !== id) {
    url.search = `?sweep=${id}`;
    window.history.pushState(null, "", url);
  }
  q("link").href = `/compare/?sweep=${id}`;
  q("json").href = `/sweeps/${id}.json`;
  q("csv").href = `/sweeps/${id}.csv`;
}

function showQuestion(value) {
  q("question").textContent = value.question || "";
  const options = (value.options || []).map((text) => {
    const item = document.createElement("li");
    const isTarget = value.target && text.startsWith(`${value.target}. `);
    item.textContent = isTarget ? `${text} (target)` : text;
    return item;
  });
  q("options").replaceChildren(...options);
}

function show() {
  const value = props.value || {};
  // A notice can come alone: what is shown of a sweep stays then.
  if (value.notice !== undefined) say("notice", value.notice);
  q("empty").hidden = Boolean(value.id || value.notice);
  q("sweep").hidden = !value.id && !value.notice;
  if (!value.id) return;
  if (value.id !== shownId) {
    shownId = value.id;
    showAddress(value.id);
    showQuestion(value);
  }
  q("state").textContent = value.state_label;
  q("state").dataset.state = value.state;
  say("answered", `${value.answered} of ${value.cells} cells answered`);
  say("account", value.account);
  say("sampling", value.sampling);
  const share = value.cells ? value.answered / value.cells : 0;
  q("meter").style.setProperty("--share", share);
  q("meter").setAttribute("aria-valuenow", Math.round(share * 100));
}

q("copy").addEventListener("click", async () => {
  try {
    await navigator.clipboard.writeText(q("link").href);
    q("copy").textContent = "Copied";
  } catch {
    q("copy").textContent = "Copy failed";
  }
  setTimeout(() => (q("copy").textContent = "Copy link"), 1500);
});
q("example").addEventListener("click", () => trigger("example", {}));
watch("value", show);
show();
