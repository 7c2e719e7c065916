// Rows as a file of Parquet: a column of one type keeps it, any other is texts.

import { parquetWriteBuffer } from "hyparquet-writer";
import { namesApart } from "./formats.js";
import { bytesOf, number, textOf, typeOf } from "./values.js";

/** Return rows as a file of Parquet. */
export function parquet(columns, rows) {
  const columnData = namesApart(columns).map((name, index) => ({ name, ...columnOf(rows.map((row) => row[index])), nullable: true }));
  return parquetWriteBuffer({ columnData });
}

function columnOf(values) {
  const types = new Set(values.filter((value) => value !== null).map(typeOf));
  const as = (type, turn) => ({ type, data: values.map((value) => (value === null ? null : turn(value))) });
  if (types.size === 1 && types.has("integer")) return as("INT64", BigInt);
  if (types.size > 0 && [...types].every((type) => type === "real" || type === "integer") && types.has("real")) return as("DOUBLE", (value) => Number(number(value)));
  if (types.size === 1 && types.has("blob")) return as("BYTE_ARRAY", bytesOf);
  return as("STRING", textOf);
}
