/** What this browser remembers. A browser that is told to remember nothing does without. */

/** @param {string} name */
export function remembered(name) {
  try {
    return localStorage.getItem(`live.${name}`) ?? "";
  } catch {
    return "";
  }
}

/**
 * @param {string} name
 * @param {string} value
 */
export function remember(name, value) {
  try {
    localStorage.setItem(`live.${name}`, value);
  } catch {
    // Private browsing, or the storage is full.
  }
}
