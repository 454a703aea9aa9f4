//go:build e2e && linux

package e2e

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"mock-ec2-metadata/internal/testutil"
)

// TestFlood_ThisMachineIsServedMeanwhile runs all costly attacks at once, from an allowed and from a denied network, twice. This
// machine gets its answers meanwhile, and the second flood takes no more memory than the first.
func TestFlood_ThisMachineIsServedMeanwhile(t *testing.T) {
	o := newOffice(t)
	d, pid := o.serve(t, buildPlain(t), mockHome(t, "server: {allow_clients: [192.0.2.0/24]}\n"))
	p := startProber(t, o)
	testutil.EventuallyWithin(t, time.Minute, "the prober has asked 20 times", func() bool { return p.asked.Load() > 20 })
	files, start := openFiles(t, pid), memory(t, pid)
	var after []int
	for range 2 {
		var all sync.WaitGroup
		for _, attack := range []func(*testing.T, *office){floodTokens, floodSlow, floodHeaders, floodSizes, floodConnections} {
			all.Go(func() { attack(t, o) })
		}
		all.Wait()
		after = append(after, memory(t, pid))
	}
	p.stop(t)
	testutil.EventuallyWithin(t, time.Minute, fmt.Sprintf("no more than %d open files, as before", files), func() bool { return openFiles(t, pid) <= files })
	t.Logf("memory: %d MiB before, %d and %d after one and two floods", start>>20, after[0]>>20, after[1]>>20)
	if after[1] > 64<<20 || after[1] > after[0]+after[0]/4+4<<20 {
		t.Errorf("memory is not flat: %d, %d, then %d bytes", start, after[0], after[1])
	}
	refused := 0
	for _, line := range d.logged() {
		if strings.Contains(line, `"msg":"refused"`) {
			refused++
		}
		if strings.Contains(line, "panic") {
			t.Error(line)
		}
	}
	if refused == 0 || refused > 20 {
		t.Errorf("%d lines about refusals, want one a minute for each source", refused)
	}
}

// floodTokens requests 20,000 tokens.
func floodTokens(t *testing.T, o *office) {
	client := &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{
		MaxIdleConnsPerHost: 50, DialContext: func(ctx context.Context, _, to string) (net.Conn, error) { return o.box.dial(ctx, "", to) },
	}}
	defer client.CloseIdleConnections()
	var workers sync.WaitGroup
	for range 50 {
		workers.Go(func() {
			for range 400 {
				req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, "http://"+boxSide+":5000/latest/api/token", nil)
				if err != nil {
					t.Error(err)
					return
				}
				req.Header.Set("X-aws-ec2-metadata-token-ttl-seconds", "21600")
				resp, err := client.Do(req)
				if err != nil {
					t.Error(err)
					return
				}
				b, _ := io.ReadAll(resp.Body)
				_ = resp.Body.Close()
				if resp.StatusCode != 200 || len(b) != 56 {
					t.Errorf("a token: %s %q", resp.Status, b)
					return
				}
			}
		})
	}
	workers.Wait()
}

// floodSlow holds 300 connections of each network open by a byte each 100 ms, until the daemon closes them.
func floodSlow(t *testing.T, o *office) {
	var workers sync.WaitGroup
	for i := range 600 {
		n, to := o.box, boxSide+":5000"
		if i%2 == 1 {
			n, to = o.lan, officeSide+":5000"
		}
		workers.Go(func() {
			conn, err := n.dial(t.Context(), "", to)
			if err != nil {
				t.Error(err)
				return
			}
			defer func() { _ = conn.Close() }()
			fmt.Fprint(conn, "GET / HTTP/1.1\r\nHost: x\r\nA: ")
			for range 200 { // the daemon closes it much earlier
				if _, err := io.WriteString(conn, "a"); err != nil {
					return
				}
				time.Sleep(100 * time.Millisecond)
			}
			t.Error("a slow connection stayed open for 20 seconds")
		})
	}
	workers.Wait()
}

// floodHeaders sends requests with 2,000 headers each.
func floodHeaders(t *testing.T, o *office) {
	few := "GET / HTTP/1.1\r\nHost: x\r\n" + strings.Repeat("A: b\r\n", 2000) + "\r\n"
	many := "GET / HTTP/1.1\r\nHost: x\r\n" + strings.Repeat("Header-name: and value\r\n", 2000) + "\r\n"
	for i := range 200 {
		text, want := few, 200
		if i%2 == 1 {
			text, want = many, 431
		}
		send(t, o.box, boxSide+":5000", text, want)
	}
}

