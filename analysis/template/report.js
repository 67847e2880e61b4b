// Fills the page from the document embedded in it.

const data = JSON.parse(document.getElementById("data").textContent);
const labels = data.labels;
const settings = data.settings;
const hidden = new Set();
const find = (id) => document.getElementById(id);
const percent = `${+(settings.confidence * 100).toPrecision(4)} %`;
const count = (number) => (number === null ? "–" : number.toLocaleString("en"));
const several = (number, word) => `${count(number)} ${word}${number === 1 ? "" : "s"}`;

function cell(content, kind = "", name = "td") {
  const made = element(name, kind ? { class: kind } : {});
  made.append(...[content].flat());
  return made;
}

function head(names, leading = 1) {
  const titles = names.map((name, index) => {
    const made = cell(name, index < leading ? "" : "number", "th");
    made.scope = "col";
    return made;
  });
  return element("thead", {}, element("tr", {}, ...titles));
}

function groupCell(name) {
  const made = cell(element("span", { class: "name" }, swatch(data.groups.indexOf(name), data), element("span", {}, spelt(name))), "", "th");
  made.scope = "row";
  return made;
}

function estimateCell(found, best) {
  if (!found) return cell("–", "number");
  const interval = found.low === null ? "" : ` [${format(found.low)}, ${format(found.high)}]`;
  return cell([element("span", best ? { class: "best" } : {}, format(found.value)), element("small", {}, interval)], "number");
}

// Whether a value is the best, or not told apart from it: their intervals overlap.
function isAmongBest(found, others, lowerIsBetter = false) {
  if (!found) return false;
  const sign = lowerIsBetter ? -1 : 1;
  const top = others.filter(Boolean).reduce((best, other) => (sign * other.value > sign * best.value ? other : best));
  if (found.low === null || top.low === null) return found.value === top.value;
  return lowerIsBetter ? found.low <= top.high : found.high >= top.low;
}

function fillSummary() {
  const seeds = data.table.map((row) => row.seeds);
  const [fewest, most] = [Math.min(...seeds), Math.max(...seeds)];
  const runs = several(data.runs.length, "run"), tasks = several(data.tasks.length, "task");
  find("summary").textContent =
    `${runs} of ${several(data.groups.length, "group")} on ${tasks}, ${fewest === most ? fewest : `${fewest} to ${most}`} ` +
    `${most === 1 ? "seed" : "seeds"} each` + (most === 1 ? ". " : `, with ${percent} intervals. `);
  const limits = data.notes.length + (data.skipped.length ? 1 : 0);
  find("notes").hidden = limits === 0;
  if (limits) find("summary").append(element("a", { href: "#notes" }, several(limits, "note")), " on what limits it.");
  const skipped = data.skipped.length ? [`${several(data.skipped.length, "run")} skipped: see “Runs”.`] : [];
  find("notes").querySelector("ul").append(...[...skipped, ...data.notes].map((note) => element("li", {}, note)));
}

// What the dotted line of chance and the grey ones of controls are, where there are any.
function chanceText() {
  const chance = Object.keys(data.chance).length ? " The dotted line is chance, the return of uniformly random actions." : "";
  const control = data.controls.length ? ` Grey and dashed is ${data.controls.join(", ")}, the control without a memory.` : "";
  return chance + control;
}

