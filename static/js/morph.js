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
  for (const [number, like] of after.entries()) {
    const at = partner(like, before, after.slice(number + 1));
    for (const node of before.splice(0, Math.max(at, 0))) node.remove();
    const node = at < 0 ? null : before.shift();
    if (node) become(node, like);
    else old.insertBefore(like, before[0] ?? next);
  }
  for (const node of before) node.remove();
}

/**
 * Where among the old nodes is the one that a fresh one continues, or -1: the same, or else the first of its kind, as a
 * paragraph that got other words. Old nodes that later fresh ones are the same as are left to those.
 * @param {ChildNode} fresh
 * @param {ChildNode[]} before
 * @param {ChildNode[]} later
 */
function partner(fresh, before, later) {
  // Text between elements is like any other: it does not say what comes after it.
  if (!(fresh instanceof Element)) return before[0]?.nodeName === fresh.nodeName ? 0 : -1;
  const same = before.findIndex((node) => isSame(node, fresh));
  if (same >= 0) return same;
  const at = before.findIndex((node) => isOfKind(node, fresh));
  const passed = before.slice(0, at + 1).filter((node) => node instanceof Element);
  return passed.some((node) => later.some((each) => isSame(node, each))) ? -1 : at;
}

/**
 * @param {ChildNode} node
 * @param {Element} other
 */
function isOfKind(node, other) {
  return node instanceof Element && node.nodeName === other.nodeName && node.className === other.className;
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
