// Requests: the journal as it grows, newest first.

import { call, state } from "./api.js";
import { bytes, choose, clock, command, copy, count, el, fact, field, mark, search, table, time, write } from "./dom.js";
import { dialog } from "./dialogs.js";
import { entries, lost, rates, refusals } from "./journal.js";

const most = 500; // rows
const busy = 150; // rows while more come than anybody can read

export function mount(root, view) {
	const filter = search("path, client, status", view.params.get("filter"));
	const show = choose([["all", "All"], ["failed", "Failed and refused"], ["refused", "Refused"], ["credentials", "Credentials"]], view.params.get("show") ?? "all");
	const body = el("tbody");
	const tally = el("p", { class: "dim tally", role: "status", "aria-live": "off" });
	const empty = el("p", { class: "empty" });
	let held = false;
	const pause = el("button", { type: "button", "data-key": "pause" }, "Pause");
	const list = rows(body, () => hold(true));
	const hold = (on) => {
		if (held === on) return;
		held = on;
		seen = 0;
		pause.textContent = on ? "Follow" : "Pause";
		draw();
	};
	let seen = 0; // entries that came while held
	let wait = 0;

	const words = () => filter.value.toLowerCase().split(/\s+/).filter(Boolean);
	const draw = () => {
		wait = 0;
		const speed = Math.max(...rates(2));
		if (!held) list.fill(select(words(), show.value, speed > 300 ? busy : most));
		empty.hidden = body.rows.length > 0;
		write(empty, entries.length === 0 ? "No request yet. Connect shows what a client needs." : "Nothing fits the filter.");
		const missed = lost() > 0 ? `, ${count(lost())} left out` : "";
		write(tally, held ? `held; ${count(seen)} new` : `${count(body.rows.length)} shown, ${count(Math.round(speed))} a second${missed}`);
	};
	// At most eight times a second, and in a frame, so that the page stays smooth.
	const soon = () => {
		wait ||= setTimeout(() => requestAnimationFrame(draw), 125);
	};
	pause.addEventListener("click", () => hold(!held));
	filter.addEventListener("input", () => { hold(false); draw(); });
	show.addEventListener("change", () => { hold(false); draw(); });
	view.on("journal", (n) => {
		if (held) seen += n;
		soon();
	});
	view.on("second", soon);

	const grid = table("Requests, newest first", ["Time", "Client", "Request", "Answer", "IMDS", "Size", "Took", "Role"], [], "journal");
	grid.querySelector("tbody").replaceWith(body);
	grid.removeAttribute("tabindex");
	root.append(el("h1", null, "Requests"),
		el("div", { class: "tools" }, field("Filter", filter, null, "wide"), field("Show", show), pause, tally),
		el("section", { class: "panel flush" }, grid, empty));
	draw();
}

// select are the newest entries that fit, newest first.
function select(words, show, limit) {
	const found = [];
	const from = show === "refused" ? refusals(0).reverse() : entries;
	for (let i = from.length - 1; i >= 0 && found.length < limit; i--) {
		const e = from[i];
		if (show === "failed" && e.status > 0 && e.status < 400) continue;
		if (show === "credentials" && !/security-credentials|\/v[12]\/credentials/.test(e.path)) continue;
		if (words.length > 0) {
			const text = `${e.client} ${e.method} ${e.path} ${e.status} ${e.imds ?? ""} ${e.role ?? ""} ${e.rule ?? ""} ${e.fault ?? ""}`.toLowerCase();
			if (!words.every((w) => text.includes(w))) continue;
		}
		found.push(e);
	}
	return found;
}

// rows keeps the rows of the table. Those that fall off the end are used again at the top.
function rows(body, touched) {
	const fill = (list) => {
		const first = body.rows[0]?.entry;
		let fresh = first ? list.indexOf(first) : -1;
		if (fresh < 0) fresh = list.length;
		for (let i = fresh - 1; i >= 0; i--) {
			const spare = body.rows.length >= list.length ? body.rows[body.rows.length - 1] : row();
			body.prepend(set(spare, list[i]));
		}
		for (let i = 0; i < list.length; i++) {
			if (i >= body.rows.length) body.append(row());
			set(body.rows[i], list[i]);
		}
		while (body.rows.length > list.length) body.lastElementChild.remove();
		if (!body.querySelector('[tabindex="0"]')) body.querySelector("button")?.setAttribute("tabindex", "0");
	};
	// One row can be reached by Tab, the others by the arrow keys.
	body.addEventListener("keydown", (e) => {
		const step = { ArrowDown: 1, ArrowUp: -1 }[e.key];
		const next = step && body.rows[e.target.closest("tr").rowIndex - 1 + step];
		if (!next) return;
		e.preventDefault();
		next.querySelector("button").focus();
	});
	body.addEventListener("focusin", (e) => {
		touched();
		for (const b of body.querySelectorAll('[tabindex="0"]')) b.setAttribute("tabindex", "-1");
		e.target.setAttribute("tabindex", "0");
	});
	body.addEventListener("click", (e) => {
		const tr = e.target.closest("tr");
		if (tr && getSelection().isCollapsed) details(tr.entry);
	});
	return { fill };
}

