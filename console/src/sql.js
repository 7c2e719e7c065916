// The text of SQL as tokens, by SQLite's own rules: enough to tell statements and parameters apart.

const TOKEN = new RegExp(
  [
    "(?<space>[ \\t\\n\\f\\r]+)",
    "(?<comment>--[^\\n]*|/\\*[^]*?(?:\\*/|$))",
    "(?<text>[xX]?'(?:[^']|'')*(?:'|$))",
    '(?<quoted>"(?:[^"]|"")*(?:"|$)|`(?:[^`]|``)*(?:`|$)|\\[[^\\]]*(?:\\]|$))',
    "(?<parameter>\\?\\d*|[:@$][\\w$\\u0080-\\uffff]+(?:::[\\w$\\u0080-\\uffff]+)*)",
    "(?<number>0[xX][0-9a-fA-F]+|(?:\\d[\\d_]*\\.?[\\d_]*|\\.\\d[\\d_]*)(?:[eE][+-]?\\d+)?)",
    "(?<word>[A-Za-z_\\u0080-\\uffff][\\w$\\u0080-\\uffff]*)",
    "(?<end>;)",
    "(?<symbol>[^])",
  ].join("|"),
  "gy",
);

/** Return the tokens of a text, each with its kind and place. */
export function tokens(text) {
  const found = [];
  for (const match of text.matchAll(TOKEN)) {
    const kind = Object.keys(match.groups).find((name) => match.groups[name] !== undefined);
    found.push({ kind, text: match[0], from: match.index, to: match.index + match[0].length });
  }
  return found;
}

/** Return the statements of a text, each with its text, its tokens and its place. */
export function statements(text) {
  const found = [];
  let here = [];
  for (const token of tokens(text)) {
    if (token.kind === "end" && ends(here)) {
      add(found, text, here);
      here = [];
    } else if (token.kind !== "space" && token.kind !== "comment") {
      here.push(token);
    }
  }
  add(found, text, here);
  return found;
}

function add(found, text, here) {
  if (here.length === 0) return;
  const [from, to] = [here[0].from, here.at(-1).to];
  found.push({ text: text.slice(from, to), from, to, tokens: here });
}

/** A trigger has statements of its own, and ends behind the END that follows a semicolon. */
function ends(here) {
  const words = here.slice(0, 6).map((token) => token.text.toUpperCase());
  const start = words[0] === "EXPLAIN" ? (words[1] === "QUERY" ? 3 : 1) : 0;
  const at = words[start + 1] === "TEMP" || words[start + 1] === "TEMPORARY" ? start + 2 : start + 1;
  if (words[start] !== "CREATE" || words[at] !== "TRIGGER") return true;
  const isEnd = here.at(-1).text.toUpperCase() === "END" && here.at(-2)?.kind === "end";
  if (!isEnd) here.push({ kind: "end", text: ";", from: here.at(-1).to, to: here.at(-1).to });
  return isEnd;
}

/** Return the parameters of a statement, each once; those without a name by their number. */
export function parameters(statement) {
  const found = new Map();
  let last = 0;
  for (const token of statement.tokens.filter(({ kind }) => kind === "parameter")) {
    if (token.text.startsWith("?")) {
      last = token.text === "?" ? last + 1 : Number(token.text.slice(1));
      found.set(`?${last}`, { label: `?${last}`, number: last });
    } else {
      found.set(token.text, { label: token.text, name: token.text.slice(1) });
    }
  }
  return [...found.values()];
}

/** Return the value that a request has for the parameters of a statement; undefined for none. */
export function bound(statement, valueOf) {
  const wanted = parameters(statement);
  if (wanted.length === 0) return undefined;
  if (wanted.every(({ name }) => name !== undefined)) {
    return Object.fromEntries(wanted.map(({ name, label }) => [name, valueOf(label)]));
  }
  const most = Math.max(...wanted.map(({ number }) => number ?? 0));
  return Array.from({ length: most }, (_, index) => valueOf(`?${index + 1}`));
}

/** Return a name as SQL takes it, whatever is in it. */
export function quoted(name) {
  return `"${name.replaceAll('"', '""')}"`;
}

const PLAIN = /^[a-z_][a-z0-9_]*$/i;

/** Return a name as people write it, quoted where it must be. */
export function named(name) {
  return PLAIN.test(name) && !RESERVED.has(name.toUpperCase()) ? name : quoted(name);
}

const RESERVED = new Set(
  ("ADD ALL ALTER AND AS BETWEEN BY CASE CHECK COLLATE COMMIT CONSTRAINT CREATE DEFAULT DELETE DESC DISTINCT" +
    " DROP ELSE ESCAPE EXCEPT EXISTS FOREIGN FROM GROUP HAVING IF IN INDEX INSERT INTERSECT INTO IS ISNULL" +
    " JOIN LIMIT NOT NOTNULL NULL ON OR ORDER PRIMARY REFERENCES SELECT SET TABLE THEN TO TRANSACTION UNION" +
    " UNIQUE UPDATE USING VALUES WHEN WHERE WITH").split(" "),
);

/** Return the first word of a statement, which says what it does. */
export function verb(statement) {
  return statement.tokens[0].text.toUpperCase();
}
