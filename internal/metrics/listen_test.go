package metrics

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mock-ec2-metadata/internal/testutil"
)

// shortDir is a directory whose path is short enough for a socket.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "metrics")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// onSocket sends requests to a socket.
func onSocket(t *testing.T, path string) http.RoundTripper {
	t.Helper()
	by := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}}
	t.Cleanup(by.CloseIdleConnections)
	return by
}

func open(t *testing.T, address string, d Daemon) (*Server, error) {
	t.Helper()
	return New("1.2.3", time.Now).Listen(t.Context(), address, d, slog.New(slog.DiscardHandler))
}

// TestListen_SocketIsPrivateAndGoesAtTheEnd has the guard of a daemon before it, which knows no address of the client.
func TestListen_SocketIsPrivateAndGoesAtTheEnd(t *testing.T) {
	path := filepath.Join(shortDir(t), "m.sock")
	d := start(t, "metrics.listen=unix:"+path)
	info, err := os.Lstat(path)
	if err != nil || info.Mode() != os.ModeSocket|0o600 {
		t.Fatalf("%v %v", info, err)
	}
	by := onSocket(t, path)
	for _, page := range []string{"/metrics", "/healthz", "/readyz"} {
		if got := askBy(t, by, "GET", "http://localhost"+page); got.status != 200 {
			t.Errorf("%s: %d %s", page, got.status, got.body)
		}
	}
	if got := askBy(t, by, "GET", "http://rebind.example/metrics"); got.status != 403 {
		t.Errorf("a foreign Host: %d", got.status)
	}
	d.wantLog(t, `"msg":"serving metrics","socket":"`+path+`"`)
	if err := d.stop(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(path); !os.IsNotExist(err) {
		t.Errorf("the socket is still there: %v", err)
	}
}

func (d *daemon) wantLog(t *testing.T, text string) {
	t.Helper()
	testutil.Eventually(t, "the log contains "+text, func() bool { return d.log.Contains(text) })
}

func TestListen_LogSaysWhere(t *testing.T) {
	d := start(t)
	d.wantLog(t, `"msg":"serving metrics","url":"`+d.base+`/metrics","listen":"`+strings.TrimPrefix(d.base, "http://")+`"`)
}

func TestListen_StaleSocketIsReplaced(t *testing.T) {
	path := filepath.Join(shortDir(t), "m.sock")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false) // as a killed daemon
	_ = l.Close()
	s, err := open(t, "unix:"+path, newFake())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if c, err := net.Dial("unix", path); err != nil {
		t.Error(err)
	} else {
		_ = c.Close()
	}
}

// TestListen_AnotherDaemonsSocketStays replaces the socket of a daemon that runs.
func TestListen_AnotherDaemonsSocketStays(t *testing.T) {
	path := filepath.Join(shortDir(t), "m.sock")
	first, err := open(t, "unix:"+path, newFake())
	if err != nil {
		t.Fatal(err)
	}
	_ = os.Remove(path)
	second, err := open(t, "unix:"+path, newFake())
	if err != nil {
		t.Fatal(err)
	}
	first.Close()
	if _, err := os.Lstat(path); err != nil {
		t.Error(err)
	}
	second.Close()
	if _, err := os.Lstat(path); !os.IsNotExist(err) {
		t.Errorf("the second socket is still there: %v", err)
	}
}

func TestListen_ErrorsNameTheKeyAndTheFix(t *testing.T) {
	dir := shortDir(t)
	used, file := filepath.Join(dir, "used.sock"), testutil.Write(t, filepath.Join(dir, "file"), "")
	s, err := open(t, "unix:"+used, newFake())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	long := filepath.Join(dir, strings.Repeat("x", 104))
	for _, tt := range []struct{ address, want string }{
		{l.Addr().String(), "metrics.listen: " + l.Addr().String() + " is in use; stop what uses it, or choose another port"},
		{"unix:" + used, "metrics.listen: the socket " + used + " is in use; stop what uses it, or choose another path"},
		{"unix:" + file, "metrics.listen: " + file + " is not a socket; choose another path, or remove the file if nothing needs it"},
		{"unix:" + dir + "/none/m.sock", "metrics.listen: the directory " + dir + "/none does not exist; make it, or choose another path"},
		{"unix:" + dir, "metrics.listen: " + dir + " is a directory; name a socket in it, such as " + dir + "/metrics.sock"},
		{"unix:" + long, "metrics.listen: " + long + " has more than 103 bytes; choose a shorter path"},
	} {
		if s, err := open(t, tt.address, newFake()); err == nil || err.Error() != tt.want {
			t.Errorf("%s: %v, want %s", tt.address, err, tt.want)
			if s != nil {
				s.Close()
			}
		}
	}
	if _, err := os.Lstat(file); err != nil {
		t.Error("a file was removed")
	}
}
