// Identity: whose credentials these are, and being another role.

import { call, refresh, state } from "./api.js";
import { arn, button, change, command, copy, el, fact, line, mark, table, time, write } from "./dom.js";
import { mfaDialog, wanted } from "./dialogs.js";
import { credentialState, everybody, left, nobody, otherError, renew } from "./overview.js";

export function mount(root, view) {
	const now = el("section", { class: "panel" });
	const others = el("section", { class: "panel" });
	const signed = el("section", { class: "panel" });
	const all = el("section", { class: "panel" });
	root.append(el("h1", null, "Identity"), el("div", { class: "halves" }, now, others), all, signed);
	const draw = () => {
		const o = state.overview;
		if (!o) return;
		change(now, [o.who, o.status.role, wanted(true)?.serial], () => current(o));
		change(others, [o.who.roles, o.who.switched], () => alternatives(o.who, others.querySelector(":checked")));
		change(all, [o.who.last_error, o.status.credentials, o.status.identities ?? null], () => everyone(o));
		change(signed, [o.status.identity_error ?? "", o.listeners], () => signature(o));
	};
	view.on("overview", draw);
	draw();
}

const code = (text) => text && el("code", null, text);

function current(o) {
	const w = o.who;
	const mfa = wanted(true);
	return [
		el("h2", null, "You are"),
		el("p", { class: "big" }, arn(w.arn || w.role || nobody(w))),
		el("dl", { class: "pairs" },
			fact("State", credentialState(w.state)), fact("Role in IMDS", code(w.role)), fact("Account", code(w.account)),
			fact("Session", code(w.session_name)), fact("Access key", code(w.key_end && `…${w.key_end}`)),
			fact("Source", w.source === "mock" ? "made up; AWS does not accept them" : w.source === "sts" ? "AWS STS" : "none"), fact("Profile", code(w.profile)),
			fact("Valid until", w.expiration && [time(w.expiration), el("span", { class: "dim" }, `, ${left(w.expiration)}`)]),
			fact("Last refresh", w.last_renewal && time(w.last_renewal)),
			fact("Last error", w.last_error ? mark("bad", w.last_error) : mark("ok", "none"))),
		el("div", { class: "actions" },
			w.source !== "none" && renew(),
			w.arn && copy(w.arn, "Copy ARN"),
			mfa && button("Give MFA code", () => mfaDialog(true), { "data-key": "mfa" })),
	];
}

// alternatives are the names of roles in the configuration. Only these can be chosen. What the person has marked stays marked if another tab switches.
function alternatives(w, marked) {
	const error = el("p", { class: "error", role: "alert" });
	const roles = w.roles ?? [];
	if (roles.length < 2) {
		return [el("h2", null, "Switch role"), el("p", { class: "dim" }, "The configuration has no other role. Those below ", el("code", null, "roles:"), " can be chosen here.")];
	}
	const form = el("form", null,
		el("fieldset", null, el("legend", { class: "unseen" }, "Role"),
			roles.map((r) => el("label", { class: "check" },
				el("input", { type: "radio", name: "role", value: r, checked: r === (w.switched ?? ""), "data-key": `role ${r}` }),
				el("span", { class: "wrap" }, r ? el("code", null, r) : "the file's own", r === (w.switched ?? "") && el("span", { class: "dim" }, " in use"))))),
		error,
		el("div", { class: "actions" }, el("button", { class: "main", "data-key": "choose" }, "Switch"),
			w.switched && button("Undo", () => choose(""), { "data-key": "undo" })));
	const again = marked && !marked.defaultChecked && [...form.elements].find((r) => r.value === marked.value);
	if (again) again.checked = true;
	const choose = async (role) => {
		error.textContent = "";
		try {
			await (role ? call("PUT", "/v1/credentials/choice", { role }) : call("DELETE", "/v1/credentials/choice"));
		} catch (problem) {
			write(error, problem.message);
		}
		await refresh();
	};
	form.addEventListener("submit", (e) => {
		e.preventDefault();
		choose(new FormData(form).get("role") ?? "");
	});
	return [
		el("h2", null, "Switch role"),
		el("p", { class: "dim" }, "For all clients that no other rule picks, until you undo it or the daemon ends. It is kept in memory alone."),
		form,
	];
}

function everyone(o) {
	const rows = everybody(o).map((i) => el("tr", null,
		el("td", { class: "wrap" }, i.who),
		el("td", { class: "mono still" }, i.instance_id),
		el("td", { class: "mono wrap" }, i.role || "no role"),
		el("td", null, credentialState(i.credentials.state), otherError(i, o)),
		el("td", { class: "wrap long" }, i.credentials.arn ? arn(i.credentials.arn) : "–"),
		el("td", null, i.credentials.expiration ? time(i.credentials.expiration) : "–")));
	return [el("h2", null, "All identities"), table("All identities", ["Client", "Instance", "Role", "Credentials", "ARN", "Valid until"], rows, "stack")];
}

// signature says whether the identity document can be checked, and where it is.
function signature(o) {
	const bad = o.status.identity_error;
	return [
		el("h2", null, "Instance identity document"),
		line(bad ? "bad" : "ok", bad || "Signed. To verify it, use the daemon's certificate instead of AWS's."),
		command("mock-ec2-metadata identity cert"),
		el("div", { class: "actions" }, el("a", { class: "button", href: "#/tree?path=%2Flatest%2Fdynamic%2Finstance-identity%2Fdocument" }, "Show document")),
	];
}