// floodSizes sends headers, paths and bodies above the limits.
func floodSizes(t *testing.T, o *office) {
	const put = "PUT /latest/api/token HTTP/1.1\r\nHost: x\r\n"
	for range 50 {
		send(t, o.box, boxSide+":5000", "GET / HTTP/1.1\r\nHost: x\r\nA: "+strings.Repeat("a", 1<<20), 431)
		send(t, o.box, boxSide+":5000", "GET /"+strings.Repeat("a", 100_000), 431)
		send(t, o.box, boxSide+":5000", put+"Content-Length: 1073741824\r\n\r\n"+strings.Repeat("a", 1<<20), 413)
		send(t, o.box, boxSide+":5000", put+"Transfer-Encoding: chunked\r\n\r\n"+strings.Repeat("1000\r\n"+strings.Repeat("a", 4096)+"\r\n", 256), 413)
	}
}

// floodConnections opens connections from the LAN for 5 seconds, 20 at a time.
func floodConnections(t *testing.T, o *office) {
	var workers sync.WaitGroup
	end := time.Now().Add(5 * time.Second)
	for range 20 {
		workers.Go(func() {
			for time.Now().Before(end) {
				send(t, o.lan, officeSide+":5000", "GET "+credentialsPath+" HTTP/1.1\r\nHost: x\r\n\r\n", 403)
			}
		})
	}
	workers.Wait()
}

// send sends a request and checks the status. No answer is fine: the daemon may close the connection before a client that sends
// too much reads.
func send(t *testing.T, n netns, to, text string, want int) {
	conn, err := n.dial(t.Context(), "", to)
	if err != nil {
		return // the daemon reset it
	}
	answers, _ := exchange(conn, text, want != 200)
	for _, a := range answers {
		if a.status != want {
			t.Errorf("%.20q...: %d, want %d", text, a.status, want)
		}
	}
}

// prober is a client on this machine that asks until it is stopped, with a connection for each request.
type prober struct {
	asked atomic.Int64
	took  []time.Duration
	end   chan struct{}
	ended chan struct{}
}

// startProber asks for a token, and with it for the credentials, which must be the same each time.
func startProber(t *testing.T, o *office) *prober {
	t.Helper()
	client := o.machine.client("")
	const url = "http://127.0.0.1:5000"
	want := get(client, url+credentialsPath)
	if want.status != 200 {
		t.Fatalf("%d %s", want.status, want.body)
	}
	p := &prober{end: make(chan struct{}), ended: make(chan struct{})}
	ask := func(method, path, name, value string) (answer, bool) {
		req, err := http.NewRequest(method, url+path, nil)
		if err != nil {
			return answer{}, false
		}
		req.Header.Set(name, value)
		client := &http.Client{Transport: sender(func() (*http.Response, error) { return client.Transport.RoundTrip(req) }), Timeout: 10 * time.Second}
		start := time.Now()
		got := get(client, url)
		p.took = append(p.took, time.Since(start))
		p.asked.Add(1)
		return got, got.status == 200
	}
	go func() {
		defer close(p.ended)
		for {
			select {
			case <-p.end:
				return
			case <-time.After(20 * time.Millisecond):
			}
			token, ok := ask(http.MethodPut, "/latest/api/token", "X-aws-ec2-metadata-token-ttl-seconds", "60")
			if !ok {
				t.Errorf("the prober gets no token: %d %s", token.status, token.body)
				continue
			}
			if got, ok := ask(http.MethodGet, credentialsPath, "X-aws-ec2-metadata-token", token.body); !ok || got.body != want.body {
				t.Errorf("the prober gets no credentials, but %d", got.status)
			}
		}
	}()
	return p
}

// stop ends the prober. No request may have taken 2 seconds, a bound that leaves room for a busy machine.
func (p *prober) stop(t *testing.T) {
	t.Helper()
	close(p.end)
	<-p.ended
	slices.Sort(p.took)
	n := len(p.took)
	t.Logf("the prober asked %d times: median %v, p99 %v, maximum %v", n, p.took[n/2], p.took[n*99/100], p.took[n-1])
	if p.took[n-1] > 2*time.Second {
		t.Errorf("a request took %v", p.took[n-1])
	}
}

// memory is the resident memory of a process in bytes.
func memory(t *testing.T, pid int) int {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(b), "VmRSS:")
	kib, err := strconv.Atoi(strings.Fields(after + " x")[0])
	if err != nil {
		t.Fatalf("no VmRSS in\n%s", b)
	}
	return kib << 10
}

// openFiles is the number of open files of a process.
func openFiles(t *testing.T, pid int) int {
	t.Helper()
	entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}
