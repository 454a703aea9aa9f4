package console

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// routes are the views of the page and the keys that open them after g.
var routes = [...]struct{ name, key string }{{"overview", "o"}, {"requests", "r"}, {"tree", "t"}, {"events", "e"}, {"identity", "i"}, {"connect", "c"}, {"settings", "s"}}

// node is one of the accessibility tree. chromedp cannot decode this Chromium's whole answer.
type node struct {
	Ignored bool `json:"ignored"`
	Role    struct {
		Value string `json:"value"`
	} `json:"role"`
	Name struct {
		Value string `json:"value"`
	} `json:"name"`
}

// accessible is the accessibility tree of the page, without what it leaves out.
func (b *tab) accessible() (nodes []node) {
	b.t.Helper()
	var raw json.RawMessage
	b.run(chromedp.ActionFunc(func(ctx context.Context) error { return cdp.Execute(ctx, "Accessibility.getFullAXTree", nil, &raw) }))
	var tree struct {
		Nodes []node `json:"nodes"`
	}
	if err := json.Unmarshal(raw, &tree); err != nil {
		b.t.Fatal(err)
	}
	for _, n := range tree.Nodes {
		if !n.Ignored {
			nodes = append(nodes, n)
		}
	}
	return nodes
}

// controls are the roles of what can be used.
const controls = " button link textbox searchbox combobox checkbox radio spinbutton tab menuitem "

// scene gives all views something to show, and waits for it.
func (d *daemon) scene() {
	d.t.Helper()
	others(d.t)
	d.credentials("127.0.0.1", "dev-role")
	d.credentials(webClient, "web")
	d.command("event", "spot", "terminate", "--id", "s1", "--notice", "10m")
	d.command("event", "maintenance", "system-reboot", "--id", "m1")
	d.command("fault", "preset", "slow")
	d.imds(container, "", "/latest/meta-data/")
	d.imds("127.0.0.1", "other.example", "/latest/meta-data/")
	d.imds(stranger, "", "/latest/meta-data/")
}

func TestControls_HaveNamesInPlainWords(t *testing.T) {
	d, b, console := enter(t, world{})
	d.scene()
	names := map[string]bool{}
	look := func(where string) {
		t.Helper()
		n, headings := 0, 0
		for _, x := range b.accessible() {
			if strings.Contains(controls, " "+x.Role.Value+" ") {
				n++
				names[x.Role.Value+" "+x.Name.Value] = true
				if strings.TrimSpace(x.Name.Value) == "" {
					t.Errorf("%s: a %s without name", where, x.Role.Value)
				}
			}
			if x.Role.Value == "heading" {
				headings++
			}
		}
		if n < 8 || headings < 1 {
			t.Errorf("%s: %d controls, %d headings", where, n, headings)
		}
		if got := b.text("document.querySelectorAll('h1').length"); got != "1" {
			t.Errorf("%s: %s h1", where, got)
		}
	}
	for _, r := range routes {
		b.view(r.name)
		look(r.name)
	}
	for _, want := range []string{
		"button Renew now", "button Start", "button Cancel s1", "button Complete m1", "button Remove slow", "button Add", "button Switch", "button Copy", "button Reload",
		"button Sign out", "button Clear all", "button Pause", "button Copy value", "link Skip to content", "button Keyboard shortcuts", "searchbox Filter",
	} {
		if !names[want] {
			t.Errorf("no %s", want)
		}
	}
	if t.Failed() {
		t.Log(names)
	}
	b.clean(console)
}

