// Overview: who, until when, and whether all is well.

import { call, now, refresh, state } from "./api.js";
import { arn, button, change, count, el, line, mark, span, svg, table, time, write } from "./dom.js";
import { entries, rates, refusals } from "./journal.js";

const stateSigns = { valid: "ok", pending: "wait", idle: "wait", "waiting for MFA": "warn", expired: "bad", failed: "bad", denied: "bad", none: "off" };

// credentialState is the state of credentials in words.
export const credentialState = (s) => mark(stateSigns[s] ?? "off", s);

// nobody is shown where there is no ARN.
export const nobody = (w) => (w.source === "none" ? "nobody: the instance has no role" : "nobody yet");

// left is how long credentials last, in words.
export function left(expiration) {
	const ms = Date.parse(expiration) - now();
	return ms > 0 ? `${span(ms)} left` : `expired ${span(-ms)} ago`;
}

export function mount(root, view) {
	const who = el("section", { class: "who panel", "aria-label": "Who clients are" });
	const facts = el("section", { class: "facts", "aria-label": "Figures" });
	const more = el("div", { class: "columns" });
	const latest = el("section", { class: "panel" });
	root.append(el("h1", null, "Overview"), who, facts, more, latest);
	const life = lifeBar();
	const traffic = requestsFact();
	const refused = el("div", { class: "fact" });
	const renewal = el("div", { class: "fact" });
	const simulation = el("div", { class: "fact" });
	facts.append(traffic.node, refused, renewal, simulation);

	const draw = () => {
		const o = state.overview;
		if (!o) return;
		change(who, o.who, () => identity(o, life.node));
		life.update(o.who);
		change(renewal, [o.who, o.status.config], () => renewalFact(o));
		change(simulation, o.status.simulation ?? null, () => simulationFact(o));
		change(more, [o.who.last_error, o.status.credentials, o.status.identities ?? null, o.listeners, o.status.containers ?? null, o.status.kubernetes ?? null], () => [identities(o), listeners(o)]);
		tick();
	};
	const tick = () => {
		const o = state.overview;
		if (!o) return;
		life.update(o.who);
		traffic.update(o);
		const list = refusals(now() - 300e3);
		change(refused, [list.map((r) => r.rule), o.status.refused ?? null], () => refusedFact(list, o));
		change(latest, entries.slice(-6).map((e) => e.at + e.path), () => latestRequests());
		for (const node of more.querySelectorAll("[data-until]")) write(node, left(node.dataset.until));
	};
	view.on("overview", draw);
	view.on("second", tick);
	draw();
}

// identity is the first answer: the ARN, what it comes from, and what to do about it.
function identity(o, life) {
	const w = o.who;
	const from = [w.source === "mock" && "made-up keys", w.source === "sts" && "AWS STS", w.profile && `profile ${w.profile}`, w.key_end && el("span", { class: "still" }, `key …${w.key_end}`)].filter(Boolean);
	return [
		el("div", { class: "whoami" },
			el("div", null,
				el("p", { class: "label" }, w.switched ? `You are, switched to ${w.switched}` : "You are"),
				el("p", { class: "big" }, w.arn || w.role ? arn(w.arn || w.role) : nobody(w)),
				el("p", { class: "dim" }, credentialState(w.state), from.map((f, i) => [", ", f]))),
			el("div", { class: "actions" },
				w.source !== "none" && renew(),
				w.roles?.length > 1 && el("a", { class: "button", href: "#/identity", "data-key": "switch" }, "Switch role"))),
		life,
		w.last_error && el("p", { class: "error wrap" }, mark("bad", w.last_error)),
	];
}

// renew asks for other credentials. A refusal is told in the banner.
export const renew = () => button("Renew now", () => call("POST", "/v1/credentials/renew", {}).finally(refresh), { class: "main", "data-key": "renew" });

