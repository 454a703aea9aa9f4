package console

import (
	"net/http"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"mock-ec2-metadata/test/stsfake"
)

// choose sets a <select> with the focus by its keyboard: the first letters of a name.
func (b *tab) choose(selector, letters, want string) {
	b.t.Helper()
	b.tabTo(selector)
	for _, c := range letters {
		b.keys(string(c))
	}
	b.until("document.querySelector(" + quote(selector) + ").value === " + quote(want))
}

func TestKeys_AddAndRemoveAFault(t *testing.T) {
	d, b, console := enter(t, world{})
	b.view("events")
	b.choose("select[name=preset]", "out", "outage")
	b.tabTo("main form:has([name=preset]) button.main")
	b.keys("Enter")
	b.until("document.querySelector('[data-key=\"remove outage\"]') !== null")
	if status, _ := d.imds("127.0.0.1", "", "/latest/meta-data/mac"); status != http.StatusServiceUnavailable {
		t.Errorf("%d, not 503", status)
	}
	b.tabTo("[data-key='remove outage']")
	b.keys("Enter")
	b.until("document.querySelector('[data-key=\"remove outage\"]') === null && document.activeElement !== document.body")
	if status, _ := d.imds("127.0.0.1", "", "/latest/meta-data/mac"); status != http.StatusOK {
		t.Errorf("%d after Remove", status)
	}
	b.clean(console)
}

func TestKeys_MaintenanceAndClearAll(t *testing.T) {
	d, b, console := enter(t, world{})
	b.view("events")
	b.choose("select[name=kind]", "main", "maintenance")
	b.tabTo("main form:has([name=kind]) button.main")
	b.keys("Enter")
	b.until("document.querySelector('[data-key^=\"complete \"]') !== null")
	b.tabTo("[data-key^='complete ']")
	b.keys("Enter")
	b.shows("section[aria-label=Events] .timeline .current", "completed")
	d.command("event", "rebalance", "--id", "second")
	b.until("document.querySelector('[data-key=\"clear events\"]') !== null")
	b.tabTo("[data-key='clear events']")
	b.keys("Enter")
	b.until("document.querySelector('dialog.ask[open]') !== null && document.activeElement.closest('dialog') !== null")
	b.keys("Enter")
	b.until("document.querySelector('[data-key^=\"cancel \"]') === null && document.querySelector('dialog') === null && document.activeElement !== document.body")
	b.clean(console)
}

func TestKeys_RenewReloadAndSignOut(t *testing.T) {
	d, b, console := enter(t, world{})
	before := d.credentials("127.0.0.1", "dev-role")
	b.view("overview")
	b.tabTo("[data-key=renew]")
	b.keys("Enter")
	eventually(t, "other credentials", func() bool { return d.credentials("127.0.0.1", "dev-role").AccessKeyID != before.AccessKeyID })
	b.until("document.activeElement.dataset.key === 'renew'")
	b.view("settings")
	b.tabTo("[data-key=reload]")
	b.keys("Enter")
	b.shows("main", "Reloaded.")
	b.until("document.activeElement.dataset.key === 'reload'")
	b.tabTo("main section:last-of-type .actions button")
	b.keys("Enter")
	b.shows("main.out", "You have signed out.")
	b.tabTo("main.out button")
	b.clean(console)
}

func TestKeys_SkipToContentStaysInTheView(t *testing.T) {
	_, b, console := enter(t, world{})
	b.view("requests")
	b.run(chromedp.Reload())
	b.until("document.getElementById('view').className === 'requests'")
	b.tabTo(".skip")
	b.keys("Enter")
	b.until("document.activeElement.id === 'view'")
	if at := b.text("location.hash + ' ' + document.getElementById('view').className"); at != "#/requests requests" {
		t.Errorf("the link leads to %s", at)
	}
	b.clean(console)
}

// While the page is drawn anew, what somebody types into or has opened stays.
func TestFocus_StaysWhileTheDaemonChanges(t *testing.T) {
	d, b, console := enter(t, world{})
	d.credentials("127.0.0.1", "dev-role")
	b.view("events")
	b.tabTo("input[name=in]")
	b.keys("3", "0")
	d.command("event", "rebalance", "--id", "one")
	b.until("document.querySelector('[data-key=\"cancel one\"]') !== null")
	b.keys("s")
	if got := b.text("document.activeElement.name + ' ' + document.activeElement.value"); got != "in 30s" {
		t.Errorf("typed into %s", got)
	}
	b.choose("select[name=kind]", "main", "maintenance")
	d.command("event", "clear")
	b.until("document.querySelector('[data-key=\"cancel one\"]') === null")
	if got := b.text("document.activeElement.name + ' ' + document.activeElement.value + ' ' + document.querySelector('[name=in]').value"); got != "kind maintenance 30s" {
		t.Errorf("chosen in %s", got)
	}
	// A button without a key of its own, in a part that is drawn anew.
	b.view("identity")
	b.until("[...document.querySelectorAll('main button')].some(x => x.textContent === 'Copy ARN')")
	b.eval("void [...document.querySelectorAll('main button')].find(x => x.textContent === 'Copy ARN').focus()", nil)
	b.eval("void (window.old = document.activeElement)", nil)
	b.eval("void document.querySelector('[data-key=renew]').click()", nil)
	b.until("!window.old.isConnected")
	if got := b.text("document.activeElement.textContent"); got != "Copy ARN" {
		t.Errorf("the focus is at %.60s", got)
	}
	b.clean(console)
}

