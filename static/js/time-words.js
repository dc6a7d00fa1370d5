/**
 * Times in words. Pure: golden cases are in tests/contract/time.json.
 * English has a table, in the site's own style; other languages are Intl's.
 */

const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/**
 * @typedef {{ year: number, month: number, day: number }} Day
 * @typedef {object} Words
 * @property {string} now
 * @property {(count: number) => string} minutes
 * @property {(count: number) => string} hours
 * @property {(day: Day, hasYear: boolean) => string} day
 */

/** @type {Words} */
const EN = {
  now: "Just now",
  minutes: (n) => (n === 1 ? "1 min ago" : `${n} mins ago`),
  hours: (n) => (n === 1 ? "1 hour ago" : `${n} hours ago`),
  day: ({ day, month, year }, hasYear) => `${day} ${MONTHS[month - 1]}${hasYear ? ` ${year}` : ""}`,
};

/** Making a formatter costs far more than using it. @type {Map<string, Words>} */
const languages = new Map([["en", EN]]);
/** @type {Map<string | undefined, Intl.DateTimeFormat>} */
const formatters = new Map();

/**
 * How long ago a moment was. Less than a minute ahead is still now: clocks differ.
 * @param {number} then
 * @param {number} now
 * @param {object} [options]
 * @param {string} [options.language] a BCP 47 tag
 * @param {string} [options.timeZone] for the date of older moments; the reader's own without it
 * @returns {string}
 */
export function words(then, now, { language = "en", timeZone } = {}) {
  const age = now - then;
  const said = wordsOf(language);
  if (Math.abs(age) < MINUTE) return said.now;
  if (age > 0 && age < HOUR) return said.minutes(Math.floor(age / MINUTE));
  if (age > 0 && age < DAY) return said.hours(Math.floor(age / HOUR));
  const day = dayOf(then, timeZone);
  return said.day(day, day.year !== dayOf(now, timeZone).year);
}

/** @param {string} language */
function wordsOf(language) {
  const key = /^en\b/i.test(language) || !language ? "en" : language;
  const known = languages.get(key) ?? translated(key);
  languages.set(key, known);
  return known;
}

/**
 * English where the browser does not know the tag.
 * @param {string} language
 * @returns {Words}
 */
function translated(language) {
  try {
    const ago = new Intl.RelativeTimeFormat(language, { numeric: "auto", style: "short" });
    const date = (/** @type {Intl.DateTimeFormatOptions} */ options) =>
      new Intl.DateTimeFormat(language, { day: "numeric", month: "short", timeZone: "UTC", ...options });
    const [near, far] = [date({}), date({ year: "numeric" })];
    return {
      now: ago.format(0, "second"),
      minutes: (n) => ago.format(-n, "minute"),
      hours: (n) => ago.format(-n, "hour"),
      day: ({ year, month, day }, hasYear) => (hasYear ? far : near).format(Date.UTC(year, month - 1, day)),
    };
  } catch {
    return EN;
  }
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