// lifeBar shows the life of the credentials as a line in time: what is over, what is left, and when they are renewed.
function lifeBar() {
	const over = el("div", { class: "gone" });
	const tick = el("div", { class: "renews" });
	const bar = el("div", { class: "bar", role: "img" }, over, tick);
	const rest = el("strong");
	const until = el("span");
	const ahead = el("span");
	const begin = el("span");
	const node = el("div", { class: "life" }, el("p", null, rest, " ", until), bar, el("div", { class: "scale dim" }, begin, ahead));
	const update = (w) => {
		node.hidden = !w.expiration;
		if (!w.expiration) return;
		const end = Date.parse(w.expiration);
		const start = w.last_renewal ? Date.parse(w.last_renewal) : end - 3600e3;
		const share = (t) => `${(100 * Math.min(1, Math.max(0, (t - start) / Math.max(1, end - start)))).toFixed(2)}%`;
		over.style.inlineSize = share(now());
		node.classList.toggle("low", end - now() < 300e3);
		tick.hidden = !w.renews_at;
		write(rest, left(w.expiration));
		change(until, w.expiration, () => ["valid until ", time(w.expiration)]);
		change(begin, w.last_renewal ?? "", () => w.last_renewal && ["renewed ", time(w.last_renewal)]);
		change(ahead, w.renews_at ?? "", () => w.renews_at && ["next renewal ", time(w.renews_at)]);
		if (w.renews_at) {
			tick.style.insetInlineStart = share(Date.parse(w.renews_at));
			ahead.style.marginInlineEnd = `calc(100% - ${tick.style.insetInlineStart})`; // its text ends below the tick
		}
		const label = `Life of the credentials: ${left(w.expiration)} of ${span(end - start)}`;
		if (bar.getAttribute("aria-label") !== label) bar.setAttribute("aria-label", label);
	};
	return { node, update };
}

// requestsFact is how many requests come, with a bar for each of the last 60 seconds.
function requestsFact() {
	const rate = el("strong");
	const rest = el("p", { class: "dim" });
	const path = svg("path", { d: "" });
	const chart = svg("svg", { class: "spark", viewBox: "0 0 240 36", preserveAspectRatio: "none", role: "img" }, path);
	const node = el("div", { class: "fact" }, el("h2", null, el("a", { href: "#/requests" }, "Requests")), el("p", { class: "value" }, rate, " a second"), chart, rest);
	const update = (o) => {
		const list = rates(60);
		const most = Math.max(1, ...list);
		const speed = list.slice(-5).reduce((a, b) => a + b, 0) / 5;
		write(rate, speed >= 10 || speed === 0 ? count(Math.round(speed)) : speed.toFixed(1));
		path.setAttribute("d", list.map((n, i) => n > 0 ? `M${i * 4} 36h3v-${(n / most * 34 + 1.5).toFixed(1)}h-3z` : `M${i * 4} 36h3v-1h-3z`).join(""));
		chart.setAttribute("aria-label", `Requests in each of the last 60 seconds: ${count(list.at(-1))} in the last, at most ${count(Math.max(...list))}`);
		const v2 = o.requests > 0 ? `, ${Math.round(o.v2 / o.requests * 100)} % IMDSv2` : "";
		write(rest, `${count(o.requests)} since the start${v2}`);
	};
	return { node, update };
}

function refusedFact(list, o) {
	const rules = new Map();
	for (const r of list) rules.set(r.rule, (rules.get(r.rule) ?? 0) + 1);
	const total = Object.values(o.status.refused ?? {}).reduce((a, b) => a + b, 0);
	return [
		el("h2", null, el("a", { href: "#/requests?show=refused" }, "Refused")),
		el("p", { class: "value" }, el("strong", null, count(list.length)), " in 5 min"),
		list.length > 0
			? el("p", null, mark("warn", [...rules].map(([rule, n]) => `${rule} ${n}`).join(", ")), " ", el("a", { href: "#/requests?show=refused", "data-key": "why" }, "Why?"))
			: el("p", null, mark("ok", "no client refused")),
		el("p", { class: "dim" }, `${count(total)} since the start`),
	];
}

