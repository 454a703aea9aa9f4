package podidentity

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/golang-jwt/jwt/v5"
)

// keyServer is an HTTP transport that answers with a key set after a while, or fails.
type keyServer struct {
	mu     sync.Mutex
	set    []byte
	status int
	err    error
	delay  time.Duration
	asked  atomic.Int32
}

func (s *keyServer) change(f func()) { s.mu.Lock(); defer s.mu.Unlock(); f() }

func (s *keyServer) RoundTrip(r *http.Request) (*http.Response, error) {
	s.asked.Add(1)
	s.mu.Lock()
	set, status, err, delay := s.set, s.status, s.err, s.delay
	s.mu.Unlock()
	select {
	case <-time.After(delay):
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
	if err != nil {
		return nil, err
	}
	return &http.Response{StatusCode: max(status, 200), Header: http.Header{}, Body: io.NopCloser(bytes.NewReader(set)), Request: r}, nil
}

// bubble is a JWKS verifier of a key server, in a synctest bubble whose clock it uses.
type bubble struct {
	*keyServer
	jwks *JWKS
	log  bytes.Buffer
}

func newBubble(t *testing.T) *bubble {
	t.Helper()
	b := &bubble{keyServer: &keyServer{set: clusterKeys()}}
	var err error
	b.jwks, err = NewJWKS(JWKSOptions{
		Source: "https://user:hidden@cluster/openid/v1/jwks", Audience: audience, Client: &http.Client{Transport: b.keyServer},
		Now: time.Now, Log: slog.New(slog.NewTextHandler(&b.log, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// verify verifies a token, valid for long, that a key signed under an id. It waits as the handler does.
func (b *bubble) verify(id string) error {
	ctx, cancel := context.WithTimeout(context.Background(), maxWait)
	defer cancel()
	claims := claimsOf("nbf", nil, "exp", time.Now().Add(1000*time.Hour).Unix())
	_, err := b.jwks.Verify(ctx, sign(jwt.SigningMethodES256, p256(), map[string]any{"kid": id}, claims))
	return err
}

// want checks the outcome of verify and how often the keys have been asked for.
func (b *bubble) want(t *testing.T, id, outcome string, asked int32) {
	t.Helper()
	err := b.verify(id)
	_, isRefusal := errors.AsType[*Refusal](err)
	got := map[bool]string{true: "refused", false: "unknown"}[isRefusal]
	if err == nil {
		got = "valid"
	}
	synctest.Wait()
	if n := b.asked.Load(); got != outcome || n != asked {
		t.Errorf("%s (%v) after %d reads, want %s after %d", got, err, n, outcome, asked)
	}
}

func TestKeySource_ReadsOnceAnHour(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBubble(t)
		b.want(t, "p256", "valid", 1)
		time.Sleep(time.Hour - time.Nanosecond)
		b.want(t, "p256", "valid", 1)
		time.Sleep(time.Nanosecond)
		b.change(func() { b.delay = 5 * time.Second })
		began := time.Now()
		b.want(t, "p256", "valid", 2) // with the old keys, without waiting
		if time.Since(began) != 0 {
			t.Errorf("waited %s", time.Since(began))
		}
		time.Sleep(5 * time.Second)
		b.want(t, "p256", "valid", 2)
	})
}

func TestKeySource_ReadsForUnknownKeysEveryTenSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBubble(t)
		b.want(t, "new", "refused", 1) // the keys are as new as can be
		b.want(t, "new", "refused", 1)
		time.Sleep(unknownWait)
		b.change(func() { b.set = setOf(jose.JSONWebKey{Key: &p256().PublicKey, KeyID: "new"}) })
		b.want(t, "new", "valid", 2)
		b.want(t, "p256", "refused", 2) // the cluster has dropped it
		b.want(t, "newer", "refused", 2)
		time.Sleep(unknownWait)
		b.want(t, "newer", "refused", 3)
	})
}

func TestKeySource_KeepsKeysWhenItCannotRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBubble(t)
		b.want(t, "p256", "valid", 1)
		b.change(func() { b.err = errors.New("connection refused") })
		time.Sleep(time.Hour)
		b.want(t, "p256", "valid", 2)
		b.want(t, "p256", "valid", 2)
		b.want(t, "new", "unknown", 2) // whether it is valid cannot be known
		time.Sleep(failedWait)
		b.want(t, "p256", "valid", 3)
		b.change(func() { b.err, b.status = nil, 500 })
		time.Sleep(failedWait)
		b.want(t, "p256", "valid", 4)
		b.change(func() { b.status = 0 })
		time.Sleep(failedWait)
		b.want(t, "p256", "valid", 5)
		b.want(t, "new", "refused", 5)
		const want = `msg="cannot refresh the token keys" error="pod_identity.jwks cannot be read: connection refused; check the URL, ` +
			`and that this machine may get it without credentials; or save its answer and name that file" kept=true`
		if log := b.log.String(); !strings.Contains(log, want) || strings.Contains(log, "hidden") || !strings.Contains(log, "refreshed the token keys again") {
			t.Errorf("logged %s", log)
		}
	})
}

