// The last requests and refusals, whichever view is open, and how many came in each second.

import { call, emit, now, on } from "./api.js";

const most = 2000; // entries kept

// entries are the last requests and refusals, oldest first. A refusal has a rule.
export const entries = [];

// refused are the last refusals alone, oldest first: many requests do not push them out.
const refused = [];

const perSecond = new Map(); // second -> requests
let lastRequest = 0;
let lastRefusal = 0;
let dropped = 0;

// load reads what there is already. What the stream brings meanwhile waits, so that nothing is missing and nothing is there twice.
export async function load() {
	let early = [];
	const later = (f) => (doc) => (early ? early.push(() => f(doc)) : f(doc));
	on("requests", later((doc) => take(doc.requests ?? [])));
	on("refusals", later((doc) => refuse(doc.refusals ?? [])));
	on("lagged", (doc) => {
		if (early) return; // before this page
		dropped += doc.dropped ?? 0;
		tally(now(), doc.dropped ?? 0);
		emit("journal", 0);
	});
	try {
		const [requests, refusals] = await Promise.all([call("GET", "/v1/requests"), call("GET", "/v1/refusals")]);
		take(requests?.requests ?? []);
		refuse(refusals?.refusals ?? []);
		entries.sort((a, b) => a.at - b.at);
	} finally {
		for (const f of early) f();
		early = undefined;
	}
	emit("journal", entries.length);
}

function take(list) {
	const fresh = list.filter((r) => r.seq > lastRequest);
	if (fresh.length === 0) return;
	lastRequest = fresh.at(-1).seq;
	for (const r of fresh) {
		r.at = Date.parse(r.time);
		tally(r.at, 1);
	}
	keep(fresh);
}

function refuse(list) {
	const fresh = list.filter((r) => r.seq > lastRefusal);
	if (fresh.length === 0) return;
	lastRefusal = fresh.at(-1).seq;
	for (const r of fresh) {
		r.at = Date.parse(r.time);
		r.status = 403;
	}
	refused.push(...fresh);
	refused.splice(0, Math.max(0, refused.length - 200));
	keep(fresh);
}

function keep(fresh) {
	const late = entries.length > 0 && entries.at(-1).at > fresh[0].at; // refusals come apart from requests
	entries.push(...fresh.slice(-most));
	if (late) entries.sort((a, b) => a.at - b.at);
	if (entries.length > most) entries.splice(0, entries.length - most);
	emit("journal", fresh.length);
}

function tally(at, n) {
	const second = Math.floor(at / 1000);
	perSecond.set(second, (perSecond.get(second) ?? 0) + n);
	if (perSecond.size > 400) {
		for (const s of perSecond.keys()) if (s < second - 300) perSecond.delete(s);
	}
}

// rates are the requests of each of the last n full seconds, oldest first.
export function rates(n) {
	const end = Math.floor(now() / 1000);
	return Array.from({ length: n }, (_, i) => perSecond.get(end - n + i) ?? 0);
}

// lost is how many the daemon has left out because this page was too slow.
export const lost = () => dropped;

// refusals are the refused requests since a time, newest first.
export const refusals = (since) => refused.filter((e) => e.at >= since).reverse();

// clients are the addresses that have asked, newest first.
export const clients = () => [...new Set(entries.map((e) => e.client).reverse())].slice(0, 50);
