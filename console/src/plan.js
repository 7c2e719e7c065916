import { h } from "./dom.js";
export function planView(app, result) { return h("pre", {}, result.rows.map((row) => row[3]).join("\n")); }
