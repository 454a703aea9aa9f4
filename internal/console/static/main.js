// The frame: session, views by hash route, keys, banner.

import { call, emit, enter, follow, on, Problem, refresh, report, state } from "./api.js";
import { button, change, command, el, mark, replace } from "./dom.js";
import { load } from "./journal.js";
import { helpDialog, mfaDialog, wanted } from "./dialogs.js";

// Views by route: name, key after g, how to mount it.
const views = {
	overview: ["Overview", "o", () => import("./overview.js").then((m) => m.mount)],
	requests: ["Requests", "r", () => import("./requests.js").then((m) => m.mount)],
	tree: ["Tree", "t", () => import("./tree.js").then((m) => m.mount)],
	events: ["Events", "e", () => import("./events.js").then((m) => m.mount)],
	identity: ["Identity", "i", () => import("./identity.js").then((m) => m.mount)],
	connect: ["Connect", "c", () => import("./daemon.js").then((m) => m.connect)],
	settings: ["Settings", "s", () => import("./daemon.js").then((m) => m.settings)],
};

const main = document.getElementById("view");
let stop = []; // ends what the open view listens to
let opened = 0;

// code takes the one-use code out of the address, before anything else can see it.
function code() {
	const found = location.hash.match(/^#k=(.+)$/)?.[1];
	if (found) history.replaceState(null, "", `${location.pathname}#/overview`);
	return found;
}

async function start() {
	const first = code();
	const workers = await navigator.serviceWorker?.getRegistrations().catch(() => []);
	for (const w of workers ?? []) w.unregister();
	document.getElementById("help").addEventListener("click", () => helpDialog(views));
	const nav = document.getElementById("nav");
	for (const [route, [name, key]] of Object.entries(views)) {
		nav.append(el("a", { href: `#/${route}`, "aria-keyshortcuts": `g ${key}` }, name));
	}
	document.addEventListener("keydown", keys);
	// The link itself leads to a view.
	document.querySelector(".skip").addEventListener("click", (e) => {
		e.preventDefault();
		main.focus();
	});
	addEventListener("error", report);
	addEventListener("unhandledrejection", (e) => {
		e.preventDefault();
		report(e.reason);
	});
	on("link", frame);
	on("overview", frame);
	on("overview", mfaDialog);
	addEventListener("hashchange", () => {
		const again = code();
		if (again) enter(again).then((ok) => (ok ? location.reload() : signIn()));
		else open();
	});
	if (!(await enter(first))) return signIn();
	on("link", (link) => { if (link === "out") signIn(); });
	refresh();
	open();
	setInterval(() => emit("second"), 1000);
	// In a hidden tab each 5 minutes, so that its session stays in use.
	let tick = 0;
	setInterval(() => (document.hidden && ++tick % 20) || refresh(), 15_000);
	follow(load);
}

// open shows the view that the address names.
async function open() {
	if (state.link === "out") return;
	const [path, query] = location.hash.replace(/^#\/?/, "").split("?");
	const route = Object.hasOwn(views, path) ? path : "overview";
	const number = ++opened;
	const mount = await views[route][2]().catch(() => report(new Problem(0, `${views[route][0]} cannot be opened: the daemon does not answer.`)));
	if (!mount || number !== opened) return;
	for (const a of document.querySelectorAll("#nav a")) {
		if (a.getAttribute("href") === `#/${route}`) a.setAttribute("aria-current", "page");
		else a.removeAttribute("aria-current");
	}
	for (const end of stop) end();
	stop = [];
	document.title = `${views[route][0]} - mock-ec2-metadata`;
	main.className = route;
	main.replaceChildren();
	mount(main, {
		params: new URLSearchParams(query ?? ""),
		on: (topic, f) => stop.push(on(topic, f)),
	});
	if (number > 1) main.focus({ preventScroll: true });
	scrollTo(0, 0);
}

function signIn() {
	opened++;
	for (const end of stop) end();
	stop = [];
	for (const d of document.querySelectorAll("dialog")) d.close();
	for (const id of ["nav", "help"]) document.getElementById(id).hidden = true;
	main.className = "out";
	replace(main, el("section", { class: "signin panel" },
		el("h1", null, "Open the console"),
		state.why && el("p", null, mark("warn", state.why)),
		el("p", null, "This page needs a session. Type this on the machine of the daemon, and open the address that it prints:"),
		command("mock-ec2-metadata console"),
		el("p", { class: "dim" }, "The address works once, for 60 seconds.")));
	frame();
}

// frame shows whose daemon this is, and what is unusual.
function frame() {
	const o = state.overview;
	const about = document.getElementById("about");
	if (o) {
		const good = o.status.status === "ok";
		change(about, [o.status.version, o.status.instance_id, good], () => [
			el("span", { class: "dim" }, o.status.version), el("span", { class: "mono" }, o.status.instance_id),
			mark(good ? "ok" : "bad", o.status.status)]);
	}
	const all = [];
	try {
		notices(o, all);
	} catch (e) {
		if (!state.trouble) return report(e);
	}
	change(document.getElementById("banner"), all.map((n) => [n.kind, n.text]), () => all.map((n) =>
		el("p", { class: `notice ${n.kind}` }, mark(n.kind, n.text), n.act)));
}

// notices adds the lines of the banner: kind, text, and what to do about it.
function notices(o, all) {
	const say = (kind, text, act) => all.push({ kind, text, act });
	const act = (label, f, key) => button(label, f, { "data-key": key });
	const link = (route) => el("a", { href: `#/${route}`, "data-key": `to ${route}` }, views[route][0]);
	if (state.link === "lost") say("bad", "Connection lost; trying again. If the daemon has been restarted, type mock-ec2-metadata console.");
	if (state.link === "out") return;
	if (state.trouble) say("bad", state.trouble, act("Reload page", () => location.reload(), "again"));
	if (!o) return;
	const { status, who } = o;
	const mfa = wanted(true);
	if (mfa) say("warn", `Waiting for a code of ${mfa.serial}.`, act("Give code", () => mfaDialog(true), "mfa"));
	if (who.switched) say("warn", `Switched to the role ${who.switched}.`, act("Undo", () => call("DELETE", "/v1/credentials/choice").then(refresh), "undo"));
	const { events = [], faults = [] } = status.simulation ?? {};
	if (events.length + faults.length > 0) {
		say("wait", `Simulated: ${[number(events.length, "event"), number(faults.length, "fault")].filter(Boolean).join(", ")}.`, link("events"));
	}
	const failed = (status.identities ?? []).filter((i) => i.credentials.state === "failed" || i.credentials.state === "expired");
	if (failed.length > 0) {
		say("bad", `No credentials for ${failed.slice(0, 3).map((i) => i.role || i.identity).join(", ")}${failed.length > 3 ? " and others" : ""}.`, link("identity"));
	}
	if (status.config?.error) say("bad", `Not reloaded: ${status.config.error}`, link("settings"));
	if (status.config?.needs_restart?.length) say("warn", `Needs a restart: ${status.config.needs_restart.join(", ")}.`, link("settings"));
}

const number = (n, what) => (n > 0 ? `${n} ${what}${n === 1 ? "" : "s"}` : "");

let prefix = 0; // when g was pressed

// keys are single keys, so they do nothing while somebody types or where they are switched off.
function keys(e) {
	if (state.link === "out" || e.ctrlKey || e.metaKey || e.altKey || e.target.closest?.("input, textarea, select, dialog")) return;
	if (sessionStorage.getItem("console-keys") === "off") return;
	if (e.key === "?") {
		helpDialog(views);
	} else if (e.key === "/") {
		const filter = main.querySelector("[data-filter]");
		if (!filter) return;
		filter.focus();
		filter.select?.();
	} else if (e.key === "g") {
		prefix = e.timeStamp;
		return;
	} else if (e.timeStamp - prefix < 1500) {
		const route = Object.keys(views).find((r) => views[r][1] === e.key);
		prefix = 0;
		if (!route) return;
		location.hash = `#/${route}`;
	} else {
		return;
	}
	e.preventDefault();
}

start();
