// What an application does with @libsql/client, each fact asserted.
import assert from "node:assert/strict";
import { createClient } from "@libsql/client";

const connect = () =>
  createClient({ url: process.env.SQLATCH_URL, authToken: process.env.SQLATCH_TOKEN, intMode: "bigint" });
const db = connect();
const count = async (table) => (await db.execute(`SELECT count(*) AS n FROM ${table}`)).rows[0].n;
const fails = (promise, code) =>
  assert.rejects(promise, (error) => (assert.equal(error.code, code), true));

await db.execute("CREATE TABLE kinds (id INTEGER PRIMARY KEY, i, r, t, b, n)");

// Values of every type, both ways.
const bytes = new Uint8Array([0, 1, 254, 255]);
const sent = [9007199254740993n, 0.1, "né 💡 \u0000 \"x\"", bytes, null];
const inserted = await db.execute({ sql: "INSERT INTO kinds VALUES (NULL, ?, ?, ?, ?, ?)", args: sent });
assert.equal(inserted.lastInsertRowid, 1n);
assert.equal(inserted.rowsAffected, 1);
const [row] = (await db.execute("SELECT i, r, t, b, n FROM kinds")).rows;
assert.deepEqual([row.i, row.r, row.t, row.n], [sent[0], 0.1, sent[2], null]);
assert.deepEqual(new Uint8Array(row.b), bytes);
const named = await db.execute({ sql: "SELECT :a AS a, @b AS b, $c AS c", args: { a: 1n, b: true, c: "x" } });
assert.deepEqual([...Object.values(named.rows[0])], [1n, 1n, "x"]);
const typed = await db.execute("SELECT id, t FROM kinds");
assert.deepEqual(typed.columns, ["id", "t"]);
assert.deepEqual(typed.columnTypes, ["INTEGER", ""]);

// A batch is whole or not at all.
await fails(
  db.batch(["INSERT INTO kinds (id) VALUES (100)", "INSERT INTO kinds (id) VALUES (100)"], "write"),
  "SQLITE_CONSTRAINT",
);
assert.equal(await count("kinds"), 1n);

// Migrations, with foreign keys off meanwhile.
await db.executeMultiple(`
  CREATE TABLE parent (id INTEGER PRIMARY KEY); -- a comment; with a semicolon
  CREATE TABLE child (parent REFERENCES parent);
  INSERT INTO parent VALUES (1); INSERT INTO child VALUES (1);
  CREATE TRIGGER t AFTER INSERT ON parent BEGIN INSERT INTO child VALUES (new.id); SELECT 1; END;
`);
await db.migrate([
  "CREATE TABLE parent_2 (id INTEGER PRIMARY KEY, name)",
  "INSERT INTO parent_2 (id) SELECT id FROM parent",
  "DROP TABLE parent",
  "ALTER TABLE parent_2 RENAME TO parent",
]);
assert.equal(await count("child"), 1n);
await fails(db.execute("INSERT INTO child VALUES (2)"), "SQLITE_CONSTRAINT");

// Transactions: commit, rollback, left open, read-only, deferred.
for (const mode of ["write", "deferred"]) {
  const before = await count("kinds");
  const gone = await db.transaction(mode);
  await gone.execute("INSERT INTO kinds (t) VALUES ('gone')");
  assert.equal((await gone.execute("SELECT count(*) AS n FROM kinds")).rows[0].n, before + 1n);
  await gone.rollback();
  const kept = await db.transaction(mode);
  await kept.execute("INSERT INTO kinds (t) VALUES ('kept')");
  await kept.batch(["INSERT INTO kinds (t) VALUES ('kept')", "UPDATE kinds SET n = 1"]);
  assert.equal(await count("kinds"), before);
  await kept.commit();
  assert.equal(await count("kinds"), before + 2n);
}
const open = await db.transaction("write");
await open.execute("DELETE FROM kinds");
await db.execute("INSERT INTO kinds (t) VALUES ('nobody waits')");
const reading = await db.transaction("read");
await fails(reading.execute("DELETE FROM kinds"), "SQLITE_READONLY");
reading.close();

// Savepoints within a transaction.
const nested = await db.transaction("write");
await nested.execute("CREATE TABLE s (n)");
await nested.execute("SAVEPOINT a");
await nested.execute("INSERT INTO s VALUES (1)");
await nested.execute("SAVEPOINT b");
await nested.execute("INSERT INTO s VALUES (2)");
await nested.execute("ROLLBACK TO b");
await nested.execute("RELEASE a");
await nested.commit();
assert.deepEqual((await db.execute("SELECT n FROM s")).rows.map((one) => one.n), [1n]);

// Two in conflict: one commits, the other is refused, wins when it tries again; nothing is lost.
await db.batch(["CREATE TABLE counter (n)", "INSERT INTO counter VALUES (0)"], "write");
const increment = async (client) => {
  for (let attempt = 1; ; attempt += 1) {
    const transaction = await client.transaction("write");
    try {
      const { n } = (await transaction.execute("SELECT n FROM counter")).rows[0];
      await transaction.execute({ sql: "UPDATE counter SET n = ?", args: [n + 1n] });
      await transaction.commit();
      return attempt;
    } catch (error) {
      assert.equal(error.code, "SQLITE_BUSY");
      transaction.close();
    }
  }
};
const clients = [connect(), connect(), connect()];
const attempts = await Promise.all(
  clients.map(async (client) => {
    let sum = 0;
    for (let round = 0; round < 10; round += 1) sum += await increment(client);
    return sum;
  }),
);
assert.equal((await db.execute("SELECT n FROM counter")).rows[0].n, 30n);
assert.ok(attempts.reduce((a, b) => a + b) > 30, "there was no conflict");

// A long one: 200 requests, past what a baton holds.
const long = await db.transaction("write");
await long.execute("CREATE TABLE long (n, t)");
for (let n = 0; n < 200; n += 1) {
  await long.execute({ sql: "INSERT INTO long VALUES (?, ?)", args: [BigInt(n), Math.random().toString(36).repeat(40)] });
}
await long.commit();
assert.equal(await count("long"), 200n);

// Without the slash at the end of its URL a client drops the database's name.
const dropped = createClient({ url: process.env.SQLATCH_URL.slice(0, -1), authToken: process.env.SQLATCH_TOKEN });
await assert.rejects(dropped.execute("CREATE TABLE lost (n)"), (error) => error.message.includes(process.env.SQLATCH_URL));
console.log("all held");
