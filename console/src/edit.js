// One write: its SQL is shown before it is sent, and its key makes it happen once.

import { button, fill, h } from "./dom.js";
import { BadValue } from "./parameters.js";
import { write } from "./session.js";
import { literal } from "./formats.js";
import { count, timeText } from "./values.js";

const SHOWN_CHARACTERS = 120;

/**
 * Show a statement as it is made of the fields, and send it when a person says so. Resolves to what
 * to say of it, null if nothing was written.
 */
export function confirmWrite({ database, title, body, statement, focus = () => {}, isDangerous = false }) {
  const key = crypto.randomUUID();
  return new Promise((resolve) => {
    let said = null;
    const shown = h("pre", { class: "sql", "aria-label": "SQL", role: "region", tabindex: 0 });
    const problem = h("p", { class: "problem", role: "alert" });
    const go = h("button", { type: "submit", class: isDangerous ? "primary danger" : "primary" }, isDangerous ? "Delete" : "Write");
    const draw = () => {
      try {
        fill(shown, text(statement()));
        problem.textContent = "";
        go.disabled = false;
      } catch (error) {
        if (!(error instanceof BadValue)) throw error;
        problem.textContent = error.message;
        go.disabled = true;
      }
    };
    const send = async (event) => {
      event.preventDefault();
      go.disabled = true;
      try {
        said = await sent(database, statement(), key);
        dialog.close();
      } catch (error) {
        problem.textContent = error.facts?.outcome === "unknown" || error.code === "UNREACHABLE"
          ? `${error.message} Whether it was written is not known; Write asks with the same key, and it is applied once.`
          : error.message;
        go.disabled = false;
      }
    };
    const dialog = h("dialog", { class: "dialog", "aria-labelledby": "edit-title", onclose: () => { dialog.remove(); resolve(said); } },
      h("h2", { id: "edit-title" }, title),
      h("form", { onsubmit: send, onkeydown: (event) => { if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) go.click(); } },
        h("div", { class: "dialog-body" }, body, shown, problem),
        h("div", { class: "dialog-buttons" }, button("Cancel", () => dialog.close()), go)));
    watchFields(body, draw);
    draw();
    document.body.append(dialog);
    dialog.showModal();
    focus();
  });
}

/** Draw the SQL again with each change of a field. */
function watchFields(body, draw) {
  for (const event of ["input", "change"]) body?.addEventListener(event, draw);
}

async function sent(database, statement, key) {
  const { reply } = await write({ database, ...statement, idempotency_key: key });
  const { meta, rows_affected: rows } = reply;
  if (rows === 0) throw new Error("Nothing was written: the row was changed or deleted since it was read.");
  return [
    `${count(rows, "row")} written`,
    timeText(meta.duration_ms),
    meta.lease_wait_ms === null ? null : `lease waited ${timeText(meta.lease_wait_ms)}`,
    meta.position ? `position ${meta.position}` : null,
  ];
}

function text({ query, parameters }) {
  const lines = Object.entries(parameters ?? {}).map(([name, value]) => `-- :${name} = ${cut(literal(value))}`);
  return [query, ...lines].join("\n");
}

function cut(text) {
  const line = text.replace(/[\r\n]+/g, " ");
  return line.length > SHOWN_CHARACTERS ? `${line.slice(0, SHOWN_CHARACTERS)}… (${count(text.length)} characters)` : line;
}
