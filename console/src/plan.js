// The plan of a query as a tree, what it costs marked, and the index that would serve it.

import { advice } from "./advice.js";
import { button, copy, h } from "./dom.js";
import { rowsOf } from "./schema.js";
import { count } from "./values.js";

/** Return the plan of one statement, which EXPLAIN QUERY PLAN has given as rows. */
export function planView(app, result) {
  const nodes = result.rows.map(([id, parent, , detail]) => ({ id, parent, detail, children: [] }));
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const roots = nodes.filter((node) => !byId.has(node.parent));
  for (const node of nodes) byId.get(node.parent)?.children.push(node);
  const advised = advice(app.schema, result.statement, nodes);
  return h("div", { class: "plan", tabindex: 0, role: "group", "aria-label": "Plan" },
    h("p", { class: "plan-sql" }, h("code", {}, result.statement.text.replace(/\s+/g, " ").slice(0, 240))),
    nodes.length ? h("ul", { class: "plan-tree" }, roots.map((node) => item(app, node))) : h("p", { class: "soft" }, "This statement reads no table."),
    advised.map((one) => advised_(app, one)),
    nodes.some(({ detail }) => markOf(detail).kind === "bad") || advised.length ? null : h("p", { class: "plan-good" }, "No table is read from end to end without need."));
}

function item(app, node) {
  const { kind, said, table } = markOf(node.detail);
  const rows = h("span", { class: "plan-rows" });
  if (kind === "bad" && table) counted(app, table).then((number) => number !== null && (rows.textContent = count(number, "row")));
  return h("li", {},
    h("div", { class: `plan-node ${kind}` }, h("span", { class: "plan-mark", "aria-hidden": "true" }), h("code", {}, node.detail), said ? h("span", { class: "plan-said" }, said) : null, rows),
    node.children.length ? h("ul", {}, node.children.map((child) => item(app, child))) : null);
}

/** Say what a step of a plan means. */
export function markOf(detail) {
  const scan = /^SCAN (\S+)(?: USING (.*))?$/.exec(detail);
  if (scan && !/^(\(|CONSTANT$)/.test(scan[1])) {
    if (scan[2]?.startsWith("COVERING INDEX")) return { kind: "fair", said: "reads the whole index" };
    if (scan[2]?.startsWith("INDEX")) return { kind: "fair", said: "reads every row, in the order of an index", table: scan[1] };
    if (!scan[2]) return { kind: "bad", said: "reads every row", table: scan[1] };
  }
  if (detail.includes("AUTOMATIC")) return { kind: "bad", said: "builds an index for this one query" };
  if (detail.startsWith("USE TEMP B-TREE")) return { kind: "fair", said: "sorts what was found" };
  if (detail.startsWith("SEARCH")) return { kind: "good", said: "goes straight to the rows" };
  return { kind: "plain", said: "" };
}

async function counted(app, name) {
  const table = app.schema.tables.find((one) => one.name === name);
  return table === undefined ? null : rowsOf(app.database, table.name);
}

function advised_(app, { sql, why }) {
  return h("section", { class: "advice", "aria-label": "Advice" },
    h("h2", {}, "An index that would serve this"),
    h("pre", { class: "sql" }, sql),
    h("p", { class: "soft" }, why),
    h("div", { class: "advice-buttons" },
      button("Create it…", () => app.ask(sql, { run: true })),
      button("Copy", () => copy(sql, "the statement"), { class: "quiet" })));
}
