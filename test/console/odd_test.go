package console

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/chromedp"
)

// odd is a daemon that answers strangely: a real one, and what a test puts in place of some answers.
type odd struct {
	mu      sync.Mutex
	daemon  http.Handler                // the real one
	answers map[string]http.HandlerFunc // by path
	streams int                         // open ones
	conns   map[net.Conn]bool
}

// oddly listens for what the browser believes to be localhost, on the console's port, so that Host is right.
func oddly(t *testing.T, login string) (o *odd, at string) {
	t.Helper()
	to, err := url.Parse(origin(login))
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", net.JoinHostPort(wire, to.Port()))
	if err != nil {
		t.Fatal(err)
	}
	o = &odd{answers: map[string]http.HandlerFunc{}, conns: map[net.Conn]bool{}}
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(to)
			r.Out.Host = r.In.Host
		},
		ErrorHandler: func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
	}
	o.daemon = proxy
	server := &http.Server{ReadHeaderTimeout: patience, ConnState: o.connect, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		o.mu.Lock()
		answer := o.answers[r.URL.Path]
		if r.URL.Path == "/v1/stream" {
			o.streams++
			defer func() {
				o.mu.Lock()
				o.streams--
				o.mu.Unlock()
			}()
		}
		o.mu.Unlock()
		if answer != nil {
			answer(w, r)
			return
		}
		proxy.ServeHTTP(w, r)
	})}
	go func() { _ = server.Serve(ln) }()
	t.Cleanup(func() { _ = server.Close() })
	return o, strings.Replace(login, "127.0.0.1", "localhost", 1)
}

func (o *odd) connect(conn net.Conn, state http.ConnState) {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch state {
	case http.StateNew:
		o.conns[conn] = true
	case http.StateClosed, http.StateHijacked:
		delete(o.conns, conn)
	}
}

// cut ends all connections, so that the page opens its stream again.
func (o *odd) cut() {
	o.mu.Lock()
	defer o.mu.Unlock()
	for conn := range o.conns {
		_ = conn.Close()
	}
}

// spoil puts an answer in place of those of a path; nil is the daemon's own again.
func (o *odd) spoil(path string, answer http.HandlerFunc) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.answers[path] = answer
}

// says is an answer with a status, a type and a body.
func says(status int, kind, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", kind)
		w.WriteHeader(status)
		fmt.Fprint(w, body)
	}
}

// hangs answers nothing until the browser goes.
func hangs(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }

// breaksOff ends the connection within the body.
func breaksOff(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Length", "1000")
	fmt.Fprint(w, `{"status":`)
	_ = http.NewResponseController(w).Flush()
	panic(http.ErrAbortHandler)
}

// poke has the page read the overview: the stream tells of a changed simulation.
func (d *daemon) poke() {
	d.t.Helper()
	d.command("fault", "preset", "slow")
	d.command("fault", "clear")
}

// hurry makes the timers of the page of more than five seconds 20 times as fast, from now on.
const hurry = `void (() => { const own = setTimeout; window.setTimeout = (f, ms, ...more) => own(f, ms > 5000 ? ms / 20 : ms, ...more) })()`

func TestStrangeAnswers_AreToldInTheBanner(t *testing.T) {
	d := start(t, world{})
	login := d.login()
	o, at := oddly(t, login)
	b := open(t)
	b.visit(at)
	for _, c := range []struct {
		name, want string
		answer     http.HandlerFunc
	}{
		{"truncated", "no JSON", says(200, "application/json", `{"status": {"ver`)},
		{"empty", "no status", says(200, "application/json", "")},
		{"null", "no status", says(200, "application/json", "null")},
		{"a list", "no status", says(200, "application/json", "[]")},
		{"a part", "Not all can be shown", says(200, "application/json", `{"who": {}, "credentials": {}, "identities": 5}`)},
		{"refused", "boom <b>", says(500, "application/json", `{"error": "boom <b>"}`)},
		{"text", "bad gateway", says(502, "text/html", "bad gateway")},
		{"nothing", "The daemon answers 503", says(503, "text/plain", "")},
		{"broken off", "Connection lost", breaksOff},
	} {
		o.spoil("/v1/status", c.answer)
		d.poke()
		b.shows("#banner", c.want)
		if n := b.text("document.querySelectorAll('#banner b').length"); n != "0" {
			t.Errorf("%s: an element out of text", c.name)
		}
		if c.name == "broken off" {
			b.until("!document.getElementById('banner').textContent.includes('Connection lost')")
		}
	}
	// With the daemon's own answer the page goes on, and takes the words back when they are 5 s old.
	o.spoil("/v1/status", nil)
	b.eval("void (Date.now = (own => () => own() + 5001)(Date.now))", nil)
	d.poke()
	b.until("document.getElementById('banner').textContent === ''")
	b.view("identity")
	b.shows("main .pairs", "dev-role")
}

func TestStrangeAnswers_FirstOnesLeaveNoSilentPage(t *testing.T) {
	d := start(t, world{})
	for path, want := range map[string]string{"/v1/status": "boom", "/v1/requests": "boom", "/v1/stream": "Connection lost", "/tree.js": "Tree cannot be opened"} {
		login := d.login()
		t.Run(strings.TrimPrefix(path, "/"), func(t *testing.T) {
			o, at := oddly(t, login)
			o.spoil(path, says(500, "application/json", `{"error": "boom"}`))
			b := open(t)
			b.run(chromedp.Navigate(at))
			if path == "/tree.js" {
				b.until("document.querySelector('#about .mono') !== null")
				b.eval("void (location.hash = '#/tree')", nil)
			}
			b.shows("#banner", want)
			o.spoil(path, nil)
			if path == "/v1/status" {
				b.click("#banner [data-key=again]")
			}
			if path != "/tree.js" {
				b.until("document.querySelector('main .whoami') !== null && document.querySelector('#about .mono') !== null")
			}
		})
	}
}

