// The words of a search, made in the same way as those of the questions: see search_words.py.

const MOST_CHARACTERS = 40;
const LEAST_OF_ID = 8;

/** @param {string} text */
export function wordsOf(text) {
  const plain = text.normalize("NFKD").toLowerCase().replace(/\p{M}/gu, "");
  return (plain.match(/[\p{L}\p{N}]+/gu) ?? []).map((word) => [...word].slice(0, MOST_CHARACTERS).join(""));
}

/**
 * The file that has a word.
 * @param {string} word
 * @param {number} count How many files there are.
 */
export function shardOf(word, count) {
  const [first, second] = [...word].map((letter) => letter.codePointAt(0) ?? 0);
  return (first * 31 + (second ?? 0)) % count;
}

/** @typedef {[word: string, differences: number[]][]} Shard */

/**
 * The questions that have a word, or one that begins with it.
 * @param {Shard} shard
 * @param {string} word
 * @param {boolean} isPrefix
 * @returns {Set<number>}
 */
export function questionsWith(shard, word, isPrefix) {
  /** @type {Set<number>} */
  const found = new Set();
  for (const [each, differences] of shard) {
    if (each !== word && !(isPrefix && isBegunBy(each, word))) continue;
    let number = 0;
    for (const step of differences) {
      number += step;
      found.add(number);
    }
  }
  return found;
}

/**
 * Whether a word begins with what was typed; an id only with several of its characters, or many would with any number.
 * @param {string} word
 * @param {string} typed
 */
function isBegunBy(word, typed) {
  const isId = /^[0-9a-f]{32}$/.test(word);
  return word.startsWith(typed) && (!isId || typed.length >= LEAST_OF_ID);
}

/**
 * What the last word of a search stands for: the beginning of one while it is typed, the word after a space. A single
 * character is always a word: those that begin with it are spread over many files.
 * @param {string} text
 * @param {string} word
 */
export function isBeginning(text, word) {
  return word.length > 1 && !/\s$/.test(text);
}