function fillCurves() {
  const task = find("task");
  task.append(...Object.keys(data.curves.env_steps).map((name) => element("option", {}, name)));
  document.querySelector(`input[name=x][value=${data.x}]`).checked = true;
  const log = document.querySelector("input[name=log]");
  log.checked = settings.x_scale === "log";
  find("curves-text").textContent =
    `The ${settings.label}: ${labels[settings.aggregate]} over seeds with its ${percent} interval, at every place ` +
    "of the runs that have a value there." + chanceText() + " Each run is drawn to its end: a small dot marks where one ends before others of its group, and values beyond it say of how many runs they are. Move over the figure, or use the arrow keys, to read values.";
  const axis = () => document.querySelector("input[name=x]:checked").value;
  const chart = new Chart(find("curves"), data, hidden, () => {
    const inSteps = axis() === "env_steps";
    return {
      curves: data.curves[axis()][task.value] ?? {},
      xLabel: labels[axis()],
      chance: data.chance[task.value] ?? null,
      yLabel: task.value === "all tasks" && Object.keys(settings.bounds).length ? "score" : settings.label,
      log: log.checked,
      unit: inSteps ? "" : "s",
      spell: (x) => (inSteps ? `${Math.round(x).toLocaleString("en")} environment steps` : `${format(x, 1)} seconds`),
      label: `Curves of the ${settings.label} on ${task.value} against ${labels[axis()]}`,
    };
  });
  const changed = () => { chart.place = null; chart.draw(); };
  task.addEventListener("change", changed);
  find("x-axis").addEventListener("change", changed);
  return chart;
}

function fillTable() {
  find("table-text").textContent =
    `Of the ${settings.label}, ${labels[settings.aggregate]} over seeds with its interval; the best of a task is bold, and what its interval does not tell apart from it. MMER is the ` +
    `highest mean of an epoch during training; the area is the mean height of the curve; ` +
    "the evaluation is the last one. All runs of a task are compared over the same environment steps, up to those beside its name. Parameters are those of the " +
    "whole agent; carry bytes are what it remembers from step to step of one environment.";
  const titles = ["group", "seeds", "MMER", "area under the curve", "final evaluation", "parameters", "carry bytes"];
  const table = find("table");
  table.append(head(titles));
  for (const task of data.tasks) {
    const rows = data.table.filter((row) => row.task === task.name);
    const words = `${task.name}, up to ${count(Math.round(task.end))} environment steps`;
    const title = cell(element("span", {}, words), "task", "th");
    Object.assign(title, { scope: "rowgroup", colSpan: titles.length });
    const body = element("tbody", {}, element("tr", {}, title));
    for (const row of rows) {
      const line = element("tr", {}, groupCell(row.group), cell(count(row.seeds), "number"));
      for (const name of ["mmer", "area", "final_evaluation"]) {
        line.append(estimateCell(row[name], isAmongBest(row[name], rows.map((other) => other[name]))));
      }
      line.append(...[row.parameters, row.carry_bytes].map((value) => cell(count(value), "number")));
      body.append(line);
    }
    table.append(body);
  }
}

function intervalBar(found, low, high, index, middle = null) {
  const at = (value) => 4 + (212 * (value - low)) / (high - low || 1);
  const bar = element("svg:svg", { class: "interval", viewBox: "0 0 220 20", preserveAspectRatio: "none", "aria-hidden": "true" });
  bar.append(element("svg:line", { class: "rail", x1: 0, x2: 220, y1: 10, y2: 10 }));
  if (middle !== null) bar.append(element("svg:line", { class: "middle", x1: at(middle), x2: at(middle), y1: 0, y2: 20 }));
  const shade = index === null ? "var(--quiet)" : shadeOf(index, data);
  if (found.low !== null) {
    const box = { x: at(found.low), y: 5, width: Math.max(1, at(found.high) - at(found.low)), height: 10, opacity: 0.35 };
    bar.append(element("svg:rect", { ...box, style: `fill: ${shade}` }));
  }
  bar.append(element("svg:rect", { x: at(found.value) - 1.5, y: 2, width: 3, height: 16, style: `fill: ${shade}` }));
  return cell(bar);
}

