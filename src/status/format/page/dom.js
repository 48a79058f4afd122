/// <reference lib="dom" />
// @ts-check
/**
 * Elements of the page. Every text of the status goes through textContent: peers choose their own
 * names, and none is markup.
 */

const SVG = "http://www.w3.org/2000/svg";

/**
 * @typedef {Record<string, string | number>} Attributes
 * @typedef {(Node | string)[]} Children
 */

/** The element of the page that has this id. @param {string} id */
export const $ = (id) => /** @type {HTMLElement} */ (document.getElementById(id));

/** @template {Element} E @param {E} node @param {Attributes} attributes @param {Children} children */
function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, String(value));
  node.append(...children);
  return node;
}

/** A new element of HTML. @param {string} tag @param {Attributes} attributes @param {Children} children */
export const make = (tag, attributes = {}, ...children) =>
  fill(document.createElement(tag), attributes, children);

/** A new element of SVG. @param {string} tag @param {Attributes} attributes @param {Children} children */
export const draw = (tag, attributes = {}, ...children) =>
  fill(document.createElementNS(SVG, tag), attributes, children);

/** Sets a text only where it is another one: what has not changed is not laid out again. @param {Element} node @param {string} text */
export function tell(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/**
 * Makes a box hold these elements in this order. What is there already is not moved, so that what
 * has the focus keeps it.
 * @param {Element} box @param {Element[]} wanted
 */
export function hold(box, wanted) {
  const keep = new Set(wanted);
  for (const child of [...box.children]) if (!keep.has(child)) child.remove();
  wanted.forEach((child, i) => {
    if (box.children[i] !== child) box.insertBefore(child, box.children[i] ?? null);
  });
}

/** A button. @param {string} text @param {() => void} act @param {Attributes} attributes */
export function button(text, act, attributes = {}) {
  const made = make("button", { type: "button", ...attributes }, text);
  made.addEventListener("click", act);
  return made;
}