const names = ["time", "client", "request", "answer", "imds", "size", "took", "role"];

function row() {
	const tr = el("tr", null, names.map((n) => el("td", { class: n })));
	const [when, client, request, answer, imds, size, took, role] = tr.cells;
	const moment = el("time");
	const method = el("span", { class: "method" });
	const path = el("span", { class: "path" });
	const sign = el("span", { class: "sign", "aria-hidden": "true" });
	const text = el("span");
	when.append(moment);
	request.append(el("button", { type: "button", class: "row", tabindex: "-1" }, method, " ", path));
	answer.append(sign, text);
	tr.parts = { moment, client, method, path, answer, sign, text, imds, size, took, role };
	return tr;
}

function set(tr, e) {
	if (tr.entry === e) return tr;
	tr.entry = e;
	const p = tr.parts;
	const kind = kindOf(e);
	p.moment.setAttribute("datetime", e.time);
	write(p.moment, clock(e.at, true));
	write(p.client, e.client);
	write(p.method, e.method || "connection");
	write(p.path, e.path);
	p.path.title = e.path.length > 60 ? e.path : "";
	p.answer.className = `answer ${kind}`;
	write(p.sign, { ok: "", warn: "▲", bad: "✕" }[kind]);
	write(p.text, e.rule ? `${answerOf(e)}. Why?` : answerOf(e));
	write(p.imds, e.imds || "–");
	write(p.size, e.rule ? "–" : bytes(e.bytes));
	write(p.took, e.rule ? "–" : `${e.duration_ms.toFixed(1)} ms`);
	write(p.role, e.role || "–");
	return tr;
}

const kindOf = (e) => (e.rule || e.status === 0 || e.status >= 500 ? "bad" : e.status >= 400 ? "warn" : "ok");

function answerOf(e) {
	if (e.rule) return `refused: ${e.rule}`;
	const status = e.status === 0 ? "no answer" : e.status;
	return e.fault ? `${status} by fault ${e.fault}` : String(status);
}

// quoted makes a word of a shell.
const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;

// curl is the request as a command, with a session token of its own.
export function curl(e) {
	const base = (state.overview?.listeners?.[0]?.url ?? "http://127.0.0.1:5000/").replace(/\/$/, "");
	const url = quoted(base + e.path);
	if (e.path.endsWith("/api/token")) return `curl -s -X PUT -H 'X-aws-ec2-metadata-token-ttl-seconds: 21600' ${url}`;
	const verb = e.method === "GET" ? "" : `-X ${quoted(e.method)} `;
	if (e.imds !== "v2") return `curl -s ${verb}${url}`;
	return `TOKEN=$(curl -s -X PUT -H 'X-aws-ec2-metadata-token-ttl-seconds: 300' ${quoted(base + "/latest/api/token")})\ncurl -s ${verb}-H "X-aws-ec2-metadata-token: $TOKEN" ${url}`;
}

// details shows one entry; of a refusal, why, and what would let the client in.
function details(e) {
	dialog(e.rule ? "Why was this refused?" : "Request", "details", (close) => [
		e.rule && el("p", { class: "wrap" }, mark("bad", `By the rule ${e.rule}: `), e.sentence),
		e.rule && remedy(e),
		el("dl", { class: "pairs" }, fact("Request", e.method ? `${e.method} ${e.path}` : "a connection, before any request"), fact("Client", e.client), fact("Time", time(e.at, true)),
			fact("Answer", answerOf(e)), fact("IMDS", e.imds), fact("Role", e.role), fact("Entry", e.identity), fact("Fault", e.fault),
			!e.rule && fact("Size", bytes(e.bytes)), !e.rule && fact("Took", `${e.duration_ms.toFixed(2)} ms`)),
		e.rule === "clients" && e.method && explained(e), // the others depend on headers, which are not kept
		el("div", { class: "actions" }, e.method && copy(() => curl(e), "Copy as curl"),
			!e.rule && el("a", { class: "button", href: `#/tree?${new URLSearchParams({ path: e.path, client: e.client })}`, on: { click: (c) => c.target.closest("dialog").close() } }, "Show in Tree"),
			close("Close")),
	]);
}

// remedy is the key that would allow the request.
function remedy(r) {
	if (!r.key) return el("p", { class: "dim" }, "No key of the configuration allows this.");
	const line = r.value ? `${r.key}: ${r.value}` : r.key;
	return el("div", null, el("p", null, "This would allow it:"), command(line));
}

// explained asks the daemon what the client would get now, rule by rule.
function explained(e) {
	const node = el("div", { class: "rules" }, el("p", { class: "dim" }, "Asking what it would get now"));
	call("GET", `/v1/explain?${new URLSearchParams({ client: e.client, path: e.path })}`).then((v) => {
		node.replaceChildren(el("p", { class: "label" }, v.allowed ? "Now it would be allowed" : "Now, rule by rule"),
			el("ol", null, (v.rules ?? []).map((r) => el("li", null, mark(r.ok ? "ok" : "bad", r.name), " ", el("span", { class: "dim" }, r.text)))));
	}, (problem) => node.replaceChildren(el("p", { class: "error" }, problem.message)));
	return node;
}
