//go:build e2e && linux

package e2e

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// connect connects and asks for the instance id; the connection stays open if that is answered with 200.
func connect(t *testing.T, n netns, from, to string) (conn net.Conn, ok bool) {
	t.Helper()
	conn, err := n.dial(t.Context(), from, to)
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.SetDeadline(time.Now().Add(time.Minute))
	fmt.Fprint(conn, "GET /latest/meta-data/instance-id HTTP/1.1\r\nHost: x\r\n\r\n")
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		_ = conn.Close()
		return nil, false
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	_ = resp.Body.Close()
	t.Cleanup(func() { _ = conn.Close() })
	return conn, resp.StatusCode == 200
}

// TestConnectionLimits has clients with more connections than they may have. This machine has as many as it likes.
func TestConnectionLimits(t *testing.T) {
	o := newOffice(t)
	mustIP(t, "-n", string(o.box), "address", "add", "192.0.2.3/24", "dev", "eth0")
	home := mockHome(t, "server: {allow_clients: [192.0.2.0/24], limits: {connections: 8, connections_per_client: 5}}\n")
	d, _ := o.serve(t, buildDaemon(t), home)
	var conns []net.Conn
	count := func(n netns, from, to string, times int) (held int) {
		for range times {
			if conn, ok := connect(t, n, from, to); ok {
				conns = append(conns, conn)
				held++
			}
		}
		return held
	}
	for _, tt := range []struct {
		who, from string
		n         netns
		to        string
		want      int
	}{
		{"one client", boxIPv4, o.box, boxSide + ":5000", 5},
		{"the next", "192.0.2.3", o.box, boxSide + ":5000", 3},
		{"this machine", "", o.machine, "127.0.0.1:5000", 50},
		{"and its addresses", boxSide, o.machine, boxSide + ":5000", 50},
	} {
		if got := count(tt.n, tt.from, tt.to, 50); got != tt.want {
			t.Errorf("%s has %d connections, want %d", tt.who, got, tt.want)
		}
	}
	d.waitFor(t, "more than 5 concurrent connections of one client; server.limits.connections_per_client allows no more")
	d.waitFor(t, "more than 8 concurrent connections; server.limits.connections allows no more")
	// What is closed makes room, which the daemon sees a little later.
	_ = conns[0].Close()
	waitUntil(t, "there is room again", func() bool { _, ok := connect(t, o.box, "192.0.2.3", boxSide+":5000"); return ok })
	// A reload does, too.
	writeMockConfig(t, home, "server: {allow_clients: [192.0.2.0/24], limits: {connections: 20, connections_per_client: 15}}\n")
	waitUntil(t, "there is more room", func() bool { _, ok := connect(t, o.box, "192.0.2.3", boxSide+":5000"); return ok })
}

// TestUnwantedConnections has the LAN keep all the connections that it can get. That is told to nobody else.
func TestUnwantedConnections(t *testing.T) {
	o := newOffice(t)
	o.serve(t, buildDaemon(t), mockHome(t, "server: {allow_clients: [192.0.2.0/24]}\n"))
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var attackers sync.WaitGroup
	for range 150 {
		attackers.Go(func() {
			for ctx.Err() == nil {
				conn, err := o.lan.dial(ctx, "", officeSide+":5000")
				if err != nil {
					continue
				}
				closed := context.AfterFunc(ctx, func() { _ = conn.Close() })
				_, _ = io.Copy(io.Discard, conn) // says nothing, and waits until it is hung up on
				closed()
				_ = conn.Close()
				select {
				case <-time.After(20 * time.Millisecond):
				case <-ctx.Done():
				}
			}
		})
	}
	lan, box, here := o.lan.client(""), o.box.client(""), o.machine.client("")
	waitUntil(t, "the LAN is not even told any more", func() bool { return get(lan, "http://"+officeSide+":5000/").status == 0 })
	for range 50 {
		if got := get(box, "http://"+boxSide+":5000"+credentialsPath); got.status != 200 {
			t.Errorf("the box gets %d %s", got.status, got.body)
		}
		if got := get(here, "http://127.0.0.1:5000/status"); got.status != 200 {
			t.Errorf("this machine gets %d %s", got.status, got.body)
		}
	}
	if got := get(here, "http://127.0.0.1:5000/status"); !strings.Contains(got.body, `"connections": `) {
		t.Errorf("they are not counted: %s", got.body)
	}
	stop()
	attackers.Wait()
	waitUntil(t, "the LAN is told again", func() bool { return get(lan, "http://"+officeSide+":5000/").status == 403 })
}

// TestFewFiles has a daemon that may open few files, and clients that use up all they can get.
func TestFewFiles(t *testing.T) {
	o := newOffice(t)
	d, pid := o.serve(t, buildDaemon(t), mockHome(t, "server: {allow_clients: [192.0.2.0/24]}\n"),
		findTool(t, "prlimit", "util-linux"), "--nofile=128:128")

	held := 0
	for range 100 {
		if _, ok := connect(t, o.box, "", boxSide+":5000"); ok {
			held++
		}
	}
	if held != 48 {
		t.Errorf("the box has %d connections, want 48", held)
	}
	d.waitFor(t, "more than 48 concurrent connections; the limit of open files allows no more, raise it (ulimit -n)")
	here := o.machine.client("")
	for range 20 {
		if got := get(here, "http://127.0.0.1:5000"+credentialsPath); got.status != 200 {
			t.Errorf("this machine gets %d %s", got.status, got.body)
		}
	}

	// Only this machine can take the files that are left. Then the daemon waits, and goes on.
	var conns []net.Conn
	for range 200 {
		conn, err := o.machine.dial(t.Context(), "", "127.0.0.1:5000")
		if err != nil {
			t.Fatal(err)
		}
		conns = append(conns, conn)
	}
	waitUntil(t, "all files are open", func() bool { return openFiles(t, pid) >= 128 })
	for _, c := range conns {
		_ = c.Close()
	}
	waitUntil(t, "this machine is answered again", func() bool {
		return get(here, "http://127.0.0.1:5000"+credentialsPath).status == 200
	})
	d.mu.Lock()
	defer d.mu.Unlock()
	if log := strings.Join(d.lines, "\n"); strings.Contains(log, "panic") {
		t.Errorf("log:\n%s", log)
	}
}
