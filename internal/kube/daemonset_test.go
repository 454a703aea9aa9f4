package kube

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"mock-ec2-metadata/internal/testutil"
)

// answering is an API server that answers all requests alike, if the token is right.
func answering(t *testing.T, token string, status int, body string) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if r.Header.Get("Authorization") != "Bearer "+token {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}))
	t.Cleanup(server.Close)
	return server
}

func TestReadDaemonSet_TellsHowFarItIs(t *testing.T) {
	token := testutil.WriteTemp(t, "token", "secret")
	for body, want := range map[string]struct {
		set      DaemonSet
		complete bool
	}{
		`{"metadata":{"generation":2},"status":{"observedGeneration":2,"desiredNumberScheduled":3,"updatedNumberScheduled":3,"numberReady":3}}`: {
			DaemonSet{3, 3, 3, true}, true,
		},
		`{"metadata":{"generation":2},"status":{"observedGeneration":1,"desiredNumberScheduled":3,"updatedNumberScheduled":3,"numberReady":3}}`: {
			DaemonSet{3, 3, 3, false}, false,
		},
		`{"metadata":{"generation":1},"status":{"observedGeneration":1,"desiredNumberScheduled":3,"updatedNumberScheduled":2,"numberReady":3}}`: {
			DaemonSet{3, 2, 3, true}, false,
		},
		`{"metadata":{"generation":1},"status":{"observedGeneration":1,"desiredNumberScheduled":3,"updatedNumberScheduled":3,"numberReady":2}}`: {
			DaemonSet{3, 3, 2, true}, false,
		},
		`{"metadata":{"generation":1}}`: {},
	} {
		server := answering(t, "secret", http.StatusOK, body)
		got, err := ReadDaemonSet(t.Context(), NewConfig(server.URL, nil, token), "ns", "set")
		if err != nil || got != want.set || got.Complete() != want.complete {
			t.Errorf("%s: %+v, %v", body, got, err)
		}
	}
}

func TestReadDaemonSet_SaysWhatTheAPISays(t *testing.T) {
	token := testutil.WriteTemp(t, "token", "secret")
	const forbidden = `{"kind":"Status","apiVersion":"v1","status":"Failure","message":"daemonsets.apps is forbidden: no rule","reason":"Forbidden","code":403}`
	for body, want := range map[string]string{
		forbidden: "DaemonSet ns/set: the Kubernetes API does not tell about it: daemonsets.apps is forbidden: no rule",
		"{half":   "DaemonSet ns/set: ",
	} {
		status := http.StatusForbidden
		if body != forbidden {
			status = http.StatusOK
		}
		server := answering(t, "secret", status, body)
		if _, err := ReadDaemonSet(t.Context(), NewConfig(server.URL, nil, token), "ns", "set"); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

// The kubelet writes a new token long before the old one ends, but the API may refuse the old one at any time.
func TestClient_TokenIsReadAgainWhenTheAPIRefusesIt(t *testing.T) {
	file := testutil.WriteTemp(t, "token", "old")
	server := answering(t, "new", http.StatusOK, `{"kind":"Node","apiVersion":"v1"}`)
	client, err := newClient(NewConfig(server.URL, nil, file))
	if err != nil {
		t.Fatal(err)
	}
	ask := func() error { return client.Get().Resource("nodes").Name("node1").Do(t.Context()).Error() }
	if err := ask(); err == nil {
		t.Fatal("the old token is accepted")
	}
	testutil.Write(t, file, "new")
	_ = ask() // is refused, too
	if err := ask(); err != nil {
		t.Errorf("the new token is not used: %v", err)
	}
}
