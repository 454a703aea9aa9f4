// What the forms of Events ask for, and the bodies that they send.

// some leaves out what has not been filled in.
const some = (doc) => Object.fromEntries(Object.entries(doc).filter(([, v]) => v !== "" && v !== undefined));

// pairs reads lines of key=value.
const pairs = (text) => Object.fromEntries(text.split("\n").filter(Boolean).map((line) => {
	const at = line.indexOf("=");
	return at < 0 ? [line.trim(), ""] : [line.slice(0, at).trim(), line.slice(at + 1).trim()];
}));

// list reads words.
const list = (text) => (text ? text.split(/[\s,]+/) : undefined);

// eventForms are the kinds of events. A field is key, name, control (options, a first value, or text) and hint.
export const eventForms = {
	spot: {
		name: "Spot interruption", summary: "EC2 takes the spot instance away: notice first, then the action.",
		fields: [["action", "Action", ["terminate", "stop", "hibernate"]], ["notice", "Notice", "2m", "ahead of the action"], ["rebalance", "Rebalance", "", "ahead of the notice; empty for none"]],
		body: (v) => some({ spot: v.action, notice: v.notice, rebalance: v.rebalance }),
	},
	rebalance: { name: "Rebalance", summary: "A recommendation to move work elsewhere.", body: () => ({ rebalance: true }) },
	maintenance: {
		name: "Maintenance", summary: "A scheduled event of the instance.",
		fields: [["maintenance", "Code", ["system-reboot", "instance-reboot", "system-maintenance", "instance-retirement", "instance-stop"]], ["not_before", "Not before", "", "a time such as 2026-12-01T02:00:00Z"]],
		body: (v) => some({ maintenance: v.maintenance, not_before: v.not_before }),
	},
	asg: {
		name: "Auto Scaling", summary: "The state that Auto Scaling wants the instance to have.",
		fields: [["asg", "State", ["InService", "Standby", "Terminated", "Warmed:Stopped", "Warmed:Running", "Warmed:Hibernated", "Warmed:Terminated", "gone"]]],
		body: (v) => ({ asg: v.asg }),
	},
	credentials: { name: "Rotate credentials", summary: "New credentials now, as before the end of the old ones.", body: () => ({ credentials: "rotate" }) },
	profile: {
		name: "Instance profile", summary: "The instance profile is taken away, given back or replaced.",
		fields: [["profile", "Change", ["detach", "attach", "replace", "break"]], ["role", "Role", "", "for replace"], ["lag", "Lag", "", "until clients see it"]],
		body: (v) => some({ profile: v.profile, role: v.role, lag: v.lag }),
	},
	tags: {
		name: "Tags", summary: "Tags of the instance, if its metadata has them.",
		fields: [["set", "Set", "text", "key=value, one a line"], ["unset", "Remove", "", "keys"]],
		body: (v) => ({ tags: some({ set: v.set ? pairs(v.set) : undefined, unset: list(v.unset) }) }),
	},
	options: {
		name: "Metadata options", summary: "IMDSv2 required, or the endpoint off.",
		fields: [["http_tokens", "Tokens", [["", "as is"], "required", "optional"]], ["http_endpoint", "Endpoint", [["", "as is"], "disabled", "enabled"]]],
		body: (v) => ({ options: some({ http_tokens: v.http_tokens, http_endpoint: v.http_endpoint }) }),
	},
	network: {
		name: "Network", summary: "A private address or an interface comes or goes.",
		fields: [["network", "Change", ["add-ip", "remove-ip", "attach", "detach"]], ["address", "Address", "", "for add-ip, remove-ip"], ["mac", "MAC", "", "for detach"]],
		body: (v) => some({ network: v.network, address: v.address, mac: v.mac, interface: v.network === "attach" ? {} : undefined }),
	},
	public_ip: {
		name: "Public address", summary: "An address, or release.",
		fields: [["public_ip", "Address", "release"]], body: (v) => ({ public_ip: v.public_ip }),
	},
	restart: {
		name: "Stop and start", summary: "The instance is stopped and started: another public address, perhaps other user data.",
		fields: [["user_data", "User data", "text", "empty for the old"]], body: (v) => some({ restart: true, user_data: v.user_data }),
	},
	set: {
		name: "Paths", summary: "Answers of your own.",
		fields: [["set", "Set", "text", "meta-data/path=value, one a line"], ["unset", "Remove", "", "paths"]],
		body: (v) => some({ set: v.set ? pairs(v.set) : undefined, unset: list(v.unset) }),
	},
	json: {
		name: "Other, as JSON", summary: "As the control API takes it.",
		fields: [["json", "JSON", "text"]], body: (v) => JSON.parse(v.json),
	},
};

const preset = (id, summary, body) => ({ id, summary: `${summary[0].toUpperCase()}${summary.slice(1)}.`, body: () => ({ id, ...body }) });

// presets are those of the command "fault preset".
export const presets = [
	preset("hop-limit", "no answer to a PUT for a session token, as beyond the hop limit", { match: { paths: ["api/token"], methods: ["PUT"] }, token_lost: true }),
	preset("throttled", "no answer to requests of a client beyond 5 a second", { throttle: { rate: 5, burst: 5, answer: "drop" } }),
	preset("outage", "503 to all requests", { status: 503 }),
	preset("expired", "credential documents that have expired, with made-up keys", { match: { paths: ["meta-data/iam/security-credentials/*"] }, credentials: { expired: true } }),
	preset("token-storm", "401 to all requests with a session token", { match: { methods: ["GET", "HEAD"], version: "v2" }, tokens: "refuse" }),
	preset("slow", "all answers 600 to 900 ms late, about the time limits of SDKs", { delay: "750ms", jitter: "150ms" }),
];

// faultForm is a fault of one's own.
export const faultForm = {
	summary: "* is any one segment of a path, ** at the end any rest.",
	fields: [
		["paths", "Paths", "meta-data/iam/**"], ["effect", "Effect", [["503", "503"], ["500", "500"], ["404", "404"], ["429", "429"], ["hang", "No answer"], ["reset", "Reset"], ["delay", "Only late"]]],
		["delay", "Delay", "", "such as 300ms"], ["count", "Times", "", "empty for always"], ["for", "For", "5m"],
	],
	body: (v) => some({
		match: v.paths ? { paths: list(v.paths) } : undefined,
		dose: some({ count: v.count ? Number(v.count) : undefined, for: v.for }),
		delay: v.delay,
		status: /^\d+$/.test(v.effect) ? Number(v.effect) : undefined,
		hang: v.effect === "hang" || undefined,
		reset: v.effect === "reset" || undefined,
	}),
};
