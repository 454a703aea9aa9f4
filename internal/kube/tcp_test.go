package kube

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/pem"
	"log/slog"
	"net/http/httptest"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mock-ec2-metadata/internal/caller"
)

// overTLS serves f, and returns Options for it.
func overTLS(t *testing.T, f *fakeAPI) Options {
	t.Helper()
	server := httptest.NewUnstartedServer(f)
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte("secret-token\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	f.token = "secret-token"
	return Options{
		Node: node, Find: []string{"watch"}, Wait: 30 * time.Second, Annotations: []string{roleName}, Accounts: true, Namespaces: true,
		API: NewConfig(server.URL, pemOf(server.Certificate()), token),
		Log: slog.New(slog.DiscardHandler), Now: time.Now,
	}
}

func pemOf(c *x509.Certificate) []byte {
	var b bytes.Buffer
	_ = pem.Encode(&b, &pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})
	return b.Bytes()
}

func follow(t *testing.T, f *fakeAPI) {
	t.Helper()
	f.put("serviceaccounts", account("a"))
	f.put("namespaces", namespace("n"))
	f.put("pods", newPod("web", "10.0.0.2"))
	l, err := New(overTLS(t, f))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		l.Run(ctx)
		close(ended)
	}()
	find := func(a string) *caller.Pod {
		t.Helper()
		w, err := l.Locate(t.Context(), netip.MustParseAddr(a))
		if err != nil {
			t.Fatal(err)
		}
		return w.Pod
	}
	if p := find("10.0.0.2"); p.Name != "web" || p.AccountAnnotations[roleName] != "a" || p.NamespaceAnnotations[roleName] != "n" {
		t.Errorf("the pod is %+v", p)
	}
	f.put("pods", newPod("next", "10.0.0.3"))
	if p := find("10.0.0.3"); p.Name != "next" {
		t.Errorf("the pod is %+v", p)
	}
	cancel()
	<-ended
}

func TestWatch_WorksOverTLS(t *testing.T) {
	f := newFake()
	follow(t, f)
	if f.count("list pods") != 1 {
		t.Errorf("%d lists, want 1", f.count("list pods"))
	}
}

// client-go reads the feature from the environment once, so another process tests it.
func TestWatch_WorksWithStreamingLists(t *testing.T) {
	if os.Getenv("KUBE_FEATURE_WatchListClient") == "" {
		cmd := exec.Command(os.Args[0], "-test.run=^TestWatch_WorksWithStreamingLists$", "-test.v")
		cmd.Env = append(os.Environ(), "KUBE_FEATURE_WatchListClient=true")
		if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "PASS: TestWatch_WorksWithStreamingLists/on") {
			t.Fatalf("%v\n%s", err, out)
		}
		return
	}
	t.Run("on", func(t *testing.T) {
		f := newFake()
		f.watchList = true
		follow(t, f)
		if f.count("list pods") != 0 {
			t.Errorf("%d lists, want none", f.count("list pods"))
		}
	})
	t.Run("off", func(t *testing.T) {
		f := newFake()
		follow(t, f)
		if f.count("list pods") != 1 {
			t.Errorf("%d lists, want 1", f.count("list pods"))
		}
	})
}
