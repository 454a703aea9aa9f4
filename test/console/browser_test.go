package console

import (
	"context"
	"encoding/json"
	"errors"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"
)

const (
	// patience is how long a test waits for what the page should show. A first page takes seconds on a busy machine.
	patience = 20 * time.Second
	// life is how long a tab lives.
	life = 90 * time.Second
	// rebound is a name that the browser believes to be 127.0.0.1, as after DNS rebinding.
	rebound = "rebind.example"
	// wire is where the browser believes localhost to be. A test can listen there on the console's port, and cut what goes through.
	wire = "127.0.0.2"
)

// chromium starts Debian's Chromium once, with a new profile. Each tab has a context of its own in it, as a private window has.
var chromium = sync.OnceValues(func() (started, error) {
	path, err := exec.LookPath("chromium")
	if err != nil {
		return started{}, errors.New("chromium is missing: apt-get install chromium")
	}
	options := []chromedp.ExecAllocatorOption{chromedp.ExecPath(path), chromedp.Flag("host-resolver-rules", "MAP "+rebound+" 127.0.0.1, MAP localhost "+wire)}
	for _, name := range []string{"headless", "no-sandbox", "disable-gpu", "disable-quic", "no-first-run", "disable-background-networking", "disable-component-update", "disable-sync"} {
		options = append(options, chromedp.Flag(name, true))
	}
	limited, stop := context.WithTimeout(context.Background(), 10*time.Minute)
	allocator, free := chromedp.NewExecAllocator(limited, options...)
	// This Chromium has DOM events that chromedp does not know, and says so each time.
	ctx, end := chromedp.NewContext(allocator, chromedp.WithErrorf(func(string, ...any) {}))
	return started{ctx: ctx, end: func() { end(); free(); stop() }}, chromedp.Run(ctx)
})

type started struct {
	ctx context.Context
	end func()
}

func endBrowser() {
	// Started here if no test has, which costs a second and nothing else.
	if b, err := chromium(); err == nil {
		_ = chromedp.Cancel(b.ctx)
		b.end()
	}
}

// tab is an open page.
type tab struct {
	t   *testing.T
	ctx context.Context
	// private is the context of the browser that the tab is in.
	private cdp.BrowserContextID

	mu       sync.Mutex
	problems []string // errors of the console, exceptions, violations of the policy
	urls     []string // of requests
	answers  []answer
}

// answer is one that the browser has got, whether or not a page may read it.
type answer struct {
	url    string
	status int64
}

// open opens an empty page. It ends with the test.
func open(t *testing.T) *tab {
	t.Helper()
	b, err := chromium()
	if err != nil {
		t.Fatal(err)
	}
	limited, stop := context.WithTimeout(b.ctx, life)
	all := cdp.WithExecutor(limited, chromedp.FromContext(b.ctx).Browser)
	private, err := target.CreateBrowserContext().Do(all)
	if err != nil {
		t.Fatal(err)
	}
	p := openIn(t, limited, private)
	t.Cleanup(func() {
		_ = target.DisposeBrowserContext(private).Do(all)
		stop()
	})
	return p
}

// beside opens another tab of the same window.
func (b *tab) beside() *tab {
	b.t.Helper()
	return openIn(b.t, b.ctx, b.private)
}

func openIn(t *testing.T, parent context.Context, private cdp.BrowserContextID) *tab {
	t.Helper()
	// chromedp's own way asks for no window, which such a context needs first.
	id, err := target.CreateTarget("about:blank").WithBrowserContextID(private).WithNewWindow(true).
		Do(cdp.WithExecutor(parent, chromedp.FromContext(parent).Browser))
	if err != nil {
		t.Fatal(err)
	}
	ctx, end := chromedp.NewContext(parent, chromedp.WithTargetID(id))
	t.Cleanup(end)
	p := &tab{t: t, ctx: ctx, private: private}
	chromedp.ListenTarget(ctx, p.record)
	if err := chromedp.Run(ctx); err != nil {
		t.Fatal(err)
	}
	p.run(log.Enable(), runtime.Enable(), network.Enable(), emulation.SetFocusEmulationEnabled(true), chromedp.EmulateViewport(1280, 800))
	return p
}

