// Elements, texts and times. Text always goes in as text: nothing here or in the views parses markup.

const SVG = "http://www.w3.org/2000/svg";

// el makes an element. props are attributes, and on (handlers by event). null, undefined and false leave one out.
export function el(tag, props, ...children) {
	return fill(document.createElement(tag), props, children);
}

// svg is el for pictures.
export function svg(tag, props, ...children) {
	return fill(document.createElementNS(SVG, tag), props, children);
}

function fill(node, props, children) {
	for (const [key, value] of Object.entries(props ?? {})) {
		if (value === null || value === undefined || value === false) continue;
		if (key === "on") {
			for (const [event, f] of Object.entries(value)) node.addEventListener(event, f);
		} else {
			node.setAttribute(key, value === true ? "" : key === "title" || key === "aria-label" ? plain(value) : value);
		}
	}
	node.append(...nodes(children));
	return node;
}

const nodes = (children) => children.flat(Infinity).filter((c) => c !== null && c !== undefined && c !== false).map((c) => (c instanceof Node ? c : plain(c)));

// Characters that change how the text around them reads. They are shown as \u202e and the like.
const misleading = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u115f\u1160\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff9-\ufffb]|\udb40[\udc00-\udfff]/g;

export function plain(text) {
	return String(text).replace(misleading, (c) => "\\u" + c.codePointAt(0).toString(16).padStart(4, "0"));
}

// replace changes the children of a node. What has the same data-key or the same name keeps the focus; if there is none, the
// one in its place gets it, or the view.
const focusable = "a, button, input, select, summary, [tabindex]";
const known = (node) => node.dataset.key ?? node.tagName + (node.getAttribute("aria-label") ?? node.textContent);
export function replace(node, ...children) {
	const held = document.activeElement;
	const inside = node.contains(held);
	const place = [...node.querySelectorAll(focusable)].indexOf(held);
	node.replaceChildren(...nodes(children));
	if (!inside || held.isConnected) return;
	const all = [...node.querySelectorAll(focusable)];
	const next = all.find((k) => known(k) === known(held)) ?? (place >= 0 && all[Math.min(place, all.length - 1)]);
	(next || document.getElementById("view")).focus({ preventScroll: true });
}

// change is replace, but only if the data that the children come from has changed.
const shown = new WeakMap();
export function change(node, data, make) {
	const text = JSON.stringify(data) ?? "";
	if (shown.get(node) === text) return;
	shown.set(node, text);
	replace(node, make());
}

// write sets the text of a node if it differs.
export function write(node, text) {
	const value = plain(text);
	if (node.textContent !== value) node.textContent = value;
}

const two = (n) => String(n).padStart(2, "0");

// clock is the local time of day, with milliseconds if exact.
export function clock(t, exact) {
	const d = new Date(t);
	const text = `${two(d.getHours())}:${two(d.getMinutes())}:${two(d.getSeconds())}`;
	return exact ? `${text}.${String(d.getMilliseconds()).padStart(3, "0")}` : text;
}

// time is a <time>: of day if it is near, with the date if not.
export function time(t, exact) {
	if (!t) return "never";
	const near = Math.abs(new Date(t) - Date.now()) < 20 * 3600e3;
	const day = new Date(t).toLocaleDateString("en-GB", { day: "numeric", month: "short" });
	return el("time", { datetime: new Date(t).toISOString(), title: new Date(t).toString() },
		near ? clock(t, exact) : `${day} ${clock(t, exact)}`);
}

// span is a length of time in words, such as 41 min.
export function span(ms) {
	const s = Math.max(0, Math.round(ms / 1000));
	if (s < 60) return `${s} s`;
	const m = Math.floor(s / 60);
	if (m < 10) return s % 60 ? `${m} min ${s % 60} s` : `${m} min`;
	if (m < 60) return `${m} min`;
	const h = Math.floor(m / 60);
	if (h < 48) return m % 60 ? `${h} h ${m % 60} min` : `${h} h`;
	return `${Math.floor(h / 24)} d ${h % 24} h`;
}

export const count = (n) => Number(n ?? 0).toLocaleString("en");

export function bytes(n) {
	if (n < 1000) return `${n} B`;
	return n < 1e6 ? `${(n / 1000).toFixed(1)} kB` : `${(n / 1e6).toFixed(1)} MB`;
}

// button makes a button. While what it does takes time, it cannot be pressed again.
export function button(label, act, props) {
	const node = el("button", { type: "button", ...props }, label);
	node.addEventListener("click", async () => {
		if (node.getAttribute("aria-disabled")) return;
		node.setAttribute("aria-disabled", "true");
		try {
			await act(node);
		} finally {
			node.removeAttribute("aria-disabled");
		}
	});
	return node;
}

// copy makes a button that copies a text.
export function copy(text, label = "Copy", props) {
	return button(label, async (node) => {
		let done = "Copied";
		try {
			await navigator.clipboard.writeText(typeof text === "function" ? text() : text);
		} catch {
			done = "Select it by hand";
		}
		node.textContent = done;
		setTimeout(() => { node.textContent = label; }, 1500);
	}, props);
}

// command is a line to copy, lined several.
export const command = (text) => el("div", { class: "command" }, el("code", null, text), copy(text));
export const lined = (name, text) => el("div", { class: "command tall" }, el("pre", { tabindex: "0", "aria-label": name }, plain(text)), copy(text));

// fact is a name with its value, if there is one.
export const fact = (name, value) => value !== "" && value !== undefined && value !== null && el("div", null, el("dt", null, name), el("dd", { class: "wrap" }, value));

// field puts a label above a control.
export function field(label, control, hint, kind) {
	return el("label", { class: `field ${kind ?? ""}` }, el("span", { class: "label" }, label), control, hint && el("span", { class: "hint" }, hint));
}

// raw are attributes of fields. search is the one that / leads to.
export const raw = { autocomplete: "off", spellcheck: "false" };
export const search = (placeholder, value) => el("input", { type: "search", "data-filter": true, placeholder, value, ...raw, "aria-keyshortcuts": "/" });

// choose makes a <select> of [value, label] or of values.
export function choose(options, selected, props) {
	return el("select", props, options.map((o) => {
		const [value, label] = Array.isArray(o) ? o : [o, o];
		return el("option", { value, selected: value === selected }, label);
	}));
}

// mark is a state in words with a sign before it, so that colour is never alone.
const signs = { ok: "●", wait: "◐", warn: "▲", bad: "✕", off: "○" };
export function mark(kind, text) {
	return el("span", { class: `mark ${kind}` }, el("span", { class: "sign", "aria-hidden": "true" }, signs[kind]), text);
}

// line is a mark in a line of its own.
export const line = (kind, text) => el("p", { class: "wrap" }, mark(kind, text));

// table makes a table with a caption for screen readers, and rows of cells.
export function table(caption, heads, rows, kind) {
	return el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": caption }, el("table", { class: kind },
		el("caption", { class: "unseen" }, caption),
		el("thead", null, el("tr", null, heads.map((h) => el("th", { scope: "col" }, h)))),
		el("tbody", null, rows)));
}

// arn shows an ARN with the part that people look for in bold. A line may break after each colon and slash.
export function arn(text) {
	const parts = plain(text).split(/(?<=[:/])/);
	const from = plain(text).startsWith("arn:") ? parts.findIndex((p) => p.endsWith("/")) + 1 : 0;
	const pieces = parts.map((p, i) => [el(i >= from ? "b" : "span", null, p), el("wbr")]);
	return el("span", { class: "arn" }, pieces);
}
