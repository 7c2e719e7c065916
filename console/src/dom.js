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

/** Return a line icon of 16 by 16; the button around it has the name. */
export function icon(path) {
  return svg("svg", { class: "icon", viewBox: "0 0 16 16", width: 16, height: 16, "aria-hidden": "true" }, svg("path", { d: path }));
}

/** Show a text for a few seconds, and tell it to a screen reader. */
export function tell(text) {
  let place = document.querySelector("#told");
  if (place === null) {
    place = h("div", { id: "told", role: "status" });
    document.body.append(place);
  }
  place.textContent = text;
  place.classList.add("shown");
  clearTimeout(tell.timer);
  tell.timer = setTimeout(() => place.classList.remove("shown"), 2600);
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
        button("Cancel", () => dialog.close("no")),
        button(yes, () => dialog.close("yes"), { class: isDangerous ? "primary danger" : "primary", autofocus: true })),
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
