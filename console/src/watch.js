// Watch: what goes on in the service, and the history of the database.

import { button, confirmed, fill, h, table, tell, update } from "./dom.js";
import { read, sent, write } from "./session.js";
import { bytesText, count, timeText } from "./values.js";

const EVERY_MS = 5_000;
const COMMITS = 60;
const NOT_KNOWN = "not known";

export class Watch {
  constructor(app) {
    this.app = app;
    this.counts = h("div", { class: "watch-part", onclick: ({ target }) => target.dataset.place && this._explain(this.statements[target.dataset.place]) });
    this.past = h("div", { class: "watch-part" });
    this.element = h("div", { class: "watch", tabindex: 0, role: "group", "aria-label": "Watch" }, this.counts, this.past);
  }

  schemaChanged() {
    if (this.element.isConnected) this.shown();
  }

  async shown() {
    this._history();
    clearTimeout(this.timer);
    await this._tick();
  }

  async _tick() {
    try {
      this._draw(await this._asked());
    } catch (error) {
      fill(this.counts, h("p", { class: "problem" }, error.message));
    }
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.element.isConnected && !document.hidden && this._tick(), EVERY_MS);
  }

  /** The local server counts; a function, of which there are many, has its metrics in CloudWatch. */
  async _asked() {
    try {
      return (await sent("console/watch", { method: "GET" })).reply;
    } catch (error) {
      if (error.code === "UNAUTHORIZED" || error.code === "UNREACHABLE") throw error;
      return { health: (await sent("health", { method: "GET" }, [503])).reply };
    }
  }

  _draw({ health, since, doors, leases, waiting, statements, cloudwatch }) {
    // Who is at a button of the statements keeps it: their order waits until the focus is elsewhere.
    const isAmongThem = this.counts.querySelector("table.statements")?.contains(document.activeElement);
    if (!isAmongThem) this.statements = statements;
    update(this.counts,
      part("h2", "Service",
        facts([health.status, `sqlatch ${health.version}`, `SQLite ${health.sqlite_version}`, since && `counted since ${new Date(since * 1000).toLocaleTimeString()}`]),
        [health.directory, health.lease_table].map(({ ok, error }) => (ok ? null : h("p", { class: "problem" }, error)))),
      part("h3", "This node", node(health)),
      part("h3", "Requests", doors ? counted(doors, leases) : cloudwatch ? hours(cloudwatch) : elsewhere(this.app.database)),
      part("h3", "Leases", held(health.leases), waiting ? waits(waiting) : null),
      statements ? part("h3", "Statements, by their time in all", this._statements(this.statements)) : null,
      part("h3", "Databases", table("Databases", ["Name", "Size"], health.databases.map(({ name, bytes }) => [name, bytes === undefined ? NOT_KNOWN : bytesText(bytes)]))));
  }

  _statements(statements) {
    if (statements.length === 0) return h("p", { class: "soft" }, "None yet.");
    const explain = ({ sql }, place) => h("button", { type: "button", class: "link", "data-place": place, "aria-label": `Explain ${sql.slice(0, 100)}` }, "Explain");
    return table("Statements", ["Time", "Runs", "Each", "Rows stepped over", "Database", "Statement", "Plan"], statements.map((one, place) => [
      timeText(one.duration_ms), count(one.count), timeText(one.duration_ms / Math.max(1, one.count)), count(one.rows_scanned), one.database,
      h("code", { class: "shape" }, one.sql), explain(one, place),
    ]), "statements");
  }

  async _explain({ database, sql }) {
    if (database !== this.app.database) await this.app.choose(database);
    this.app.ask(sql, { plan: true });
  }

  /** The history of a database that is a log: a moment of it can be read, or made a database. */
  async _history() {
    const { database, schema } = this.app;
    if (!schema.isLog) return void fill(this.past);
    try {
      const { reply } = await read({ history: true, database, most: COMMITS });
      fill(this.past, h("h2", {}, `History of ${database}`), timeline(reply.commits, (commit) => this._choose(commit)), this._chosen());
    } catch {
      fill(this.past);
    }
  }

  _choose(commit) {
    this.commit = commit;
    fill(this.past.lastChild, h("p", {}, h("strong", {}, new Date(commit.at).toLocaleString()), ` · ${commit.position}`),
      h("div", { class: "advice-buttons" },
        button("Read it as it was", () => { this.app.readAt(commit); this.app.show("ask"); }),
        button("Branch from here…", () => this._branch(commit))));
  }

  _chosen() {
    return h("div", { class: "moment" }, h("p", { class: "soft" }, "Choose a moment to read the database as it was, or to branch from it."));
  }

  async _branch(commit) {
    const name = h("input", { type: "text", "aria-label": "Name of the branch", placeholder: "draft", pattern: "[a-z0-9][a-z0-9_\\-]{0,62}" });
    const title = `Branch ${this.app.database} as it was ${new Date(commit.at).toLocaleString()}`;
    if (!(await confirmed({ title, body: [h("p", {}, "Another database is made, with this name. This one stays as it is."), name], yes: "Branch" }))) return;
    try {
      await write({ branch: name.value.trim(), database: this.app.database, at: commit.position });
      await this.app.load();
      await this.app.choose(name.value.trim(), "see");
    } catch (error) {
      tell(error.message);
    }
  }
}