function fillAggregates() {
  if (!data.aggregated_tasks.length) {
    find("over-tasks").hidden = true;
    return null;
  }
  const names = Object.keys(data.aggregates[data.groups[0]]);
  const scaled = Object.keys(settings.bounds).length ? ", scaled to the bounds given," : "";
  find("aggregates-text").textContent =
    `Of the ${labels[settings.score]}${scaled} over ${several(data.aggregated_tasks.length, "task")}: ` +
    `${data.aggregated_tasks.join(", ")}. The interquartile mean leaves out the lowest and the highest quarter of runs` +
    (names.includes("optimality_gap") ? "; the optimality gap is what is missing to a score of 1: less is better." : ".");
  const all = data.groups.flatMap((name) => Object.values(data.aggregates[name].iqm)).filter((part) => part !== null);
  const body = element("tbody");
  data.groups.forEach((name, index) => {
    const row = element("tr", {}, groupCell(name));
    row.append(intervalBar(data.aggregates[name].iqm, Math.min(...all), Math.max(...all), index));
    for (const aggregate of names) {
      const others = data.groups.map((other) => data.aggregates[other][aggregate]);
      const found = data.aggregates[name][aggregate];
      row.append(estimateCell(found, isAmongBest(found, others, aggregate === "optimality_gap")));
    }
    body.append(row);
  });
  find("aggregates").append(head(["group", "interquartile mean", ...names.map((name) => labels[name])], 2), body);
  fillImprovement();
  const { thresholds, groups } = data.profiles;
  const curves = Object.fromEntries(Object.entries(groups).map(([name, part]) => [name, { x: thresholds, ...part }]));
  return new Chart(find("profiles"), data, hidden, () => ({
    curves, xLabel: `τ, ${labels[settings.score]}`, yLabel: "share of runs above τ", unit: "", steps: true,
    spell: (x) => `τ = ${format(x)}`, label: `Performance profiles of the ${labels[settings.score]}`,
  }));
}

function fillImprovement() {
  find("pairs").hidden = data.improvement.length === 0;
  const rows = data.improvement.map((pair) => {
    const names = [swatch(data.groups.indexOf(pair.group), data), `${pair.group} over `, swatch(data.groups.indexOf(pair.other), data), pair.other];
    const first = cell(names, "", "th");
    first.scope = "row";
    return element("tr", {}, first, intervalBar(pair, 0, 1, null, 0.5), estimateCell(pair));
  });
  find("improvement").append(head(["X over Y", "from 0 to 1", "P(X > Y)"], 2), element("tbody", {}, ...rows));
}

function fillSearches() {
  find("searches").hidden = data.searches.length === 0;
  for (const search of data.searches) {
    const sign = search.direction === "maximize" ? -1 : 1;
    const key = (one) => (one.score === null ? Infinity : sign * one.score);
    const options = Object.keys(search.space);
    const rows = [...search.configurations].sort((a, b) => key(a) - key(b) || a.number - b.number).map((one) =>
      element("tr", {}, cell(String(one.number + 1), "number"), ...options.map((name) => cell(one.options[name], "number")),
        cell(one.score === null ? "–" : format(one.score), "number"), cell(one.state)));
    const table = element("table", {}, head(["configuration", ...options, search.score], 0), element("tbody", {}, ...rows));
    table.tHead.rows[0].append(cell("state", "", "th"));
    const words = options.map((name) => `${name}=${search.space[name]}`).join(" ");
    find("searches").append(element("h3", {}, search.name), element("p", {}, `The ${search.score} of ${search.metric} in evaluations, over ${words}.`),
      element("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": `Search ${search.name}` }, table));
  }
}

