package console

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/cdproto/heapprofiler"
	"github.com/chromedp/chromedp"
)

// pathRows is how many rows of the journal have a path, as a script.
func pathRows(path string) string {
	return "[...document.querySelectorAll('.journal .path')].filter(x => x.textContent.includes(" + quote(path) + ")).length"
}

func TestRequests_ShowWithinASecond(t *testing.T) {
	d, b, console := enter(t, world{})
	b.view("requests")
	d.metadata("meta-data/mac")
	b.shows(".journal tbody", "/latest/meta-data/mac")
	// The moment is taken in the page, so that a slow connection to the browser does not count.
	b.eval(`void (window.shown = new Promise(done => new MutationObserver(() => {
		if (document.querySelector('.journal').textContent.includes('/latest/meta-data/hostname')) done(Date.now());
	}).observe(document.querySelector('.journal'), {subtree: true, childList: true, characterData: true})))`, nil)
	sent := time.Now().UnixMilli()
	d.metadata("meta-data/hostname")
	took := int64(b.number("await window.shown")) - sent
	t.Logf("shown after %d ms", took)
	if took > 1000 && !busy() {
		t.Errorf("shown after %d ms", took)
	}
	b.clean(console)
}

// busy tells whether others have kept this machine busy in the last minute, so that times say little.
func busy() bool {
	var load float64
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return true
	}
	_, err = fmt.Sscan(string(text), &load)
	return err != nil || load > 2*float64(runtime.NumCPU())
}

// load sends requests until ctx ends and gives how many have been answered: perSecond at most, or as many as can be with 0.
func (d *daemon) load(ctx context.Context, perSecond int) *atomic.Int64 {
	d.t.Helper()
	conn, err := net.Dial("tcp", d.address())
	if err != nil {
		d.t.Fatal(err)
	}
	context.AfterFunc(ctx, func() { _ = conn.Close() })
	var answered atomic.Int64
	go func() {
		// Pipelined, so that the client costs next to nothing beside the browser.
		one := []byte("GET /latest/meta-data/instance-id HTTP/1.1\r\nHost: " + d.address() + "\r\n\r\n")
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		batch := bytes.Repeat(one, max(perSecond/50, 1))
		if perSecond == 0 {
			batch = bytes.Repeat(one, 100)
		}
		for ctx.Err() == nil {
			if _, err := conn.Write(batch); err != nil {
				return
			}
			if perSecond > 0 {
				<-tick.C
			}
		}
	}()
	go func() {
		from := bufio.NewReader(conn)
		for {
			res, err := http.ReadResponse(from, nil)
			if err != nil {
				return
			}
			_, err = io.Copy(io.Discard, res.Body)
			_ = res.Body.Close()
			if err != nil {
				return
			}
			answered.Add(1)
		}
	}()
	return &answered
}

// frames is how many frames a second the page draws during a time, in seconds.
const frames = `await new Promise(done => { let n = 0; const from = performance.now(); requestAnimationFrame(function next() {
	n++;
	const s = (performance.now() - from) / 1000;
	s < %d ? requestAnimationFrame(next) : done(n / s);
}) })`

func TestRequests_UnderLoadStayFewFlatAndSmooth(t *testing.T) {
	d, b, console := enter(t, world{fast: true})
	b.view("requests")
	idle := b.number(fmt.Sprintf(frames, 1))
	heap := func() float64 {
		b.run(chromedp.ActionFunc(func(ctx context.Context) error { return heapprofiler.CollectGarbage().Do(ctx) }))
		return b.number("performance.memory.usedJSHeapSize")
	}
	rows := "document.querySelectorAll('.journal tbody tr').length"

	ctx, stop := context.WithCancel(t.Context())
	answered := d.load(ctx, 5000)
	b.number(fmt.Sprintf(frames, 2)) // the rows are there now, and what is made once
	first, before := heap(), answered.Load()
	from := time.Now()
	smooth := b.number(fmt.Sprintf(frames, 4))
	rate := float64(answered.Load()-before) / time.Since(from).Seconds()
	grown := heap() - first
	if n := b.number(rows); n == 0 || n > 500 {
		t.Errorf("%v rows, not 1 to 500", n)
	}
	stop()
	t.Logf("%.0f requests a second: %.0f frames a second, %.0f without load; the heap has grown by %.1f MB from %.1f MB", rate, smooth, idle, grown/1e6, first/1e6)
	if grown > 4e6 {
		t.Errorf("the heap has grown by %.0f bytes in 4 s", grown)
	}
	if smooth < 30 && idle > 50 && !busy() {
		t.Errorf("%.0f frames a second, not 30", smooth)
	}

	// As fast as a client can: what the stream does not carry is counted.
	ctx, stop = context.WithCancel(t.Context())
	defer stop()
	answered, from = d.load(ctx, 0), time.Now()
	b.until("document.querySelector('.tally').textContent.includes('left out') && " + rows + " > 0 && " + rows + " <= 500")
	b.number(fmt.Sprintf(frames, 2))
	t.Logf("%.0f requests a second: %s", float64(answered.Load())/time.Since(from).Seconds(), b.text("document.querySelector('.tally').textContent"))
	stop()
	// It is still alive: the next request shows.
	d.metadata("meta-data/hostname")
	b.until(pathRows("/latest/meta-data/hostname") + " === 1")
	b.clean(console)
}

func TestStream_ResumesWithoutGapOrDouble(t *testing.T) {
	d := start(t, world{})
	b := open(t)
	login := d.login()
	cable := through(t, strings.TrimPrefix(origin(login), "http://"))
	b.visit(strings.Replace(login, "127.0.0.1", "localhost", 1))
	b.view("requests")
	ask := func(path string) { d.imds("127.0.0.1", "", path) }
	for range 3 {
		ask("/latest/before")
	}
	b.until(pathRows("/latest/before") + " === 3")
	// The network goes, and what is asked meanwhile comes with it.
	cable.cut()
	b.shows("#banner", "Connection lost")
	for range 5 {
		ask("/latest/during")
	}
	if n := b.number(pathRows("/latest/during")); n != 0 {
		t.Errorf("%v rows have come through a cut cable", n)
	}
	cable.restore()
	b.until(pathRows("/latest/during") + " === 5")
	ask("/latest/after")
	b.until(pathRows("/latest/after") + " === 1")
	for path, want := range map[string]float64{"/latest/before": 3, "/latest/during": 5} {
		if n := b.number(pathRows(path)); n != want {
			t.Errorf("%v rows of %s, not %v", n, path, want)
		}
	}
	b.until("!document.getElementById('banner').textContent.includes('Connection lost')")
	b.clean(strings.Replace(origin(login), "127.0.0.1", "localhost", 1))
}

func TestRestart_BannerNamesTheConsoleCommand(t *testing.T) {
	d, b, _ := enter(t, world{})
	d.stop()
	b.shows("#banner", "mock-ec2-metadata console")
	d.run(d.address())
	// The command gives a page of the new daemon, in the same tab.
	login := d.login()
	b.visit(login)
	b.until("!document.getElementById('banner').textContent.includes('Connection lost')")
}

func TestRevoke_EndsTheSessionAtOnce(t *testing.T) {
	d, b, _ := enter(t, world{})
	d.command("console", "--revoke")
	// The port has gone with the session, so the page can only say that the daemon does not answer.
	b.until("document.body.innerText.includes('mock-ec2-metadata console')")
	if strings.Contains(b.text("document.body.innerText"), "left of") {
		t.Error("the page still counts")
	}
}
