// A button that asks before it acts.

const SURE_MS = 6000;

/**
 * The first press changes the button's words, the second acts.
 * @param {HTMLElement} made
 * @param {string} sure
 * @param {() => void} act
 */
export function askTwice(made, sure, act) {
  const text = made.textContent;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  const calm = () => {
    clearTimeout(timer);
    timer = undefined;
    made.textContent = text;
    delete made.dataset.sure;
  };
  made.addEventListener("click", () => {
    if (timer !== undefined) {
      calm();
      act();
      return;
    }
    made.textContent = sure;
    made.dataset.sure = "";
    timer = setTimeout(calm, SURE_MS);
  });
  made.addEventListener("blur", () => timer !== undefined && calm());
}

export const COPY_FAILED = "Select it and press Ctrl+C";
