package identity

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// document ends without a newline, as the real one does. It has line ends that must not be normalised.
const document = "{\n  \"instanceId\" : \"i-0123456789abcdef0\",\r\n  \"region\" : \"eu-west-1\"\n}"

// shared is one key pair for all tests that need any: making one is slow.
var shared = sync.OnceValue(func() *pair {
	p, err := newPair(time.Now())
	if err != nil {
		panic(err)
	}
	return p
})

// stateDir is a directory with the shared pair in it.
func stateDir(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := writeState(dir, shared(), os.Link); err != nil {
		t.Fatal(err)
	}
	return dir
}

// identity makes an Identity with a state directory and returns its log, without times.
func identity(t *testing.T, dir string) (*Identity, *syncBuffer) {
	t.Helper()
	log := &syncBuffer{}
	i, err := New(Options{StateDir: dir, Log: logger(log), Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	return i, log
}

func logger(w *syncBuffer) *slog.Logger {
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}}))
}

// syncBuffer is a bytes.Buffer that goroutines share.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

func sign(t *testing.T, i *Identity) *Signatures {
	t.Helper()
	s, err := i.Sign(t.Context(), []byte(document))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func certificate(t *testing.T, i *Identity) string {
	t.Helper()
	text, err := i.CertificatePEM(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestSign_DependsOnlyOnDocumentAndTime(t *testing.T) {
	now := time.Now()
	dir := stateDir(t)
	var all [3]*Signatures
	for n, at := range []time.Time{now, now, now.Add(time.Minute)} {
		i, err := New(Options{StateDir: dir, Log: slog.New(slog.DiscardHandler), Now: func() time.Time { return at }})
		if err != nil {
			t.Fatal(err)
		}
		all[n] = sign(t, i)
	}
	if diff := cmp.Diff(all[0], all[1]); diff != "" {
		t.Errorf("two signatures of one document differ:\n%s", diff)
	}
	if !bytes.Equal(all[0].Signature, all[2].Signature) || bytes.Equal(all[0].PKCS7, all[2].PKCS7) {
		t.Error("the signing time must be in the messages only")
	}
}

func TestSign_ConcurrentDaemonsShareOneNewPair(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "some", "where")
	var (
		wg           sync.WaitGroup
		mu           sync.Mutex
		certificates = map[string]bool{}
		signatures   = map[string]bool{}
	)
	for range 2 {
		i, log := identity(t, dir)
		defer func() {
			if log.String() != "" {
				t.Errorf("logged %s", log)
			}
		}()
		i.Prepare()
		for range 8 {
			wg.Go(func() {
				s, err := i.Sign(t.Context(), []byte(document))
				if err != nil {
					t.Error(err)
					return
				}
				c, err := i.CertificatePEM(t.Context())
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				defer mu.Unlock()
				signatures[string(s.Signature)] = true
				certificates[string(c)] = true
			})
		}
	}
	wg.Wait()
	if len(certificates) != 1 || len(signatures) != 1 {
		t.Errorf("%d certificates and %d signatures, want one each", len(certificates), len(signatures))
	}
}

func TestSign_CanceledCallerDoesNotAffectOthers(t *testing.T) {
	dir := t.TempDir()
	i, _ := identity(t, dir)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := i.Sign(ctx, []byte(document)); !errors.Is(err, context.Canceled) {
		t.Errorf("Sign = %v, want %v", err, context.Canceled)
	}
	if _, err := i.CertificatePEM(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("CertificatePEM = %v, want %v", err, context.Canceled)
	}
	sign(t, i)
	if _, err := i.Sign(ctx, []byte(document)); err != nil {
		t.Errorf("Sign with the key pair loaded = %v", err)
	}
}

func TestSign_WarnsOnceOutsideTheCertificatesValidity(t *testing.T) {
	var log syncBuffer
	i, err := New(Options{StateDir: stateDir(t), Log: logger(&log), Now: func() time.Time { return time.Unix(0, 0) }})
	if err != nil {
		t.Fatal(err)
	}
	sign(t, i)
	sign(t, i)
	want := fmt.Sprintf(`level=WARN msg="the identity certificate is not valid now" from=%s until=%s now=1970-01-01T00:00:00.000Z hint="verifiers reject the signatures; set the clock, or renew the certificate"`+"\n",
		shared().cert.NotBefore.Format("2006-01-02T15:04:05.000Z"), shared().cert.NotAfter.Format("2006-01-02T15:04:05.000Z"))
	if diff := cmp.Diff(want, log.String()); diff != "" {
		t.Errorf("log (-want +got):\n%s", diff)
	}
}

func TestIdentity_NoEncodingShowsTheKey(t *testing.T) {
	i, _ := identity(t, stateDir(t))
	sign(t, i)
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		for _, x := range []any{i, struct{ I *Identity }{i}, shared(), []*pair{shared()}, i.attempt} {
			fmt.Fprintf(&out, verb+"\n", x)
		}
	}
	for _, handler := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
		slog.New(handler).Info("x", "i", i, "p", shared())
	}
	if err := json.NewEncoder(&out).Encode(map[string]any{"i": i, "p": shared()}); err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{shared().key.D.String(), shared().key.D.Text(16), shared().key.Primes[0].String()} {
		if strings.Contains(out.String(), secret) {
			t.Errorf("the key shows in\n%s", out.String())
		}
	}
	if !strings.HasPrefix(out.String(), "identity [redacted]\n") {
		t.Errorf("printed as\n%s", out.String())
	}
}
