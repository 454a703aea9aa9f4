package console

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"mock-ec2-metadata/internal/api"
)

// status is what the command status prints as JSON.
func (d *daemon) status() (s api.Status) {
	d.t.Helper()
	_, body := d.imds("127.0.0.1", "", "/status")
	if err := json.Unmarshal([]byte(body), &s); err != nil {
		d.t.Fatalf("%v: %s", err, body)
	}
	return s
}

func TestOverview_EqualsTheStatus(t *testing.T) {
	d, b, console := enter(t, world{})
	d.credentials("127.0.0.1", "dev-role")
	s := d.status()
	if s.Credentials.Expiration == nil || s.Credentials.ARN == "" {
		t.Fatalf("no credentials: %+v", s.Credentials)
	}
	b.shows("main .whoami .big", s.Credentials.ARN)
	until := b.text("document.querySelector('.life time').getAttribute('datetime')")
	if at, err := time.Parse(time.RFC3339, until); err != nil || !at.Equal(s.Credentials.Expiration.Truncate(time.Millisecond)) {
		t.Errorf("valid until %s, not %s", until, s.Credentials.Expiration)
	}
	// The bar has the part that is over, of the time since the renewal.
	over := b.text("document.querySelector('.life .gone').style.inlineSize")
	share, err := strconv.ParseFloat(strings.TrimSuffix(over, "%"), 64)
	if err != nil || share < 0 || share > 5 {
		t.Errorf("%q of the bar is over, not the few seconds of an hour", over)
	}
	if label := b.text("document.querySelector('.life .bar').getAttribute('aria-label')"); !strings.Contains(label, "59 min left of 1 h") {
		t.Errorf("the bar is called %q", label)
	}
	b.shows("main .facts", "IMDSv2")
	b.shows("#about", s.InstanceID)
	b.clean(console)
}

// watch notes, in a page to come, when the overview has been painted with what the daemon says, and which requests that took.
const watch = `new MutationObserver((_, self) => {
	if (!document.querySelector('main .whoami')) return;
	self.disconnect();
	requestAnimationFrame(() => requestAnimationFrame(() => {
		window.painted = performance.now();
		window.paintedAfter = performance.getEntriesByType('resource').length + 1;
	}));
}).observe(document, {subtree: true, childList: true})`

func TestOverview_IsThereSoon(t *testing.T) {
	d := start(t, world{fast: true})
	d.credentials("127.0.0.1", "dev-role")
	best, requests := math.Inf(1), 0.0
	// The first tab also pays for what the browser has not done before.
	for range 3 {
		b := open(t)
		b.run(chromedp.ActionFunc(func(ctx context.Context) error {
			_, err := page.AddScriptToEvaluateOnNewDocument(watch).Do(ctx)
			return err
		}))
		login := d.login()
		b.visit(login)
		b.until("window.painted")
		best = min(best, b.number("window.painted"))
		requests = max(requests, b.number("window.paintedAfter"))
		b.clean(origin(login))
	}
	t.Logf("the overview is painted after %.0f ms and %.0f requests", best, requests)
	if requests > 15 {
		t.Errorf("%.0f requests, not at most 15", requests)
	}
	if best > 300 && !busy() {
		t.Errorf("painted after %.0f ms, not 300", best)
	}
}

func TestRefusal_WhyNamesTheKeyThatLetsTheClientIn(t *testing.T) {
	others(t)
	for name, c := range map[string]struct{ from, host, key, is string }{
		"client": {from: stranger, key: "allow_clients", is: "  allow_clients: [" + container + "/32]\n"},
		"host":   {from: "127.0.0.1", host: "metadata.shop.example", key: "allow_hosts", is: "  allow_hosts: []\n"},
	} {
		d, b, console := enter(t, world{server: "  allow_hosts: []\n"})
		b.allowClipboard()
		if status, _ := d.imds(c.from, c.host, "/latest/meta-data/mac"); status != http.StatusForbidden {
			t.Fatalf("%s: %d, not 403", name, status)
		}
		b.view("overview")
		b.click("[data-key=why]")
		b.shows(".journal tbody", "Why?")
		b.click(".journal button.row")
		b.shows("dialog[open]", c.from)
		b.shows("dialog[open]", c.host)
		if name == "client" {
			b.shows("dialog[open] .rules", "Now, rule by rule")
		}
		b.click("dialog[open] .command button")
		b.shows("dialog[open] .command", "Copied")
		key, value, ok := strings.Cut(strings.TrimPrefix(b.clipboard(), "server."), ": ")
		if !ok || key != c.key {
			t.Fatalf("%s: copied %q, not the key", name, b.clipboard())
		}
		b.keys("Escape")
		d.edit(c.is, "  "+key+": "+value+"\n")
		b.view("settings")
		b.click("[data-key=reload]")
		b.shows("main", "Reloaded.")
		if status, _ := d.imds(c.from, c.host, "/latest/meta-data/mac"); status != http.StatusOK {
			t.Errorf("%s: %d after the key was applied, not 200", name, status)
		}
		// Clients that were allowed before still are.
		if status, _ := d.imds(container, "", "/latest/meta-data/mac"); status != http.StatusOK {
			t.Errorf("%s: %d for the others", name, status)
		}
		if name == "client" {
			b.view("requests?show=refused")
			b.click(".journal button.row")
			b.shows("dialog[open] .rules", "Now it would be allowed")
		}
		b.clean(console)
	}
}

