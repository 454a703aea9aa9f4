package tokenreview

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"mock-ec2-metadata/internal/podidentity"
)

// pipes is a listener and a dialer of connections in memory, whose waits a synctest bubble knows.
type pipes struct {
	accepted chan net.Conn
	done     chan struct{}
	dialed   atomic.Int32
}

func (p *pipes) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	client, server := net.Pipe()
	select {
	case p.accepted <- server:
		p.dialed.Add(1)
		return client, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.accepted:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error { close(p.done); return nil }

func (*pipes) Addr() net.Addr { return &net.TCPAddr{} }

// slowVerifier is the verifier of a kubeconfig, whose API server in memory takes a while for each review.
func slowVerifier(t *testing.T, latency time.Duration) (*Verifier, *pipes) {
	t.Helper()
	v, err := New(Options{
		Kubeconfig: write(t, t.TempDir(), "config", config("server: 'http://127.0.0.1:6443'", "token: "+ownToken)), Audience: audience, Getenv: noEnv,
	})
	if err != nil {
		t.Fatal(err)
	}
	network := &pipes{accepted: make(chan net.Conn), done: make(chan struct{})}
	transport := v.server.Load().client.Transport.(*http.Transport)
	transport.Proxy, transport.DialContext = nil, network.dial
	answer := accept(nil)
	api := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(latency)
		answer(w, r)
	})}
	var serving sync.WaitGroup
	serving.Go(func() { _ = api.Serve(network) })
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		_ = api.Close()
		serving.Wait()
	})
	return v, network
}

// manyTokens are different tokens of pods.
func manyTokens(n int) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprintf("%s%04d", podToken(), i)
	}
	return list
}

// The client waits a second before it retries, as Retry-After says.
func TestManyPodsThatStartAtOnceAreServedAtTheirFirstOrSecondRequest(t *testing.T) {
	const pods, latency = 300, 400 * time.Millisecond
	for _, tt := range []struct {
		name string
		from func(pod int) string
	}{
		{"from their own addresses", func(pod int) string { return fmt.Sprintf("10.0.%d.%d:1", pod/256, pod%256) }},
		{"from one address", func(int) string { return "10.0.0.1:1" }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				v, network := slowVerifier(t, latency)
				memory := podidentity.Remember(v, podidentity.MemoryOptions{Limit: time.Minute, Remote: true, Now: time.Now})
				h := podidentity.NewHandler(slog.New(slog.DiscardHandler), service{memory})
				var first, second atomic.Int32
				var starting sync.WaitGroup
				began := time.Now()
				for i, token := range manyTokens(pods) {
					starting.Go(func() {
						ask := func() int {
							w := httptest.NewRecorder()
							r := httptest.NewRequest(http.MethodGet, "/v1/credentials", nil)
							r.RemoteAddr = tt.from(i)
							r.Header.Set("Authorization", token)
							h(w, r)
							return w.Code
						}
						if ask() == http.StatusOK {
							first.Add(1)
							return
						}
						time.Sleep(time.Second)
						if ask() == http.StatusOK {
							second.Add(1)
						}
					})
				}
				starting.Wait()
				t.Logf("%d at the first request, %d at the second, all after %s, by %d connections", first.Load(), second.Load(), time.Since(began), network.dialed.Load())
				if first.Load() < 2*maxConnections || first.Load()+second.Load() != pods || network.dialed.Load() > maxConnections {
					t.Errorf("%d at the first request, %d at the second, %d connections", first.Load(), second.Load(), network.dialed.Load())
				}
			})
		})
	}
}
