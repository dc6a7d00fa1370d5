/**
 * Times in words. Pure: golden cases are in tests/contract/time.json.
 * English for now; another language is another table.
 */

const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

const EN = {
  now: "Just now",
  minutes: (/** @type {number} */ n) => (n === 1 ? "1 min ago" : `${n} mins ago`),
  hours: (/** @type {number} */ n) => (n === 1 ? "1 hour ago" : `${n} hours ago`),
  day: (/** @type {Day} */ day) => `${day.day} ${MONTHS[day.month - 1]}`,
  dayAndYear: (/** @type {Day} */ day) => `${day.day} ${MONTHS[day.month - 1]} ${day.year}`,
};

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** @typedef {{ year: number, month: number, day: number }} Day */

/** Making a formatter costs far more than using it. @type {Map<string | undefined, Intl.DateTimeFormat>} */
const formatters = new Map();

/**
 * How long ago a moment was. Less than a minute ahead is still now: clocks differ.
 * @param {number} then
 * @param {number} now
 * @param {string} [timeZone] for the date of older moments; the reader's own without it
 * @returns {string}
 */
export function words(then, now, timeZone) {
  const age = now - then;
  if (Math.abs(age) < MINUTE) return EN.now;
  if (age > 0 && age < HOUR) return EN.minutes(Math.floor(age / MINUTE));
  if (age > 0 && age < DAY) return EN.hours(Math.floor(age / HOUR));
  const day = dayOf(then, timeZone);
  return day.year === dayOf(now, timeZone).year ? EN.day(day) : EN.dayAndYear(day);
}

/**
 * @param {number} moment
 * @param {string} [timeZone]
 * @returns {Day}
 */
function dayOf(moment, timeZone) {
  let formatter = formatters.get(timeZone);
  if (!formatter) {
    formatter = new Intl.DateTimeFormat("en-US-u-ca-gregory-nu-latn", {
      timeZone, year: "numeric", month: "numeric", day: "numeric",
    });
    formatters.set(timeZone, formatter);
  }
  const parts = formatter.formatToParts(moment);
  const part = (/** @type {string} */ type) => Number(parts.find((each) => each.type === type)?.value);
  return { year: part("year"), month: part("month"), day: part("day") };
}
