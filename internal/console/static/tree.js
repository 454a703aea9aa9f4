// Tree: the metadata as a client gets it.

import { call } from "./api.js";
import { bytes, button, choose, copy, el, field, mark, plain, raw, replace, search } from "./dom.js";
import { clients } from "./journal.js";
import { curl } from "./requests.js";

export function mount(root, view) {
	const at = place(view.params.get("path") ?? "");
	let version = at.version;
	let number = 0; // of the last value asked for
	const versions = choose([version], version);
	const client = el("input", { list: "clients", value: view.params.get("client") ?? "", placeholder: "this machine", ...raw });
	const known = el("datalist", { id: "clients" }, clients().map((c) => el("option", { value: c })));
	const filter = search("part of a name");
	const names = el("section", { class: "panel names", "aria-label": "Names" });
	const value = el("section", { class: "panel value", "aria-label": "Value" });
	root.append(el("h1", null, "Tree"),
		el("div", { class: "tools" }, field("Version", versions), field("As client", client), field("Filter", filter, null, "wide")), known,
		el("div", { class: "split" }, names, value));

	const ask = (path, more) => call("GET", `/v1/tree?${new URLSearchParams({ path, version, ...(client.value && { client: client.value }), ...more })}`);

	// list fills a <ul> with what is below a directory. Directories open when they are asked to.
	const list = async (path, open) => {
		let node;
		try {
			node = await ask(path);
		} catch (problem) {
			return el("p", { class: "error" }, problem.message);
		}
		if (node.status !== 200) return el("p", { class: "error" }, `${node.status || "No answer"}: this client gets no list of ${path || "this version"}.`);
		const ul = el("ul", { class: "names" });
		for (const child of node.children ?? []) ul.append(await item(path, child, open));
		return ul;
	};

	const item = async (parent, child, open) => {
		const name = child.split("=")[0];
		const path = parent + (/^\d+=/.test(child) ? `${name}/` : child);
		if (!path.endsWith("/")) {
			return el("li", null, el("button", { type: "button", class: "leaf", "data-path": path, on: { click: () => show(path) } }, name));
		}
		const inside = el("div");
		const toggle = el("button", { type: "button", class: "branch", "aria-expanded": "false", "data-path": path }, child.replace(/\/$/, ""));
		const set = async (on) => {
			toggle.setAttribute("aria-expanded", String(on));
			replace(inside, on ? await list(path, open) : null);
			sift();
		};
		toggle.addEventListener("click", () => {
			set(toggle.getAttribute("aria-expanded") !== "true");
			show(path);
		});
		if (open.startsWith(path)) await set(true);
		return el("li", null, toggle, inside);
	};

	// show asks for one path and shows the answer.
	const show = async (path, more) => {
		const mine = ++number;
		for (const b of names.querySelectorAll("[data-path]")) {
			if (b.dataset.path === path) b.setAttribute("aria-current", "true");
			else b.removeAttribute("aria-current");
		}
		const params = new URLSearchParams({ path: `/${version}/${path}`, ...(client.value && { client: client.value }) });
		if (location.hash.startsWith("#/tree")) history.replaceState(null, "", `#/tree?${params}`);
		let parts;
		try {
			const node = await ask(path, more);
			parts = answer(node, path, version, () => show(path, { reveal: "true" }));
		} catch (problem) {
			parts = [el("h2", { class: "mono wrap" }, path), el("p", { class: "error" }, mark("bad", problem.message))];
		}
		if (mine === number) replace(value, parts);
	};

	// sift hides the names that do not fit the filter.
	const sift = () => {
		const text = filter.value.toLowerCase();
		const fits = (li) => {
			const below = [...li.querySelectorAll(":scope > div > ul > li")].map(fits).some(Boolean);
			const own = li.querySelector("button").dataset.path.toLowerCase().includes(text);
			li.hidden = !(own || below);
			return own || below;
		};
		for (const li of names.querySelectorAll(":scope > ul > li")) fits(li);
	};

	const load = async (open) => {
		replace(names, el("p", { class: "dim" }, "Reading"));
		replace(names, await list("", open));
		sift();
		await show(open);
		const chosen = names.querySelector('[aria-current="true"]');
		if (chosen) names.scrollTop = chosen.getBoundingClientRect().top - names.getBoundingClientRect().top - names.clientHeight / 3;
	};
	const current = () => names.querySelector('[aria-current="true"]')?.dataset.path ?? at.path;
	versions.addEventListener("change", () => { version = versions.value; load(current()); });
	client.addEventListener("change", () => load(current()));
	filter.addEventListener("input", sift);
	load(at.path || "meta-data/");
	call("GET", "/v1/tree?path=/").then((node) => {
		const all = (node.children ?? []).map((c) => c.replace(/\/$/, ""));
		if (all.includes(version)) replace(versions, all.map((v) => el("option", { value: v, selected: v === version }, v)));
	}, () => undefined);
}

// place divides a path into its version and the rest.
function place(path) {
	const found = path.match(/^\/?(latest|\d{4}-\d\d-\d\d|1\.0)\/(.*)$/);
	return found ? { version: found[1], path: found[2] } : { version: "latest", path: path.replace(/^\//, "") };
}

// answer is what the client gets.
function answer(node, path, version, reveal) {
	const command = curl({ method: "GET", imds: "v2", path: `/${version}/${path}` });
	const good = node.status >= 200 && node.status < 400;
	return [
		el("h2", { class: "mono wrap" }, `/${version}/${path}`),
		el("p", null, mark(good ? "ok" : "bad", node.status || "no answer"), ` ${node.content_type ?? ""} `, el("span", { class: "dim" }, bytes(node.bytes))),
		node.folded
			? el("p", { class: "folded" }, "Not shown: this may be a secret. ", button("Show value", reveal, { "data-key": "reveal" }))
			: el("pre", { tabindex: "0", "aria-label": "Body" }, plain(node.body || "(empty)")),
		node.masked && el("p", null, mark("wait", "Secrets are masked here. Clients get them in full.")),
		el("p", { class: "dim wrap" }, "From ", origin(node.origin)),
		el("div", { class: "actions" }, !node.folded && copy(node.body ?? "", "Copy value", { "data-key": "copy" }), copy(command, "Copy as curl")),
	];
}

function origin(text) {
	if (text?.startsWith("event:")) return [el("a", { href: "#/events" }, `the event ${text.slice(6)}`), ", while it lasts"];
	return !text || text === "derived" ? "the instance: derived from the configuration" : el("code", null, text);
}
