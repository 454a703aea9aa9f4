package console

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// tabTo presses Tab until what selector finds has the focus.
func (b *tab) tabTo(selector string) {
	b.t.Helper()
	for range 60 {
		if b.text("document.activeElement?.matches("+quote(selector)+") ?? false") == "true" {
			return
		}
		b.keys("Tab")
	}
	b.t.Fatalf("Tab does not lead to %s; the focus is at %s", selector, b.text("document.activeElement?.outerHTML"))
}

func TestKeys_OpenEveryViewAndFocusReturns(t *testing.T) {
	_, b, console := enter(t, world{})
	for _, r := range routes {
		b.keys("g", r.key)
		b.until("document.getElementById('view').className === " + quote(r.name))
	}
	b.tabTo("#help")
	b.keys("Enter")
	b.until("document.querySelector('dialog.help[open]') !== null")
	// The focus stays inside: ten times Tab leads to nothing behind it.
	for range 10 {
		b.keys("Tab")
		if got := b.text("document.activeElement === document.body || document.querySelector('dialog').contains(document.activeElement)"); got != "true" {
			t.Fatalf("the focus is behind the dialog: %s", b.text("document.activeElement.outerHTML"))
		}
	}
	b.keys("Escape")
	b.until("document.querySelector('dialog[open]') === null && document.activeElement.id === 'help'")
	b.keys("g", "r")
	b.until("document.getElementById('view').className === 'requests' && document.querySelector('[data-filter]') !== null")
	b.keys("/")
	b.until("document.activeElement.matches('[data-filter]')")
	// Keys are text there.
	b.keys("g", "o")
	b.until("document.activeElement.value === 'go'")
	if at := b.text("document.getElementById('view').className"); at != "requests" {
		t.Errorf("typing g o in a field has led to %s", at)
	}
	b.clean(console)
}

func TestKeys_StartAndCancelASpotInterruption(t *testing.T) {
	d, b, console := enter(t, world{})
	b.keys("g", "e")
	b.until("document.querySelector('main section[aria-label=Events] h2') !== null")
	b.tabTo("main form button.main")
	b.keys("Enter")
	b.until("document.querySelector('[data-key^=\"cancel \"]') !== null")
	if status, _ := d.imds("127.0.0.1", "", "/latest/meta-data/spot/instance-action"); status != http.StatusOK {
		t.Errorf("%d after Start", status)
	}
	b.tabTo("[data-key^='cancel ']")
	b.keys("Enter")
	b.until("document.querySelector('[data-key^=\"cancel \"]') === null")
	// What had the focus has gone. It is not lost at the top of the page.
	if got := b.text("document.activeElement === document.body"); got != "false" {
		t.Error("the focus is lost")
	}
	b.clean(console)
}

func TestKeys_SwitchTheRole(t *testing.T) {
	_, b, console := enter(t, world{})
	b.keys("g", "i")
	b.until("document.querySelector('[data-key=choose]') !== null")
	b.tabTo("main input[name=role]")
	b.keys("ArrowDown")
	b.until("document.querySelector('main input[name=role]:checked').value !== ''")
	chosen := b.text("document.querySelector('main input[name=role]:checked').value")
	b.keys("Enter")
	b.shows("#banner", "Switched to the role "+chosen)
	b.tabTo("[data-key=undo]")
	b.keys("Enter")
	b.until("!document.getElementById('banner').textContent.includes('Switched')")
	b.clean(console)
}

func TestKeys_ReadTheJournal(t *testing.T) {
	d, b, console := enter(t, world{})
	for _, path := range []string{"meta-data/mac", "meta-data/hostname", "meta-data/ami-id"} {
		d.metadata(path)
	}
	b.keys("g", "r")
	b.until("document.querySelectorAll('.journal tbody tr').length === 3")
	b.tabTo(".journal button.row")
	first := b.text("document.activeElement.textContent")
	b.keys("ArrowDown")
	second := b.text("document.activeElement.textContent")
	if first == second {
		t.Errorf("ArrowDown stays at %s", first)
	}
	// While a row has the focus, the list holds still.
	d.metadata("meta-data/instance-id")
	b.shows(".tally", "held; 1 new")
	b.keys("Enter")
	b.until("document.querySelector('dialog.details[open]') !== null")
	b.shows("dialog.details", second[len("GET "):])
	b.keys("Escape")
	b.until("document.querySelector('dialog[open]') === null && document.activeElement.matches('.journal button.row')")
	if got := b.text("document.activeElement.textContent"); got != second {
		t.Errorf("the focus has returned to %s, not %s", got, second)
	}
	b.clean(console)
}

func TestKeys_WalkTheTreeAndTheTabs(t *testing.T) {
	_, b, console := enter(t, world{})
	b.keys("g", "t")
	b.until("document.querySelector('[data-path=\"meta-data/placement/\"]') !== null")
	b.tabTo("[data-path='meta-data/placement/']")
	b.keys("Enter")
	b.until("document.querySelector('[data-path=\"meta-data/placement/region\"]') !== null")
	b.tabTo("[data-path='meta-data/placement/region']")
	b.keys("Enter")
	b.shows("section.value pre", "ap-southeast-2")
	if got := b.text("document.activeElement.dataset.path"); got != "meta-data/placement/region" {
		t.Errorf("the focus is at %s", got)
	}
	b.keys("g", "c")
	b.until("document.querySelector('#lines pre') !== null")
	b.tabTo("[role=tab][aria-selected=true]")
	b.keys("ArrowRight")
	b.until("document.activeElement.dataset.place === 'docker' && document.activeElement.getAttribute('aria-selected') === 'true'")
	b.shows("#lines pre", "docker run")
	b.clean(console)
}

// The tree writes its place into the address when it has read it. A view that was opened meanwhile keeps its own.
func TestKeys_LeaveTheTreeWhileItLoads(t *testing.T) {
	d := start(t, world{})
	b := open(t)
	login := d.login()
	cable := through(t, strings.TrimPrefix(origin(login), "http://"))
	b.visit(strings.Replace(login, "127.0.0.1", "localhost", 1))
	const calls = "performance.getEntriesByType('resource').filter((e) => e.name.includes('/v1/tree')).length"
	b.view("tree")
	b.shows("main", "Copy as curl")
	b.until("document.querySelector('select option[value=\"1.0\"]') !== null") // the versions have come, too
	first := b.number(calls)
	b.view("events")
	cable.freeze()
	b.keys("g", "t")
	b.until("document.getElementById('view').className === 'tree'")
	b.keys("g", "e")
	b.until("document.getElementById('view').className === 'events'")
	cable.restore()
	b.until(fmt.Sprintf("%s >= %v", calls, 2*first))
	if at := b.text("location.hash"); at != "#/events" {
		t.Errorf("the address of Events is %s", at)
	}
}
