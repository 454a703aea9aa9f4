package app

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
)

// dialing is the SDK's client with a dialer of its own.
func dialing(dial func(ctx context.Context, network, addr string) (net.Conn, error)) aws.HTTPClient {
	return awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) { t.DialContext, t.Proxy = dial, nil })
}

// network is a listener in memory, which only its own dial reaches.
type network struct {
	accepted chan net.Conn
	closed   chan struct{}
	close    func()
	err      atomic.Pointer[error]
}

func newNetwork() *network {
	n := &network{accepted: make(chan net.Conn), closed: make(chan struct{})}
	n.close = sync.OnceFunc(func() { close(n.closed) })
	return n
}

// fail makes connecting fail from now on; nil ends that.
func (n *network) fail(err error) { n.err.Store(&err) }

func (n *network) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	if err := n.err.Load(); err != nil && *err != nil {
		return nil, *err
	}
	client, server := net.Pipe()
	select {
	case n.accepted <- server:
		return client, nil
	case <-n.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (n *network) Accept() (net.Conn, error) {
	select {
	case c := <-n.accepted:
		return c, nil
	case <-n.closed:
		return nil, net.ErrClosed
	}
}

func (n *network) Close() error { n.close(); return nil }

func (n *network) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 9} }

// calls passes the daemon's calls on and records them.
type calls struct {
	to    aws.HTTPClient
	spoil atomic.Pointer[func(body []byte) ([]byte, error)] // changes STS's answers on their way; its error follows the body

	mu   sync.Mutex
	made []call
}

type call struct {
	began, ended time.Time // ended is zero while it is in flight
	ok           bool
}

func (c *calls) Do(r *http.Request) (*http.Response, error) {
	began := time.Now()
	c.mu.Lock()
	n := len(c.made)
	c.made = append(c.made, call{began: began})
	c.mu.Unlock()
	resp, err := c.to.Do(r)
	spoil := c.spoil.Load()
	if err == nil && spoil != nil {
		resp.Body = spoilt(resp.Body, *spoil)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.made[n] = call{began: began, ended: time.Now(), ok: err == nil && resp.StatusCode == http.StatusOK && spoil == nil}
	return resp, err
}

// check compares the calls with the back-off: at least shortest between two of them, and at most a minute after a failed one.
func (c *calls) check(t *testing.T, least, most int, shortest time.Duration) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	if n := len(c.made); n < least || n > most {
		t.Errorf("%d calls, want %d to %d", n, least, most)
	}
	for i, next := range c.made[min(1, len(c.made)):] {
		last := c.made[i]
		if pause := next.began.Sub(last.ended); pause < shortest {
			t.Errorf("call %d is only %v after the last one's end", i+2, pause)
		}
		if gap := next.began.Sub(last.began); !last.ok && gap > time.Minute {
			t.Errorf("call %d, after a failure, is as late as %v after the last one", i+2, gap)
		}
	}
}

// spoilt is an answer that was changed between STS and this machine.
func spoilt(body io.ReadCloser, spoil func([]byte) ([]byte, error)) io.ReadCloser {
	defer func() { _ = body.Close() }()
	whole, err := io.ReadAll(body)
	if err == nil {
		whole, err = spoil(whole)
	}
	if err == nil {
		err = io.EOF
	}
	return io.NopCloser(io.MultiReader(bytes.NewReader(whole), iotest.ErrReader(err)))
}
