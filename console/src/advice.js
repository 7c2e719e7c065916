// The index that would serve a query: from the conditions in its text, where its plan reads a table
// from end to end. SQLite's own adviser (sqlite3_expert) tries indexes in a copy of the schema, which
// a page cannot; so an advice is a proposal, and the plan after it is the proof.

import { named } from "./sql.js";

const CLAUSES = new Set(["SELECT", "FROM", "WHERE", "ON", "USING", "GROUP", "ORDER", "HAVING", "LIMIT", "SET", "VALUES", "WINDOW", "PARTITION"]);
const AFTER_TABLE = new Set(["ON", "USING", "WHERE", "GROUP", "ORDER", "JOIN", "LEFT", "RIGHT", "FULL", "INNER", "CROSS", "NATURAL", "LIMIT", "HAVING", "UNION", "EXCEPT", "INTERSECT", "SET", "INDEXED", "NOT", "WINDOW"]);
const COLUMNS_MAX = 4;

/** Return proposals, each with its SQL and its reason, none where the plan has nothing to gain. */
export function advice(schema, statement, nodes) {
  const sources = sourcesOf(schema, statement.tokens);
  const uses = usesOf(statement.tokens, sources);
  const sorts = nodes.map(({ detail }) => /^USE TEMP B-TREE FOR (ORDER|GROUP) BY/.exec(detail)?.[1]).find(Boolean);
  const found = new Map();
  nodes.forEach((node, place) => {
    const proposed = ofAutomatic(node.detail, sources) ?? ofScan(node, nodes.slice(0, place), sources, uses, sorts);
    if (proposed === null || proposed.columns.length === 0) return;
    const { table, columns, why } = proposed;
    if (hasIndex(table, columns)) return;
    const name = `${table.name}_by_${columns.join("_")}`.replace(/\W+/g, "_").toLowerCase();
    const sql = `CREATE INDEX ${named(name)} ON ${named(table.name)} (${columns.map(named).join(", ")})`;
    found.set(sql, { sql, why });
  });
  return [...found.values()];
}

/** SQLite says itself what an index that it builds for one query is on. */
function ofAutomatic(detail, sources) {
  const match = /^SEARCH (\S+) USING AUTOMATIC (?:PARTIAL )?(?:COVERING )?INDEX \((.*)\)/.exec(detail);
  const table = match && sources.get(fold(match[1]));
  if (!table) return null;
  const columns = match[2].split(" AND ").map((part) => /^(.*?)[=<>]/.exec(part)?.[1]).filter(Boolean);
  return { table, columns, why: `SQLite builds an index on ${table.name} each time this runs.` };
}

function ofScan({ detail, parent }, before, sources, uses, sorts) {
  const match = /^SCAN (\S+)(?: USING INDEX .*)?$/.exec(detail);
  const name = match && fold(match[1]);
  const table = match && sources.get(name);
  if (!table || table.kind !== "table") return null;
  const isInner = before.some((one) => one.parent === parent && /^(SCAN|SEARCH)/.test(one.detail));
  const mine = uses.filter((use) => use.source === name);
  const same = unique(mine.filter((use) => use.how === "same" || (use.how === "joined" && isInner)));
  const range = unique(mine.filter((use) => use.how === "range")).filter((column) => !same.includes(column)).slice(0, 1);
  const columns = [...same, ...range].slice(0, COLUMNS_MAX);
  if (columns.length) return { table, columns, why: `Every row of ${table.name} is read to find those where ${columns.join(" and ")} fit.` };
  const order = unique(mine.filter((use) => use.how === sorts));
  if (!sorts || order.length === 0 || order.length > COLUMNS_MAX) return null;
  return { table, columns: order, why: `The rows of ${table.name} would come in the order of ${order.join(", ")}, and need no sorting.` };
}

function hasIndex(table, columns) {
  const wanted = columns.map(fold);
  return table.indexes.some((index) => !index.isPartial && wanted.every((column) => index.columns.slice(0, wanted.length).some((one) => fold(one ?? "") === column)));
}