function renewalFact(o) {
	const w = o.who;
	return [
		el("h2", null, "Last refresh"),
		el("p", { class: "value" }, el("strong", null, w.last_renewal ? time(w.last_renewal) : "none yet")),
		w.last_error ? el("p", null, mark("bad", w.last_renewal ? "failed since" : "failed")) : el("p", null, mark(w.last_renewal ? "ok" : "off", w.last_renewal ? "no error" : w.state)),
		el("p", { class: "dim" }, "Configuration read ", time(o.status.config?.loaded_at), o.status.config?.error && [" ", mark("bad", "not reloaded since")]),
	];
}

function simulationFact(o) {
	const { events = [], faults = [] } = o.status.simulation ?? {};
	return [
		el("h2", null, el("a", { href: "#/events" }, "Simulated")),
		el("p", { class: "value" }, el("strong", null, count(events.length + faults.length)), " active"),
		events.length + faults.length === 0 && el("p", null, mark("off", "no events, no faults")),
		events.slice(0, 2).map((e) => line("wait", `${e.id} ${e.kind}, ${e.phase}`)),
		faults.slice(0, 2).map((f) => line("warn", `${f.id}, ${count(f.hits)} hits`)),
	];
}

// everybody are the identities with who has them; last the instance of the file, which all others get.
export function everybody(o) {
	const others = o.status.identities ?? [];
	const own = { who: others.length + (o.status.kubernetes?.sessions?.length ?? 0) > 0 ? "all others" : "all clients", instance_id: o.status.instance_id, role: o.status.role, credentials: o.status.credentials };
	const sessions = (o.status.kubernetes?.sessions ?? []).map((s) => ({ ...s, who: s.for ? el("code", null, s.for) : `${count(s.pods)} pods` }));
	return [...sessions, ...others.map((i) => ({ ...i, who: el("code", null, i.container || i.pod || i.identity || i.role || "") })), own];
}

// otherError is the error of an identity, unless the page has it above.
export const otherError = (i, o) => {
	const error = i.credentials.last_error;
	return error && error !== o.who.last_error && el("span", { class: "error wrap block" }, error);
};

function identities(o) {
	const rows = everybody(o).map((i) => el("tr", null,
		el("td", { class: "wrap" }, i.who),
		el("td", { class: "mono wrap" }, i.role || "no role"),
		el("td", null, credentialState(i.credentials.state), otherError(i, o)),
		el("td", null, i.credentials.expiration ? el("span", { class: "still", "data-until": i.credentials.expiration }, left(i.credentials.expiration)) : "–")));
	return el("section", { class: "panel" }, el("h2", null, "Identities"), table("Identities", ["Client", "Role", "Credentials", "Life"], rows, "stack"));
}

// latestRequests are the last few.
function latestRequests() {
	const rows = entries.slice(-6).reverse().map((e) => el("tr", null,
		el("td", { class: "dim" }, time(e.at)), el("td", { class: "mono" }, e.client), el("td", { class: "mono wrap long" }, e.method ? `${e.method} ${e.path}` : "connection"),
		el("td", { class: "still" }, e.rule ? mark("bad", `refused: ${e.rule}`) : mark(e.status >= 400 || e.status === 0 ? "warn" : "ok", e.status || "no answer"))));
	return [el("h2", null, el("a", { href: "#/requests" }, "Latest requests")),
		rows.length > 0 ? table("Latest requests", ["Time", "Client", "Request", "Answer"], rows, "stack") : el("p", { class: "empty" }, "None yet. ", el("a", { href: "#/connect" }, "Connect"), " shows what a client needs.")];
}

function listeners(o) {
	const engine = o.status.containers;
	return el("section", { class: "panel" }, el("h2", null, "Listens at"),
		el("ul", { class: "plain" }, (o.listeners ?? []).map((l) => el("li", null, el("code", null, l.url), l.only && el("span", { class: "dim" }, ` ${l.only} only`)))),
		engine && el("p", null, mark(engine.connected ? "ok" : "bad", engine.connected ? `${count(engine.containers)} containers of ${engine.engine}` : engine.error || "no container engine")),
		o.status.kubernetes && el("p", null, mark(o.status.kubernetes.synced ? "ok" : "wait", `${count(o.status.kubernetes.pods)} pods of ${o.status.kubernetes.node}`)),
		el("p", { class: "dim" }, "Runs since ", time(o.status.started_at)));
}
