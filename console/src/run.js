// One run of statements: read first, and written only when a person has said so.
//
// Whether a statement writes is SQLite's word, not a guess from its text: everything is sent to
// /read, where what writes is refused, and then it is asked about.

import { confirmed, h } from "./dom.js";
import { BadValue } from "./parameters.js";
import { bound, verb } from "./sql.js";
import { read, Refusal, write } from "./session.js";

export const ROWS_MAX = 100_000;
/** Of each result where several statements run at once, since only one alone comes in pages. */
const ROWS_MAX_OF_SEVERAL = 10_000;

let hasCosts = true;

export class Run {
  constructor(app, statements, parameters) {
    Object.assign(this, { app, statements, parameters, database: app.database, at: app.at ?? undefined });
    this.aborting = new AbortController();
  }

  /** Stop waiting for the answer. The service ends a request by its own deadline. */
  cancel() {
    this.aborting.abort();
  }

  /** Run, or with `plan` only ask SQLite how it would. Resolves to null if a person says no. */
  async start(plan) {
    try {
      return plan ? await this._plans() : await this._answered();
    } catch (error) {
      return this._failed(error);
    }
  }

  async _plans() {
    const asked = this.statements.map((one) => ({ ...this._statement(one, true), query: explaining(one) }));
    const { reply, bytes } = await this._send(read, { statements: asked });
    return { ...this._outcome(reply, bytes), isPlan: true };
  }

  async _answered() {
    try {
      const { reply, bytes } = await this._send(read, { ...this._request(this.statements.length === 1 && !this.at), at: this.at });
      return this._outcome(reply, bytes);
    } catch (error) {
      const mayWrite = !this.at && (error.code === "READ_ONLY" || error.code === "DATABASE_NOT_FOUND");
      if (!mayWrite) throw error;
      if (!(await this._permitted(error.code === "DATABASE_NOT_FOUND"))) return null;
    }
    return this._written();
  }

  async _written() {
    this.key = crypto.randomUUID();
    this.aborting = new AbortController();
    const { reply, bytes } = await this._send(write, { ...this._request(false), idempotency_key: this.key });
    return { ...this._outcome(reply, bytes), wrote: reply.meta.wrote };
  }

  _permitted(isNew) {
    const more = this.statements.length > 1 ? "All of it is one transaction: it is written as a whole, or not at all." : null;
    const first = isNew ? `There is no database ${this.database} yet. The first write makes it.` : null;
    return confirmed({
      title: `Write to ${this.database}?`,
      body: [first && h("p", {}, first), h("pre", { class: "sql" }, this.statements.map(({ text }) => `${text};`).join("\n\n").slice(0, 20_000)), more && h("p", {}, more)],
      yes: "Write",
      isDangerous: this.statements.some((one) => ["DROP", "DELETE", "ALTER"].includes(verb(one))),
    });
  }

  _request(inPages) {
    if (this.statements.length === 1) {
      const one = this._statement(this.statements[0]);
      if (this.at) return { ...one, rows_max: ROWS_MAX_OF_SEVERAL };
      return inPages ? { ...one, page: "first", rows_max: ROWS_MAX } : one;
    }
    return { statements: this.statements.map((one) => this._statement(one)), rows_max: ROWS_MAX_OF_SEVERAL };
  }

  _statement(one, isPlan = false) {
    const value = (label) => {
      try {
        return this.parameters.value(label);
      } catch (error) {
        if (isPlan) return null;
        throw error;
      }
    };
    return { query: one.text, parameters: bound(one, value) };
  }

  /** Send with the question what each statement has cost, unless the service is too old for it. */
  async _send(send, fields) {
    const asked = { database: this.database, ...fields };
    const options = { signal: this.aborting.signal };
    if (hasCosts) {
      try {
        return await send({ ...asked, costs: true }, options);
      } catch (error) {
        if (error.code !== "BAD_EVENT" || error.facts?.field !== "costs") throw error;
        hasCosts = false;
      }
    }
    return send(asked, options);
  }

  _outcome(reply, bytes) {
    const results = reply.results ?? [reply];
    return {
      database: this.database,
      meta: reply.meta,
      bytes,
      results: results.map((result, index) => ({ ...result, statement: this.statements[index] })),
      more: results.length === 1 && results[0].page?.next ? (page) => this._page(page) : null,
    };
  }

  /** Return the page behind another one. */
  async _page(page) {
    const fields = { ...this._statement(this.statements[0]), page, rows_max: ROWS_MAX };
    const { reply, bytes } = await this._send(read, fields);
    return { rows: reply.rows, page: reply.page, cost: reply.cost, bytes };
  }

  _failed(error) {
    if (error.name === "AbortError") return { database: this.database, results: [], cancelled: true, wrote: this.key !== undefined, again: this.key && (() => this._again()) };
    if (!(error instanceof Refusal || error instanceof BadValue)) throw error;
    const index = error.facts?.statement ?? 0;
    const statement = this.statements[index];
    return {
      database: this.database,
      results: [],
      error: { code: error.code ?? "VALUE", message: error.message, facts: error.facts ?? {}, place: placeOf(error, statement), index },
      again: error.facts?.outcome === "unknown" && this.key ? () => this._again() : null,
    };
  }

  /** Send the same write with the same key: it is applied once, whether or not it was before. */
  async _again() {
    this.aborting = new AbortController();
    try {
      const { reply, bytes } = await this._send(write, { ...this._request(false), idempotency_key: this.key });
      return { ...this._outcome(reply, bytes), wrote: true };
    } catch (error) {
      return this._failed(error);
    }
  }
}

function explaining(statement) {
  const words = statement.tokens.slice(0, 2).map(({ text }) => text.toUpperCase());
  if (words[0] !== "EXPLAIN") return `EXPLAIN QUERY PLAN ${statement.text}`;
  return words[1] === "QUERY" ? statement.text : statement.text.replace(/^\w+/, "EXPLAIN QUERY PLAN");
}

/** The place of an error in the whole text: SQLite counts bytes of UTF-8 from the statement on. */
function placeOf(error, statement) {
  if (statement === undefined || error.code === "UNREACHABLE") return null;
  const { offset } = error.facts ?? {};
  if (offset === undefined) {
    return ["STATEMENT_ERROR", "CONSTRAINT", "FORBIDDEN_STATEMENT", "READ_ONLY"].includes(error.code) ? { from: statement.from, to: statement.to } : null;
  }
  const before = new TextDecoder().decode(new TextEncoder().encode(statement.text).slice(0, offset));
  const token = statement.tokens.find(({ from }) => from - statement.from >= before.length);
  const from = statement.from + before.length;
  return { from, to: Math.max(from + 1, statement.from + (token ? token.to - statement.from : before.length + 1)) };
}
