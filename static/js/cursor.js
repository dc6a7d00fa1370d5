/**
 * Whether a cursor comes before another. They sort by number, first part first.
 * @param {string} one
 * @param {string} other
 */
export function isBefore(one, other) {
  const [millis = 0, sequence = 0] = one.split("-").map(Number);
  const [otherMillis = 0, otherSequence = 0] = other.split("-").map(Number);
  return millis < otherMillis || (millis === otherMillis && sequence < otherSequence);
}