// axe is the source of axe-core, which npm installs into a folder of the test.
func axe(t *testing.T) string {
	t.Helper()
	if _, err := exec.LookPath("npm"); err != nil {
		t.Fatal("npm is missing: apt-get install npm")
	}
	dir := t.TempDir()
	for _, name := range []string{"package.json", "package-lock.json"} {
		text, err := os.ReadFile(filepath.Join("axe", name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	npm := exec.CommandContext(t.Context(), "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline")
	npm.Dir = dir
	if out, err := npm.CombinedOutput(); err != nil {
		t.Fatalf("npm ci: %v\n%s", err, out)
	}
	text, err := os.ReadFile(filepath.Join(dir, "node_modules/axe-core/axe.min.js"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestAxe_FindsNothingSerious(t *testing.T) {
	source := axe(t)
	d := start(t, world{})
	d.scene()
	b := open(t)
	b.run(page.SetBypassCSP(true))
	b.visit(d.login())
	b.eval(source+";void 0", nil)
	passes := 0
	look := func(where string) {
		t.Helper()
		var found struct {
			Passes int
			Bad    []struct{ ID, Impact, HTML string }
		}
		b.eval(`axe.run().then(r => ({Passes: r.passes.length, Bad: r.violations.filter(v => v.impact === 'serious' || v.impact === 'critical').map(v => ({ID: v.id, Impact: v.impact, HTML: v.nodes[0].html}))}))`, &found)
		passes += found.Passes
		for _, v := range found.Bad {
			t.Errorf("%s: %s %s: %s", where, v.Impact, v.ID, v.HTML)
		}
	}
	for _, scheme := range []string{"light", "dark"} {
		b.look(scheme, 1440, 900)
		for _, r := range routes {
			b.view(r.name)
			look(scheme + ", " + r.name)
		}
		b.click("#help")
		look(scheme + ", help")
		b.keys("Escape")
		b.view("requests?show=refused")
		b.click(".journal button.row")
		b.until("document.querySelector('dialog[open] .rules ol') !== null")
		look(scheme + ", why")
		b.keys("Escape")
		b.until("document.querySelector('dialog[open]') === null")
	}
	if passes < 100 {
		t.Errorf("axe has passed %d rules", passes)
	}
}

func TestPage_FitsEveryWidthInBothSchemes(t *testing.T) {
	for name, w := range map[string]world{
		"plain": {},
		// Words that cannot be broken anywhere.
		"long": {tag: strings.Repeat("x", 200), more: "metadata:\n  meta-data/" + strings.Repeat("y", 200) + ": " + strings.Repeat("z", 500) + "\n"},
	} {
		d, b, console := enter(t, w)
		d.scene()
		d.imds("127.0.0.1", "", "/latest/meta-data/"+strings.Repeat("w", 500))
		d.imds("127.0.0.1", strings.Repeat("h", 60)+".example", "/latest/meta-data/")
		seen := map[string]string{}
		for _, scheme := range []string{"light", "dark"} {
			for _, r := range routes {
				b.view(r.name)
				// 640 is 1280 at 200 %.
				for _, width := range []int64{320, 640, 768, 1280, 1920} {
					b.look(scheme, width, 900)
					if over := b.number("document.documentElement.scrollWidth - document.documentElement.clientWidth"); over > 0 {
						t.Errorf("%s, %s, %s: %v pixels wider than %d", name, scheme, r.name, over, width)
					}
				}
			}
			seen[scheme] = b.text("getComputedStyle(document.documentElement).backgroundColor")
		}
		if seen["light"] == seen["dark"] {
			t.Errorf("both schemes have the background %s", seen["light"])
		}
		// A dialog at 320 pixels.
		b.look("light", 320, 600)
		b.view("requests?show=refused")
		b.click(".journal button.row")
		b.shows("dialog[open]", "hhhhhhhhhh")
		if over := b.number("Math.max(document.querySelector('dialog').scrollWidth - document.querySelector('dialog').clientWidth, document.querySelector('dialog').getBoundingClientRect().right - innerWidth)"); over > 0 {
			t.Errorf("%s: a dialog is %v pixels too wide", name, over)
		}
		b.clean(console)
	}
}

func TestReducedMotion_NothingMoves(t *testing.T) {
	d, b, _ := enter(t, world{})
	d.scene()
	moving := "document.getAnimations().filter(a => (a.effect?.getComputedTiming().duration ?? 0) > 1).length"
	b.look("light", 1440, 900)
	for _, r := range routes {
		b.view(r.name)
		if n := b.text(moving); n != "0" {
			t.Errorf("%s: %s animations", r.name, n)
		}
	}
}

// TestPage_CutsNothingOff is about what a page that fits may still hide: the columns of a table, the end of a line.
func TestPage_CutsNothingOff(t *testing.T) {
	d, b, console := enter(t, world{})
	d.scene()
	for _, width := range []int64{320, 768} {
		b.look("light", width, 900)
		for _, r := range []string{"overview", "identity", "settings"} {
			b.view(r)
			if over := b.number("Math.max(...[...document.querySelectorAll('.scroll')].map(n => n.scrollWidth - n.clientWidth))"); over > 0 {
				wide := b.text("[...document.querySelectorAll('.scroll')].filter(n => n.scrollWidth > n.clientWidth).map(n => n.innerText).join()")
				t.Errorf("%d, %s: a table hides %v pixels: %s", width, r, over, wide)
			}
		}
		b.view("requests?show=refused")
		b.shows(".journal tbody", "Why?")
		if over := b.number("Math.max(...[...document.querySelectorAll('.journal .answer')].map(n => n.scrollWidth - n.clientWidth))"); over > 0 {
			t.Errorf("%d: an answer hides %v pixels", width, over)
		}
	}
	// Below the bar, the next renewal is one line.
	b.look("light", 320, 900)
	b.view("overview")
	if lines := b.number("Math.max(...[...document.querySelectorAll('.scale > *')].map(n => n.getClientRects().length === 0 ? 0 : n.getBoundingClientRect().height / parseFloat(getComputedStyle(n).lineHeight)))"); lines > 1.5 {
		t.Errorf("a time below the bar has %v lines", lines)
	}
	b.clean(console)
}
