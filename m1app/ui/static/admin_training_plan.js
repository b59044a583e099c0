// Below the form: the equal command line, and what a plan found. Samples are foreign text and set as text.
function sampleNode(sample, place, all) {
  const box = node("details", "m1-details m1-sample");
  box.open = place === 0;
  box.append(node("summary", "", `Sample ${place + 1} of ${all.length}, ${sample.tokens}`));
  const prompt = node("div", "m1-sample-prompt");
  prompt.append(node("span", "m1-part-name", "prompt, not trained on"), node("pre", "", sample.prompt));
  const trained = node("div", "m1-sample-trained");
  trained.append(node("span", "m1-part-name", "trained on"));
  sample.parts.forEach(([kind, name, text]) => {
    const part = node("div", "m1-part");
    part.dataset.kind = kind;
    part.append(node("span", "m1-part-name", name), node("pre", "", text));
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
