package console

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// hide has a page believe that it is in the background, or in front again.
func (b *tab) hide(hidden bool) {
	b.t.Helper()
	b.eval(fmt.Sprintf("void (Object.defineProperty(document, 'hidden', {value: %t, configurable: true}), document.dispatchEvent(new Event('visibilitychange')))", hidden), nil)
}

// A browser opens six connections to one daemon for all its tabs, and each stream takes one.
func TestTabs_EightInOneBrowserWork(t *testing.T) {
	d := start(t, world{})
	tabs := []*tab{open(t)}
	for len(tabs) < 8 {
		tabs = append(tabs, tabs[0].beside())
	}
	for i, b := range tabs {
		b.visit(d.login())
		b.view("requests")
		if i < len(tabs)-1 {
			b.eval(hurry, nil)
			b.eval("void (own => { window.setTimeout = (f, ms, ...more) => own(f, ms === 5000 ? 100 : ms, ...more) })(setTimeout)", nil)
			b.hide(true)
		}
	}
	d.metadata("meta-data/mac")
	last, first := tabs[len(tabs)-1], tabs[0]
	last.until(pathRows("/latest/meta-data/mac") + " === 1")
	if n := first.number(pathRows("/latest/meta-data/mac")); n != 0 {
		t.Errorf("the hidden tab has %v rows: it has kept its stream", n)
	}
	// In front again it has all that has come.
	last.hide(true)
	first.hide(false)
	first.until(pathRows("/latest/meta-data/mac") + " === 1 && document.getElementById('banner').textContent === ''")
}

func TestTabs_TwoSwitchRolesAtOnce(t *testing.T) {
	d := start(t, world{})
	one, two := open(t), open(t)
	for _, b := range []*tab{one, two} {
		b.visit(d.login())
		b.view("identity")
	}
	one.eval("void document.querySelector('[data-key=\"role web\"]').focus()", nil)
	one.click("[data-key='role web']")
	two.click("[data-key='role admin']")
	two.click("[data-key=choose]")
	one.shows("#banner", "Switched to the role admin")
	// What has been marked and what has the focus are as they were.
	if got := one.text("document.querySelector('main input[name=role]:checked').value + ' ' + document.activeElement.dataset.key"); got != "web role web" {
		t.Errorf("marked and focused: %s", got)
	}
	one.keys("Enter")
	for _, b := range []*tab{one, two} {
		b.shows("#banner", "Switched to the role web")
	}
	// Both at once: one of them is last, and both say which.
	one.click("[data-key='role admin']")
	one.click("[data-key=choose]")
	two.click("#banner [data-key=undo]")
	eventually(t, "both tabs say what is in force", func() bool {
		s := d.status()
		want := "document.getElementById('banner').textContent.includes('Switched to the role " + s.Switched + "')"
		if s.Switched == "" {
			want = "!document.getElementById('banner').textContent.includes('Switched')"
		}
		return one.text(want) == "true" && two.text(want) == "true"
	})
}

func TestClock_OfTheBrowserDoesNotMatter(t *testing.T) {
	d := start(t, world{})
	d.credentials("127.0.0.1", "dev-role")
	for zone, ahead := range map[string]time.Duration{"Asia/Kathmandu": 3 * time.Hour, "America/St_Johns": -50 * time.Hour} {
		b := open(t)
		b.run(emulation.SetTimezoneOverride(zone), chromedp.ActionFunc(func(ctx context.Context) error {
			_, err := page.AddScriptToEvaluateOnNewDocument(fmt.Sprintf("Date.now = (own => () => own() + %d)(Date.now)", ahead.Milliseconds())).Do(ctx)
			return err
		}))
		b.visit(d.login())
		b.shows("main .life", "59 min left")
		until := *d.status().Credentials.Expiration
		place, err := time.LoadLocation(zone)
		if err != nil {
			t.Fatal(err)
		}
		b.shows("main .life time", until.In(place).Format("15:04:05"))
		if got := b.text("new Date(document.querySelector('main .life time').getAttribute('datetime')).getTime()"); got != fmt.Sprint(until.UnixMilli()) {
			t.Errorf("%s: until %s, not %s", zone, got, until)
		}
		// Requests count in the daemon's seconds.
		for range 5 {
			d.metadata("meta-data/mac")
		}
		b.until("!document.querySelector('.spark').getAttribute('aria-label').endsWith('at most 0')")
		// A clock that has been set right is believed.
		b.eval(fmt.Sprintf("void (Date.now = (own => () => own() - %d)(Date.now))", ahead.Milliseconds()), nil)
		d.poke()
		b.until("import('/api.js').then(m => window.skew = m.state.skew) && window.skew === 0")
		b.shows("main .life", "59 min left")
	}
}

func TestEvents_RapidStartsAndCancels(t *testing.T) {
	d, b, console := enter(t, world{})
	b.view("events")
	// A form that is sent twice in a moment has started one event.
	b.eval("void (f => { f.requestSubmit(); f.requestSubmit(); f.requestSubmit() })(document.querySelector('main form'))", nil)
	b.until("document.querySelectorAll('[data-key^=\"cancel \"]').length > 0 && !document.querySelector('main form button').hasAttribute('aria-disabled')")
	if n := strings.Count(d.command("event", "list", "--json"), `"kind"`); n != 1 {
		t.Errorf("%d events, not 1", n)
	}
	b.click("[data-key^='cancel ']")
	b.until("document.querySelector('[data-key^=\"cancel \"]') === null")
	// One that has ended meanwhile leaves no error.
	d.command("event", "rebalance", "--id", "gone")
	b.until("document.querySelector('[data-key=\"cancel gone\"]') !== null")
	b.eval("void (window.stay = document.querySelector('[data-key=\"cancel gone\"]'))", nil)
	d.command("event", "clear")
	b.eval("void window.stay.click()", nil)
	b.until("document.querySelector('[data-key=\"cancel gone\"]') === null && document.getElementById('banner').textContent === ''")
	// More changes than the daemon takes in a second: it says so.
	b.view("identity")
	b.eval("void (async () => { for (let i = 0; i < 30; i++) { const b = document.querySelector('[data-key=renew]'); b.removeAttribute('aria-disabled'); b.click() } })()", nil)
	b.shows("#banner", "more than 10 changes a second")
	if status, _ := d.imds("127.0.0.1", "", "/latest/meta-data/mac"); status != http.StatusOK {
		t.Errorf("%d afterwards", status)
	}
	for _, c := range b.complaints(console) {
		if !strings.Contains(c, "10 changes") {
			t.Error(c)
		}
	}
}
