// @ts-check
import { draw, make, tell } from "./dom.js";
import { clock, niceTop, tick } from "./units.js";

/**
 * Lines over time, with both axes. Values can be read by pointing, by touch and by the arrow keys.
 *
 * @typedef {(number | null)[]} Values
 * @typedef {{ end_ms: number, interval_ms: number, slots: number }} Axis
 */

export class Chart {
  /** @type {Values[]} */
  #series = [];
  /** @type {Axis} */
  #axis = { end_ms: 0, interval_ms: 1000, slots: 2 };
  /** How many slots before the last one are pointed at. @type {number | undefined} */
  #pointed = undefined;

  /**
   * @param {{ label: string, kinds: string[], names: string[], unit: string, least: number,
   *   text: (value: number) => string, small?: boolean }} options
   */
  constructor(options) {
    this.options = options;
    const { kinds, label, small } = options;
    this.svg = draw("svg", { preserveAspectRatio: "none", "aria-hidden": "true" });
    this.grid = draw("g");
    this.areas = kinds.map((kind) => draw("path", { class: "fill " + kind }));
    this.lines = kinds.map((kind) => draw("path", { class: kind }));
    this.cursor = draw("line", { class: "cursor", y1: 0, y2: 100, visibility: "hidden" });
    this.svg.append(this.grid, ...this.areas, ...this.lines, this.cursor);
    this.ys = make("div", { class: "ys", "aria-hidden": "true" });
    this.xs = make("div", { class: "xs", "aria-hidden": "true" });
    this.reading = make("p", { class: "reading" });
    this.plot = make("div", {
      class: "plot",
      role: "slider",
      tabindex: 0,
      "aria-label": label,
      "aria-orientation": "horizontal",
      "aria-valuemax": 0,
    }, this.svg);
    this.root = make(
      "div",
      { class: "chart" + (small ? " small" : "") },
      this.reading,
      this.ys,
      this.plot,
      this.xs,
    );
    this.plot.addEventListener("pointermove", ({ clientX }) => this.#pointAt(clientX));
    this.plot.addEventListener("pointerdown", ({ clientX }) => this.#pointAt(clientX));
    this.plot.addEventListener("pointerleave", () => this.#point(undefined));
    this.plot.addEventListener("blur", () => this.#point(undefined));
    this.plot.addEventListener("keydown", (event) => this.#key(event));
  }

  /** The highest value that it has. */
  get peak() {
    return Math.max(0, ...this.#series.flat().map((value) => value ?? 0));
  }

  /** @param {Values[]} series @param {Axis} axis @param {number} [peak] */
  show(series, axis, peak) {
    this.#series = series;
    this.#axis = axis;
    const { slots } = axis;
    const top = niceTop(peak ?? this.peak, this.options.least);
    this.svg.setAttribute("viewBox", "0 0 " + (slots - 1) + " 100");
    this.#axes(top);
    series.forEach((values, i) => {
      const first = slots - values.length;
      /** @param {number} value */
      const y = (value) => (100 - 100 * Math.min(1, value / top)).toFixed(1);
      let line = "";
      let area = "";
      /** @type {string[]} */
      let part = [];
      let from = 0;
      /** @param {number} to */
      const close = (to) => {
        if (part.length === 0) return;
        line += "M" + part.join("L");
        area += "M" + from + " 100L" + part.join("L") + "L" + to + " 100Z";
        part = [];
      };
      // What is not known leaves a hole.
      values.forEach((value, at) => {
        if (value === null) return close(first + at - 1);
        if (part.length === 0) from = first + at;
        part.push(first + at + " " + y(value));
      });
      close(slots - 1);
      this.lines[i]?.setAttribute("d", line);
      this.areas[i]?.setAttribute("d", area);
    });
    this.#read();
  }

  /** @param {number} top */
  #axes(top) {
    const { slots, interval_ms } = this.#axis;
    const span_ms = slots * interval_ms;
    const key = top + " " + span_ms;
    if (this.plot.dataset.axes === key) return;
    this.plot.dataset.axes = key;
    const right = slots - 1;
    const parts = this.options.small ? [0, 1] : [0, .25, .5, .75, 1];
    this.grid.replaceChildren(
      ...[0, 50, 100].map((y) => draw("line", { class: "grid", x1: 0, x2: right, y1: y, y2: y })),
      ...parts.map((part) =>
        draw("line", { class: "grid", x1: right * part, x2: right * part, y1: 0, y2: 100 })
      ),
    );
    const { unit } = this.options;
    const halves = this.options.small ? [1, 0] : [1, .5, 0];
    this.ys.replaceChildren(
      ...halves.map((part) => make("span", {}, tick(top * part) + (part === 1 ? unit : ""))),
    );
    this.xs.replaceChildren(...parts.map((part) => {
      const minutes = (1 - part) * span_ms / 60000;
      return make("span", {}, part === 1 ? "now" : "−" + Number(minutes.toFixed(2)) + " min");
    }));
  }

  /** @param {number} clientX */
  #pointAt(clientX) {
    const { left, width } = this.plot.getBoundingClientRect();
    const last = this.#axis.slots - 1;
    this.#point(last - Math.round((clientX - left) / Math.max(1, width) * last));
  }

  /** @param {number | undefined} back */
  #point(back) {
    const known = Math.max(...this.#series.map(({ length }) => length), 1) - 1;
    this.#pointed = back === undefined ? undefined : Math.max(0, Math.min(known, back));
    this.#read();
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    const back = this.#pointed ?? 0;
    const far = Math.ceil(this.#axis.slots / 10);
    /** @type {Record<string, number | undefined>} */
    const moves = {
      ArrowLeft: back + 1,
      ArrowDown: back + 1,
      ArrowRight: back - 1,
      ArrowUp: back - 1,
      PageDown: back + far,
      PageUp: back - far,
      Home: this.#axis.slots,
      End: 0,
      Escape: undefined,
    };
    if (!(event.key in moves)) return;
    event.preventDefault();
    this.#point(moves[event.key]);
  }

  /** Tells the values of now, or of the time that is pointed at. */
  #read() {
    const { slots, end_ms, interval_ms } = this.#axis;
    const { names, text } = this.options;
    const back = this.#pointed ?? 0;
    const values = this.#series.map((values, i) => {
      const value = values[values.length - 1 - back];
      return names[i] + " " + (value === undefined || value === null ? "not known" : text(value));
    }).join(", ");
    const when = this.#pointed === undefined ? "" : clock(end_ms - back * interval_ms) + " ";
    tell(this.reading, this.#pointed === undefined ? "" : when + values);
    this.plot.setAttribute("aria-valuemin", String(1 - slots));
    this.plot.setAttribute("aria-valuenow", String(-back));
    this.plot.setAttribute("aria-valuetext", (when || "now ") + values);
    this.cursor.setAttribute("visibility", this.#pointed === undefined ? "hidden" : "visible");
    this.cursor.setAttribute("x1", String(slots - 1 - back));
    this.cursor.setAttribute("x2", String(slots - 1 - back));
  }
}

/** A line of few values, without axes. @param {readonly number[]} values @param {number} top */
export function sparkPath(values, top) {
  const y = (/** @type {number} */ value) => (20 - 19 * Math.min(1, value / top)).toFixed(1);
  return values.length === 0
    ? ""
    : "M" + values.map((value, i) => 30 - values.length + i + " " + y(value)).join("L");
}
