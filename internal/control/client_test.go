package control

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mock-ec2-metadata/internal/api"
)

func TestClient_ReadsEachAnswer(t *testing.T) {
	s, _ := serve(t, Auto, shortDir(t))
	c := NewClient(s.Status().Socket)
	if got, err := c.Status(t.Context()); err != nil || !cmp.Equal(got, overviewWithoutIDs().Status) {
		t.Errorf("status: %+v, %v", got, err)
	}
	if got, err := c.Reload(t.Context()); err != nil || !cmp.Equal(got, api.Config{File: "c.yaml", Warnings: []string{"odd"}}) {
		t.Errorf("reload: %+v, %v", got, err)
	}
	if got, err := c.MFA(t.Context(), "", "123456"); err != nil || got != "credentials by 123456" {
		t.Errorf("mfa: %q, %v", got, err)
	}
}

// TestClient_ErrorIsTheDaemons has a daemon that refuses.
func TestClient_ErrorIsTheDaemons(t *testing.T) {
	d := &fakeDaemon{
		reloadErr: errors.New("c.yaml:1: a: wrong\nc.yaml:2: b: wrong"),
		answer:    func(context.Context, string) (string, error) { return "", errRefused },
	}
	s, err := Listen(Auto, shortDir(t), "5000", d, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	go s.Serve()
	defer s.Close()
	c := NewClient(s.Status().Socket)
	_, reloadErr := c.Reload(t.Context())
	_, mfaErr := c.MFA(t.Context(), "", "000000")
	for _, tt := range []struct{ got, want error }{{reloadErr, d.reloadErr}, {mfaErr, errRefused}} {
		var unreachable *UnreachableError
		if tt.got == nil || tt.got.Error() != tt.want.Error() || errors.As(tt.got, &unreachable) {
			t.Errorf("got %v, want %v", tt.got, tt.want)
		}
	}
}

func TestClient_NamesAnUnreachableSocket(t *testing.T) {
	dir := shortDir(t)
	dead := filepath.Join(dir, "dead")
	leave(t, dead)
	hangsUp := filepath.Join(dir, "hangs-up")
	l, err := net.Listen("unix", hangsUp)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = io.ReadAtLeast(c, make([]byte, 1<<10), 10)
			_ = c.Close()
		}
	}()
	for _, tt := range []struct{ name, socket, want string }{
		{"no socket", "/none/s", "/none/s does not exist; run this where the daemon runs (docker exec mock-ec2-metadata /mock-ec2-metadata ...)"},
		{"killed daemon", dead, "nothing answers at " + dead + ": dial unix " + dead + ": connect: connection refused"},
		{"no answer", hangsUp, "nothing answers at " + hangsUp + ": EOF"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := NewClient(tt.socket).Status(t.Context())
			var unreachable *UnreachableError
			if !errors.As(err, &unreachable) || err.Error() != tt.want {
				t.Errorf("error %v, want %s", err, tt.want)
			}
		})
	}
}

// TestClient_NamesTheUserWhoMay asks as another user.
func TestClient_NamesTheUserWhoMay(t *testing.T) {
	socket := filepath.Join(shortDir(t), "s")
	cmd := asNobody(t, "status "+socket)
	serve(t, socket, "")
	want := "error: " + socket + " is only for the daemon's user; run this as that user, or as root"
	if got := output(t, cmd); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if err := os.Chmod(filepath.Dir(socket), 0o755); err != nil { // now only the socket's mode is in the way
		t.Fatal(err)
	}
	if got := output(t, asNobody(t, "status "+socket)); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestClient_NamesAStranger(t *testing.T) {
	for _, tt := range []struct {
		name   string
		status int
		body   string
		want   string // {SOCKET} stands for the path
	}{
		{name: "text", status: 200, body: "hello", want: "{SOCKET} does not answer as mock-ec2-metadata does: invalid character 'h' looking for beginning of value"},
		{name: "an error page", status: 502, body: "<html>", want: "{SOCKET} answers 502 Bad Gateway"},
		{name: "an error without a text", status: 500, body: `{"error": ""}`, want: "{SOCKET} answers 500 Internal Server Error"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			socket := filepath.Join(shortDir(t), "s")
			l, err := net.Listen("unix", socket)
			if err != nil {
				t.Fatal(err)
			}
			stranger := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(tt.status)
				_, _ = io.WriteString(w, tt.body)
			})}
			go func() { _ = stranger.Serve(l) }()
			defer func() { _ = stranger.Close() }()
			_, err = NewClient(socket).Status(t.Context())
			var unreachable *UnreachableError
			if want := strings.ReplaceAll(tt.want, "{SOCKET}", socket); err == nil || err.Error() != want || errors.As(err, &unreachable) {
				t.Errorf("error %v, want %s", err, want)
			}
		})
	}
}

// TestClient_UsesNoProxy names a proxy that does not exist.
func TestClient_UsesNoProxy(t *testing.T) {
	t.Setenv("http_proxy", "http://127.0.0.1:9")
	s, _ := serve(t, Auto, shortDir(t))
	wantAnswer(t, s.Status().Socket)
}
