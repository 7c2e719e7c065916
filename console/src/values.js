// Values of SQLite as the service says them in JSON, without losing anything.
//
// An integer is a number, or a BigInt past 53 bits. A real is a number with a fraction, or a Real
// where JavaScript would show it as an integer. NULL is null, a text is a string. A blob is the
// object {base64}, an infinite real the object {real}.

/** A real whose value is a whole number: 1.0, which is not the integer 1. It counts as a number. */
export class Real extends Number {
  get value() {
    return this.valueOf();
  }
}

/** The beginning of a text or a blob that is too large to be read with its row. */
export class Clipped {
  constructor(start, bytes) {
    this.start = start;
    this.bytes = bytes;
  }
}

const NEEDS_CARE = /\d{16}|\d\.0+[,\]}]|\d[eE]/;
const WHOLE = /^-?\d+$/;

/** Return what a text of JSON says. The careful way is taken only where a number asks for it. */
export function decode(text) {
  if (!NEEDS_CARE.test(text)) return JSON.parse(text);
  return JSON.parse(text, (_key, value, context) => {
    if (typeof value !== "number" || context === undefined) return value;
    if (WHOLE.test(context.source)) return Number.isSafeInteger(value) ? value : BigInt(context.source);
    return Number.isInteger(value) ? new Real(value) : value;
  });
}

/** Return a request as JSON. */
export function encode(value) {
  if (typeof value === "bigint") return value.toString();
  if (value instanceof Real) return realText(value.value);
  if (Array.isArray(value)) return `[${value.map(encode).join(",")}]`;
  if (value !== null && typeof value === "object") {
    const parts = Object.entries(value).filter(([, part]) => part !== undefined);
    return `{${parts.map(([key, part]) => `${JSON.stringify(key)}:${encode(part)}`).join(",")}}`;
  }
  return JSON.stringify(value);
}

function realText(value) {
  const text = String(value);
  return /[.e]/.test(text) ? text : `${text}.0`;
}

/** Return the type that SQLite's typeof() has for a value. */
export function typeOf(value) {
  if (value === null) return "null";
  if (typeof value === "string") return "text";
  if (typeof value === "bigint") return "integer";
  if (typeof value === "number") return Number.isInteger(value) ? "integer" : "real";
  if (value instanceof Real || "real" in value) return "real";
  return value instanceof Clipped ? typeOf(value.start) : "blob";
}

/** Return a value as a text for people, whole. */
export function textOf(value) {
  if (value === null) return "NULL";
  if (typeof value === "object") {
    if (value instanceof Real) return realText(value.value);
    if (value instanceof Clipped) return textOf(value.start);
    if ("real" in value) return value.real;
    return value.base64;
  }
  return String(value);
}

export const SHOWN_CHARACTERS = 240;

/** Return a value as a grid shows it: its beginning, on one line. */
export function shown(value) {
  if (value === null) return "NULL";
  if (typeof value === "string") return oneLine(value);
  if (typeof value === "object") {
    if (value instanceof Clipped) {
      const start = typeof value.start === "string" ? oneLine(value.start) : "blob";
      return `${start.slice(0, 60)}… ${bytesText(value.bytes)}`;
    }
    if ("base64" in value) return `blob, ${bytesText(blobBytes(value))}`;
  }
  return textOf(value);
}

function oneLine(text) {
  const start = text.length > SHOWN_CHARACTERS ? `${text.slice(0, SHOWN_CHARACTERS)}…` : text;
  return /[\n\r\t]/.test(start) ? start.replace(/\r\n|[\n\r]/g, "⏎").replaceAll("\t", "→") : start;
}

/** Return how many bytes a blob has. */
export function blobBytes({ base64 }) {
  const padding = base64.endsWith("==") ? 2 : base64.endsWith("=") ? 1 : 0;
  return (base64.length / 4) * 3 - padding;
}

/** Return the bytes of a blob. */
export function bytesOf({ base64 }) {
  return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
}

const UNITS = ["bytes", "KB", "MB", "GB", "TB"];

/** Return a number of bytes as people say it. */
export function bytesText(bytes) {
  let [size, unit] = [Number(bytes), 0];
  while (size >= 1000 && unit < UNITS.length - 1) [size, unit] = [size / 1000, unit + 1];
  return unit === 0 ? `${size} bytes` : `${size >= 100 ? Math.round(size) : size.toFixed(1)} ${UNITS[unit]}`;
}

const NUMBERS = new Intl.NumberFormat("en-US");

/** Return a number with its thousands apart. */
export function count(number, noun, plural = `${noun}s`) {
  const text = NUMBERS.format(number);
  return noun === undefined ? text : `${text} ${Number(number) === 1 ? noun : plural}`;
}

/** Return a time in milliseconds as people say it. */
export function timeText(milliseconds) {
  if (milliseconds >= 10_000) return `${(milliseconds / 1000).toFixed(1)} s`;
  return milliseconds >= 100 ? `${Math.round(milliseconds)} ms` : `${milliseconds.toFixed(1)} ms`;
}

const ORDER = { null: 0, integer: 1, real: 1, text: 2, blob: 3 };

/** Compare two values in SQLite's order: NULL, numbers, texts, blobs. */
export function compare(a, b) {
  const [left, right] = [ORDER[typeOf(a)], ORDER[typeOf(b)]];
  if (left !== right) return left - right;
  if (left === 1) {
    const [x, y] = [number(a), number(b)];
    return x < y ? -1 : x > y ? 1 : 0;
  }
  const [x, y] = [textOf(a), textOf(b)];
  return x < y ? -1 : x > y ? 1 : 0;
}

/** Return a number as JavaScript compares and draws it; NaN if the value is none. */
export function number(value) {
  if (typeof value === "number" || typeof value === "bigint") return value;
  if (value instanceof Real) return value.value;
  if (value !== null && typeof value === "object" && "real" in value) return value.real === "Infinity" ? Infinity : -Infinity;
  return NaN;
}
