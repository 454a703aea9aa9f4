package console

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
)

// foreign tries to read or change what is at target, from a page on another port of the same host. Each line of its result is
// something that it got.
const foreign = `async (target) => {
	const got = [];
	const body = '{"spot":"terminate"}';
	const json = {method: 'POST', headers: {'Content-Type': 'application/json'}, body};
	const limit = () => ({signal: AbortSignal.timeout(5000)});
	const tries = {
		'fetch': ['/v1/status', {}], 'page': ['/', {}], 'stream': ['/v1/stream', {}], 'post': ['/v1/events', json],
		'delete': ['/v1/events', {method: 'DELETE'}], 'bearer': ['/v1/status', {headers: {Authorization: 'Bearer x'}}],
		'credentials': ['/v1/status', {credentials: 'include'}],
	};
	for (const [name, [path, init]] of Object.entries(tries)) {
		try { if ((await fetch(target + path, {...init, ...limit()})).ok) got.push(name) } catch {}
	}
	for (const path of ['/v1/events', '/v1/reload', '/v1/credentials/renew', '/v1/console/session']) {
		await fetch(target + path, {method: 'POST', mode: 'no-cors', headers: {'Content-Type': 'text/plain'}, body, ...limit()}).catch(() => {});
	}
	const loaded = (tag, name, path) => new Promise(done => {
		const e = document.createElement(tag);
		e.onload = () => { got.push(name); done() };
		e.onerror = () => done();
		e.src = target + path;
		document.body.append(e);
	});
	await loaded('img', 'img', '/favicon.svg');
	await loaded('script', 'script', '/main.js');
	await loaded('script', 'json as script', '/v1/status');
	const framed = (begin) => new Promise(done => {
		const f = document.createElement('iframe');
		f.name = 'frame' + Math.random();
		f.onload = () => { if (f.src || f.dataset.sent) done(f) };
		document.body.append(f);
		begin(f);
	});
	await framed(sink => {
		const f = document.createElement('form');
		f.method = 'POST'; f.enctype = 'text/plain'; f.action = target + '/v1/events'; f.target = sink.name;
		const field = document.createElement('input');
		field.name = '{"spot":"terminate","x":"'; field.value = '"}';
		f.append(field);
		document.body.append(f);
		sink.dataset.sent = 'yes';
		f.submit();
	});
	const message = new Promise(done => { addEventListener('message', () => { got.push('iframe'); done() }); setTimeout(done, 500) });
	const frame = await framed(f => { f.src = target + '/' });
	await message;
	try { if (frame.contentWindow.document.body.textContent) got.push('text of iframe') } catch {}
	await new Promise(done => {
		const s = new WebSocket(target.replace('http', 'ws') + '/v1/stream');
		s.onopen = () => { got.push('WebSocket'); done() };
		s.onerror = () => done();
	});
	if (sessionStorage.getItem('console-session')) got.push('session');
	if (document.cookie) got.push('cookie');
	const other = window.open(target + '/');
	got.push(other ? 'window' : 'no window');
	await fetch('/tick');
	try { if (other.sessionStorage.getItem('console-session')) got.push('session of window') } catch {}
	try { if (other.document.body.textContent) got.push('text of window') } catch {}
	other?.close();
	return got.join('\n');
}`

// strange serves an empty page at another port. secrets are the cookies, authorizations and foreign addresses that browsers have sent it.
func strange(t *testing.T) (server *httptest.Server, secrets func() []string) {
	t.Helper()
	var mu sync.Mutex
	var seen []string
	server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		for _, name := range []string{"Cookie", "Authorization", "Referer"} {
			if v := r.Header.Get(name); v != "" && !strings.HasPrefix(v, "http://"+r.Host) {
				seen = append(seen, name+": "+v)
			}
		}
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(w, "<!doctype html><title>foreign</title><link rel=icon href=data:,><body>foreign</body>")
	}))
	t.Cleanup(server.Close)
	return server, func() []string {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(seen)
	}
}

func TestForeignPage_ReadsAndChangesNothing(t *testing.T) {
	d, b, console := enter(t, world{})
	d.credentials("127.0.0.1", "dev-role")
	other, secrets := strange(t)
	session := b.text("sessionStorage.getItem('console-session')")
	before := d.simulation()
	calls := d.sts.Calls("AssumeRole")
	// The same tab goes there, so that all that a browser keeps for the host is at hand.
	b.visitForeign(other.URL)
	if got := b.text("await (" + foreign + ")(" + quote(console) + ")"); got != "window" {
		t.Errorf("the foreign page got:\n%s", got)
	}
	answers := b.got(console)
	refused := 0
	for _, a := range answers {
		if a.status == http.StatusForbidden {
			refused++
		} else if !strings.HasSuffix(a.url, "/") || a.status != http.StatusOK {
			// The document alone may be opened by a link of another page.
			t.Errorf("%s: %d, not 403", a.url, a.status)
		}
	}
	if refused < 3 {
		t.Errorf("%d of %v refused: the page has asked for less than it should", refused, answers)
	}
	if after := d.simulation(); after != before {
		t.Errorf("changed by the foreign page: %s, was %s", after, before)
	}
	if n := d.sts.Calls("AssumeRole"); n != calls {
		t.Errorf("%d calls of STS by the foreign page", n-calls)
	}
	for _, s := range secrets() {
		t.Errorf("sent to the foreign page: %s", s)
	}
	// The session still works: nothing has ended it, either.
	if status, _ := ask(t, console+"/v1/status", map[string]string{"Authorization": "Bearer " + session}); status != http.StatusOK {
		t.Errorf("the session answers %d afterwards", status)
	}
}

// visitForeign goes to a page that is not the console's, and forgets what has been before.
func (b *tab) visitForeign(url string) {
	b.t.Helper()
	b.eval("void (location.href = "+quote(url)+")", nil)
	b.until("document.title === 'foreign' && document.readyState === 'complete'")
	b.mu.Lock()
	defer b.mu.Unlock()
	b.answers = nil
}

// TestForeignPage_IsSeenWhereNothingProtects would fail if the foreign page did nothing.
func TestForeignPage_IsSeenWhereNothingProtects(t *testing.T) {
	bare, changes := unprotected(t)
	b := open(t)
	b.eval("void (location.href = "+quote(bare.URL+"/login")+")", nil)
	b.until("document.title === 'bare'")
	other, secrets := strange(t)
	b.visitForeign(other.URL)
	got := strings.Split(b.text("await ("+foreign+")("+quote(bare.URL)+")"), "\n")
	for _, want := range []string{"fetch", "page", "stream", "post", "delete", "bearer", "credentials", "img", "script", "json as script", "iframe", "WebSocket", "cookie", "window"} {
		if !slices.Contains(got, want) {
			t.Errorf("%s has failed where nothing protects; got %v", want, got)
		}
	}
	// post, delete, four without CORS, and the form.
	if n := changes(); n != 7 {
		t.Errorf("%d changes, not 7", n)
	}
	if !slices.Contains(secrets(), "Cookie: session=secret") {
		t.Errorf("the cookie of another port is not among %v", secrets())
	}
}
