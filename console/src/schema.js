// What is in a database: tables, views, indexes, triggers, and the keys between the tables.

import { read } from "./session.js";
import { quoted } from "./sql.js";

const OWN = "lower(list.name) NOT GLOB 'sqlite_*' AND lower(list.name) NOT GLOB 'sqlatch_*'";

const COLUMNS = `SELECT list.name, list.type, list.wr, info.name, info.type, info.pk, info.hidden, info."notnull", info.dflt_value
FROM pragma_table_list AS list JOIN pragma_table_xinfo(list.name) AS info
WHERE list.schema = 'main' AND list.type <> 'shadow' AND ${OWN} ORDER BY list.name, info.cid`;

const DEFINITIONS = `SELECT name, type, tbl_name, sql FROM sqlite_schema
WHERE lower(tbl_name) NOT GLOB 'sqlatch_*' AND lower(name) NOT GLOB 'sqlite_*' ORDER BY name`;

const KEYS = `SELECT list.name, keys.id, keys."table", keys."from", keys."to", keys.on_delete
FROM pragma_table_list AS list JOIN pragma_foreign_key_list(list.name) AS keys
WHERE list.schema = 'main' AND ${OWN} ORDER BY list.name, keys.id, keys.seq`;

const INDEXES = `SELECT list.name, one.name, one."unique", one.origin, one.partial, info.name
FROM pragma_table_list AS list JOIN pragma_index_list(list.name) AS one JOIN pragma_index_info(one.name) AS info
WHERE list.schema = 'main' AND ${OWN} ORDER BY list.name, one.seq, info.seqno`;

export const EMPTY = { tables: [], indexes: [], triggers: [], isLog: false };

/** Return the schema of a database; an empty one where there is no such database yet. */
export async function schemaOf(database) {
  const statements = [COLUMNS, DEFINITIONS, KEYS, INDEXES].map((query) => ({ query }));
  let reply;
  try {
    ({ reply } = await read({ database, statements }));
  } catch (error) {
    if (error.code === "DATABASE_NOT_FOUND") return EMPTY;
    throw error;
  }
  const [columns, definitions, keys, indexes] = reply.results.map((result) => result.rows);
  const sql = new Map(definitions.map(([name, type, , text]) => [`${type} ${name}`, text]));
  const tables = tablesOf(columns, sql);
  addKeys(tables, keys);
  const made = indexesOf(indexes, sql);
  for (const table of tables.values()) table.indexes = made.filter((index) => index.table === table.name);
  return {
    isLog: reply.meta.position !== undefined,
    tables: [...tables.values()],
    indexes: made.filter((index) => index.sql !== null),
    triggers: definitions.filter(([, type]) => type === "trigger").map(([name, , table, text]) => ({ name, table, sql: text })),
  };
}

function tablesOf(rows, sql) {
  const tables = new Map();
  for (const [name, kind, withoutRowid, column, type, key, hidden, notNull, preset] of rows) {
    if (!tables.has(name)) {
      const text = sql.get(`${kind === "view" ? "view" : "table"} ${name}`) ?? null;
      tables.set(name, { name, kind, hasRowid: !withoutRowid, columns: [], keys: [], indexes: [], sql: text });
    }
    if (hidden !== 1) {
      tables.get(name).columns.push({ name: column, type, key, isGenerated: hidden > 1, isNotNull: notNull === 1, preset });
    }
  }
  return tables;
}

function addKeys(tables, rows) {
  for (const [name, id, parent, from, to, onDelete] of rows) {
    const keys = tables.get(name)?.keys;
    if (keys === undefined) continue;
    let key = keys.find((one) => one.id === id);
    if (key === undefined) keys.push((key = { id, parent, from: [], to: [], onDelete }));
    key.from.push(from);
    if (to !== null) key.to.push(to);
  }
}

function indexesOf(rows, sql) {
  const found = new Map();
  for (const [table, name, isUnique, origin, isPartial, column] of rows) {
    if (!found.has(name)) {
      found.set(name, { table, name, isUnique: isUnique === 1, origin, isPartial: isPartial === 1, columns: [], sql: sql.get(`index ${name}`) ?? null });
    }
    found.get(name).columns.push(column);
  }
  return [...found.values()];
}

/** Return the columns that name a row: the primary key, or the rowid; none of a view. */
export function keyOf(table) {
  if (table.kind === "view") return [];
  const key = table.columns.filter((column) => column.key > 0).sort((a, b) => a.key - b.key);
  if (key.length > 0 && (!table.hasRowid || key.every((column) => column.isNotNull || isRowid(table, column)))) {
    return key.map((column) => column.name);
  }
  // A primary key of a table with a rowid may be NULL, as SQLite has it, and then names no row.
  const rowid = ["rowid", "_rowid_", "oid"].find((name) => !table.columns.some((column) => column.name.toLowerCase() === name));
  return rowid === undefined ? key.map((column) => column.name) : [rowid];
}

function isRowid(table, column) {
  return column.type.toUpperCase() === "INTEGER" && table.columns.filter(({ key }) => key > 0).length === 1;
}

/** Count the rows of a table; null if that takes too long. */
export async function rowsOf(database, table) {
  try {
    const { reply } = await read({ database, query: `SELECT count(*) FROM ${quoted(table)}`, timeout_ms: 4000 });
    return reply.rows[0][0];
  } catch {
    return null;
  }
}
