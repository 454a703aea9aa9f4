// Events: what EC2 does to an instance, and faults of the metadata service.

import { call, now } from "./api.js";
import { button, change, choose, count, el, field, line, mark, raw, replace, span, time, write } from "./dom.js";
import { ask } from "./dialogs.js";
import { eventForms, faultForm, presets } from "./forms.js";

export function mount(root, view) {
	const events = el("section", { class: "panel", "aria-label": "Events" });
	const faults = el("section", { class: "panel", "aria-label": "Faults" });
	const options = el("p", { class: "dim wrap" });
	root.append(el("h1", null, "Events"),
		el("div", { class: "halves" },
			el("section", { class: "panel" }, el("h2", null, "Start an event"), starter(() => load())),
			el("section", { class: "panel" }, el("h2", null, "Add a fault"), adder(() => load()))),
		events, faults, options);

	let asked = 0;
	const load = async () => {
		const mine = ++asked;
		let doc;
		try {
			doc = await call("GET", "/v1/state");
		} catch (problem) {
			return replace(options, mark("bad", problem.message));
		}
		if (mine !== asked) return; // an older answer
		change(events, doc.events, () => [heading("Events in progress", doc.events, "events", load), eventList(doc.events, load)]);
		change(faults, doc.faults, () => [heading("Faults in force", doc.faults, "faults", load), faultList(doc.faults, load)]);
		const m = doc.metadata_options;
		change(options, [doc.generation, m], () => m && `Metadata options now: tokens ${m.http_tokens}, endpoint ${m.http_endpoint}, hop limit ${m.http_put_response_hop_limit}, tags ${m.instance_metadata_tags}. Generation ${doc.generation}.`);
		tick();
	};
	const tick = () => {
		for (const node of root.querySelectorAll("[data-next]")) {
			const ms = Date.parse(node.dataset.next) - now();
			write(node, ms > 0 ? `in ${span(ms)}` : "now");
		}
	};
	view.on("overview", load);
	let seconds = 0;
	view.on("second", () => {
		tick();
		if (++seconds % 5 === 0 && !document.hidden) load(); // hits rise without notice
	});
	load();
}

// heading has a button that ends all.
function heading(title, list, kind, load) {
	const clear = () => call("DELETE", `/v1/${kind}`).finally(load);
	return el("div", { class: "whoami" }, el("h2", null, title, " ", el("span", { class: "dim" }, String(list.length))),
		list.length > 1 && button("Clear all", () => ask(`Clear all ${kind}?`, `${list.length} ${kind} end at once, as if they had never been.`, "Clear all", clear), { "data-key": `clear ${kind}` }));
}

// ender is a button that ends an event or a fault.
const ender = (label, { id }, f, key = label.toLowerCase()) => button(label, f, { "data-key": `${key} ${id}`, "aria-label": `${label} ${id}` });

// steps are the phases of a kind, in order.
const steps = {
	spot: ["pending", "rebalance", "noticed", "acted"],
	rebalance: ["pending", "noticed"],
	maintenance: ["pending", "scheduled", "completed"],
	network: ["pending", "partial", "complete"],
	profile: ["pending", "lag", "active"],
};

function eventList(list, load) {
	if (list.length === 0) return el("p", { class: "empty" }, "None. The instance is as the configuration has it.");
	return el("ul", { class: "plain cards" }, list.map((e) => {
		const error = el("p", { class: "error", role: "alert" });
		const act = (f) => async () => {
			try {
				await f();
			} catch (problem) {
				write(error, problem.message);
				if (problem.status !== 404) return; // it has ended meanwhile
			}
			await load();
		};
		const path = `/v1/events/${encodeURIComponent(e.id)}`;
		const ended = e.phase === "completed" || e.phase === "canceled";
		return el("li", { class: "card" },
			el("div", { class: "whoami" },
				el("div", null,
					el("p", null, el("b", { class: "mono wrap" }, e.id), " ", el("span", null, e.kind), " ", el("code", { class: "dim wrap" }, brief(e.spec))),
					timeline(e),
					el("p", { class: "dim wrap" }, e.clients ? `for ${e.clients.join(", ") || "nobody yet"}` : "for all clients", `, asked about ${count(e.hits)}×, made `, time(e.created_at))),
				el("div", { class: "actions" },
					e.kind === "maintenance" && !ended && ender("Complete", e, act(() => call("POST", path, { verb: "complete" }))),
					ender(ended ? "Clear" : "Cancel", e, act(() => call("DELETE", path)), "cancel"))),
			(e.warnings ?? []).map((w) => line("warn", w)), error);
	}));
}

