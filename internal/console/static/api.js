// The session, the calls, and the stream. The session's token is in this tab's sessionStorage and nowhere else.

const store = "console-session";
const topics = "requests,refusals,credentials,config,simulation";

// state is what all views show. link is connecting, live, lost or out; skew is the daemon's clock less ours, in ms; trouble is for the banner.
export const state = { overview: null, link: "connecting", skew: 0, why: "", trouble: "" };

// now is the daemon's time.
export const now = () => Date.now() + state.skew;

const listeners = new Map();

// on calls f at each emit of a topic. It returns what ends that.
export function on(topic, f) {
	if (!listeners.has(topic)) listeners.set(topic, new Set());
	listeners.get(topic).add(f);
	return () => listeners.get(topic).delete(f);
}

export function emit(topic, value) {
	for (const f of listeners.get(topic) ?? []) {
		try {
			f(value);
		} catch (e) {
			report(e); // and go on
		}
	}
}

// report has the banner tell of an error that nothing else shows.
let reported = 0;
export function report(e) {
	reported = Date.now();
	trouble(e instanceof Problem ? e.message : `Not all can be shown: ${e.message}`);
}

function trouble(text) {
	if (state.trouble === text) return;
	state.trouble = text;
	emit("link", state.link);
}

// Problem is a refusal in the daemon's words. field is the key at fault.
export class Problem extends Error {
	constructor(status, text, field) {
		super(text);
		this.status = status;
		this.field = field;
	}
}

// call makes a call of the control API and gives its document, or undefined if it has none.
export async function call(method, path, body) {
	const headers = {};
	const token = sessionStorage.getItem(store);
	if (token) headers.Authorization = `Bearer ${token}`;
	if (body !== undefined) headers["Content-Type"] = "application/json";
	let res;
	let text;
	try {
		// Changes may wait for STS.
		const signal = AbortSignal.timeout(method === "GET" ? 15_000 : 60_000);
		res = await fetch(path, { method, headers, body: body === undefined ? undefined : JSON.stringify(body), cache: "no-store", signal });
		text = await res.text();
	} catch {
		throw new Problem(0, "The daemon does not answer.");
	}
	const date = Date.parse(res.headers.get("Date") ?? "");
	const skew = date - Date.now();
	if (date) state.skew = Math.abs(skew) > 5000 ? skew : 0;
	let doc;
	try {
		doc = text ? JSON.parse(text) : undefined;
	} catch {
		if (res.ok) throw new Problem(res.status, "The daemon's answer is no JSON.");
		doc = { error: text };
	}
	if (res.ok) return doc;
	const problem = new Problem(res.status, String(doc?.error || `The daemon answers ${res.status}.`), doc?.field);
	if (res.status === 401) leave(problem.message);
	throw problem;
}

// enter takes the one-use code of the address, or the session that this tab has. It says whether there is one.
export async function enter(code) {
	if (code) {
		sessionStorage.removeItem(store);
		try {
			const session = await call("POST", "/v1/console/session", { code });
			sessionStorage.setItem(store, session.token);
		} catch (e) {
			leave(e.message);
		}
	}
	return sessionStorage.getItem(store) !== null;
}

// leave forgets the session. Nothing more can be asked.
export function leave(why) {
	sessionStorage.removeItem(store);
	ended?.abort();
	setLink("out", why);
}

export async function signOut() {
	state.link = "out"; // ends the stream first, so that it is not opened again
	ended?.abort();
	await call("DELETE", "/v1/console/session").catch(() => undefined);
	leave("You have signed out.");
}

function setLink(link, why = "") {
	if (state.link === link && state.why === why) return;
	state.link = link;
	state.why = why;
	emit("link", link);
}

// refresh reads the overview; calls close together become one.
let asked;
export function refresh() {
	asked ??= new Promise((done) => setTimeout(done, state.overview ? 120 : 0)).then(async () => {
		const first = !state.overview;
		// Until there is a first overview, this one also answers what the stream begins with.
		if (!first) asked = undefined;
		try {
			if (state.link === "out") return;
			const { who, listeners, requests, v2, ...status } = (await call("GET", "/v1/status")) ?? {};
			if (!who || !status.credentials) throw new Problem(200, "The daemon's answer is no status.");
			state.overview = { status, who, listeners, requests, v2 };
			if (Date.now() - reported > 5000) trouble("");
			emit("overview", state.overview);
		} catch (e) {
			// The stream is dead, too, and says so.
			if (e.status) report(e);
			else ended?.abort();
		} finally {
			if (first) asked = undefined;
		}
	});
	return asked;
}

let ended; // aborts the stream
let after = ""; // id of the last event of the stream; "" for from now on

// follow reads the stream, again and again from where it was until the session ends. first is called when it has been opened once.
// All tabs share six connections to the daemon, so hidden ones give theirs back.
export async function follow(first) {
	document.addEventListener("visibilitychange", () => setTimeout(() => document.hidden && ended?.abort(), 5000));
	for (let pause = 250; state.link !== "out"; pause = Math.min(pause * 2, 4000)) {
		if (document.hidden) {
			await new Promise((done) => document.addEventListener("visibilitychange", done, { once: true }));
			refresh();
		}
		const begun = Date.now();
		try {
			await read(() => {
				if (state.link === "lost") refresh();
				setLink("live");
				first?.().catch(report);
				first = undefined;
			});
		} catch {
			// As if it had ended.
		}
		if (state.link === "out") return;
		if (document.hidden) continue;
		setLink("lost");
		if (Date.now() - begun > 10_000) pause = 250;
		await new Promise((done) => setTimeout(done, pause));
	}
}

// The daemon sends a comment each 15 s. A stream without one is dead.
const silence = 40_000;

async function read(opened) {
	const mine = new AbortController();
	ended = mine;
	let dead = setTimeout(() => mine.abort(), silence);
	const headers = { Authorization: `Bearer ${sessionStorage.getItem(store)}`, Accept: "text/event-stream" };
	const url = `/v1/stream?topics=${topics}${after && `&after=${encodeURIComponent(after)}`}`;
	try {
		const res = await fetch(url, { headers, signal: mine.signal, cache: "no-store" });
		if (res.status === 401) return leave("The session has ended.");
		if (!res.ok || !res.headers.get("Content-Type")?.startsWith("text/event-stream")) return undefined;
		opened();
		const reader = res.body.pipeThrough(new TextDecoderStream()).getReader();
		for (let rest = ""; ;) {
			const { value, done } = await reader.read();
			if (done) return undefined;
			clearTimeout(dead);
			dead = setTimeout(() => mine.abort(), silence);
			rest += value;
			const end = rest.lastIndexOf("\n\n");
			if (rest.length > 1 << 24) return undefined; // more than any event has
			if (end < 0) continue;
			for (const block of rest.slice(0, end).split("\n\n")) take(block);
			rest = rest.slice(end + 2);
		}
	} finally {
		clearTimeout(dead);
		mine.abort(); // or an unreadable stream stays open
	}
}

// take hands over one event of the stream.
function take(block) {
	let topic = "";
	let data = "";
	for (const line of block.split("\n")) {
		if (/^id: \d+$/.test(line)) after = line.slice(4);
		else if (line.startsWith("event:")) topic = line.slice(6).trim();
		else if (line.startsWith("data:")) data += line.slice(5);
	}
	if (!topic) return;
	const doc = data ? JSON.parse(data) : {};
	if (topic === "credentials" || topic === "config" || topic === "simulation") refresh();
	emit(topic, doc);
}
