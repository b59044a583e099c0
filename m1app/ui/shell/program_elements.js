// Stands before the code of every component: making elements. Every text is set as text, never as HTML.
const q = (name) => element.querySelector(`[data-part="${name}"]`);
const node = (tag, className, text) => {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
};
const button = (text, act, label) => {
  const made = node("button", "m1-plain-button", text);
  made.type = "button";
  made.addEventListener("click", act);
  if (label) made.setAttribute("aria-label", label);
  return made;
};