func TestStream_GarbageIsLeftAndNotKeptOpen(t *testing.T) {
	d := start(t, world{})
	o, at := oddly(t, d.login())
	b := open(t)
	b.visit(at)
	// The pauses before a new stream grow to 4 s.
	b.eval("void (own => { window.setTimeout = (f, ms, ...more) => own(f, ms > 250 && ms < 5000 ? 250 : ms, ...more) })(setTimeout)", nil)
	keep := func(text string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/event-stream")
			fmt.Fprint(w, text)
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		}
	}
	for name, answer := range map[string]http.HandlerFunc{
		"no JSON":      keep("event: requests\ndata: {nonsense\n\n"),
		"another page": says(200, "text/html", "<!doctype html>hello"),
		"too many":     says(429, "application/json", `{"error": "16 streams are open already; close one"}`),
		"ends":         says(200, "text/event-stream", "id: zzz\nevent: requests\ndata: {}\n\n"),
	} {
		o.spoil("/v1/stream", answer)
		o.cut()
		b.shows("#banner", "Connection lost")
		d.imds("127.0.0.1", "", "/latest/"+strings.ReplaceAll(name, " ", ""))
		o.spoil("/v1/stream", nil)
		b.until("!document.getElementById('banner').textContent.includes('Connection lost')")
		eventually(t, "one open stream after "+name, func() bool {
			o.mu.Lock()
			defer o.mu.Unlock()
			return o.streams == 1
		})
	}
	// Nothing that came meanwhile is missing.
	b.view("requests")
	for _, path := range []string{"noJSON", "anotherpage", "toomany", "ends"} {
		b.until(pathRows("/latest/"+path) + " === 1")
	}
}

func TestStream_BesideTheListShowsNothingTwice(t *testing.T) {
	d := start(t, world{})
	o, at := oddly(t, d.login())
	late := make(chan struct{})
	o.spoil("/v1/requests", func(w http.ResponseWriter, r *http.Request) {
		<-late
		o.daemon.ServeHTTP(w, r)
	})
	b := open(t)
	b.visit(at)
	// The stream brings the request before the list of the past has been read, which has it, too.
	eventually(t, "a stream", func() bool {
		o.mu.Lock()
		defer o.mu.Unlock()
		return o.streams == 1
	})
	d.metadata("meta-data/mac")
	d.command("event", "rebalance")
	b.shows("#banner", "Simulated: 1 event")
	close(late)
	b.view("requests")
	b.until(pathRows("/latest/meta-data/mac") + " > 0")
	if n := b.number(pathRows("/latest/meta-data/mac")); n != 1 {
		t.Errorf("%v rows of one request", n)
	}
}

func TestStream_WithoutAnswerIsGivenUp(t *testing.T) {
	d := start(t, world{})
	o, at := oddly(t, d.login())
	b := open(t)
	b.visit(at)
	b.eval(hurry, nil)
	o.spoil("/v1/stream", hangs)
	o.cut()
	b.shows("#banner", "Connection lost")
	eventually(t, "a stream that hangs", func() bool {
		o.mu.Lock()
		defer o.mu.Unlock()
		return o.streams == 1
	})
	o.spoil("/v1/stream", nil)
	// The one that hangs is given up after 40 s, here 2.
	b.until("!document.getElementById('banner').textContent.includes('Connection lost')")
}

func TestStream_DeadWithoutCloseIsNoticed(t *testing.T) {
	d := start(t, world{})
	b := open(t)
	login := d.login()
	cable := through(t, strings.TrimPrefix(origin(login), "http://"))
	b.visit(strings.Replace(login, "127.0.0.1", "localhost", 1))
	b.view("requests")
	b.eval(hurry, nil)
	d.imds("127.0.0.1", "", "/latest/before")
	b.until(pathRows("/latest/before") + " === 1")
	// As if the laptop had slept: nothing comes, and the connection is not closed.
	cable.freeze()
	d.imds("127.0.0.1", "", "/latest/during")
	b.shows("#banner", "Connection lost")
	cable.restore()
	b.until("!document.getElementById('banner').textContent.includes('Connection lost') && " + pathRows("/latest/during") + " === 1")
}

func TestSession_EndWhileOpenIsSaid(t *testing.T) {
	d := start(t, world{})
	o, at := oddly(t, d.login())
	b := open(t)
	b.visit(at)
	b.view("tree")
	b.click("#help")
	over := says(401, "application/json", `{"error": "there is no such session, or it has ended; run mock-ec2-metadata console"}`)
	o.spoil("/v1/stream", over)
	o.cut()
	b.shows("main.out", "The session has ended.")
	b.shows("main.out", "mock-ec2-metadata console")
	if got := b.text("document.querySelector('dialog') === null && sessionStorage.getItem('console-session') === null"); got != "true" {
		t.Error("a dialog or the session is still there")
	}
	// Nothing of a view comes back by its address.
	b.eval("void (location.hash = '#/settings')", nil)
	b.keys("g", "e")
	b.shows("main.out h1", "Open the console")
}
