/**
 * Makes an element like another, keeping whatever is the same in both: a selection, the focus, a picture that is loaded.
 * The other one's nodes are used up.
 * @param {Element} old
 * @param {Element} fresh
 */
export function morph(old, fresh) {
  for (const { name } of [...old.attributes]) if (!fresh.hasAttribute(name)) old.removeAttribute(name);
  for (const { name, value } of fresh.attributes) if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  const before = [...old.childNodes];
  const after = [...fresh.childNodes];
  trim(before, after, 0);
  const kept = trim(before, after, -1);
  const next = old.childNodes[old.childNodes.length - kept] ?? null;
  if (before.length === after.length && before.every((node, at) => node.nodeName === after[at]?.nodeName)) {
    before.forEach((node, at) => become(node, /** @type {ChildNode} */ (after[at])));
    return;
  }
  for (const node of before) node.remove();
  for (const node of after) old.insertBefore(node, next);
}

/**
 * @param {ChildNode} old
 * @param {ChildNode} fresh
 */
function become(old, fresh) {
  if (isSame(old, fresh)) return;
  if (old instanceof Element && fresh instanceof Element) morph(old, fresh);
  else old.nodeValue = fresh.nodeValue;
}

/**
 * Leaves out what both begin with (`end` 0) or end with (-1).
 * @param {ChildNode[]} before
 * @param {ChildNode[]} after
 * @param {0 | -1} end
 * @returns {number} how many nodes that were
 */
function trim(before, after, end) {
  for (let count = 0; ; count += 1) {
    const [one, other] = [before.at(end), after.at(end)];
    if (!one || !other || !isSame(one, other)) return count;
    before.splice(end, 1);
    after.splice(end, 1);
  }
}

/**
 * A time is the same however it is put into words.
 * @param {ChildNode} one
 * @param {ChildNode} other
 */
function isSame(one, other) {
  if (one instanceof HTMLTimeElement && other instanceof HTMLTimeElement) return one.dateTime === other.dateTime;
  return one.isEqualNode(other);
}
