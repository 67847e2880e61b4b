// Line charts with bands, drawn as SVG: a pointer or the arrow keys move a cursor that reads all curves.

const SVG = "http://www.w3.org/2000/svg";

// A group's name, whose dots end lines rather than begin them.
const spelt = (name) => name.replaceAll(" · ", "\u00a0· ");

function element(name, attributes = {}, ...children) {
  const made = name.startsWith("svg:")
    ? document.createElementNS(SVG, name.slice(4))
    : document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

function format(value, digits = 3) {
  if (value === null || value === undefined) return "–";
  const rounded = Math.abs(value) >= 1000 ? value.toFixed(0) : value.toFixed(Math.abs(value) >= 100 ? 1 : digits);
  return rounded.replace("-", "−");
}

function short(value) {
  for (const [size, letter] of [[1e9, "G"], [1e6, "M"], [1e3, "k"]]) {
    if (Math.abs(value) >= size) return `${+(value / size).toPrecision(3)}${letter}`.replace("-", "−");
  }
  return `${+value.toPrecision(3)}`.replace("-", "−");
}

function ticks(low, high, count) {
  const raw = (high - low) / count || 1;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 2.5, 5, 10].map((part) => part * power).find((part) => part >= raw * 0.999);
  const found = [];
  for (let value = Math.ceil(low / step - 1e-9) * step; value <= high + step * 1e-6; value += step) {
    found.push(Math.abs(value) < step * 1e-9 ? 0 : value);
  }
  return found;
}

// Decades, with what lies between them where there are few.
function logTicks(low, high) {
  const decades = Math.log10(high / low);
  const parts = decades > 3.5 ? [1] : decades > 1.2 ? [1, 3] : [1, 2, 5];
  const found = [];
  for (let power = 10 ** Math.floor(Math.log10(low)); power <= high; power *= 10) {
    found.push(...parts.map((part) => part * power).filter((value) => value >= low * 0.999 && value <= high * 1.001));
  }
  return found.length > 1 ? found : [low, high];
}

// The place among the controls, which stand after all other groups; below 0 for these.
function controlPlace(index, data) {
  return index - (data.groups.length - data.controls.length);
}

function shadeOf(index, data) {
  return controlPlace(index, data) < 0 ? `var(--group-${data.shades[index % data.shades.length]})` : "var(--control)";
}

function dash(index, data) {
  const control = controlPlace(index, data);
  if (control >= 0) return data.dashes[1 + (control % (data.dashes.length - 1))].map((length) => length * 1.2).join(" ");
  const kind = (index + Math.floor(index / data.colours)) % data.dashes.length;
  return data.dashes[kind].map((length) => length * 1.2).join(" ");
}

function swatch(index, data) {
  const line = element("svg:line", { x1: 0, x2: 30, y1: 5, y2: 5, "stroke-dasharray": dash(index, data) });
  line.style.stroke = shadeOf(index, data);
  return element("svg:svg", { class: "swatch", viewBox: "0 0 30 10", "aria-hidden": "true" }, line);
}

// A chart in `host`. `describe()` gives {curves: {group: {x, value, low, high}}, chance, xLabel, yLabel, unit, label, steps, log}.
class Chart {
  constructor(host, data, hidden, describe) {
    Object.assign(this, { host, data, hidden, describe, place: null });
    this.svg = element("svg:svg", { role: "img", tabindex: "0" });
    this.where = element("p", { class: "place", "aria-live": "polite" });
    this.groups = element("div", { class: "groups", role: "group", "aria-label": "Show or hide" });
    host.className = "chart";
    host.append(this.svg, this.where, this.groups);
    this.svg.addEventListener("pointermove", (event) => this.point(event));
    this.svg.addEventListener("pointerdown", (event) => this.point(event));
    this.svg.addEventListener("pointerleave", () => { this.place = null; this.draw(); });
    this.svg.addEventListener("keydown", (event) => this.key(event));
    new ResizeObserver(() => this.draw()).observe(host);
  }

  names() {
    return this.data.groups.filter((name) => this.shown.curves[name]);
  }

  visible() {
    return this.names().filter((name) => !this.hidden.has(name));
  }

  draw() {
    this.shown = this.describe();
    const width = Math.max(280, this.host.clientWidth - 30);
    const height = Math.round(Math.min(430, Math.max(260, width * 0.48)));
    this.svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    this.svg.setAttribute("aria-label", `${this.shown.label}. Arrow keys move along the curves.`);
    this.svg.replaceChildren();
    this.range();
    this.levels = ticks(...this.limits.y, height / 60);
    const widest = Math.max(0, ...this.levels.map((value) => short(value).length));
    this.frame = { left: 34 + 7 * widest, right: width - 14, top: 14, bottom: height - 44, width, height };
    this.axes();
    const names = this.visible();
    this.chance();
    for (const name of names) this.band(name);
    for (const name of names) this.curve(name);
    this.chanceName();
    if (!names.length) this.text(width / 2, height / 2, this.names().length ? "All are hidden." : "No curve.", "middle");
    this.cursor();
    this.buttons();
  }

