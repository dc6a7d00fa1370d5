/** What tells of a breaking notice beside the banner, while a tab is open: a sound, a desktop notification. */

import { remember, remembered } from "./storage.js";

/**
 * @typedef {object} Wishes
 * @property {boolean} sound
 * @property {boolean} desktop
 * @property {number} threshold the least urgency: 1 flash, 2 bulletin, 3 urgent
 * @property {string} quietFrom "22:00", by the reader's own clock; empty for no quiet hours
 * @property {string} quietTo
 *
 * @typedef {{ urgency: number, version: string, text: string }} Alert
 */

/** @type {Wishes} */
const NONE = { sound: false, desktop: false, threshold: 2, quietFrom: "", quietTo: "" };
/** Two notes, in Hz, and when each begins, in seconds. */
const CHIME = /** @type {const} */ ([[880, 0], [1174.7, 0.16]]);
const NOTE_SECONDS = 0.5;
const LOCK_HELD_MS = 2_000;

/** @type {AudioContext | null} */
let audio = null;

/** @returns {Wishes} */
export function wishes() {
  try {
    return { ...NONE, ...JSON.parse(remembered("alerts")) };
  } catch {
    return NONE;
  }
}

/** @param {Wishes} wanted */
export function wish(wanted) {
  remember("alerts", wanted.sound || wanted.desktop ? JSON.stringify(wanted) : "");
}

/**
 * Whether a time of day ("07:30") is within the quiet hours, which may go over midnight.
 * @param {Wishes} wanted
 * @param {string} time
 */
export function isQuiet({ quietFrom, quietTo }, time) {
  if (!quietFrom || !quietTo) return false;
  return quietFrom <= quietTo ? quietFrom <= time && time < quietTo : quietFrom <= time || time < quietTo;
}

/** Browsers let a page sound only once its reader has done something in it. */
export function prepare() {
  if (!wishes().sound) return;
  const unlock = () => void (audio ??= new AudioContext()).resume();
  for (const type of ["pointerdown", "keydown"]) addEventListener(type, unlock, { once: true });
}

/** @param {Alert} alert */
export async function raise({ urgency, version, text }) {
  const wanted = wishes();
  const time = new Date().toTimeString().slice(0, 5);
  if (urgency > wanted.threshold || isQuiet(wanted, time) || !(await isFirstTab(version))) return;
  if (wanted.sound) chime();
  if (wanted.desktop) notify(text, version);
}

/**
 * Whether no other tab has raised this version. Tabs learn late what another has stored, so that of two at the same
 * moment a lock decides; the tab keeps it until the others can read.
 * @param {string} version
 */
async function isFirstTab(version) {
  if (remembered("alerted") === version) return false;
  if (navigator.locks && !(await taken(`alert ${version}`))) return false;
  remember("alerted", version);
  return true;
}

/**
 * @param {string} lock
 * @returns {Promise<boolean>}
 */
function taken(lock) {
  return new Promise((resolve) => {
    const hold = async (/** @type {Lock | null} */ held) => {
      resolve(held !== null);
      if (held) await new Promise((release) => setTimeout(release, LOCK_HELD_MS));
    };
    navigator.locks.request(lock, { ifAvailable: true }, hold).catch(() => resolve(true));
  });
}

export function chime() {
  audio ??= new AudioContext();
  for (const [frequency, delay] of CHIME) {
    const start = audio.currentTime + delay;
    const tone = new OscillatorNode(audio, { frequency });
    const volume = new GainNode(audio, { gain: 0 });
    volume.gain.linearRampToValueAtTime(0.2, start + 0.02);
    volume.gain.exponentialRampToValueAtTime(0.001, start + NOTE_SECONDS);
    tone.connect(volume).connect(audio.destination);
    tone.start(start);
    tone.stop(start + NOTE_SECONDS);
  }
}

/**
 * @param {string} body
 * @param {string} tag
 */
function notify(body, tag) {
  try {
    const notification = new Notification("Breaking", { body, tag });
    notification.onclick = () => {
      window.focus();
      notification.close();
    };
  } catch {
    // Phones show only those of service workers.
  }
}
