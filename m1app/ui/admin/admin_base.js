// What the Admin page's components share: making elements, and saying what went wrong. Every text is set as text.
const setText = (where, text) => {
  if (where.textContent !== text) where.textContent = text;
};
const say = (name, text) => {
  setText(q(name), text || "");
  q(name).hidden = !text;
};
// A button that asks before it acts: the first press changes its words, the second acts.
function askTwice(made, sure, act) {
  const text = made.textContent;
  let timer = 0;
  const calm = () => {
    clearTimeout(timer);
    timer = 0;
    made.textContent = text;
    delete made.dataset.sure;
  };
  made.addEventListener("click", () => {
    if (timer) {
      calm();
      act();
      return;
    }
    made.textContent = sure;
    made.dataset.sure = "";
    timer = setTimeout(calm, 6000);
  });
  made.addEventListener("blur", () => timer && calm());
  return made;
}
const facts = (where, pairs) => {
  const text = JSON.stringify(pairs);
  if (where.dataset.shown === text) return;
  where.dataset.shown = text;
  where.replaceChildren(...pairs.flatMap(([name, value]) => [node("dt", "", name), node("dd", "", value)]));
};
async function copyText(text, made) {
  const before = made.textContent;
  try {
    await navigator.clipboard.writeText(text);
    made.textContent = "Copied";
  } catch {
    made.textContent = "Select it and press Ctrl+C";
  }
  setTimeout(() => (made.textContent = before), 1500);
}
