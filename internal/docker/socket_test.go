package docker

import (
	"context"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"mock-ec2-metadata/internal/testutil"
)

// startOn runs a Locator on a real socket until the test ends.
func startOn(t *testing.T, socket string) *Locator {
	t.Helper()
	l, err := New(Options{
		Engine: "unix://" + socket, Role: []string{"label:" + roleLabel, "env:IAM_ROLE"},
		Log: slog.New(slog.DiscardHandler), Now: time.Now,
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); l.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	return l
}

// tempSocket is a path that is short enough for a socket.
func tempSocket(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "engine") // the path of t.TempDir may be too long
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return filepath.Join(dir, "s")
}

func TestSocket_EngineThatStartsLaterIsFound(t *testing.T) {
	socket, e := tempSocket(t), newFake()
	one(e)
	l := startOn(t, socket)
	testutil.Eventually(t, "the error names the socket", func() bool {
		return l.Status().Error == socket+": no such file; start Docker, or Podman's podman.socket, or correct containers.engine"
	})
	listener, err := new(net.ListenConfig).Listen(t.Context(), "unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(e)
	server.Listener = listener
	server.Start()
	t.Cleanup(server.Close)
	t.Cleanup(server.CloseClientConnections)
	testutil.Eventually(t, "the engine is connected", func() bool { return l.Status().Connected })
	if got := describe(l.Locate(t.Context(), netip.MustParseAddr("172.18.0.2"))); got != isWeb("web") {
		t.Errorf("it is %s", got)
	}
}

func TestSocket_ReasonsNameTheFix(t *testing.T) {
	c := newClient("/s", nil)
	for _, tt := range []struct {
		err  error
		want string
	}{
		{&net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.EACCES)}, "/s: permission denied; add the user of this program to the group of the socket, such as docker"},
		{&net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.ENOENT)}, "/s: no such file; start Docker, or Podman's podman.socket, or correct containers.engine"},
		{fmt.Errorf("x: %w", fs.ErrPermission), "/s: permission denied; add the user of this program to the group of the socket, such as docker"},
		{syscall.ECONNREFUSED, "/s: no engine listens there; start Docker, or Podman's podman.socket"},
		{fmt.Errorf("x: %w", errTooLong), "/s: x: the document is too long"},
		{&statusError{request: "GET /events", code: 403}, "/s: GET /events: 403 Forbidden; allow this request at the proxy that filters the API"},
		{&statusError{request: "GET /events", code: 500, message: "no"}, "/s: GET /events: 500 Internal Server Error, no; see the engine's log"},
		{context.DeadlineExceeded, "/s: no answer in time; see whether the engine hangs"},
	} {
		if got := c.explain(tt.err).String(); got != tt.want {
			t.Errorf("%v: %s\nwant %s", tt.err, got, tt.want)
		}
	}
}
