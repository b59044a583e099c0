// Which columns are in the window or near it. Those are drawn, a few in each frame; the others are plain text, which the
// browser can search and need not lay out. So a page of hundreds of long columns opens and scrolls like one of a few.

/**
 * @typedef {object} Drawn Something that is drawn while it is near.
 * @property {HTMLElement} root
 * @property {() => void} draw
 * @property {() => boolean} rest Becomes plain text; false if somebody is using it.
 */

const NEAR = "50%";
const MOST_DRAWN = 48;
const FRAME_MS = 6;

export class Nearness {
  /** @type {Map<Element, Drawn>} */
  #watched = new Map();
  /** @type {Set<Drawn>} Near, and still to be drawn. */
  #due = new Set();
  /** @type {Set<Drawn>} Drawn, the one that came last at the end. */
  #drawn = new Set();
  /** @type {Set<Drawn>} */
  #near = new Set();
  #frame = 0;
  #observer;

  constructor() {
    // A column that a strip has scrolled away is near by the second margin only; older browsers draw it once it is seen.
    const margins = { rootMargin: NEAR, scrollMargin: NEAR };
    this.#observer = new IntersectionObserver((seen) => this.#see(seen), margins);
  }

  /** @param {Drawn} each */
  watch(each) {
    this.#watched.set(each.root, each);
    this.#observer.observe(each.root);
  }

  /** @param {Drawn} each */
  leave(each) {
    this.#observer.unobserve(each.root);
    this.#watched.delete(each.root);
    for (const group of [this.#due, this.#drawn, this.#near]) group.delete(each);
  }

  clear() {
    for (const each of [...this.#watched.values()]) this.leave(each);
  }

  end() {
    this.clear();
    this.#observer.disconnect();
    cancelAnimationFrame(this.#frame);
  }

  /** @param {IntersectionObserverEntry[]} seen */
  #see(seen) {
    for (const { target, isIntersecting } of seen) {
      const each = this.#watched.get(target);
      if (!each) continue;
      if (isIntersecting) {
        this.#near.add(each);
        if (!this.#drawn.has(each)) this.#due.add(each);
      } else {
        this.#near.delete(each);
        this.#due.delete(each);
      }
    }
    this.#frame ||= requestAnimationFrame(() => this.#work());
  }

  #work() {
    this.#frame = 0;
    const began = performance.now();
    for (const each of this.#due) {
      this.#due.delete(each);
      each.draw();
      this.#drawn.add(each);
      if (performance.now() - began > FRAME_MS) break;
    }
    this.#restSome();
    if (this.#due.size) this.#frame = requestAnimationFrame(() => this.#work());
  }

  #restSome() {
    for (const each of this.#drawn) {
      if (this.#drawn.size <= MOST_DRAWN) return;
      if (!this.#near.has(each) && each.rest()) this.#drawn.delete(each);
    }
  }
}
