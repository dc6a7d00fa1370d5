/**
 * What became of a post: how many open pages have it. Asked for until all have, or it is final.
 *
 * @typedef {{ open: number, confirmed: number, left: number, missing: number, sse: number, final: boolean,
 *   milliseconds?: { last?: number } }} Receipt
 */
import { call } from "./api.js";

/** @param {number} part @param {number} whole */
const share = (part, whole) => (part / whole).toLocaleString("en", { style: "percent", maximumFractionDigits: 1 });
const LOOKS = [500, 500, 1000, 3000, 5000];

/** @param {Receipt} receipt */
export function inWords(receipt) {
  const count = (/** @type {number} */ number) => number.toLocaleString("en");
  const parts = [`${count(receipt.confirmed)} of ${count(receipt.open)} open pages in ${Math.round(receipt.milliseconds?.last ?? 0)} ms`];
  if (receipt.missing > 0) parts.push(`${count(receipt.missing)} (${share(receipt.missing, receipt.open)}) have not answered`);
  if (receipt.left > 0) parts.push(`${count(receipt.left)} left`);
  if (receipt.sse > 0) parts.push(`${count(receipt.sse)} more by other ways, which cannot confirm`);
  return `${parts.join("; ")}.`;
}

/**
 * @param {string} cursor
 * @param {(text: string) => void} tell
 */
export async function follow(cursor, tell) {
  for (const pause of LOOKS) {
    await new Promise((resolve) => setTimeout(resolve, pause));
    const answer = await call("GET", `/api/receipts/${cursor}`);
    if (!answer.ok) continue;
    tell(inWords(answer.body));
    if (answer.body.final || answer.body.missing === 0) return;
  }
}