  range() {
    const all = this.names().map((name) => this.shown.curves[name]);
    const x = all.flatMap((curve) => curve.x);
    const y = all.flatMap((curve) => [curve.value, curve.low ?? [], curve.high ?? []].flat()).filter((value) => value !== null);
    if (y.length && this.shown.chance != null) y.push(this.shown.chance);
    const [low, high] = y.length ? [Math.min(...y), Math.max(...y)] : [0, 1];
    const margin = (high - low) * 0.05 || 0.5;
    // Below a line of chance near the bottom there is room for its name.
    const lowest = Math.min(low - margin, this.shown.chance - low < 2.5 * margin ? this.shown.chance - 2.5 * margin : Infinity);
    const last = x.length ? Math.max(...x) : 1;
    // A logarithmic axis begins where the first curve does, and shows at most four decades.
    const above = x.filter((place) => place >= last / 1e4);
    this.log = Boolean(this.shown.log) && above.length > 0;
    const first = this.log ? Math.min(...above) : 0;
    this.limits = {
      x: this.shown.steps ? [Math.min(...x), Math.max(...x)] : [first, this.log && first === last ? last * 10 : last],
      y: this.shown.steps ? [-0.02, 1.02] : [lowest, high + margin],
    };
  }

  // How far along the axis a place lies, from 0 to 1, and the place that lies so far.
  share(x) {
    const [x0, x1] = this.limits.x;
    return this.log ? Math.log(Math.max(x, x0) / x0) / Math.log(x1 / x0) : (x - x0) / (x1 - x0 || 1);
  }

  placeAt(share) {
    const [x0, x1] = this.limits.x;
    return this.log ? x0 * (x1 / x0) ** share : x0 + share * (x1 - x0);
  }

  at(x, y) {
    const { left, right, top, bottom } = this.frame;
    const [y0, y1] = this.limits.y;
    return [left + this.share(x) * (right - left), bottom - ((y - y0) / (y1 - y0)) * (bottom - top)];
  }

  line(x1, y1, x2, y2, kind) {
    this.svg.append(element("svg:line", { x1, y1, x2, y2, class: kind }));
  }

  text(x, y, words, anchor, attributes = {}) {
    this.svg.append(element("svg:text", { x, y, "text-anchor": anchor, ...attributes }, words));
  }

  axes() {
    const { left, right, top, bottom, width, height } = this.frame;
    for (const value of this.levels) {
      const y = this.at(0, value)[1];
      this.line(left, y, right, y, "grid");
      this.text(left - 8, y + 4, short(value), "end");
    }
    const marks = this.log ? logTicks(...this.limits.x) : ticks(...this.limits.x, Math.min(8, Math.max(4, width / 90)));
    for (const value of marks) {
      const x = this.at(value, 0)[0];
      this.line(x, bottom, x, bottom + 5, "axis");
      this.text(x, bottom + 19, `${short(value)}${this.shown.unit}`, "middle");
    }
    this.line(left, bottom, right, bottom, "axis");
    this.text((left + right) / 2, height - 6, this.shown.xLabel, "middle");
    const middle = (top + bottom) / 2;
    this.text(14, middle, this.shown.yLabel, "middle", { transform: `rotate(-90 14 ${middle})` });
  }

  // The line of what random actions are worth.
  chance() {
    if (this.shown.chance == null) return;
    const y = this.at(0, this.shown.chance)[1];
    this.line(this.frame.left, y, this.frame.right, y, "chance");
  }

  // Its name, over all curves, below the line where there is room.
  chanceName() {
    const value = this.shown.chance;
    if (value == null) return;
    const { right, bottom } = this.frame;
    const y = this.at(0, value)[1];
    this.text(right, y + (bottom - y > 18 ? 14 : -6), `chance ${short(value)}`, "end", { class: "chance" });
  }

  // Where a line can be drawn: runs of neighbours that all have a value.
  pieces(values) {
    const found = [];
    values.forEach((value, index) => {
      if (value === null) return;
      if (!index || values[index - 1] === null) found.push([]);
      found.at(-1).push(index);
    });
    return found;
  }

  path(xs, ys) {
    const points = xs.map((x, index) => this.at(x, ys[index]).map((part) => part.toFixed(1)));
    if (!this.shown.steps) return points.map((point) => point.join(" ")).join("L");
    return points.map(([x, y], index) => (index ? `H${x}V${y}` : `${x} ${y}`)).join("");
  }

  band(name) {
    const { low } = this.shown.curves[name];
    for (const piece of low ? this.pieces(low) : []) this.bandPiece(name, piece);
  }