/** The tables that the text names, by their aliases. */
function sourcesOf(schema, tokens) {
  const tables = new Map(schema.tables.map((table) => [fold(table.name), table]));
  const sources = new Map();
  tokens.forEach((token, place) => {
    const table = tables.get(fold(bare(token)));
    const previous = tokens[place - 1]?.text.toUpperCase();
    if (table === undefined || !["FROM", "JOIN", ",", "UPDATE", "INTO", "("].includes(previous)) return;
    const next = tokens[place + 1];
    const alias = next?.text.toUpperCase() === "AS" ? tokens[place + 2] : next;
    const isAlias = alias && ["word", "quoted"].includes(alias.kind) && !AFTER_TABLE.has(alias.text.toUpperCase());
    sources.set(fold(isAlias ? bare(alias) : table.name), table);
  });
  return sources;
}

/** The columns in conditions and orders, each with its table and how it is used. */
function usesOf(tokens, sources) {
  const uses = [];
  const clauses = [];
  let clause = "";
  tokens.forEach((token, place) => {
    const word = token.kind === "word" ? token.text.toUpperCase() : token.text;
    if (word === "(") clauses.push(clause);
    else if (word === ")") clause = clauses.pop() ?? "";
    else if (CLAUSES.has(word)) clause = word;
    else if (token.kind === "word" || token.kind === "quoted") {
      const source = sourceOf(tokens, place, sources);
      const how = source && howUsed(tokens, place, clause, sources);
      if (how) for (const one of source) uses.push({ source: one, column: realName(sources.get(one), bare(token)), how });
    }
  });
  return uses;
}

/** The sources whose column a token is: one, or with USING two. */
function sourceOf(tokens, place, sources) {
  if (tokens[place + 1]?.text === ".") return null;
  const has = (source) => realName(sources.get(source), bare(tokens[place])) !== undefined;
  if (tokens[place - 1]?.text === ".") {
    const source = fold(bare(tokens[place - 2]));
    return sources.has(source) && has(source) ? [source] : null;
  }
  const all = [...sources.keys()].filter(has);
  return all.length ? all : null;
}

function howUsed(tokens, place, clause, sources) {
  if (clause === "USING") return "joined";
  if (clause === "GROUP" || clause === "ORDER") return clause;
  if (clause !== "WHERE" && clause !== "ON") return null;
  const first = tokens[place - 1]?.text === "." ? place - 2 : place;
  const [before, after] = [tokens[first - 1]?.text.toUpperCase(), tokens[place + 1]?.text.toUpperCase()];
  const [beyond, behind] = [tokens[place + 2], tokens[first - 2]];
  if (after === "=" || after === "==") return isColumn(tokens, beyond?.text === "=" ? place + 3 : place + 2, sources) ? "joined" : "same";
  if (after === "IN" || (after === "IS" && beyond?.text.toUpperCase() !== "NOT")) return "same";
  if (before === "=" && !["<", ">", "!"].includes(behind?.text)) return isColumn(tokens, first - 2, sources) ? "joined" : "same";
  if (after === "<" || after === ">" || after === "BETWEEN" || before === "<" || before === ">") return "range";
  return before === "=" ? "range" : null;
}

function isColumn(tokens, place, sources) {
  const token = tokens[place];
  if (!token || !["word", "quoted"].includes(token.kind)) return false;
  return [...sources.keys()].some((source) => source === fold(bare(token)) || realName(sources.get(source), bare(token)) !== undefined);
}

function realName(table, name) {
  return table.columns.find((column) => fold(column.name) === fold(name))?.name;
}

function unique(uses) {
  return [...new Set(uses.map(({ column }) => column))];
}

function bare({ kind, text }) {
  return kind === "quoted" ? text.slice(1, -1).replaceAll(text[0] + text[0], text[0]) : text;
}

function fold(name) {
  return name.toLowerCase();
}
