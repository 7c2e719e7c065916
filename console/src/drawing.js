// The schema as a drawing: tables as boxes, foreign keys as lines to the tables that they refer to.
// A table stands right of all that it refers to.

import { svg } from "./dom.js";
import { count } from "./values.js";

const WIDTH = 196;
const HEAD = 30;
const LINE = 19;
const GAP_X = 92;
const GAP_Y = 26;
const COLUMNS_MAX = 14;
const CHARACTERS_MAX = 24;

/** Return the drawing of tables; `onOpen` is called with the name of the one that is chosen. */
export function drawing(tables, onOpen) {
  const boxes = laidOut(tables);
  const all = [...boxes.values()];
  const width = Math.max(...all.map((box) => box.x + WIDTH)) + 24;
  const height = Math.max(...all.map((box) => box.y + box.height)) + 24;
  return svg("svg", { class: "drawing", width, height, viewBox: `0 0 ${width} ${height}`, role: "group", "aria-label": "Schema" },
    all.flatMap((box) => lines(box, boxes)),
    all.map((box) => drawn(box, onOpen)));
}

function laidOut(tables) {
  const byName = new Map(tables.map((table) => [fold(table.name), table]));
  const parents = new Map(tables.map((table) => [table, table.keys.map((key) => byName.get(fold(key.parent))).filter((one) => one && one !== table)]));
  const depths = depthsOf(tables, parents);
  const linked = new Set(tables.filter((table) => parents.get(table).length).flatMap((table) => [table, ...parents.get(table)]));
  const layers = [];
  for (const table of tables.filter((one) => linked.has(one))) (layers[depths.get(table)] ??= []).push(table);
  const boxes = new Map();
  let x = 24;
  let lowest = 0;
  for (const layer of layers.filter(Boolean)) {
    const wish = (table) => {
      const placed = parents.get(table).map((parent) => boxes.get(parent)).filter(Boolean);
      return placed.length ? placed.reduce((sum, box) => sum + box.y, 0) / placed.length : 0;
    };
    let y = 24;
    for (const table of layer.sort((a, b) => wish(a) - wish(b) || a.name.localeCompare(b.name))) {
      boxes.set(table, box(table, x, y));
      y += boxes.get(table).height + GAP_Y;
    }
    lowest = Math.max(lowest, y);
    x += WIDTH + GAP_X;
  }
  alone(tables.filter((table) => !linked.has(table)), boxes, Math.max(4, layers.length + 1), lowest === 0 ? 24 : lowest + 8);
  return boxes;
}

/** Put tables that no key links in rows below the others. */
function alone(tables, boxes, across, top) {
  let y = top;
  for (let first = 0; first < tables.length; first += across) {
    const row = tables.slice(first, first + across);
    row.forEach((table, place) => boxes.set(table, box(table, 24 + place * (WIDTH + GAP_X / 2), y)));
    y += Math.max(...row.map((table) => boxes.get(table).height)) + GAP_Y;
  }
}

function depthsOf(tables, parents) {
  const depths = new Map();
  const depth = (table, path) => {
    if (depths.has(table)) return depths.get(table);
    if (path.has(table)) return 0;
    const inner = new Set(path).add(table);
    const found = Math.max(0, ...parents.get(table).map((parent) => depth(parent, inner) + 1));
    depths.set(table, found);
    return found;
  };
  for (const table of tables) depth(table, new Set());
  return depths;
}

/** Keys and columns of foreign keys first: they are what the drawing is about. */
function box(table, x, y) {
  const foreign = new Set(table.keys.flatMap((key) => key.from));
  const first = table.columns.filter((column) => column.key || foreign.has(column.name));
  const rest = table.columns.filter((column) => !first.includes(column));
  const columns = [...first, ...rest].slice(0, Math.max(COLUMNS_MAX, first.length));
  const hidden = table.columns.length - columns.length;
  return { table, x, y, columns, foreign, hidden, height: HEAD + (columns.length + (hidden ? 1 : 0)) * LINE + 8 };
}

function drawn(box, onOpen) {
  const { table, x, y, columns, foreign, hidden, height } = box;
  const open = () => onOpen(table.name);
  const text = (column, place) => {
    const at = HEAD + place * LINE + 16;
    return [
      svg("text", { x: 12, y: at, class: column.key ? "box-key" : foreign.has(column.name) ? "box-foreign" : "box-column" }, cut(column.name, 19)),
      svg("text", { x: WIDTH - 12, y: at, class: "box-type", "text-anchor": "end" }, cut(column.type.toLowerCase(), 8)),
    ];
  };
  // The button is the head alone: its name is the text in it.
  const head = svg("g", {
    class: "box-open", role: "button", tabindex: 0, "aria-label": heard(table),
    onkeydown: (event) => { if (event.key === "Enter" || event.key === " ") { event.preventDefault(); open(); } },
  },
  svg("rect", { class: "box-head", x: 3, y: 3, width: WIDTH - 6, height: HEAD - 6, rx: 5 }),
  svg("text", { class: "box-name", "aria-hidden": "true", x: 12, y: 20 }, cut(table.name, CHARACTERS_MAX)));
  return svg("g", { class: `box ${table.kind}`, transform: `translate(${x} ${y})`, onclick: open },
    svg("rect", { class: "box-frame", width: WIDTH, height, rx: 8 }),
    svg("line", { class: "box-line", x1: 0, y1: HEAD, x2: WIDTH, y2: HEAD }),
    head,
    svg("g", { "aria-hidden": "true" }, columns.flatMap(text)),
    hidden ? svg("text", { "aria-hidden": "true", class: "box-more", x: 12, y: HEAD + columns.length * LINE + 16 }, `and ${hidden} more`) : null);
}

/** Return what the box of a table says to a screen reader: its columns are a click away. */
function heard({ kind, name, columns, keys }) {
  const refers = keys.length ? `, refers to ${[...new Set(keys.map(({ parent }) => parent))].join(", ")}` : "";
  return `${kind} ${name}, ${count(columns.length, "column")}${refers}`;
}

function lines(box, boxes) {
  return box.table.keys.flatMap((key) => {
    const parent = [...boxes.values()].find((one) => fold(one.table.name) === fold(key.parent));
    if (parent === undefined) return [];
    const from = side(box, key.from[0]);
    const to = side(parent, key.to[0] ?? parent.columns.find((column) => column.key)?.name);
    const isRight = parent.x + WIDTH <= box.x;
    const [x1, x2] = [isRight ? box.x : box.x + WIDTH, parent.x + WIDTH];
    const bend = isRight ? (x1 - x2) / 2 : -44;
    const path = `M${x1} ${from}C${x1 - bend} ${from} ${x2 + Math.abs(bend)} ${to} ${x2} ${to}`;
    return [svg("path", { class: "key-line", d: path }), svg("circle", { class: "key-end", cx: x2, cy: to, r: 3 })];
  });
}

function side(box, column) {
  const place = box.columns.findIndex((one) => fold(one.name) === fold(column ?? ""));
  return box.y + (place < 0 ? HEAD / 2 : HEAD + place * LINE + 12);
}

function cut(text, most) {
  return text.length > most ? `${text.slice(0, most - 1)}…` : text;
}

function fold(name) {
  return name.replace(/[A-Z]/g, (letter) => letter.toLowerCase());
}
