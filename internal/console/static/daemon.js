// Connect: lines to copy, so that a client asks this daemon. Settings: the configuration in use, where each value comes from, and this session.

import { call, refresh, signOut, state } from "./api.js";
import { button, change, choose, el, field, line, lined, mark, replace, search, table, time, write } from "./dom.js";

const places = {
	shell: ["Shell", "For programs that you start in a terminal of this machine."],
	docker: ["Docker", "For containers that you start with docker run."],
	compose: ["Compose", "For services of a compose file."],
	vm: ["VM", "For virtual machines, such as Vagrant boxes."],
	pod: ["Pod", "For pods of a local Kubernetes cluster."],
};

// connect shows lines for a kind of client.
export function connect(root, view) {
	let place = Object.hasOwn(places, view.params.get("for")) ? view.params.get("for") : "shell";
	const shell = choose(["bash", "fish", "powershell"], "bash");
	const shells = field("Shell", shell);
	const tabs = el("div", { class: "tabs", role: "tablist", "aria-label": "Where the client runs" },
		Object.entries(places).map(([key, [name]]) => el("button", { type: "button", role: "tab", id: `tab-${key}`, "aria-controls": "lines", "data-place": key }, name)));
	const lines = el("div", { id: "lines", class: "panel", role: "tabpanel", tabindex: "0" });
	root.append(el("h1", null, "Connect"), el("div", { class: "tools" }, tabs, shells), lines);

	const draw = async () => {
		const mine = place + shell.value;
		for (const tab of tabs.children) {
			const on = tab.dataset.place === place;
			tab.setAttribute("aria-selected", String(on));
			tab.setAttribute("tabindex", on ? "0" : "-1");
		}
		lines.setAttribute("aria-labelledby", `tab-${place}`);
		shells.hidden = place !== "shell";
		let parts;
		try {
			const doc = await call("GET", `/v1/env?${new URLSearchParams({ for: place, ...(place === "shell" && { shell: shell.value }) })}`);
			parts = [
				lined("Lines", doc.lines),
				doc.note && el("p", { class: "wrap" }, doc.note),
			];
		} catch (problem) {
			parts = el("p", { class: "error" }, problem.message);
		}
		if (mine === place + shell.value) replace(lines, el("p", { class: "dim" }, places[place][1]), parts);
	};
	tabs.addEventListener("click", (e) => {
		const tab = e.target.closest("[data-place]");
		if (!tab) return;
		place = tab.dataset.place;
		draw();
	});
	tabs.addEventListener("keydown", (e) => {
		const keys = Object.keys(places);
		const i = keys.indexOf(place);
		const to = { ArrowRight: i + 1, ArrowLeft: i - 1 + keys.length, Home: 0, End: keys.length - 1 }[e.key];
		if (to === undefined) return;
		e.preventDefault();
		place = keys[to % keys.length];
		draw();
		tabs.querySelector(`[data-place="${place}"]`).focus();
	});
	shell.addEventListener("change", draw);
	draw();
}

// settings shows each key with its source; first those that are not left to their defaults.
export function settings(root, view) {
	const head = el("section", { class: "panel" });
	const filter = search("part of a key or value");
	const show = choose([["set", "Set"], ["all", "All"]], "set");
	const tally = el("p", { class: "dim tally", role: "status" });
	const values = el("section", { class: "panel flush" });
	const yaml = el("details", { class: "panel" });
	const session = el("section", { class: "panel" }, el("h2", null, "This session"),
		el("p", { class: "dim" }, "It ends after 12 hours, after 30 minutes without use, and with this tab."),
		el("div", { class: "actions" }, button("Sign out", signOut)));
	const said = el("p", { role: "status" });
	root.append(el("h1", null, "Settings"), head, el("div", { class: "tools" }, field("Filter", filter, null, "wide"), field("Show", show), tally), values, yaml, session);

	let config;
	const reload = async () => {
		try {
			await call("POST", "/v1/reload", {});
			replace(said, mark("ok", "Reloaded."));
		} catch (problem) {
			replace(said, mark("bad", problem.message));
		}
		refresh();
		await load();
	};
	const drawHead = () => {
		const c = state.overview?.status.config;
		change(head, [c ?? null, config?.warnings, config?.needs_restart], () => [
			el("div", { class: "whoami" },
				el("div", null, el("h2", null, "Configuration"),
					el("p", null, el("code", { class: "wrap" }, c?.file || "embedded default"), el("span", { class: "dim" }, " read ", time(c?.loaded_at)))),
				el("div", { class: "actions" }, button("Reload", reload, { class: "main", "data-key": "reload" }))),
			said,
			c?.error && line("bad", c.error),
			...(config?.warnings ?? c?.warnings ?? []).map((w) => line("warn", w)),
			...(config?.needs_restart ?? c?.needs_restart ?? []).map((k) => line("warn", `${k} needs a restart.`)),
		]);
	};
	const drawValues = () => {
		const text = filter.value.toLowerCase();
		const all = config?.values ?? [];
		const fit = all.filter((v) => `${v.key} ${v.value} ${v.origin}`.toLowerCase().includes(text));
		const list = fit.filter((v) => show.value === "all" || v.origin !== "default");
		const hidden = fit.length - list.length;
		write(tally, config ? `${list.length} of ${all.length} keys${hidden ? `, ${hidden} defaults hidden` : ""}` : "");
		replace(values, list.length === 0 ? el("p", { class: "empty" }, !config ? "Reading" : hidden ? "Nothing is set here. Show All has the defaults." : "Nothing fits the filter.") : table("Values in use", ["Key", "Value", "From"], list.map((v) => el("tr", null,
			el("th", { scope: "row", class: "mono wrap" }, v.key), el("td", { class: "mono wrap" }, v.value), el("td", { class: "dim wrap" }, v.origin))), "values"));
	};
	const load = async () => {
		try {
			config = await call("GET", "/v1/config");
			replace(yaml, el("summary", null, "As one file"), lined("Configuration", config.yaml));
		} catch (problem) {
			replace(said, mark("bad", problem.message));
		}
		drawHead();
		drawValues();
	};
	filter.addEventListener("input", drawValues);
	show.addEventListener("change", drawValues);
	view.on("overview", drawHead);
	view.on("config", load);
	drawHead();
	drawValues();
	load();
}