function part(level, title, ...children) {
  return h("section", {}, h(level, {}, title), children);
}

function facts(all) {
  return h("p", { class: "soft facts-line" }, all.filter(Boolean).map((one) => h("span", {}, one)));
}

function held(leases) {
  if (leases.length === 0) return h("p", { class: "soft" }, "None is held now.");
  return table("Leases", ["Database", "Holder", "Fence", "Ends"], leases.map((one) => [
    one.database, one.holder, one.fence, one.expired ? "expired" : `in ${timeText(Math.max(0, one.expires_at * 1000 - Date.now()))}`,
  ]));
}

const WITHIN = ["Half within", "95 % within", "99 % within"];

/** The counts of a local server since its start, by door. */
function counted(doors, { taken, wait_ms: wait, takeovers, recoveries }) {
  return [
    table("Requests by door", ["Door", "Requests", "Errors", ...WITHIN], doors.map((one) => [one.door, ...figures(one)])),
    facts([`${count(taken, "lease")} taken`, wait.p95 !== null && `95 % waited ${timeText(wait.p95)} at most`, count(takeovers, "takeover"), count(recoveries, "recovery", "recoveries")]),
  ];
}

/** The requests that wait at this moment: writers for a lease, and any for one of the workers. */
function waits({ leases, turns }) {
  const parts = Object.entries(leases).map(([database, number]) => `${count(number, "writer")} for ${database}`);
  if (turns) parts.push(`${count(turns, "request")} for a worker`);
  return h("p", { class: "soft" }, parts.length ? `Waiting now: ${parts.join(", ")}.` : "No writer waits now.");
}

/** The metrics of a function, of all its doors and instances together, by the hour. */
function hours({ hours: all, namespace, service, problem }) {
  if (problem) return h("p", { class: "problem" }, problem);
  const from = h("p", { class: "soft" }, "From CloudWatch: all doors and the reaper together, a minute or two late. Metrics ", h("code", {}, namespace), " with service ", h("code", {}, service), ".");
  const clock = (at) => new Date(at * 1000).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
  return [
    table("Requests by hour", ["Hour from", "Requests", "Errors", ...WITHIN, "Leases", "95 % waited", "Recoveries"], all.map((one) => [
      clock(one.at), ...figures(one), count(one.leases.taken), duration(one.leases.wait_ms.p95), count(one.leases.recoveries),
    ]), "hours"),
    from,
  ];
}

/** A function that is asked by its URL cannot ask CloudWatch; the credentials of a person can. */
function elsewhere(database) {
  return h("p", { class: "soft" }, "CloudWatch has the requests of a function. This page shows them where it is served by ", h("code", {}, `sqlatch console -u lambda://FUNCTION/${database}`), " on a machine with credentials of AWS.");
}

function figures({ requests, errors, codes, duration_ms: { p50, p95, p99 } }) {
  const kinds = Object.entries(codes).map(([code, number]) => `${code} ${number}`).join(", ");
  return [count(requests), errors ? `${count(errors)} (${kinds})` : "0", ...[p50, p95, p99].map(duration)];
}

function duration(ms) {
  return ms === null ? "" : timeText(Number(ms));
}

/** This node among others, and its copies where it follows another one's log. */
function node({ role, leader, term, since, failure, databases, lease_table: leases }) {
  const none = role === null || !leases.ok ? NOT_KNOWN : "none now";
  const copies = databases.filter((one) => one.copies !== undefined);
  return [
    facts([
      `role: ${role ?? NOT_KNOWN}`,
      leader === undefined ? null : `leader: ${leader ?? none}`,
      term === undefined ? null : `term ${term}`,
      since ? `since ${new Date(since).toLocaleString()}` : null,
    ]),
    failure ? h("p", { class: "problem" }, failure) : null,
    copies.length ? table("Copies", ["Database", "Position", "Copies", "Records behind", "Time behind", "Failure"], copies.map(lag), "copies") : null,
  ];
}

function lag({ name, position, copies, lag_records: records, lag_ms: ms, failure }) {
  return [
    name, h("code", {}, position), count(copies), records === null ? NOT_KNOWN : count(records), ms === null ? NOT_KNOWN : timeText(Number(ms)),
    failure ? h("span", { class: "problem" }, failure) : "none",
  ];
}

function timeline(commits, onChoose) {
  const sizes = commits.map(({ bytes }) => Math.log2((bytes ?? 0) + 2));
  const most = Math.max(1, ...sizes);
  const bar = (commit, place) => {
    const said = `${new Date(commit.at).toLocaleString()}, ${commit.bytes === null ? "a snapshot" : bytesText(commit.bytes)}`;
    const one = h("button", { type: "button", class: "commit", title: said, "aria-label": said, onclick: () => onChoose(commit) });
    one.style.setProperty("--height", `${Math.round((sizes[place] / most) * 100)}%`);
    return h("li", {}, one);
  };
  return h("ul", { class: "timeline", "aria-label": "Commits, the oldest first" }, commits.map(bar).reverse());
}