func TestMFA_DialogClosesWhenAnotherGivesTheCode(t *testing.T) {
	d, b, _ := enter(t, world{mfa: true})
	d.imds("127.0.0.1", "", "/latest/meta-data/iam/security-credentials/dev-role")
	b.until("document.querySelector('dialog.mfa') !== null")
	// STS's words are shown as they are, but for what turns them around.
	d.sts.Fail(stsfake.Fault{Status: http.StatusForbidden, Code: "AccessDenied", Message: "MultiFactorAuthentication failed \u202e\u061c<b>"})
	b.until("document.activeElement?.id === 'mfa-code'")
	for _, digit := range "111111" {
		b.keys(string(digit))
	}
	b.keys("Enter")
	b.shows("dialog.mfa .error", `failed \u202e\u061c<b>`)
	d.sts.Recover()
	d.command("mfa", "123456")
	b.until("document.querySelector('dialog.mfa') === null")
	b.shows("main .who", "valid")
}

// turning are characters that are not seen, or turn around what follows, and what takes their place.
var turning = map[string]string{"\u202e": `\u202e`, "\u2067": `\u2067`, "\u061c": `\u061c`, "\u2028": `\u2028`, "\u00ad": `\u00ad`, "\u0007": `\u0007`, "\u200b": `\u200b`, "\U000e0041": `\ue0041`}

func TestTurningText_IsShownByNumber(t *testing.T) {
	var text, want strings.Builder
	for c, shown := range turning {
		text.WriteString("x" + c)
		want.WriteString("x" + shown)
	}
	d, b, console := enter(t, world{tag: text.String(), userData: text.String() + strings.Repeat("y", 12_000), more: "metadata:\n  meta-data/own: " + quote(text.String()) + "\n"})
	for _, path := range []string{"meta-data/tags/instance/Name", "meta-data/own", "user-data"} {
		b.view("tree?path=%2Flatest%2F" + strings.ReplaceAll(path, "/", "%2F"))
		b.until("document.querySelector('section.value h2').textContent.includes(" + quote(path) + ")")
		if b.text("document.querySelector('[data-key=reveal]') !== null") == "true" {
			b.click("[data-key=reveal]")
		}
		b.shows("section.value pre", want.String())
	}
	if status, _ := d.imds("127.0.0.1", "", "/latest/meta-data/"+strings.Repeat("w", 900)); status != http.StatusNotFound {
		t.Errorf("a long path: %d", status)
	}
	b.view("requests")
	b.click(".journal button.row")
	b.shows("dialog[open]", "wwww")
	if got := b.text("document.querySelector('dialog').scrollWidth - document.querySelector('dialog').clientWidth"); got != "0" {
		t.Errorf("the dialog is %s pixels too narrow", got)
	}
	b.clean(console)
}

func TestPrintAndForcedColors_LoseNothing(t *testing.T) {
	d, b, _ := enter(t, world{})
	d.scene()
	b.view("tree")
	b.run(emulation.SetEmulatedMedia().WithMedia("print"))
	for what, script := range map[string]string{
		"navigation":  "getComputedStyle(document.getElementById('nav')).display === 'none'",
		"names":       "getComputedStyle(document.querySelector('.split > .names')).overflowY === 'visible'",
		"long values": "getComputedStyle(document.querySelector('main pre')).maxHeight === 'none'",
	} {
		if b.text(script) != "true" {
			t.Errorf("printed: %s", what)
		}
	}
	b.run(emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "forced-colors", Value: "active"}}))
	b.view("connect")
	if b.text("matchMedia('(forced-colors: active)').matches") != "true" {
		t.Fatal("the browser forces no colours")
	}
	if b.text("getComputedStyle(document.querySelector('#nav [aria-current]')).borderBottomColor !== getComputedStyle(document.querySelector('#nav a:not([aria-current])')).borderBottomColor") != "true" {
		t.Error("the open view looks like the others")
	}
	if b.text("getComputedStyle(document.querySelector('[role=tab][aria-selected=true]')).outlineStyle") != "solid" {
		t.Error("the chosen tab looks like the others")
	}
}
