// Loads data by adding scripts: the only way to more data that browsers allow a page from a folder.

/** @type {Map<string, (value: any) => void>} */
const waiting = new Map();
/** @type {Map<string, Promise<any>>} */
const kept = new Map();
const MOST_KEPT = 60;

/** Lets the scripts of data hand over what they have. */
export function takeData() {
  Object.defineProperty(globalThis, "m1Data", {
    /** @type {(name: string, value: any) => void} */
    value: (name, value) => waiting.get(name)?.(value),
  });
}

/**
 * A piece of data by name; the last ones that were asked for are kept.
 * @param {string} name
 * @returns {Promise<any>}
 */
export function load(name) {
  const known = kept.get(name);
  kept.delete(name);
  const loading = known ?? added(`data/${name}.js`, name);
  kept.set(name, loading);
  loading.catch(() => kept.delete(name));
  for (const oldest of kept.keys()) {
    if (kept.size <= MOST_KEPT) break;
    kept.delete(oldest);
  }
  return loading;
}

/**
 * Runs a script; resolves with what it hands over under a name, or at its end if none is given.
 * @param {string} address
 * @param {string} [name]
 * @returns {Promise<any>}
 */
export function added(address, name) {
  return new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = address;
    script.charset = "utf-8";
    if (name !== undefined) waiting.set(name, resolve);
    const end = () => {
      script.remove();
      if (name !== undefined) waiting.delete(name);
    };
    script.addEventListener("load", () => {
      end();
      if (name === undefined) resolve(null);
      else reject(new Error(`${address} does not have the expected content. Publish the site again.`));
    });
    script.addEventListener("error", () => {
      end();
      reject(new Error(`${address} could not be loaded. Is the folder complete?`));
    });
    document.head.append(script);
  });
}
