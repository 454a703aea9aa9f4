package console

import (
	"net/http"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

func TestAddress_StrangeOnesLeadSomewhere(t *testing.T) {
	_, b, console := enter(t, world{})
	for _, hash := range []string{"#/constructor", "#/__proto__", "#/toString?x", "#//", "#/%00", "#x", "#/overview?%", "#/" + strings.Repeat("a", 5000)} {
		b.view("events")
		b.eval("void (location.hash = "+quote(hash)+")", nil)
		b.until("document.getElementById('view').className === 'overview' && document.querySelector('main .whoami') !== null")
	}
	b.view("connect?for=constructor")
	b.shows("#lines", "terminal of this machine")
	// Back and forward are the views.
	b.view("settings")
	b.view("tree")
	b.eval("void history.back()", nil)
	b.until("document.getElementById('view').className === 'settings'")
	b.clean(console)
}

func TestAddress_WrongCodeInAnOpenTabSaysWhy(t *testing.T) {
	d, b, _ := enter(t, world{})
	b.eval("void (location.hash = '#k=wrong')", nil)
	b.shows("main.out", "this code is not valid")
	if at := b.text("location.hash"); at != "#/overview" {
		t.Errorf("the code is still in the address: %s", at)
	}
	// A right one opens it again.
	_, code, _ := strings.Cut(d.login(), "#")
	b.eval("void (location.hash = "+quote("#"+code)+")", nil)
	b.until("document.querySelector('main .whoami') !== null")
}

// TestForeignPage_HasNoHandleOnTheConsole is about what a page may do with a window that it has opened.
func TestForeignPage_HasNoHandleOnTheConsole(t *testing.T) {
	d, b, console := enter(t, world{})
	before := d.simulation()
	other, _ := strange(t)
	b.visitForeign(other.URL)
	got := b.text(`await (async (target) => {
		const got = [];
		const w = window.open(target + '/#/settings', 'console');
		for (let i = 0; i < 100 && !w.closed; i++) await fetch('/tick');
		if (!w.closed) got.push('handle');
		try { w.postMessage('x', '*'); w.location = target + '/#k=x' } catch {}
		try { if (w.document) got.push('document') } catch {}
		if (window.opener) got.push('opener');
		for (const tag of ['embed', 'object']) {
			const e = document.createElement(tag);
			e[tag === 'embed' ? 'src' : 'data'] = target + '/';
			const loaded = new Promise(done => { e.onload = () => done(true); e.onerror = () => done(false); setTimeout(() => done(false), 500) });
			document.body.append(e);
			await loaded;
			try { if (e.contentDocument?.body?.textContent) got.push(tag) } catch {}
		}
		return got.join(' ');
	})(` + quote(console) + ")")
	if got != "" {
		t.Errorf("the foreign page has: %s", got)
	}
	if after := d.simulation(); after != before {
		t.Errorf("changed: %s", after)
	}
	for _, a := range b.got(console) {
		if a.status != http.StatusForbidden && !strings.HasSuffix(a.url, "/") {
			t.Errorf("%s: %d, not 403", a.url, a.status)
		}
	}
}

// A service worker of the origin would see every request. One may be left by a program that had the port before.
func TestServiceWorker_IsEnded(t *testing.T) {
	_, b, _ := enter(t, world{})
	b.run(page.SetBypassCSP(true), chromedp.Reload())
	b.until("document.querySelector('main .whoami') !== null")
	const count = "(await navigator.serviceWorker.getRegistrations()).length"
	b.text("await navigator.serviceWorker.register('/api.js', {type: 'module'})")
	if n := b.text(count); n != "1" {
		t.Fatalf("%s service workers: the test registers none", n)
	}
	b.run(chromedp.Reload())
	b.until("document.querySelector('main .whoami') !== null")
	if n := b.text(count); n != "0" {
		t.Errorf("%s service workers are left", n)
	}
}
