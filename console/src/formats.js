// Rows as files and as texts to paste. CSV is as `sqlatch export` writes it: NULL is nothing between
// the commas, an empty text is "", a blob is its base64, an infinite real 9e999.

import { Clipped, encode, Real, textOf } from "./values.js";
import { named } from "./sql.js";

const SPECIAL = /[",;\t\r\n]/;
const INFINITY = "9e999";

/** Return rows as CSV below a line of names. */
export function csv(columns, rows) {
  const lines = rows.map((row) => row.map(csvCell).join(","));
  return [columns.map(csvText).join(","), ...lines, ""].join("\n");
}

function csvCell(value) {
  if (value === null) return "";
  if (typeof value === "string") return csvText(value);
  if (isInfinite(value)) return value.real.replace("Infinity", INFINITY);
  return textOf(value) || '""';
}

function csvText(text) {
  return text !== "" && !SPECIAL.test(text) && text === text.trim() ? text : `"${text.replaceAll('"', '""')}"`;
}

/** Return rows as a list of objects, values as the service says them. */
export function json(columns, rows) {
  const names = namesApart(columns);
  const objects = rows.map((row) => `  ${encode(Object.fromEntries(names.map((name, index) => [name, row[index]])))}`);
  return `[\n${objects.join(",\n")}\n]\n`;
}

/** Return rows separated by tabs, which spreadsheets paste. */
export function separatedByTabs(columns, rows) {
  const cell = (value) => (value === null ? "" : textOf(value).replace(/[\t\r\n]+/g, " "));
  const lines = rows.map((row) => row.map(cell).join("\t"));
  if (rows.length === 1 && columns.length === 1) return rows[0][0] === null ? "" : textOf(rows[0][0]);
  return [columns.join("\t"), ...lines].join("\n");
}

/** Return rows as a table of Markdown. */
export function markdown(columns, rows) {
  const cell = (value) => textOf(value).replaceAll("|", "\\|").replace(/[\r\n]+/g, " ");
  const line = (cells) => `| ${cells.join(" | ")} |`;
  return [line(columns.map(cell)), line(columns.map(() => "---")), ...rows.map((row) => line(row.map(cell)))].join("\n");
}

/** Return rows as INSERT statements into a table. */
export function inserts(columns, rows) {
  const names = columns.map(named).join(", ");
  return rows.map((row) => `INSERT INTO my_table (${names}) VALUES (${row.map(literal).join(", ")});`).join("\n");
}

/** Return a value as SQL writes it. */
export function literal(value) {
  if (value === null) return "NULL";
  if (value instanceof Clipped) return literal(value.start);
  if (typeof value === "string") return `'${value.replaceAll("'", "''")}'`;
  if (isInfinite(value)) return value.real.replace("Infinity", INFINITY);
  if (typeof value === "object" && !(value instanceof Real)) {
    return `x'${Array.from(atob(value.base64), (character) => character.charCodeAt(0).toString(16).padStart(2, "0")).join("")}'`;
  }
  return textOf(value);
}

function isInfinite(value) {
  return value !== null && typeof value === "object" && "real" in value;
}

/** Return names of columns, a second `id` as `id:1`, as the service does for rows as objects. */
export function namesApart(columns) {
  const taken = new Set();
  return columns.map((column) => {
    let name = column;
    for (let number = 1; taken.has(name); number++) name = `${column}:${number}`;
    taken.add(name);
    return name;
  });
}
