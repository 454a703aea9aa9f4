// Dialogs. The browser keeps the focus in a modal <dialog>, and gives it back at the end.

import { call, refresh, state } from "./api.js";
import { button, el, write } from "./dom.js";

// dialog opens a modal dialog. It is removed when it closes; close is a button that does that.
export function dialog(title, kind, make) {
	const from = document.activeElement;
	const node = el("dialog", { class: kind, "aria-labelledby": "dialog-title" });
	const close = (label) => button(label, () => node.close());
	node.append(el("h2", { id: "dialog-title" }, title), ...make(close, node).filter(Boolean));
	node.addEventListener("close", () => {
		node.remove();
		if (from?.isConnected) from.focus({ preventScroll: true });
	});
	document.body.append(node);
	node.showModal();
	return node;
}

// ask asks before something that cannot be taken back.
export function ask(title, text, label, act) {
	dialog(title, "ask", (close, node) => [
		el("p", null, text),
		el("div", { class: "actions" }, button(label, () => { node.close(); return act(); }, { class: "main", autofocus: true }), close("Keep")),
	]);
}

// helpDialog lists the keys.
export function helpDialog(views) {
	if (document.querySelector("dialog[open]")) return;
	const row = (text, ...keys) => el("div", null, el("dt", null, keys.map((k) => el("kbd", null, k))), el("dd", null, text));
	const on = el("input", { type: "checkbox", checked: sessionStorage.getItem("console-keys") !== "off" });
	on.addEventListener("change", () => sessionStorage.setItem("console-keys", on.checked ? "on" : "off"));
	dialog("Keyboard", "help", (close) => [
		el("dl", { class: "keys" },
			Object.values(views).map(([name, key]) => row(name, "g", key)),
			row("Filter", "/"), row("Next and previous row of Requests", "↑", "↓"), row("Details of the row", "Enter"), row("This list", "?")),
		el("label", { class: "check" }, on, "Use single keys"),
		el("div", { class: "actions" }, close("Close")),
	]);
}

let later = ""; // what the person has put off

// wanted is the MFA code that is waited for: {serial, role}. One that was put off counts only with all.
export function wanted(all) {
	const o = state.overview;
	if (!o) return undefined;
	const list = [{ role: "", credentials: o.status.credentials }, ...(o.status.identities ?? [])];
	const found = list.find((i) => i.credentials.mfa);
	if (!found) {
		later = "";
		return undefined;
	}
	const mfa = { serial: found.credentials.mfa.serial, role: found.role ?? "" };
	return all || later !== mfa.serial + mfa.role ? mfa : undefined;
}

// mfaDialog asks for the code. It opens by itself once for each wait.
export function mfaDialog(all) {
	if (!wanted(true)) document.querySelector("dialog.mfa")?.close();
	const mfa = wanted(all === true);
	if (!mfa || document.querySelector("dialog[open]")) return;
	later = mfa.serial + mfa.role;
	const input = el("input", { id: "mfa-code", inputmode: "numeric", autocomplete: "one-time-code", maxlength: "6", required: true, autofocus: true, "aria-describedby": "mfa-error" });
	const error = el("p", { id: "mfa-error", class: "error", role: "alert" });
	dialog("MFA code", "mfa", (close, node) => {
		const give = el("button", { class: "main" }, "Give");
		const form = el("form", { novalidate: true },
			el("p", null, "AWS asks for the code that this device shows:"),
			el("p", { class: "mono wrap" }, mfa.serial),
			el("label", { class: "label", for: "mfa-code" }, "6 digits"), input, error,
			el("div", { class: "actions" }, give, close("Later")));
		form.addEventListener("submit", async (e) => {
			e.preventDefault();
			if (!/^\d{6}$/.test(input.value)) {
				error.textContent = "A code has 6 digits.";
				return input.focus();
			}
			give.setAttribute("aria-disabled", "true");
			try {
				await call("POST", "/v1/mfa", { code: input.value, ...(mfa.role && { role: mfa.role }) });
				node.close();
				refresh();
			} catch (problem) {
				write(error, problem.message);
				input.select();
				input.focus();
			}
			give.removeAttribute("aria-disabled");
		});
		return [form];
	});
}
