// Elements of the page. Whatever comes from a database goes through here as text, never as HTML.

const SVG = "http://www.w3.org/2000/svg";

/** Return an element. Attributes that begin with `on` are listeners; false and null are left out. */
export function h(name, attributes, ...children) {
  return filled(document.createElement(name), attributes, children);
}

/** Return an element of SVG. */
export function svg(name, attributes, ...children) {
  return filled(document.createElementNS(SVG, name), attributes, children);
}

function filled(element, attributes, children) {
  for (const [key, value] of Object.entries(attributes ?? {})) {
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (value === true) element.setAttribute(key, "");
    else if (value !== false && value !== null && value !== undefined) {
      element.setAttribute(key, String(value));
    }
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** Put other children into an element. */
export function fill(element, ...children) {
  element.replaceChildren(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** Return a button with a text on it. */
export function button(text, onclick, attributes = {}) {
  return h("button", { type: "button", onclick, ...attributes }, text);
}

/** Return a table that is named for a screen reader; a narrow screen scrolls it alone. */
export function table(label, names, rows, kind = null) {
  return h("div", { class: "table-place" }, h("table", { class: kind, "aria-label": label },
    h("thead", {}, h("tr", {}, names.map((name) => h("th", { scope: "col" }, name)))),
    h("tbody", {}, rows.map((row) => h("tr", {}, row.map((cell) => h("td", {}, cell)))))));
}

/** Return a line icon of 16 by 16; the button around it has the name. */
export function icon(path) {
  return svg("svg", { class: "icon", viewBox: "0 0 16 16", width: 16, height: 16, "aria-hidden": "true" }, svg("path", { d: path }));
}

const told = h("div", { id: "told", role: "status" });
const polite = h("div", { class: "heard", role: "status" });
const urgent = h("div", { class: "heard", role: "alert" });

/** Return the places of what is told. They stand in the page before there is anything to tell. */
export function places() {
  return [told, polite, urgent];
}

/** Tell a text to a screen reader; an urgent one at once. */
export function announce(text, { isUrgent = false } = {}) {
  (isUrgent ? polite : urgent).textContent = "";
  (isUrgent ? urgent : polite).textContent = text;
}

/** Show a text for a few seconds, and tell it to a screen reader. */
export function tell(text) {
  told.textContent = text;
  told.classList.add("shown");
  clearTimeout(tell.timer);
  tell.timer = setTimeout(() => told.classList.remove("shown"), 2600);
}

/** Put other children into an element, as `fill` does, and keep the elements that are like them. */
export function update(element, ...children) {
  matched(element, fill(element.cloneNode(false), ...children));
}

function matched(was, is) {
  if (was.nodeName !== is.nodeName) return was.replaceWith(is);
  if (was.nodeType === Node.TEXT_NODE) {
    if (was.data !== is.data) was.data = is.data;
    return;
  }
  for (const { name } of [...was.attributes]) if (!is.hasAttribute(name)) was.removeAttribute(name);
  for (const { name, value } of is.attributes) if (was.getAttribute(name) !== value) was.setAttribute(name, value);
  const [before, now] = [[...was.childNodes], [...is.childNodes]];
  before.slice(now.length).forEach((one) => one.remove());
  now.forEach((one, place) => (place < before.length ? matched(before[place], one) : was.append(one)));
}

/** Ask in a dialog. Resolves to true by the button that goes on, to false by any other way out. */
export function confirmed({ title, body, yes, isDangerous = false }) {
  return new Promise((resolve) => {
    const dialog = h(
      "dialog",
      { class: "dialog", "aria-labelledby": "dialog-title", onclose: () => { dialog.remove(); resolve(dialog.returnValue === "yes"); } },
      h("h2", { id: "dialog-title" }, title),
      h("div", { class: "dialog-body" }, body),
      h("div", { class: "dialog-buttons" },
        button("Cancel", () => dialog.close("no"), { autofocus: isDangerous }),
        button(yes, () => dialog.close("yes"), { class: isDangerous ? "primary danger" : "primary", autofocus: !isDangerous })),
    );
    document.body.append(dialog);
    dialog.showModal();
  });
}

/** Hand a file over to the browser, to be saved. */
export function save(name, parts, type) {
  const url = URL.createObjectURL(new Blob(parts, { type }));
  const link = h("a", { href: url, download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

/** Copy a text to the clipboard, and say what was copied. */
export async function copy(text, what) {
  try {
    await navigator.clipboard.writeText(text);
    tell(`Copied ${what}`);
  } catch {
    tell("The browser does not let this page use the clipboard");
  }
}
