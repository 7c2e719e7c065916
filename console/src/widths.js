// The widths of a grid's columns, in pixels, by what is in their first rows.

import { number, shown } from "./values.js";

const SAMPLE = 200;
const MIN = 64;
const MAX = 380;
const CHARACTER = 7.3;

/** Return the width of a column. */
export function widthOf(name, rows, index) {
  let characters = name.length + 3;
  for (let place = 0; place < Math.min(SAMPLE, rows.length); place++) {
    characters = Math.max(characters, shown(rows[place][index]).length);
  }
  return Math.round(Math.min(MAX, Math.max(MIN, characters * CHARACTER + 22)));
}

/** Return the width of the column with the numbers of the rows. */
export function widthOfNumbers(rows) {
  return Math.max(44, String(rows.length).length * 8 + 24);
}

/** Return whether a column has numbers alone, as far as its first rows say. */
export function isNumeric(rows, index) {
  const some = rows.slice(0, 50).map((row) => row[index]).filter((value) => value !== null);
  return some.length > 0 && some.every((value) => !Number.isNaN(Number(number(value))));
}
