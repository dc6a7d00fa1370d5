/** Markdown put into a text at the caret. Pure. */

/** What is put before and after the selection, and whether it begins a paragraph. @type {Record<string, [string, string, boolean]>} */
export const INSERTS = { quote: ["> ", "\n>\n> — ", true], list: ["- ", "", true], link: ["[", "](https://)", false] };

/**
 * The new text, and where the caret goes.
 * @param {string} text
 * @param {number} start of the selection
 * @param {number} end
 * @param {string} before
 * @param {string} after
 * @param {boolean} line whether it begins a paragraph
 */
export function inserted(text, start, end, before, after, line) {
  const head = text.slice(0, start);
  const gap = line && head && !head.endsWith("\n\n") ? (head.endsWith("\n") ? "\n" : "\n\n") : "";
  const middle = text.slice(start, end);
  const caret = head.length + gap.length + before.length + middle.length;
  return { text: head + gap + before + middle + after + text.slice(end), caret };
}
