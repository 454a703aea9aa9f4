package console

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// policy is the one of design section 2.2.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'none'; " +
	"frame-ancestors 'none'; base-uri 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

func TestCode_LeavesNoTrace(t *testing.T) {
	d := start(t, world{})
	b := open(t)
	login := d.login()
	_, code, _ := strings.Cut(login, "#k=")
	b.visit(login)
	if at := b.text("location.href"); at != origin(login)+"/#/overview" {
		t.Errorf("the address is %s", at)
	}
	b.run(chromedp.ActionFunc(func(ctx context.Context) error {
		_, entries, err := page.GetNavigationHistory().Do(ctx)
		for _, e := range entries {
			if strings.Contains(e.URL, code) {
				t.Errorf("the code is in the history: %s", e.URL)
			}
		}
		return err
	}))
	// What the browser has sent is without fragment; a code elsewhere in it would be seen here.
	b.mu.Lock()
	for _, u := range b.urls {
		if strings.Contains(u, code) {
			t.Errorf("the code is in the request of %s", u)
		}
	}
	b.mu.Unlock()
	for what, script := range map[string]string{
		"page": "document.documentElement.outerHTML", "title": "document.title", "referrer": "document.referrer",
		"storage": "JSON.stringify({...sessionStorage}) + JSON.stringify({...localStorage})", "cookies": "document.cookie",
	} {
		if strings.Contains(b.text(script), code) {
			t.Errorf("the code is in the %s", what)
		}
	}
	if strings.Contains(d.logged(), code) {
		t.Error("the code is in the daemon's log")
	}
	b.clean(origin(login))
}

func TestCode_TwiceEndsTheSession(t *testing.T) {
	d := start(t, world{})
	first, second := open(t), open(t)
	login := d.login()
	first.visit(login)
	second.run(chromedp.Navigate(login))
	second.shows("main.out", "used")
	first.shows("main.out", "mock-ec2-metadata console")
}

func TestSession_IsTheTabs(t *testing.T) {
	_, b, console := enter(t, world{})
	b.run(chromedp.Reload())
	b.until("document.querySelector('main .whoami') !== null")
	// Another tab of the same window has no session.
	other := b.beside()
	other.run(chromedp.Navigate(console + "/"))
	other.shows("main.out", "mock-ec2-metadata console")
	b.view("settings")
	b.eval("void [...document.querySelectorAll('main button')].find(x => x.textContent === 'Sign out').click()", nil)
	b.shows("main.out", "You have signed out.")
	if n := b.text("sessionStorage.length"); n != "0" {
		t.Errorf("%s values are left in the tab", n)
	}
	b.clean(console)
}

func TestSession_NoneOrWrongIs401(t *testing.T) {
	d := start(t, world{})
	console := origin(d.login())
	for _, path := range []string{"overview", "requests", "refusals", "state", "events", "faults", "tree?path=", "explain", "config", "env?for=shell", "stream"} {
		for _, token := range []string{"", "Bearer wrong", "Bearer "} {
			if status, _ := ask(t, console+"/v1/"+path, map[string]string{"Authorization": token}); status != http.StatusUnauthorized {
				t.Errorf("%s with %q: %d, not 401", path, token, status)
			}
		}
	}
}

func TestAnswers_HavePolicyAndNoCookie(t *testing.T) {
	d := start(t, world{})
	console := origin(d.login())
	for _, path := range []string{"/", "/main.js", "/console.css", "/favicon.svg", "/absent", "/v1/status", "/v1/absent"} {
		_, h := ask(t, console+path, nil)
		for name, want := range map[string]string{
			"Content-Security-Policy": policy, "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer",
			"Cross-Origin-Resource-Policy": "same-origin", "Cross-Origin-Opener-Policy": "same-origin", "Set-Cookie": "",
		} {
			if got := h.Get(name); got != want {
				t.Errorf("%s: %s is %q, not %q", path, name, got, want)
			}
		}
	}
}

// ask makes a GET without a browser, and closes its answer.
func ask(t *testing.T, url string, headers map[string]string) (int, http.Header) {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), patience)
	defer stop()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range headers {
		req.Header.Set(name, value)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	if err := res.Body.Close(); err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, res.Header
}

// TestPolicy_HoldsInTheBrowser tries in the page itself what the policy is to prevent, as a script that has got in would.
func TestPolicy_HoldsInTheBrowser(t *testing.T) {
	_, b, _ := enter(t, world{})
	other, _ := strange(t)
	for what, script := range map[string]string{
		"innerHTML":     "(() => { try { document.createElement('p').innerHTML = '<b>x</b>'; return 'done' } catch (e) { return 'no' } })()",
		"eval":          "(() => { try { return new Function('return \"done\"')() } catch (e) { return 'no' } })()",
		"inline script": "(() => { const s = document.createElement('script'); try { s.textContent = 'window.ran = 1'; document.body.append(s) } catch {} return window.ran ? 'done' : 'no' })()",
		"inline style":  "(() => { document.body.setAttribute('style', 'opacity: 0.5'); return getComputedStyle(document.body).opacity === '0.5' ? 'done' : 'no' })()",
		"foreign fetch": "await fetch(" + quote(other.URL) + ", {mode: 'no-cors'}).then(() => 'done', () => 'no')",
		"foreign image": "await new Promise(done => { const i = new Image(); i.onload = () => done('done'); i.onerror = () => done('no'); i.src = " + quote(other.URL) + " })",
		"frame":         "await new Promise(done => { addEventListener('securitypolicyviolation', e => e.effectiveDirective === 'frame-src' && done('no')); const f = document.createElement('iframe'); f.src = " + quote(other.URL) + "; document.body.append(f) })",
	} {
		if got := b.text(script); got != "no" {
			t.Errorf("%s: %s", what, got)
		}
	}
}

func TestRebinding_NameIsRefused(t *testing.T) {
	d := start(t, world{})
	console := origin(d.login())
	port := console[strings.LastIndex(console, ":"):]
	b := open(t)
	for _, path := range []string{"/", "/main.js", "/v1/status", "/v1/stream"} {
		ctx, stop := context.WithTimeout(b.ctx, patience)
		res, err := chromedp.RunResponse(ctx, chromedp.Navigate("http://"+rebound+port+path))
		stop()
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		if res.Status != http.StatusForbidden || res.RemoteIPAddress != "127.0.0.1" {
			t.Errorf("%s: %d of %s, not 403 of 127.0.0.1", path, res.Status, res.RemoteIPAddress)
		}
	}
	// A page of that name is the same origin to the browser, but not to the daemon.
	if got := b.text("(await fetch('/v1/console/session', {method: 'POST', headers: {'Content-Type': 'application/json'}, body: '{\"code\":\"x\"}'})).status"); got != "403" {
		t.Errorf("a fetch of the rebound page: %s, not 403", got)
	}
	// The name leads to the daemon: where Host is not looked at, the page is read.
	bare, _ := unprotected(t)
	b.run(chromedp.Navigate("http://" + rebound + bare.URL[strings.LastIndex(bare.URL, ":"):] + "/"))
	if title := b.text("document.title"); title != "bare" {
		t.Errorf("the name does not lead to this machine: %q", title)
	}
}