  bandPiece(name, piece) {
    const [x, low, high] = ["x", "low", "high"].map((key) => piece.map((index) => this.shown.curves[name][key][index]));
    const back = [...x.keys()].reverse();
    const upper = this.path(x, high);
    const edge = back.map((index) => this.at(x[index], low[index]).map((part) => part.toFixed(1)));
    const lower = this.shown.steps
      ? edge.map(([a, b], index) => (index ? `V${b}H${a}` : `L${a} ${b}`)).join("")
      : `L${edge.map((point) => point.join(" ")).join("L")}`;
    const shape = element("svg:path", { class: "band", d: `M${upper}${lower}Z` });
    shape.style.fill = this.shade(name);
    this.svg.append(shape);
  }

  curve(name) {
    const { x, value } = this.shown.curves[name];
    const index = this.data.groups.indexOf(name);
    const pieces = this.pieces(value);
    const drawn = pieces.map((piece) => `M${this.path(piece.map((place) => x[place]), piece.map((place) => value[place]))}`);
    const line = element("svg:path", {
      class: "curve", d: drawn.join(""), "stroke-dasharray": dash(index, this.data), "data-group": name,
    });
    line.style.stroke = this.shade(name);
    this.svg.append(line);
    for (const piece of pieces) if (piece.length === 1) this.dot(name, x[piece[0]], value[piece[0]]);
    // Where a run ends that is shorter than others of its group.
    const runs = this.shown.curves[name].runs ?? [];
    runs.forEach((count, place) => { if (runs[place + 1] < count) this.dot(name, x[place], value[place], 2.5); });
  }

  shade(name) {
    return shadeOf(this.data.groups.indexOf(name), this.data);
  }

  dot(name, x, y, r = 4) {
    const [cx, cy] = this.at(x, y);
    const dot = element("svg:circle", { cx, cy, r });
    dot.style.fill = this.shade(name);
    this.svg.append(dot);
  }

  // The values of a curve at a place: its nearest point, if the place lies on the curve at all.
  read(name, place) {
    const curve = this.shown.curves[name];
    const last = curve.x.length - 1;
    const step = last ? (curve.x[last] - curve.x[0]) / last : Infinity;
    if (place < curve.x[0] - step / 2 || place > curve.x[last] + step / 2) return null;
    const away = (index) => Math.abs(curve.x[index] - place);
    const index = [...curve.x.keys()].reduce((best, other) => (away(other) < away(best) ? other : best));
    if (curve.value[index] === null) return null;
    const [low, high, runs] = [curve.low, curve.high, curve.runs].map((values) => values?.[index]);
    return { x: curve.x[index], value: curve.value[index], low, high, runs, most: Math.max(...(curve.runs ?? [0])) };
  }

  // Where values are read: at the cursor, else at the end, or in the middle of profiles, which all end at 0.
  reading() {
    const [low, high] = this.limits.x;
    return this.place ?? (this.shown.steps ? (low + high) / 2 : high);
  }

  cursor() {
    const place = this.reading();
    if (this.place !== null) {
      const x = this.at(place, 0)[0];
      this.line(x, this.frame.top, x, this.frame.bottom, "cursor");
      for (const name of this.visible()) {
        const found = this.read(name, place);
        if (found) this.dot(name, found.x, found.value);
      }
    }
    this.where.textContent = `At ${this.shown.spell(place)}:`;
  }

  buttons() {
    const place = this.reading();
    const names = this.names();
    if ([...this.groups.children].map((button) => button.dataset.group).join("\n") !== names.join("\n")) {
      this.groups.replaceChildren(...names.map((name) => this.button(name)));
    }
    names.forEach((name, position) => {
      const button = this.groups.children[position];
      button.setAttribute("aria-pressed", String(!this.hidden.has(name)));
      const found = this.read(name, place);
      const interval = found && found.low != null ? ` [${format(found.low)}, ${format(found.high)}]` : "";
      const of = found && found.runs < found.most ? ` of ${found.runs}` : "";
      button.lastChild.textContent = found ? `${format(found.value)}${interval}${of}` : "no value";
    });
  }

  button(name) {
    const made = element("button", { type: "button", "data-group": name, class: name.length > 18 ? "long" : "" });
    made.append(swatch(this.data.groups.indexOf(name), this.data), element("span", {}, spelt(name)), element("span", { class: "value" }));
    made.addEventListener("click", () => this.toggle(name));
    return made;
  }

  toggle(name) {
    if (!this.hidden.delete(name)) this.hidden.add(name);
    this.host.dispatchEvent(new CustomEvent("toggled", { bubbles: true }));
  }

  point(event) {
    const box = this.svg.getBoundingClientRect();
    const x = ((event.clientX - box.left) / box.width) * this.frame.width;
    this.move(this.placeAt((x - this.frame.left) / (this.frame.right - this.frame.left)));
  }

  key(event) {
    const [low, high] = this.limits.x;
    const share = this.share(this.reading());
    const to = { ArrowLeft: this.placeAt(share - 1 / 50), ArrowRight: this.placeAt(share + 1 / 50), Home: low, End: high }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    this.move(to);
  }

  move(place) {
    this.place = Math.min(this.limits.x[1], Math.max(this.limits.x[0], place));
    this.draw();
  }
}
