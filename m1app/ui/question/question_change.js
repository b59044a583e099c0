// How a question changed: an edit, or another question in its place. Nothing here touches the page.

/** @typedef {[question: string, options: string, target: string]} Boxes What the three boxes hold. */

const SAME_WHOLE = 0.8;
const SAME_PART = 1 / 3;
const BULK_CHARACTERS = 40;

/** @param {string} text */
const wordsOf = (text) => new Set(text.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? []);

/**
 * The share of the words of `before` that are still in `now`.
 * @param {string} before
 * @param {string} now
 */
function keptShare(before, now) {
  const [old, left] = [wordsOf(before), wordsOf(now)];
  if (!old.size) return 1;
  return [...old].filter((word) => left.has(word)).length / old.size;
}

/**
 * Whether another question has taken the place of one: then the other boxes belong to the old one.
 * @param {string} before The last question in the box.
 * @param {string} now
 * @param {boolean} isWhole Whether all of the old text was selected, or removed before.
 */
export function isReplaced(before, now, isWhole) {
  if (!before.trim() || !now.trim() || now.length < 2) return false;
  if (!isWhole && before.startsWith(now)) return false;
  return keptShare(before, now) < (isWhole ? SAME_WHOLE : SAME_PART);
}

/**
 * Whether so much came at once that it was pasted or dropped, not typed.
 * @param {string} before
 * @param {string} now
 */
export function isBulk(before, now) {
  return (
    now.length - before.length >= BULK_CHARACTERS || (isReplaced(before, now, true) && now.length >= BULK_CHARACTERS)
  );
}

/**
 * The first words of a question, to name it by.
 * @param {string} question
 */
export function firstWords(question) {
  const words = question.slice(0, 200).trim().split(/\s+/);
  const shown = words.slice(0, 8).join(" ").slice(0, 60);
  return shown.length < question.trim().length ? `${shown} …` : shown;
}

/**
 * Whether two contents of the boxes are the same question, with its options moved to their box or not.
 * @param {Boxes} one
 * @param {Boxes} other
 */
export function isSame(one, other) {
  const isEqual = one.every((text, i) => text.trim() === other[i]?.trim());
  return isEqual || isWholeOf(one, other) || isWholeOf(other, one);
}

/**
 * @param {Boxes} whole With the options in the question's box.
 * @param {Boxes} split With the options in theirs.
 */
function isWholeOf(whole, split) {
  return !whole[1].trim() && split[1].trim() !== "" && whole[0].trim().startsWith(split[0].trim());
}
