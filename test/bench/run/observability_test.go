package main

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	shared "mock-ec2-metadata/test/bench"
)

func TestObservabilityRows(t *testing.T) {
	fast, slow := []load{{5000, 2 * time.Millisecond, 20 * time.Microsecond}}, []load{{4000, 3 * time.Millisecond, 22 * time.Microsecond}}
	full := []load{{10_000, 2 * time.Millisecond, 20 * time.Microsecond}}
	three := (&bench{daemon: "new", base: "old"}).variants()
	two := (&bench{daemon: "new"}).variants()
	got := streamed{took: 2 * time.Second, bytes: 40_000, requests: 4_000, left: 100}
	memory := []idleMemory{{[]float64{10}, []float64{4}}, {[]float64{11}, []float64{5}}, {[]float64{11.4}, []float64{6}}}
	for _, tt := range []struct {
		name string
		rows []row
		want string
	}{
		{
			name: "requests beside an old build", rows: observedRows("GET", three, [][]load{fast, slow, slow}),
			want: `| GET, with metrics: requests a second, of the old build | ≥ 0.990 | 0.800 | short | 0.80–0.80; without metrics 0.800; the old build 5,000, without metrics 4,000, with metrics 4,000 |
| the same by processor time | ≥ 0.990 | 0.909 | short | 0.91–0.91; without metrics 0.909; the old build 20.0, without metrics 22.0, with metrics 22.0 µs; p99 the old build 2.0, without metrics 3.0, with metrics 3.0 ms |
`,
		},
		{
			name: "requests", rows: observedRows("GET", two, [][]load{slow, fast}),
			want: `| GET, with metrics: requests a second, of that without metrics | ≥ 0.990 | 1.250 | ok | 1.25–1.25; without metrics 4,000, with metrics 5,000 |
| the same by processor time | ≥ 0.990 | 1.100 | ok | 1.10–1.10; without metrics 22.0, with metrics 20.0 µs; p99 without metrics 3.0, with metrics 2.0 ms |
`,
		},
		{
			name: "starts", rows: startRows(two, []startups{{[]float64{5, 6, 9}, []float64{3, 4, 5}}, {[]float64{7, 8, 4}, []float64{6, 5, 4}}}),
			want: `| start to first 200 (median of 3), with metrics, of that without metrics | ≤ 1.10 | 1.17 | short | 7.0 ms, 4.0–8.0; without metrics 6.0 ms, 5.0–9.0; least 4.0 ms and 5.0 ms; processor time 5.0 ms and 4.0 ms |
`,
		},
		{
			name: "memory beside an old build", rows: memoryRows(three, memory, []float64{13}),
			want: `| resident memory, idle after 2 s, without metrics, of the old build | ≤ 1.08 | 1.10 | short | medians of 1 starts: the old build 10.0, without metrics 11.0, with metrics 11.4 MB; without pages of files the old build 4.0, without metrics 5.0, with metrics 6.0 MB |
| resident memory, idle after 2 s, with metrics: more than without | ≤ 0.5 MB | 0.4 MB | ok | 13.0 MB after 50 scrapes |
`,
		},
		{
			name: "memory", rows: memoryRows(two, memory[:2], []float64{13}),
			want: `| resident memory, idle after 2 s, with metrics: more than without | ≤ 0.5 MB | 1.0 MB | short | 13.0 MB after 50 scrapes; without metrics 10.0, with metrics 11.0 MB; without pages of files without metrics 4.0, with metrics 5.0 MB |
`,
		},
		{
			name: "scrapes and console", rows: []row{scrapedRow(16, fast, slow), streamedRow(16, fast, slow, got), pacedRow(fast, slow, full, got)},
			want: `| credentials document with a token, 16 connections, one scrape a second: p99, of that without | ≤ 1.05 | 1.50 | short | 1.50–1.50; 3.00 ms, without 2.00 ms; requests a second 0.800 of those without (0.80–0.80) |
| credentials document with a token, 16 connections, while the console is open: requests a second, of those without | ≥ 0.970 | 0.800 | short | 0.80–0.80; 4,000, without 5,000; processor time 22.0 µs a request, without 20.0 µs; p99 3.0 ms and 2.0 ms; the stream tells of 2,000 requests a second, and leaves 50 out, in 20 kB |
| the same at 5,000 requests a second, 16 connections: processor time of the open console, of the daemon's at full speed | ≤ 3.0 % | -6.0 % | ok | -12.0 ms a second (-12.0–-12.0), of 200 ms; the requests take 100 ms; 4,000 a second, without 5,000; p99 3.0 ms and 2.0 ms; the stream tells of 2,000 requests a second, and leaves 50 out, in 20 kB |
`,
		},
		{
			name: "what is held", rows: []row{heldRow([]held{{2, 15, 24}, {2, 16, 24}}), heldRow([]held{{2, 15, 24}, {2, 15, 24}}), heldRow([]held{{2, 15, 24}})},
			want: `| metrics off, console closed: what the process holds | 2 listeners, 15 descriptors, 24 goroutines | 2 listeners, 16 descriptors, 24 goroutines | short | least of 3 starts; wanted is what the old build holds |
| metrics off, console closed: what the process holds | 2 listeners, 15 descriptors, 24 goroutines | 2 listeners, 15 descriptors, 24 goroutines | ok | least of 3 starts; wanted is what the old build holds |
| metrics off, console closed: what the process holds |  | 2 listeners, 15 descriptors, 24 goroutines |  | least of 3 starts |
`,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var b strings.Builder
			printTable(&b, tt.rows)
			if _, got, _ := strings.Cut(b.String(), "|---|---|---|---|---|\n"); got != tt.want {
				t.Errorf("(-want +got):\n%s", cmp.Diff(tt.want, got))
			}
		})
	}
}