function fillRuns() {
  if (data.skipped.length) {
    const lines = data.skipped.map((one) => element("li", {}, element("code", {}, one.name), `: ${one.reason}`));
    find("skipped").append(element("p", {}, `Skipped, and in no figure or table:`), element("ul", {}, ...lines));
  } else {
    find("skipped").append(element("p", {}, "No run was skipped."));
  }
  find("runs-summary").textContent = `Raw scores of ${several(data.runs.length, "run")} (also in scores.csv)`;
  const rows = data.runs.map((run) => {
    const scores = [run.mmer, run.area, run.final_evaluation].map((value) => format(value));
    const numbers = [run.env_steps, run.seconds === null ? "–" : format(run.seconds, 1)].map(String);
    const words = [run.solved ? "solved" : "", run.device, run.folder];
    return element("tr", {}, cell(run.task), groupCell(run.group), ...[String(run.seed), ...scores, ...numbers].map((text) => cell(text, "number")),
      ...words.map((text) => cell(text)));
  });
  const names = ["task", "group", "seed", "MMER", "area", "evaluation", "steps", "seconds"];
  const table = find("runs");
  table.append(head(names, 2), element("tbody", {}, ...rows));
  for (const name of ["", "device", "folder"]) table.tHead.rows[0].append(cell(name, "", "th"));
}

function fillConfigurations() {
  find("command").textContent = data.command;
  for (const one of data.configurations) {
    const details = element("details", {}, element("summary", {}, `${one.group} on ${one.task}`));
    const seeds = one.seeds.length > 1 ? ` The runs have the seeds ${one.seeds.join(", ")}: give them as seed=….` : "";
    if (one.command) {
      details.append(element("p", {}, `The first run, as it was asked for:${seeds}`));
      details.append(element("pre", { class: "wrap", tabindex: "0" }, element("code", {}, one.command)));
    } else {
      details.append(element("p", {}, `The first run does not hold the command that it was given.${seeds}`));
    }
    const versions = Object.entries(one.versions).flatMap(([name, text]) => [element("dt", {}, name), element("dd", {}, text)]);
    details.append(element("dl", {}, ...versions));
    details.append(element("pre", { tabindex: "0" }, element("code", {}, JSON.stringify(one.config, null, 1))));
    find("configurations").append(details);
  }
}

function fillMethod() {
  const epochs = settings.epoch_env_steps ? `${settings.epoch_env_steps.toLocaleString("en")} environment steps` : "a hundredth of the task's longest run";
  const sentences = [
    settings.key.startsWith("eval/")
      ? "Evaluations are means over the episodes of each evaluation during training."
      : `What is measured in training are means over the episodes that ended between two lines of the log, exploration included, or over the updates there, averaged over epochs of ${epochs}.`,
    "Between two measurements of a run its curve is a straight line; before the first and after the last it has no value. A run that stopped because an evaluation reached its evaluation.stop_at_return keeps its last value.",
    `Intervals are percentiles of ${settings.resamples.toLocaleString("en")} stratified bootstrap resamples: runs are drawn with replacement within each task, tasks are not. They tell how results vary with the seed on these tasks. With few seeds they are too narrow.`,
    "MMER, the maximum over training of the mean episodic return (or of what else the curves show), is POPGym's metric. A maximum favours noisy curves a little; the area under the curve does not.",
    "Returns of POPGym and of the diagnostic tasks lie in about [−1, 1] and are aggregated as they are, as POPGym's authors do; other tasks are aggregated by the bounds given.",
    "Aggregates over tasks, performance profiles and probabilities of improvement are made of two tasks or more, which every group was run on, some of them with several seeds.",
    "Wall-clock is the sum of the seconds spent collecting and learning, over all resumptions of a run; evaluation, checkpoints and start-up are not counted. It depends on the machine and on what else ran there.",
    `Devices: ${[...new Set(data.runs.map((run) => run.device))].join(", ")}. Code: ${[...new Set(data.runs.map((run) => run.git_commit.slice(0, 12)))].join(", ")}.`,
  ];
  find("method").append(...sentences.map((sentence) => element("li", {}, sentence)));
}

fillSummary();
const charts = [fillCurves(), fillAggregates()].filter(Boolean);
fillTable();
fillSearches();
fillRuns();
fillConfigurations();
fillMethod();
document.addEventListener("toggled", () => charts.forEach((chart) => chart.draw()));
