//go:build e2e && linux

package e2e

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"mock-ec2-metadata/internal/testutil"
)

// TestSoak_MemoryAndFilesStayFlat mixes the requests of the other tests, at a pace that leaves the processor idle, with reloads and
// with interfaces that come and go. It runs for a minute, or for SOAK (SOAK=10m). Memory and open files must not grow.
func TestSoak_MemoryAndFilesStayFlat(t *testing.T) {
	length := time.Minute
	if s := os.Getenv("SOAK"); s != "" {
		var err error
		if length, err = time.ParseDuration(s); err != nil || length < 10*time.Second {
			t.Fatalf("SOAK=%s is not a duration of at least 10s; write e.g. 10m", s)
		}
	}
	o := newOffice(t)
	home := t.TempDir()
	configure := func(i int) {
		writeMockConfig(t, home, fmt.Sprintf("ec2: {tags: {turn: '%d'}}\nserver: {allow_clients: [192.0.2.0/24]}\nlog: {access: false}\n", i))
	}
	configure(0)
	_, pid := o.serve(t, buildPlain(t), home)
	client := o.machine.client("")
	secrets := secretsOf(t, client, "http://127.0.0.1:5000")
	files := openFiles(t, pid)

	p := startProber(t, o)
	ctx, stop := context.WithTimeout(t.Context(), length)
	defer stop()
	var all sync.WaitGroup
	every := func(pause time.Duration, do func(i int)) {
		all.Go(func() {
			for i := 1; ; i++ {
				select {
				case <-ctx.Done():
					return
				case <-time.After(pause):
					do(i)
				}
			}
		})
	}
	normal := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, to string) (net.Conn, error) { return o.box.dial(ctx, "", to) },
	}}
	every(50*time.Millisecond, func(int) {
		if got := get(normal, "http://"+boxSide+":5000"+credentialsPath); got.status != 200 {
			t.Errorf("the box gets %d %s", got.status, got.body)
		}
	})
	var attacks []attack
	for _, group := range allAttacks {
		attacks = append(attacks, group...)
	}
	for range 4 {
		every(200*time.Millisecond, func(int) {
			a, n, to := attacks[rand.IntN(len(attacks))], o.box, boxSide+":5000"
			fromLAN := rand.IntN(2) == 0
			if fromLAN {
				n, to = o.lan, officeSide+":5000"
			}
			conn, err := n.dial(ctx, "", to)
			if err != nil {
				return // the test ends, or the daemon reset it
			}
			answers, _ := exchange(conn, a.bytes(), a.waits)
			for _, got := range answers {
				if fromLAN && got.status == 200 {
					t.Errorf("%s: the LAN gets 200", a.name)
				}
				if fromLAN || got.status != 200 {
					noSecret(t, got, secrets)
				}
			}
		})
	}
	every(time.Second, func(i int) { // a slow client, until the daemon closes its connection
		n, to := o.box, boxSide+":5000"
		if i%2 == 0 {
			n, to = o.lan, officeSide+":5000"
		}
		conn, err := n.dial(ctx, "", to)
		if err != nil {
			return
		}
		fmt.Fprint(conn, "GET / HTTP/1.1\r\n")
		all.Go(func() {
			_ = conn.SetReadDeadline(time.Now().Add(20 * time.Second))
			_, _ = io.Copy(io.Discard, conn)
			_ = conn.Close()
		})
	})
	every(5*time.Second, configure)
	every(3*time.Second, func(i int) {
		change := []string{"add", "br-soak", "type", "bridge"}
		if i%2 == 0 {
			change = []string{"delete", "br-soak"}
		}
		mustIP(t, append([]string{"-n", string(o.machine), "link"}, change...)...)
	})
	var sizes []int
	every(length/100, func(int) { sizes = append(sizes, memory(t, pid)) })
	all.Wait()

	p.stop(t)
	normal.CloseIdleConnections()
	testutil.EventuallyWithin(t, time.Minute, fmt.Sprintf("no more than %d open files, as before", files), func() bool { return openFiles(t, pid) <= files })
	n := len(sizes)
	if n < 20 {
		t.Fatalf("only %d samples of memory", n)
	}
	early, late := slices.Max(sizes[n/4:n/2]), slices.Max(sizes[3*n/4:])
	t.Logf("memory over %v: at most %.1f MiB in the second quarter and %.1f MiB in the last, %.1f MiB in the end",
		length, float64(early)/(1<<20), float64(late)/(1<<20), float64(memory(t, pid))/(1<<20))
	if late > 64<<20 || late > early+early/4+4<<20 {
		t.Errorf("memory grows: %v", sizes)
	}
}
