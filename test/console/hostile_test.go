package console

import (
	"net/http"
	"strings"
	"testing"

	"mock-ec2-metadata/test/stsfake"
)

// hostile runs if any of it is parsed, and turns text around.
const hostile = `"><img src=x onerror="window.pwned=1"><script>window.pwned=2</script>'` + "\u202e"

// hostilePath is what clients can put into a path. The journal has it escaped.
const hostilePath = "/latest/meta-data/%22%3E%3Cimg%20src=x%20onerror=window.pwned=1%3E"

// hostileHost is the worst that Go's server lets through as a Host.
const hostileHost = "'onerror=window.pwned=1;javascript.example"

// harmless requires that nothing of a text has become an element or has run.
func (b *tab) harmless(where string) {
	b.t.Helper()
	if got := b.text("window.pwned"); got != "undefined" {
		b.t.Errorf("%s: the text has run: %s", where, got)
	}
	if n := b.text("document.querySelectorAll('main script, main img, main iframe, dialog script, dialog img, #banner img, header script').length"); n != "0" {
		b.t.Errorf("%s: %s elements out of text", where, n)
	}
	if strings.Contains(b.text("document.body.innerText"), "\u202e") {
		b.t.Errorf("%s: the text turns what follows around", where)
	}
}

func TestHostileText_IsShownAsText(t *testing.T) {
	const part = "<script>window.pwned=2</script>"
	d, b, console := enter(t, world{
		tag: hostile, userData: hostile, profile: `<img src=x onerror="window.pwned=1"><script>window.pwned=2</script>`,
		more: "metadata:\n  meta-data/own: " + quote(hostile) + "\n",
	})
	d.credentials("127.0.0.1", "dev-role")

	// Overview and Identity: the profile's name, then an error of STS.
	b.view("overview")
	b.shows("main .who", part)
	d.sts.Fail(stsfake.Fault{Status: http.StatusForbidden, Code: "AccessDenied", Message: hostile})
	b.click("[data-key=renew]")
	b.shows("main .who .error", part)
	b.harmless("overview")
	b.view("identity")
	b.shows("main .pairs", part)
	b.harmless("identity")
	d.sts.Recover()

	// Requests: the path of an answered one, the Host and the Origin of refused ones.
	d.imds("127.0.0.1", "", hostilePath)
	if status, _ := d.imds("127.0.0.1", hostileHost, "/latest/meta-data/"); status != http.StatusForbidden {
		t.Fatalf("a foreign Host: %d, not 403", status)
	}
	if status := askFrom(t, d.url, `http://<img src=x onerror="window.pwned=1">`); status != http.StatusForbidden {
		t.Fatalf("a foreign Origin: %d, not 403", status)
	}
	b.view("requests")
	b.shows(".journal", "onerror=window.pwned=1")
	for _, want := range []string{hostileHost, "<img src=x"} {
		b.view("requests?show=refused")
		b.until("document.querySelectorAll('.journal tbody tr').length === 2")
		b.eval("void [...document.querySelectorAll('.journal button.row')]["+map[bool]string{true: "1", false: "0"}[want == hostileHost]+"].click()", nil)
		b.shows("dialog[open]", want)
		b.harmless("why")
		b.keys("Escape")
		b.until("document.querySelector('dialog[open]') === null")
		b.view("overview")
	}
	b.view("requests?" + "filter=" + "%3Cimg+src%3Dx+onerror%3D%22window.pwned%3D1%22%3E")
	b.harmless("requests")

	// Tree: a tag, a path of one's own, user data, a client.
	for _, path := range []string{"meta-data/tags/instance/Name", "meta-data/own", "user-data"} {
		b.view("tree?path=%2Flatest%2F" + strings.ReplaceAll(path, "/", "%2F"))
		b.until("document.querySelector('section.value h2').textContent.includes(" + quote(path) + ")")
		if b.text("document.querySelector('[data-key=reveal]') !== null") == "true" {
			b.click("[data-key=reveal]")
		}
		b.shows("section.value pre", part)
		b.harmless(path)
	}
	b.view("tree?client=%3Cimg+src%3Dx+onerror%3D%22window.pwned%3D1%22%3E")
	b.shows("section.value", "client")
	b.harmless("client")

	// Events: what a form is refused for, an id that is not allowed, and what an event holds.
	b.view("events")
	b.fill("main form", map[string]string{"kind": "json", "json": `{"rebalance": true, "id": ` + quote(hostile) + `}`})
	b.shows("main form .error", "id")
	b.harmless("id of an event")
	b.fill("main form", map[string]string{"kind": "json", "json": `{"maintenance": "system-reboot", "description": ` + quote(hostile) + `, "id": "mine"}`})
	b.shows("section[aria-label=Events]", part)
	b.harmless("events")

	// Settings: a configuration that cannot be loaded. The banner says so in every view.
	b.view("settings")
	b.shows("main .values", part)
	d.edit("region: ap-southeast-2", "region: "+quote(hostile))
	b.click("[data-key=reload]")
	b.shows("#banner", "Not reloaded")
	b.harmless("settings")
	b.clean(console)
}

// fill sets fields of the first form that selector finds, by their names, and submits it.
func (b *tab) fill(selector string, fields map[string]string) {
	b.t.Helper()
	set := func(name, value string) {
		b.eval("void (f => { const e = f.elements.namedItem("+quote(name)+"); e.value = "+quote(value)+"; e.dispatchEvent(new Event('change')) })(document.querySelector("+quote(selector)+"))", nil)
	}
	// The kind first: it decides which other fields there are.
	if kind := fields["kind"]; kind != "" {
		set("kind", kind)
	}
	for name, value := range fields {
		if name != "kind" {
			set(name, value)
		}
	}
	b.eval("void document.querySelector("+quote(selector)+").requestSubmit()", nil)
}

// askFrom asks the metadata service as a web page would, and gives the status.
func askFrom(t *testing.T, url, page string) int {
	t.Helper()
	status, _ := ask(t, url+"/latest/meta-data/", map[string]string{"Origin": page})
	return status
}

func TestPage_HasNoSecret(t *testing.T) {
	d, b, console := enter(t, world{userData: "export DB_PASSWORD=correct-horse-battery"})
	shown := d.credentials("127.0.0.1", "dev-role")
	web := d.credentials(webClient, "web")
	token := d.token("127.0.0.1")
	session := b.text("sessionStorage.getItem('console-session')")
	secrets := append(d.sts.Secrets(), d.key.SecretAccessKey, d.key.AccessKeyID, shown.AccessKeyID, shown.Token, web.AccessKeyID, web.SecretAccessKey, web.Token,
		token, session, "correct-horse-battery")
	look := func(where string) {
		t.Helper()
		page := b.text("document.documentElement.outerHTML + [...document.querySelectorAll('input, textarea')].map(x => x.value).join('\\n')")
		for _, s := range secrets {
			if s != "" && strings.Contains(page, s) {
				t.Errorf("%s has the secret %.4s…", where, s)
			}
		}
	}
	for _, r := range routes {
		b.view(r.name)
		look(r.name)
	}
	for _, client := range []string{"", webClient} {
		role := map[string]string{"": "dev-role", webClient: "web"}[client]
		b.view("tree?path=%2Flatest%2Fmeta-data%2Fiam%2Fsecurity-credentials%2F" + role + "&client=" + client)
		b.shows("section.value pre", "SecretAccessKey")
		b.shows("section.value", "masked")
		look("tree of " + role)
		b.click("[data-key=copy]")
	}
	b.view("requests")
	b.until("document.querySelectorAll('.journal tbody tr').length > 1")
	look("requests")
	b.clean(console)
}