// TestTree_HasWhatTheWireHas opens each path that check lists, and compares it with what a client gets.
func TestTree_HasWhatTheWireHas(t *testing.T) {
	d, b, console := enter(t, world{})
	d.credentials("127.0.0.1", "dev-role")
	session := "Bearer " + b.text("sessionStorage.getItem('console-session')")
	paths := 0
	for line := range strings.Lines(d.command("check")) {
		path := strings.TrimSpace(line)
		if !strings.HasPrefix(path, "/latest/") || strings.Contains(path, " ") {
			continue
		}
		paths++
		node := tree(t, console, session, strings.TrimPrefix(path, "/latest/"), "")
		status, body := d.imds("127.0.0.1", "", path)
		if node.Status != status {
			t.Errorf("%s: %d, the wire has %d", path, node.Status, status)
		}
		if !node.Masked && !strings.HasSuffix(path, "/pkcs7") && !strings.HasSuffix(path, "/rsa2048") && node.Body != body {
			t.Errorf("%s: %q, the wire has %q", path, node.Body, body)
		}
		if node.Masked && !strings.Contains(path, "security-credentials") {
			t.Errorf("%s is masked", path)
		}
	}
	if paths < 50 {
		t.Errorf("check lists %d paths", paths)
	}
	// In the page: a value, a folder, what is folded, and where it comes from.
	b.view("tree?path=%2Flatest%2Fmeta-data%2Fplacement%2Fregion")
	b.shows("section.value pre", "ap-southeast-2")
	b.shows("section.value", "config.yaml:")
	b.click("[data-path='meta-data/iam/']")
	b.click("[data-path='meta-data/iam/security-credentials/']")
	b.click("[data-path='meta-data/iam/security-credentials/dev-role']")
	b.shows("section.value pre", "SecretAccessKey")
	b.shows("section.value", "masked")
	b.clean(console)
}

// tree asks for a path as the page does.
func tree(t *testing.T, console, session, path, client string) (node api.TreeNode) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, console+"/v1/tree?"+url.Values{"path": {path}, "version": {"latest"}, "client": {client}, "reveal": {"true"}}.Encode(), nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", session)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	text := readAll(t, res.Body)
	if err := json.Unmarshal([]byte(text), &node); err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("%s: %d %s", path, res.StatusCode, text)
	}
	return node
}

func TestTree_AsAnotherClientHasItsRole(t *testing.T) {
	d, b, console := enter(t, world{})
	d.credentials(webClient, "web")
	for client, role := range map[string]string{"": "dev-role", webClient: "web"} {
		b.view("tree?path=%2Flatest%2Fmeta-data%2Fiam%2Fsecurity-credentials%2F&client=" + client)
		b.until("document.querySelector('[data-path=\"meta-data/iam/security-credentials/" + role + "\"]') !== null")
	}
	// Choosing a client in the page is the same.
	b.view("tree?path=%2Flatest%2Fmeta-data%2Fiam%2Fsecurity-credentials%2F")
	b.until("document.querySelector('[data-path=\"meta-data/iam/security-credentials/dev-role\"]') !== null")
	b.eval("void (i => { i.value = "+quote(webClient)+"; i.dispatchEvent(new Event('change')) })(document.querySelector('main input[list=clients]'))", nil)
	b.until("document.querySelector('[data-path=\"meta-data/iam/security-credentials/web\"]') !== null")
	b.clean(console)
}

func TestSpot_FromThePageIsInIMDS(t *testing.T) {
	d, b, console := enter(t, world{})
	const notice = "/latest/meta-data/spot/instance-action"
	if status, _ := d.imds("127.0.0.1", "", notice); status != http.StatusNotFound {
		t.Fatalf("a notice before there is an event: %d", status)
	}
	b.view("events")
	// The first form starts events, and spot is its first kind.
	b.click("main form button.main")
	b.until("document.querySelector('[data-key^=\"cancel \"]') !== null")
	status, body := d.imds("127.0.0.1", "", notice)
	var doc struct{ Action, Time string }
	if status != http.StatusOK || json.Unmarshal([]byte(body), &doc) != nil || doc.Action != "terminate" {
		t.Errorf("the notice is %d %s", status, body)
	}
	at, err := time.Parse(time.RFC3339, doc.Time)
	if in := time.Until(at); err != nil || in < time.Minute || in > 2*time.Minute+2*time.Second {
		t.Errorf("the action is at %s, in %s, not 2 minutes ahead", doc.Time, in)
	}
	b.shows("#banner", "Simulated: 1 event")
	b.shows("section[aria-label=Events] .timeline .current", "noticed")
	b.click("[data-key^='cancel ']")
	b.until("document.querySelector('[data-key^=\"cancel \"]') === null")
	if status, _ := d.imds("127.0.0.1", "", notice); status != http.StatusNotFound {
		t.Errorf("the notice after Cancel: %d, not 404", status)
	}
	b.until("!document.getElementById('banner').textContent.includes('Simulated')")
	b.clean(console)
}

