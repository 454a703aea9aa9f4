//go:build kube && linux

package kube

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"
)

// A load is 8 clients of 50 requests/s each that keep their connections, and ask again a little later after a failure.
type load struct {
	stop   context.CancelFunc
	all    sync.WaitGroup
	mu     sync.Mutex // guards the fields below
	count  int
	most   time.Duration  // between two answers of a client
	failed map[string]int // after the connection was made, by what came
}

// startLoad starts one from inside a machine, until end.
func startLoad(m machine, url string) *load {
	ctx, cancel := context.WithCancel(context.Background())
	l := &load{stop: cancel, failed: map[string]int{}}
	for range 8 {
		l.all.Go(func() { l.client(ctx, m, url) })
	}
	return l
}

func (l *load) client(ctx context.Context, m machine, url string) {
	// While no process has the address, packets to it vanish: a new attempt finds the next daemon sooner than the old one's second packet.
	transport := &http.Transport{DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
		ctx, cancel := context.WithTimeout(ctx, 300*time.Millisecond)
		defer cancel()
		return m.dial(ctx, network, address)
	}}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, Timeout: 2 * time.Second}
	last := time.Now()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := get(ctx, client, url)
		l.mu.Lock()
		if ctx.Err() != nil {
			l.most = max(l.most, time.Since(last))
			l.mu.Unlock()
			return
		}
		if err == nil {
			l.count++
			l.most = max(l.most, time.Since(last))
			last = time.Now()
		} else if op, ok := errors.AsType[*net.OpError](err); !ok || op.Op != "dial" {
			l.failed[err.Error()]++
		}
		l.mu.Unlock()
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// get asks once. A status other than 200 is an error.
func get(ctx context.Context, client *http.Client, url string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	if _, err := io.Copy(io.Discard, response.Body); err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return errors.New(response.Status)
	}
	return nil
}

// end stops the clients.
func (l *load) end() {
	l.stop()
	l.all.Wait()
}

// String says how it went.
func (l *load) String() string {
	return fmt.Sprintf("%d answers, longest gap of a client %v, failed after they were sent: %v", l.count, l.most.Round(10*time.Millisecond), l.failed)
}