func TestKeySource_ContinuesAReadThatTakesLongerThanARequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBubble(t)
		b.change(func() { b.delay = 3 * time.Second })
		var group sync.WaitGroup
		for range 100 {
			group.Go(func() {
				if err := b.verify("p256"); !errors.Is(err, errNoWait) {
					t.Errorf("got %v", err)
				}
			})
		}
		group.Wait()
		b.want(t, "p256", "unknown", 1)
		time.Sleep(2 * time.Second)
		b.want(t, "p256", "valid", 1)
	})
}

func TestKeySource_TriesAgainAfterASecondWithoutKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBubble(t)
		b.change(func() { b.set = []byte("<html>") })
		b.want(t, "p256", "unknown", 1)
		b.want(t, "p256", "unknown", 1)
		time.Sleep(absentWait)
		b.change(func() { b.delay = time.Hour })
		b.want(t, "p256", "unknown", 2)
		time.Sleep(fetchTimeout)
		b.change(func() { b.delay, b.set = 0, clusterKeys() })
		b.want(t, "p256", "valid", 3)
	})
}

func TestKeySource_BoundsWhatItReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBubble(t)
		b.change(func() { b.set = append(clusterKeys(), bytes.Repeat([]byte(" "), maxKeySetSize)...) })
		if err := b.verify("p256"); err == nil || !strings.Contains(err.Error(), "more than 1 MiB") {
			t.Errorf("got %v", err)
		}
		synctest.Wait()
	})
}

func TestKeySource_FollowsNoRedirectToAnotherScheme(t *testing.T) {
	request := func(target string) *http.Request {
		r, err := http.NewRequest(http.MethodGet, target, nil)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	secure, plain := request("https://a/"), request("http://a/")
	for _, tt := range []struct {
		name string
		to   *http.Request
		via  []*http.Request
		ok   bool
	}{
		{"https", secure, []*http.Request{secure}, true},
		{"http", plain, []*http.Request{plain}, true},
		{"to http", plain, []*http.Request{secure}, false},
		{"to https", secure, []*http.Request{plain}, false},
		{"to a file", request("file:///etc/passwd"), []*http.Request{secure}, false},
		{"too often", secure, []*http.Request{secure, secure, secure, secure}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if err := checkRedirect(tt.to, tt.via); (err == nil) != tt.ok {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestKeySource_ReadsAFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "jwks.json")
	now := start
	j, err := NewJWKS(JWKSOptions{Source: file, Audience: audience, Now: func() time.Time { return now }, Log: discard()})
	if err != nil {
		t.Fatal(err)
	}
	verify := func(want string) {
		t.Helper()
		_, err := j.Verify(t.Context(), good())
		if got := errorText(err); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	const fix = "; name a file that the daemon's user can read"
	verify("pod_identity.jwks cannot be read: " + file + ": no such file or directory" + fix)
	if err := os.Mkdir(file, 0o700); err != nil {
		t.Fatal(err)
	}
	now = now.Add(absentWait)
	verify("pod_identity.jwks cannot be read: " + file + ": it is not a regular file" + fix)
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, clusterKeys(), 0o600); err != nil {
		t.Fatal(err)
	}
	now = now.Add(absentWait)
	verify("")
	_, err = j.Verify(t.Context(), sign(jwt.SigningMethodES256, p256(), map[string]any{"kid": "new"}, claimsOf()))
	if want := "no key has the key id and the algorithm of the token; use a token of the cluster of pod_identity.jwks"; errorText(err) != want {
		t.Errorf("got %v", err)
	}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestNewJWKS_ExplainsABadSource(t *testing.T) {
	for _, tt := range []struct{ source, want string }{
		{"", "pod_identity.jwks is empty; set it to a file or URL of the cluster's keys: kubectl get --raw /openid/v1/jwks"},
		{"ftp://host/keys", "pod_identity.jwks is not an http or https URL; correct it, or name a file"},
		{"https://", "pod_identity.jwks is not an http or https URL; correct it, or name a file"},
		{"https://a:b:c", "pod_identity.jwks is not an http or https URL; correct it, or name a file"},
		{"jwks.json", ""},
		{"http://127.0.0.1/keys", ""},
	} {
		t.Run(tt.source, func(t *testing.T) {
			_, err := NewJWKS(JWKSOptions{Source: tt.source, Audience: audience, Now: atStart, Log: discard()})
			if got := errorText(err); got != tt.want {
				t.Errorf("got %q", got)
			}
		})
	}
}