// record keeps what the page asks for and complains of. A failed call of the control API is the page's to show, so it is no problem here.
func (b *tab) record(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := event.(type) {
	case *log.EventEntryAdded:
		if e.Entry.Level == log.LevelError && !strings.HasPrefix(e.Entry.Text, "Failed to load resource") {
			b.problems = append(b.problems, e.Entry.Text)
		}
	case *runtime.EventExceptionThrown:
		b.problems = append(b.problems, e.ExceptionDetails.Error())
	case *runtime.EventConsoleAPICalled:
		if (e.Type == runtime.APITypeError || e.Type == runtime.APITypeWarning) && len(e.Args) > 0 {
			b.problems = append(b.problems, string(e.Args[0].Value))
		}
	case *network.EventRequestWillBeSent:
		b.urls = append(b.urls, e.Request.URL)
	case *network.EventResponseReceived:
		b.answers = append(b.answers, answer{url: e.Response.URL, status: e.Response.Status})
	}
}

// run does actions one after the other, within patience.
func (b *tab) run(actions ...chromedp.Action) {
	b.t.Helper()
	ctx, stop := context.WithTimeout(b.ctx, patience)
	defer stop()
	if err := chromedp.Run(ctx, actions...); err != nil {
		b.t.Fatal(err)
	}
}

// eval runs script in the page, as if the user had clicked, and decodes its value, after its promise, into value.
func (b *tab) eval(script string, value any) {
	b.t.Helper()
	b.run(chromedp.Evaluate(script, value, func(p *runtime.EvaluateParams) *runtime.EvaluateParams {
		return p.WithAwaitPromise(true).WithUserGesture(true).WithAllowUnsafeEvalBlockedByCSP(false)
	}))
}

// text is the value of a script that gives a string.
func (b *tab) text(script string) string {
	b.t.Helper()
	var s string
	b.eval("(async () => String("+script+"))()", &s)
	return s
}

// number is the value of a script that gives a number.
func (b *tab) number(script string) float64 {
	b.t.Helper()
	var n float64
	b.eval("(async () => Number("+script+"))()", &n)
	return n
}

// until waits for script to be true in the page.
func (b *tab) until(script string) {
	b.t.Helper()
	limit := time.Now().Add(patience)
	for {
		var ok bool
		ctx, stop := context.WithDeadline(b.ctx, limit)
		// While a page is replaced by another, there is no place to run it.
		err := chromedp.Run(ctx, chromedp.Evaluate("Boolean("+script+")", &ok))
		stop()
		if ok {
			return
		}
		if time.Now().After(limit) {
			b.t.Fatalf("not true: %s: %v; the page says:\n%.1500s", script, err, b.text("document.body?.innerText"))
		}
		select {
		case <-time.After(25 * time.Millisecond):
		case <-b.ctx.Done():
			b.t.Fatalf("not true: %s: %v", script, b.ctx.Err())
		}
	}
}

// shows waits for the text of what selector finds first to have a part.
func (b *tab) shows(selector, part string) {
	b.t.Helper()
	b.until("(document.querySelector(" + quote(selector) + ")?.textContent ?? '').includes(" + quote(part) + ")")
}

// visit opens url and waits for what follows the login to be there.
func (b *tab) visit(url string) {
	b.t.Helper()
	b.run(chromedp.Navigate(url))
	b.until("document.querySelector('#about .mono') !== null && document.querySelector('main .panel') !== null")
}

// view goes to a view by its route, with a query or without, and waits until it has been filled.
func (b *tab) view(route string) {
	b.t.Helper()
	b.eval("void (location.hash = "+quote("#/"+route)+")", nil)
	name, _, _ := strings.Cut(route, "?")
	b.until("document.getElementById('view').className === " + quote(name) + " && document.querySelector('main h1') !== null")
	if ready := filled[name]; ready != "" {
		b.until("document.querySelector(" + quote(ready) + ") !== null")
	}
}

