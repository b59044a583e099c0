// Positions in a text: code points outside the page, UTF-16 code units inside, like the browser; and the words that
// arrow keys move by.

/** @typedef {[start: number, end: number]} Span In UTF-16 code units. */

export class TextIndex {
  /** Positions of characters with two code units. @type {number[]} */
  #pairs = [];

  /** @param {string} text */
  constructor(text) {
    this.text = text;
    for (let i = 0; i < text.length; i += 1) {
      if ((text.codePointAt(i) ?? 0) > 0xffff) {
        this.#pairs.push(i);
        i += 1;
      }
    }
  }

  /**
   * The number of pairs for which `isBefore` holds; it must hold for a prefix of them.
   * @param {(place: number, number: number) => boolean} isBefore
   */
  #count(isBefore) {
    let [low, high] = [0, this.#pairs.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (isBefore(this.#pairs[middle], middle)) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** @param {number} units */
  points(units) {
    return units - this.#count((place) => place < units);
  }

  /** @param {number} points */
  units(points) {
    return points + this.#count((place, number) => place - number < points);
  }

  /**
   * The code points of a selection; it never ends within a character of two code units.
   * @param {Span} span
   * @returns {[start: number, end: number]}
   */
  pointsOf([start, end]) {
    const to = this.points(end);
    return [this.points(start), this.units(to) < end ? to + 1 : to];
  }
}

/**
 * The words of a text, without punctuation.
 * @param {string} text
 * @returns {Span[]}
 */
export function wordsOf(text) {
  const parts = new Intl.Segmenter(undefined, { granularity: "word" }).segment(text);
  return [...parts].flatMap(({ segment, index, isWordLike }) =>
    isWordLike ? [/** @type {Span} */ ([index, index + segment.length])] : [],
  );
}

const UNSPACED =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}]/u;

/**
 * A span that begins or ends within a word, widened to the whole of it; not in scripts without spaces, where the end of a
 * word is a guess.
 * @param {string} text
 * @param {Span[]} words Of the text.
 * @param {Span} span
 * @returns {Span}
 */
export function wholeWords(text, words, [start, end]) {
  const cut = (/** @type {number} */ at) =>
    words.find(([from, to]) => from < at && at < to && !UNSPACED.test(text.slice(from, to)));
  return [cut(start)?.[0] ?? start, cut(end)?.[1] ?? end];
}

/**
 * The sentences of a text, trimmed.
 * @param {string} text
 * @returns {Span[]}
 */
export function sentencesOf(text) {
  const parts = new Intl.Segmenter(undefined, { granularity: "sentence" }).segment(text);
  return [...parts].flatMap(({ segment, index }) => {
    const found = trimmed(text, [index, index + segment.length]);
    return found ? [found] : [];
  });
}

/**
 * The next or previous segment from a caret.
 * @param {Span[]} segments
 * @param {Span} caret
 * @param {boolean} isForward
 * @returns {Span | undefined}
 */
export function nextSegment(segments, [start, end], isForward) {
  return isForward ? segments.find(([from]) => from >= end) : segments.findLast(([, to]) => to <= start);
}

/**
 * Moves the end of a selection by one user-perceived character.
 * @param {string} text
 * @param {Span} span
 * @param {boolean} isForward
 * @returns {Span} Unchanged if the selection would become empty or at the end of the text.
 */
export function nudged(text, [start, end], isForward) {
  const near = isForward ? text.slice(end, end + 64) : text.slice(Math.max(start, end - 64), end);
  const characters = [...new Intl.Segmenter(undefined, { granularity: "grapheme" }).segment(near)];
  const one = (isForward ? characters[0] : characters.at(-1))?.segment.length ?? 0;
  const to = isForward ? end + one : end - one;
  return to > start ? [start, to] : [start, end];
}

/**
 * Trims whitespace from both ends of a span.
 * @param {string} text
 * @param {Span} span
 * @returns {Span | null} Null when nothing is left.
 */
export function trimmed(text, [start, end]) {
  let [from, to] = [start, end];
  while (from < to && /\s/.test(text[from])) from += 1;
  while (to > from && /\s/.test(text[to - 1])) to -= 1;
  return to > from ? [from, to] : null;
}
