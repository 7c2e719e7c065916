// A chart as SVG, from the scales, ticks and points that uPlot has drawn on its canvas.

import { svg } from "./dom.js";

const BAR_PART = 0.7;
const BAR_MAX = 48;

/** Return a drawn chart as the text of an SVG file. */
export function chartAsSvg(plot, form) {
  const { width, height } = plot;
  const style = getComputedStyle(document.documentElement);
  const paper = style.getPropertyValue("--paper").trim();
  const drawing = svg("svg", { xmlns: "http://www.w3.org/2000/svg", width, height, viewBox: `0 0 ${width} ${height}` },
    svg("rect", { width, height, fill: paper }),
    axis(plot, 0), axis(plot, 1),
    plot.series.slice(1).map((series, place) => (form === "Bar" ? bars : form === "Line" ? line : dots)(plot, series, place + 1)));
  return new XMLSerializer().serializeToString(drawing);
}

function frame(plot) {
  const ratio = devicePixelRatio || 1;
  const { left, top, width, height } = plot.bbox;
  return { left: left / ratio, top: top / ratio, width: width / ratio, height: height / ratio };
}

function at(plot, value, scale) {
  const { left, top } = frame(plot);
  return plot.valToPos(value, scale) + (scale === "x" ? left : top);
}

function axis(plot, index) {
  const { left, top, width, height } = frame(plot);
  const one = plot.axes[index];
  const color = one.stroke(plot, index);
  return one._splits.flatMap((split, place) => {
    const text = one._values?.[place];
    const where = at(plot, split, index === 0 ? "x" : "y");
    const line = index === 0 ? { x1: where, x2: where, y1: top, y2: top + height } : { x1: left, x2: left + width, y1: where, y2: where };
    const label = index === 0 ? { x: where, y: top + height + 18, "text-anchor": "middle" } : { x: left - 8, y: where + 4, "text-anchor": "end" };
    return [
      svg("line", { ...line, stroke: one.grid.stroke(plot, index) }),
      text === null || text === undefined || text === "" ? null : svg("text", { ...label, fill: color, "font-family": "system-ui, sans-serif", "font-size": 11 }, String(text)),
    ];
  });
}

function points(plot, index) {
  return plot.data[0].flatMap((x, place) => {
    const y = plot.data[index][place];
    return y === null || y === undefined ? [] : [[at(plot, x, "x"), at(plot, y, "y")]];
  });
}

function colorOf(plot, series, index) {
  return typeof series.stroke === "function" ? series.stroke(plot, index) : series.stroke;
}

function line(plot, series, index) {
  const d = points(plot, index).map(([x, y], place) => `${place ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`).join("");
  return svg("path", { d, fill: "none", stroke: colorOf(plot, series, index), "stroke-width": 1.75 });
}

function dots(plot, series, index) {
  return points(plot, index).map(([x, y]) => svg("circle", { cx: x.toFixed(1), cy: y.toFixed(1), r: 2.5, fill: colorOf(plot, series, index) }));
}

function bars(plot, series, index) {
  const zero = at(plot, 0, "y");
  const step = Math.abs(at(plot, 1, "x") - at(plot, 0, "x"));
  const width = Math.min(BAR_MAX, step * BAR_PART);
  return points(plot, index).map(([x, y]) => svg("rect", { x: (x - width / 2).toFixed(1), y: Math.min(y, zero).toFixed(1), width: width.toFixed(1), height: Math.abs(zero - y).toFixed(1), fill: colorOf(plot, series, index) }));
}
