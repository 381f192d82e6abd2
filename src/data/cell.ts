/**
 * @module
 * What a cell of text can mean: a number, or a time. Nothing is guessed beyond the forms named here.
 */

const POWERS_OF_TEN = Array.from({ length: 23 }, (_, power) => Number(`1e${power}`));
const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;
const POINT = 46, MINUS = 45, ZERO = 48;
const isBlank = (code: number): boolean => code === 32 || code === 9;

/**
 * The decimal number in a part of the bytes, blanks around it aside; NaN where that is none.
 * Up to 15 digits, digits and power of ten are both exact doubles, and their one quotient is correctly
 * rounded (Clinger 1990), so the short way gives what Number() gives.
 * @param decimal code of the decimal point or comma
 */
export function parseNumber(bytes: Uint8Array, start: number, end: number, decimal: number): number {
  while (start < end && isBlank(bytes[start])) start++;
  while (end > start && isBlank(bytes[end - 1])) end--;
  let at = start;
  const negative = bytes[at] === MINUS;
  if (negative) at++;
  let digits = 0;
  let decimals = 0;
  let pointed = false;
  let mantissa = 0;
  for (; at < end; at++) {
    const digit = bytes[at] - ZERO;
    if (digit >= 0 && digit <= 9) {
      mantissa = mantissa * 10 + digit;
      digits++;
      if (pointed) decimals++;
    } else if (bytes[at] === decimal && !pointed) {
      pointed = true;
    } else {
      break;
    }
  }
  if (at === end && digits > 0 && digits <= 15) return (negative ? -mantissa : mantissa) / POWERS_OF_TEN[decimals];
  let text = "";
  for (at = start; at < end && text.length < 400; at++) text += bytes[at] === decimal ? "." : bytes[at] === POINT ? "x" : String.fromCharCode(bytes[at]);
  const value = at === end && NUMBER.test(text) ? Number(text) : NaN;
  return Number.isFinite(value) ? value : NaN;
}

const CLOCK = String.raw`(?:[T ](\d{1,2}):(\d\d)(?::(\d\d)(?:[.,](\d{1,9}))?)?)?`;
const ZONE = String.raw`\s?(Z|UTC|[+-]\d\d(?::?\d\d)?)?`;
/** Year, month and day in the order that a format says; the others follow. */
const FORMATS = {
  "timestamp": { pattern: new RegExp(`^(\\d{4})-(\\d\\d)-(\\d\\d)${CLOCK}${ZONE}$`), order: [1, 2, 3] },
  "timestamp dmy": { pattern: new RegExp(`^(\\d{1,2})[./-](\\d{1,2})[./-](\\d{4})${CLOCK}${ZONE}$`), order: [3, 2, 1] },
  "timestamp mdy": { pattern: new RegExp(`^(\\d{1,2})[./-](\\d{1,2})[./-](\\d{4})${CLOCK}${ZONE}$`), order: [3, 1, 2] },
} as const;
export type TimestampFormat = keyof typeof FORMATS;
export const isTimestampFormat = (kind: string): kind is TimestampFormat => Object.hasOwn(FORMATS, kind);

/** What a message says was expected. */
export const EXAMPLES: Readonly<Record<TimestampFormat, string>> = {
  "timestamp": "a time such as 2026-11-24 06:30:00 or 2026-11-24T06:30:00.250Z",
  "timestamp dmy": "a time such as 24.11.2026 06:30",
  "timestamp mdy": "a time such as 11/24/2026 06:30",
};

/** Seconds since 1970-01-01T00:00Z, NaN where the text is no such time. A time without a zone is taken as UTC. */
export function parseTimestamp(text: string, format: TimestampFormat): number {
  const { pattern, order } = FORMATS[format];
  const found = pattern.exec(text.trim());
  if (!found) return NaN;
  const [year, month, day] = order.map((group) => Number(found[group]));
  const [hour, minute, second] = [4, 5, 6].map((group) => Number(found[group] ?? 0));
  if (month < 1 || month > 12 || day < 1 || day > daysIn(year, month) || hour > 23 || minute > 59 || second > 59) return NaN;
  const fraction = found[7] ? Number(`0.${found[7]}`) : 0;
  return daysSince1970(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second + fraction - zoneSeconds(found[8]);
}

function zoneSeconds(zone: string | undefined): number {
  if (!zone || zone === "Z" || zone === "UTC") return 0;
  const hours = Number(zone.slice(1, 3)), minutes = Number(zone.slice(3).replace(":", "") || 0);
  return hours <= 14 && minutes <= 59 ? (zone[0] === "-" ? -1 : 1) * (hours * 3600 + minutes * 60) : NaN;
}

const isLeap = (year: number): boolean => (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0;
const daysIn = (year: number, month: number): number => (month === 2 ? (isLeap(year) ? 29 : 28) : [4, 6, 9, 11].includes(month) ? 30 : 31);

/** Days of the Gregorian calendar; years are counted from March, so that a leap day is the last. */
function daysSince1970(year: number, month: number, day: number): number {
  const y = month <= 2 ? year - 1 : year;
  const days = Math.floor((153 * ((month + 9) % 12) + 2) / 5) + day - 1;
  return 365 * y + Math.floor(y / 4) - Math.floor(y / 100) + Math.floor(y / 400) + days - 719_468;
}
