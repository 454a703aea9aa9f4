package cli

import (
	"net"
	"os"
	"path/filepath"
	"runtime/metrics"
	"strings"
	"syscall"
	"testing"
	"time"

	"mock-ec2-metadata/internal/api"
	"mock-ec2-metadata/internal/testutil"
)

// TestServe_NotifiesTheServiceManager reads the socket of NOTIFY_SOCKET.
func TestServe_NotifiesTheServiceManager(t *testing.T) {
	home := isolate(t)
	path := filepath.Join(home, "notify")
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = socket.Close() }()
	t.Setenv("NOTIFY_SOCKET", path)
	expect := func(prefix string) {
		t.Helper()
		for buf := make([]byte, 4096); ; {
			_ = socket.SetReadDeadline(time.Now().Add(20 * time.Second))
			n, err := socket.Read(buf)
			if err != nil {
				t.Fatalf("%v before %s", err, prefix)
			}
			if got := string(buf[:n]); strings.HasPrefix(got, prefix) {
				return
			} else if !strings.HasPrefix(got, "STATUS=") {
				t.Fatalf("got %s before %s", got, prefix)
			}
		}
	}
	d := start(t)
	expect("READY=1\nSTATUS=serves i-0123456789abcdef0 with role mock-role, credentials ")
	d.stop()
	expect("STOPPING=1")
}

// TestServe_MissingServiceManagerIsLogged has a NOTIFY_SOCKET that does not exist.
func TestServe_MissingServiceManagerIsLogged(t *testing.T) {
	home := isolate(t)
	t.Setenv("NOTIFY_SOCKET", filepath.Join(home, "none"))
	d := start(t)
	if s := d.status(t); s.Status != api.StatusOK {
		t.Errorf("status %+v", s)
	}
	d.wantLog(t, `"level":"WARN","msg":"cannot notify the service manager","error":"dial unixgram `)
}

func TestServe_HangupReloads(t *testing.T) {
	isolate(t)
	testutil.Write(t, "conf/config.yaml", mockConfig)
	d := start(t)
	d.status(t)
	if err := syscall.Kill(os.Getpid(), syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	d.wantLog(t, `"msg":"configuration reloaded","why":"SIGHUP"`)
}

// TestServe_KeepsTheUsersGOGC compares the collector's pace before and after the start.
func TestServe_KeepsTheUsersGOGC(t *testing.T) {
	isolate(t)
	gogc := func() uint64 {
		s := []metrics.Sample{{Name: "/gc/gogc:percent"}}
		metrics.Read(s)
		return s[0].Value.Uint64()
	}
	before := gogc()
	t.Setenv("GOGC", "30")
	start(t)
	if after := gogc(); after != before {
		t.Errorf("GOGC was %d and is %d", before, after)
	}
}

// TestServe_ControlPathsAreNotServed asks the ordinary listener of a daemon that has a control socket.
func TestServe_ControlPathsAreNotServed(t *testing.T) {
	isolate(t)
	d := start(t)
	if d.status(t).Control.Socket == "" {
		t.Error("there is no control socket")
	}
	for _, path := range []string{"v1/status", "v1/reload", "v1/mfa"} {
		if code, body := d.get(t, path); code != 404 {
			t.Errorf("/%s: %d %s", path, code, body)
		}
	}
}