func TestFault_FromThePageIsOnTheWire(t *testing.T) {
	d, b, console := enter(t, world{})
	b.view("events")
	b.eval("void (s => { s.value = 'outage'; s.dispatchEvent(new Event('change')) })(document.querySelector('select[name=preset]'))", nil)
	b.eval("void document.querySelectorAll('main form')[1].requestSubmit()", nil)
	b.until("document.querySelector('[data-key=\"remove outage\"]') !== null")
	if status, _ := d.imds("127.0.0.1", "", "/latest/meta-data/mac"); status != http.StatusServiceUnavailable {
		t.Errorf("%d, not 503", status)
	}
	b.view("requests")
	b.shows(".journal tbody", "503 by fault outage")
	b.view("events")
	b.click("[data-key='remove outage']")
	b.until("document.querySelector('[data-key=\"remove outage\"]') === null")
	if status, _ := d.imds("127.0.0.1", "", "/latest/meta-data/mac"); status != http.StatusOK {
		t.Errorf("%d after Remove, not 200", status)
	}
	b.clean(console)
}

// TestPresets_AreTheCommands compares what the page adds with what the command fault preset adds: no call lists them.
func TestPresets_AreTheCommands(t *testing.T) {
	d, b, _ := enter(t, world{})
	text, err := os.ReadFile("../../internal/console/static/forms.js")
	if err != nil {
		t.Fatal(err)
	}
	b.view("events")
	names := b.text("[...document.querySelectorAll('select[name=preset] option')].map(o => o.value).filter(v => v !== 'own').join(' ')")
	if len(strings.Fields(names)) < 6 || !strings.Contains(string(text), "fault preset") {
		t.Fatalf("the presets of the page are %q", names)
	}
	for name := range strings.FieldsSeq(names) {
		faults := func() string {
			var doc struct {
				Faults []struct{ Match, Dose, Effect any }
			}
			if err := json.Unmarshal([]byte(d.command("fault", "list", "--json")), &doc); err != nil {
				t.Fatal(err)
			}
			return fmt.Sprint(doc.Faults)
		}
		d.command("fault", "preset", name)
		want := faults()
		d.command("fault", "clear")
		b.eval("void (s => { s.value = "+quote(name)+"; s.dispatchEvent(new Event('change')) })(document.querySelector('select[name=preset]'))", nil)
		b.eval("void document.querySelectorAll('main form')[1].requestSubmit()", nil)
		eventually(t, "the preset "+name, func() bool { return faults() != "[]" })
		if got := faults(); got != want {
			t.Errorf("%s: %s, not %s", name, got, want)
		}
		d.command("fault", "clear")
		b.until("document.querySelector('[data-key^=\"remove \"]') === null")
	}
}

// TestSettings_ShowFirstWhatIsSet is for the user who has 140 keys, and has set 10 of them.
func TestSettings_ShowFirstWhatIsSet(t *testing.T) {
	_, b, console := enter(t, world{})
	b.view("settings")
	keys := "[...document.querySelectorAll('.values tbody th')].map(n => n.textContent).join(' ')"
	set := b.text(keys)
	for _, key := range []string{"credentials.iam_role", "aws.region", "server.console"} {
		if !strings.Contains(set, key) {
			t.Errorf("%s is set, and not shown: %s", key, set)
		}
	}
	if strings.Contains(set, "credentials.duration") {
		t.Error("credentials.duration is shown, which is left to its default")
	}
	if from := b.text("[...document.querySelectorAll('.values tbody td:last-child')].filter(n => n.textContent === 'default').length"); from != "0" {
		t.Errorf("%s defaults are shown", from)
	}
	rows := len(strings.Fields(set))
	b.shows(".tally", strconv.Itoa(rows)+" of ")
	b.shows(".tally", "defaults hidden")

	// A key that is not set is not lost: the page says where it is.
	filter := func(text string) {
		b.eval("{ const f = document.querySelector('[data-filter]'); f.value = "+quote(text)+"; f.dispatchEvent(new Event('input')) }", nil)
	}
	filter("credentials.duration")
	b.shows("main .empty", "Show All")
	filter("no such key")
	b.shows("main .empty", "Nothing fits the filter.")
	filter("")
	b.eval("{ const s = document.querySelector('.tools select'); s.value = 'all'; s.dispatchEvent(new Event('change')) }", nil)
	b.shows(".values", "credentials.duration")
	if all := len(strings.Fields(b.text(keys))); all <= rows || b.text("document.querySelector('.tally').textContent") != fmt.Sprintf("%d of %d keys", all, all) {
		t.Errorf("%d of %d keys, and %q", rows, all, b.text("document.querySelector('.tally').textContent"))
	}
	// Nothing is remembered.
	b.view("overview")
	b.view("settings")
	b.shows(".tally", "defaults hidden")
	b.clean(console)
}
