/** Where things are on the screen, and that what is read stays there. */

/** @typedef {import("./story.js").List} List */

/** Whether the reader would see something new at the top of the list. @param {List} list */
export function isInView(list) {
  const top = document.getElementById(list)?.getBoundingClientRect().top ?? 0;
  return top >= 0 && top < innerHeight;
}

/**
 * Changes the page, with what is read in its place. At the very top nothing is held there: news pushes in.
 * @param {() => void} change
 */
export function keepingPlace(change) {
  const anchors = scrollY > 0 ? reading().map((each) => ({ ...each, id: each.element.id })) : [];
  change();
  for (const { element, id, top } of anchors) {
    const again = element.isConnected ? element : id && document.getElementById(id);
    if (!again) continue;
    const moved = again.getBoundingClientRect().top - top;
    if (moved) scrollBy({ top: moved, behavior: "instant" });
    return;
  }
}

/** What stands at the top of the screen, from the inmost out: a paragraph, its update. */
function reading() {
  const found = [];
  for (let each = atTop(document.querySelectorAll("main article")); each; each = atTop(each.children)) {
    found.unshift({ element: each, top: each.getBoundingClientRect().top });
  }
  return found;
}

/** @param {ArrayLike<Element>} elements in the order of the page */
function atTop(elements) {
  return Array.from(elements).find((each) => each.getBoundingClientRect().bottom > 0);
}