func TestHeld_LeastIsOfEach(t *testing.T) {
	if got := (held{1, 5, 9}).least(held{2, 4, 8}); got != (held{1, 4, 8}) {
		t.Errorf("%v", got)
	}
}

// TestSockets_CountsListeners counts those of a process that gets three listeners and a connection.
func TestSockets_CountsListeners(t *testing.T) {
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tcp.Close() }()
	second, err := net.Listen("tcp", "127.0.0.2:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = second.Close() }()
	unix, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Close() }()
	conn, err := net.Dial("tcp", tcp.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	cmd := exec.CommandContext(t.Context(), "sleep", "60")
	for _, s := range []interface{ File() (*os.File, error) }{tcp.(*net.TCPListener), second.(*net.TCPListener), unix.(*net.UnixListener), conn.(*net.TCPConn)} {
		f, err := s.File()
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = f.Close() }()
		cmd.ExtraFiles = append(cmd.ExtraFiles, f)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()
	listeners, files, err := sockets(cmd.Process.Pid)
	if err != nil || listeners != 3 || files < 7 { // it may have more of the parent's, and for its libraries
		t.Errorf("%d listeners, %d descriptors, %v", listeners, files, err)
	}
}

func TestCountSeries_CountsSamplesOnly(t *testing.T) {
	if n := countSeries([]byte("# HELP a b\n# TYPE a counter\na{b=\"c\"} 1\na 2\n\n# EOF\n")); n != 2 {
		t.Errorf("%d", n)
	}
}

func TestStreamed_AddsUpEvents(t *testing.T) {
	var got streamed
	stream := ": stream\n\nevent: lagged\ndata: {\"dropped\":7}\n\nid: 3\nevent: requests\ndata: {\"requests\":[{\"seq\":1,\"path\":\"/a\"},{\"seq\":2}]}\n\n" +
		"event: refusals\ndata: {\"refusals\":[{\"seq\":3}]}\n\nevent: lagged\ndata: {\"dropped\":1}\n\n"
	if err := got.add(strings.NewReader(stream)); text(err) != "EOF" {
		t.Errorf("%v", err)
	}
	if want := (streamed{bytes: int64(len(stream)), requests: 2, left: 8}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}

// TestHammered_AskFor has clients send each request to a server that wants it as it is.
func TestHammered_AskFor(t *testing.T) {
	for _, c := range shared.Cases() {
		t.Run(c.Name, func(t *testing.T) {
			answers := 0
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/latest/api/token" {
					answers++
					_, _ = fmt.Fprintf(w, "token-%09d", answers)
					return
				}
				if r.Method != c.Method || r.URL.Path != c.Path || c.WithToken != strings.HasPrefix(r.Header.Get("X-aws-ec2-metadata-token"), "token-") {
					t.Errorf("%s %s with %v", r.Method, r.URL.Path, r.Header)
				}
				_, _ = w.Write([]byte("the answer"))
			}))
			defer s.Close()
			h := hammered{server: &server{addr: s.Listener.Addr().String()}}
			defer h.close()
			if err := h.dial(t.Context(), 1); err != nil {
				t.Fatal(err)
			}
			if err := h.askFor(c); err != nil {
				t.Fatal(err)
			}
			var all tally
			if err := h.hammer(t.Context(), 20*time.Millisecond, &all); err != nil || len(all.latencies) == 0 {
				t.Errorf("%d answers, %v", len(all.latencies), err)
			}
		})
	}
}
