// Below the form: the equal command line, and what a plan found. Samples are foreign text and set as text.
const partHead = (name, tokens) => [node("span", "m1-part-name", name), node("span", "m1-quiet-cell", tokens ? ` ${tokens}` : "")];
function sampleNode(sample, place, all) {
  const box = node("details", "m1-details m1-sample");
  box.open = place === 0;
  box.append(node("summary", "", `Sample ${place + 1} of ${all.length}, ${sample.tokens}`));
  const prompt = node("div", "m1-sample-prompt");
  prompt.append(...partHead("prompt, not trained on", sample.prompt_tokens), node("pre", "", sample.prompt));
  const trained = node("div", sample.is_left_out ? "m1-sample-prompt" : "m1-sample-trained");
  trained.append(node("span", "m1-part-name", sample.is_left_out ? "left out, not trained on" : "trained on"));
  sample.parts.forEach(([kind, name, text, tokens]) => {
    const part = node("div", "m1-part");
    if (!sample.is_left_out) part.dataset.kind = kind; // Colour is for what is trained on.
    part.append(...partHead(name, tokens), node("pre", "", text));
    trained.append(part);
  });
  box.append(prompt, trained);
  return box;
}
function show() {
  const value = props.value || {};
  say("command", value.command);
  q("copy").hidden = !value.command;
  say("hint", value.hint);
  const plan = value.plan;
  q("plan").hidden = !plan;
  if (!plan) return;
  facts(q("facts"), plan.facts);
  q("notes").replaceChildren(...plan.notes.map((text) => node("li", "", text)));
  q("steps").replaceChildren(...plan.steps.map(stepNode));
  q("samples").replaceChildren(...plan.samples.map(sampleNode));
}
q("copy").addEventListener("click", () => copyText(q("command").textContent, q("copy")));
watch("value", show);
show();