// filled is what is there once a view has got its data, by its route.
var filled = map[string]string{
	"overview": "main .whoami", "tree": "main section.value h2", "events": "main section[aria-label=Events] h2",
	"identity": "main .pairs", "connect": "#lines pre", "settings": "main .values tbody tr",
}

// click clicks the first element that selector finds, as soon as it is there.
func (b *tab) click(selector string) {
	b.t.Helper()
	b.until("document.querySelector(" + quote(selector) + ") !== null")
	b.eval("void document.querySelector("+quote(selector)+").click()", nil)
}

// named are the keys that are not a character: code for Windows, and the text that they give.
var named = map[string]struct {
	code int64
	text string
}{"Tab": {9, ""}, "Enter": {13, "\r"}, "Escape": {27, ""}, "ArrowLeft": {37, ""}, "ArrowUp": {38, ""}, "ArrowRight": {39, ""}, "ArrowDown": {40, ""}}

// keys presses keys, one after the other: a character, or a name. As at a keyboard, a page that prevents the key prevents its text.
func (b *tab) keys(names ...string) {
	b.t.Helper()
	for _, name := range names {
		down := input.DispatchKeyEvent(input.KeyDown).WithKey(name).WithText(name)
		if k, ok := named[name]; ok {
			down = down.WithText(k.text).WithCode(name).WithWindowsVirtualKeyCode(k.code)
			if k.text == "" {
				down.Type = input.KeyRawDown
			}
		}
		b.run(down, input.DispatchKeyEvent(input.KeyUp).WithKey(name))
	}
}

// look sets the colour scheme and the size of the page in CSS pixels, and wishes for no motion.
func (b *tab) look(scheme string, width, height int64) {
	b.t.Helper()
	b.run(emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{
		{Name: "prefers-color-scheme", Value: scheme},
		{Name: "prefers-reduced-motion", Value: "reduce"},
	}), chromedp.EmulateViewport(width, height))
}

// clipboard lets the page write to the clipboard, as a user's browser does, and gives what is there.
func (b *tab) clipboard() string {
	b.t.Helper()
	return b.text("await navigator.clipboard.readText()")
}

// allowClipboard lets the test read the clipboard.
func (b *tab) allowClipboard() {
	b.t.Helper()
	b.run(chromedp.ActionFunc(func(ctx context.Context) error {
		c := chromedp.FromContext(ctx)
		return browser.GrantPermissions([]browser.PermissionType{browser.PermissionTypeClipboardReadWrite, browser.PermissionTypeClipboardSanitizedWrite}).
			WithBrowserContextID(b.private).Do(cdp.WithExecutor(ctx, c.Browser))
	}))
}

// complaints are the problems so far, and the requests to other origins than from.
func (b *tab) complaints(from string) []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	all := append([]string(nil), b.problems...)
	for _, u := range b.urls {
		if !strings.HasPrefix(u, from+"/") && !strings.HasPrefix(u, "about:") {
			all = append(all, "off origin: "+u)
		}
	}
	return all
}

// clean requires that there are no complaints.
func (b *tab) clean(from string) {
	b.t.Helper()
	for _, c := range b.complaints(from) {
		b.t.Error(c)
	}
}

// got are the answers of an origin so far.
func (b *tab) got(from string) (all []answer) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, a := range b.answers {
		if strings.HasPrefix(a.url, from+"/") || strings.HasPrefix(a.url, "ws"+strings.TrimPrefix(from, "http")+"/") {
			all = append(all, a)
		}
	}
	return all
}

// quote is s as a JavaScript string.
func quote(s string) string {
	text, err := json.Marshal(s)
	if err != nil {
		panic(err)
	}
	return string(text)
}

// enter opens the console of a new daemon in a new tab.
func enter(t *testing.T, w world) (d *daemon, b *tab, from string) {
	t.Helper()
	d = start(t, w)
	b = open(t)
	url := d.login()
	b.visit(url)
	return d, b, origin(url)
}
