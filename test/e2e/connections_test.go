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

	"mock-ec2-metadata/internal/testutil"
)

// connect connects and asks for the instance id. The connection stays open if the answer is 200.
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

// TestConnections_AreLimitedByClientAndInTotal opens more connections than other clients may have. This machine has no limit.
func TestConnections_AreLimitedByClientAndInTotal(t *testing.T) {
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
		client   string
		n        netns
		from, to string
		want     int
	}{
		{client: "one client", n: o.box, from: boxIPv4, to: boxSide + ":5000", want: 5},
		{client: "another client", n: o.box, from: "192.0.2.3", to: boxSide + ":5000", want: 3},
		{client: "this machine", n: o.machine, to: "127.0.0.1:5000", want: 50},
		{client: "this machine by another address", n: o.machine, from: boxSide, to: boxSide + ":5000", want: 50},
	} {
		t.Run(tt.client, func(t *testing.T) {
			if got := count(tt.n, tt.from, tt.to, 50); got != tt.want {
				t.Errorf("%d connections, want %d", got, tt.want)
			}
		})
	}
	d.waitFor(t, "more than 5 concurrent connections of one client; server.limits.connections_per_client allows no more")
	d.waitFor(t, "more than 8 concurrent connections; server.limits.connections allows no more")
	// The daemon sees a little later that a connection is closed.
	_ = conns[0].Close()
	testutil.Eventually(t, "a closed connection makes room", func() bool { _, ok := connect(t, o.box, "192.0.2.3", boxSide+":5000"); return ok })
	writeMockConfig(t, home, "server: {allow_clients: [192.0.2.0/24], limits: {connections: 20, connections_per_client: 15}}\n")
	testutil.Eventually(t, "the reloaded limit allows more", func() bool { _, ok := connect(t, o.box, "192.0.2.3", boxSide+":5000"); return ok })
}

// TestConnections_OfDeniedClientsDoNotHarmOthers lets the LAN, which is denied, hold all connections that it can get.
func TestConnections_OfDeniedClientsDoNotHarmOthers(t *testing.T) {
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
				_, _ = io.Copy(io.Discard, conn) // until the daemon closes it
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
	testutil.Eventually(t, "the LAN gets no answer any more", func() bool { return get(lan, "http://"+officeSide+":5000/").status == 0 })
	for range 50 {
		if got := get(box, "http://"+boxSide+":5000"+credentialsPath); got.status != 200 {
			t.Errorf("the box gets %d %s", got.status, got.body)
		}
		if got := get(here, "http://127.0.0.1:5000/status"); got.status != 200 {
			t.Errorf("this machine gets %d %s", got.status, got.body)
		}
	}
	if got := get(here, "http://127.0.0.1:5000/status"); !strings.Contains(got.body, `"connections": `) {
		t.Errorf("/status does not count them: %s", got.body)
	}
	stop()
	attackers.Wait()
	testutil.Eventually(t, "the LAN gets 403 again", func() bool { return get(lan, "http://"+officeSide+":5000/").status == 403 })
}

// TestConnections_LeaveOpenFilesForThisMachine limits the daemon to 128 open files and opens all connections that it accepts.
func TestConnections_LeaveOpenFilesForThisMachine(t *testing.T) {
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

	// Only this machine can use up the rest. Then the daemon accepts again when connections are closed.
	var conns []net.Conn
	for range 200 {
		conn, err := o.machine.dial(t.Context(), "", "127.0.0.1:5000")
		if err != nil {
			t.Fatal(err)
		}
		conns = append(conns, conn)
	}
	testutil.Eventually(t, "128 files are open", func() bool { return openFiles(t, pid) >= 128 })
	for _, c := range conns {
		_ = c.Close()
	}
	testutil.Eventually(t, "this machine gets answers again", func() bool {
		return get(here, "http://127.0.0.1:5000"+credentialsPath).status == 200
	})
	if log := strings.Join(d.logged(), "\n"); strings.Contains(log, "panic") {
		t.Errorf("log:\n%s", log)
	}
}