// timeline shows the phases: those that are over, the current one, and when the next one comes.
function timeline(e) {
	const all = [...(steps[e.kind] ?? ["pending", "active"])];
	if (!all.includes(e.phase)) all.push(e.phase);
	if (e.kind === "spot" && !e.spec?.rebalance) all.splice(all.indexOf("rebalance"), 1);
	if ((e.kind === "profile" || e.kind === "network") && !e.spec?.lag) all.splice(1, 1);
	const at = all.indexOf(e.phase);
	return el("ol", { class: "timeline", "aria-label": "Phases" }, all.map((p, i) => el("li", { class: i < at ? "over" : i === at ? "current" : "", "aria-current": i === at ? "step" : null },
		el("span", null, p),
		i === at && el("span", { class: "dim" }, " since ", time(e.phase_since)),
		p === e.next_phase && e.next_phase_at && el("span", { class: "dim" }, " ", el("span", { "data-next": e.next_phase_at }, "soon"), ", at ", time(e.next_phase_at)))));
}

// brief is a document in few words.
function brief(doc) {
	const say = (v) => (Array.isArray(v) ? v.map(say).join(" ") : v && typeof v === "object" ? `(${pairs(v)})` : String(v));
	const pairs = (d) => Object.entries(d).map(([k, v]) => `${k} ${say(v)}`).join(", ");
	const text = pairs(doc ?? {});
	return text.length > 200 ? `${text.slice(0, 200)}…` : text;
}

function faultList(list, load) {
	if (list.length === 0) return el("p", { class: "empty" }, "None. All requests are answered as they should be.");
	return el("ul", { class: "plain cards" }, list.map((f) => el("li", { class: "card" },
		el("div", { class: "whoami" },
			el("div", null,
				el("p", null, el("b", { class: "mono wrap" }, f.id), " ", el("code", { class: "wrap" }, brief(f.effect) || "delay")),
				el("p", { class: "dim wrap" }, brief(f.match) || "all requests", brief(f.dose) && `; ${brief(f.dose)}`),
				el("p", { class: "dim" }, `${count(f.hits)} answers changed`, f.expires_at && [", ends ", el("span", { "data-next": f.expires_at }, "soon"), ", at ", time(f.expires_at)])),
			el("div", { class: "actions" }, ender("Remove", f, () => call("DELETE", `/v1/faults/${encodeURIComponent(f.id)}`).finally(load)))))));
}

// starter is the form of a new event. What it asks for depends on the kind.
function starter(done) {
	const kind = choose(Object.entries(eventForms).map(([key, f]) => [key, f.name]), "spot", { name: "kind" });
	return form(done, "Start", "/v1/events", [["Event", kind]], () => eventForms[kind.value], kind, [
		["After", el("input", { name: "in", placeholder: "now", size: "6", autocomplete: "off" }), "such as 30s"],
		["Clients", el("input", { name: "clients", placeholder: "all", ...raw }), "addresses, networks"],
	]);
}

// adder is the form of new faults: a preset, or one of your own.
function adder(done) {
	const preset = choose([...presets.map((p) => [p.id, p.id]), ["own", "your own"]], "throttled", { name: "preset" });
	return form(done, "Add", "/v1/faults", [["Fault", preset]], () => presets.find((p) => p.id === preset.value) ?? faultForm, preset, []);
}

// form builds fields that change with a <select>, and sends what they make. It shows the daemon's refusal at the field it names.
function form(done, label, path, first, chosen, select, common) {
	const own = el("div", { class: "contents" });
	const summary = el("p", { class: "dim" });
	const error = el("p", { class: "error wrap", role: "alert" });
	const node = el("form", { novalidate: true }, el("div", { class: "fields" }, first.map(([name, c]) => field(name, c)), own, common.map(([name, c, hint]) => field(name, c, hint))), summary, error,
		el("div", { class: "actions" }, el("button", { class: "main" }, label)));
	const draw = () => {
		const f = chosen();
		replace(own, (f.fields ?? []).map(([key, name, control, hint]) => {
			const input = Array.isArray(control) ? choose(control, control[0]) : control === "text" ? el("textarea", { rows: "3", spellcheck: "false" }) : el("input", { value: control, ...raw });
			input.setAttribute("name", key);
			return field(name, input, hint, control === "text" ? "wide" : "");
		}));
		write(summary, f.summary ?? "");
		error.textContent = "";
	};
	select.addEventListener("change", draw);
	const send = node.querySelector("button");
	node.addEventListener("submit", async (e) => {
		e.preventDefault();
		if (send.hasAttribute("aria-disabled")) return; // pressed twice
		send.setAttribute("aria-disabled", "true");
		error.textContent = "";
		for (const bad of node.querySelectorAll("[aria-invalid]")) bad.removeAttribute("aria-invalid");
		const v = Object.fromEntries([...new FormData(node)].map(([k, x]) => [k, x.trim()]));
		try {
			const body = chosen().body(v);
			if (v.in) body.in = v.in;
			if (v.clients) body.clients = v.clients.split(/[\s,]+/);
			await call("POST", path, body);
		} catch (problem) {
			write(error, problem instanceof SyntaxError ? `Not JSON: ${problem.message}` : problem.message);
			const bad = problem.field && node.querySelector(`[name="${CSS.escape(problem.field.split(/[.[]/).at(-1))}"]`);
			bad?.setAttribute("aria-invalid", "true");
			bad?.focus();
			return;
		} finally {
			send.removeAttribute("aria-disabled");
		}
		await done();
	});
	draw();
	return node;
}
