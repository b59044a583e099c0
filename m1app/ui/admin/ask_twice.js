// A button that asks before it acts.

/**
 * The first press changes the button's words, the second acts. It asks until the focus leaves it, however long that
 * takes: slow readers and slow machines have the same choice.
 * @param {HTMLElement} made
 * @param {string} sure
 * @param {() => void} act
 */
export function askTwice(made, sure, act) {
  const text = made.textContent;
  let isAsking = false;
  const calm = () => {
    if (!isAsking) return;
    isAsking = false;
    made.textContent = text;
    delete made.dataset.sure;
  };
  made.addEventListener("click", () => {
    if (isAsking) {
      calm();
      act();
      return;
    }
    isAsking = true;
    made.textContent = sure;
    made.dataset.sure = "";
    made.focus(); // Safari does not focus a button that is clicked.
  });
  made.addEventListener("blur", calm);
}

export const COPY_FAILED = "Select it and press Ctrl+C";
