package server

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// newRequest is a GET in HTTP/1.1.
const newRequest = "GET / HTTP/1.1\r\nHost: x\r\n\r\n"

// restarts is how often the tests below stop a server under load.
const restarts = 10

// load asks with several clients until stop is closed. All requests must be answered, but for those on new connections that the
// server does not take any more. It returns the number of answers when all clients have ended.
func load(t *testing.T, address string, stop <-chan struct{}, connectionMayFail bool) (wait func() int64) {
	t.Helper()
	const clients = 6
	var answers atomic.Int64
	var running sync.WaitGroup
	for i := range clients {
		limit := 1 << (10 * i) // from a new connection for each request to one for all
		running.Go(func() {
			for !closed(stop) {
				n, err := session(address, limit, stop)
				answers.Add(int64(n))
				if err != nil && (n > 0 || !connectionMayFail) {
					t.Errorf("request %d of a connection: %v", n+1, err)
					return
				}
				if err != nil {
					return // the server is gone
				}
			}
		})
	}
	return func() int64 { running.Wait(); return answers.Load() }
}

func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// session sends requests on one connection, as many as the server allows, at most limit, until stop is closed. It returns the
// number of answers.
func session(address string, limit int, stop <-chan struct{}) (answers int, err error) {
	c, err := net.DialTimeout("tcp", address, 5*time.Second)
	if err != nil {
		return 0, err
	}
	defer func() { _ = c.Close() }()
	_ = c.SetDeadline(time.Now().Add(5 * time.Second))
	r := bufio.NewReader(c)
	for answers < limit && !closed(stop) {
		if _, err := io.WriteString(c, newRequest); err != nil {
			return answers, err
		}
		resp, err := http.ReadResponse(r, nil)
		if err != nil {
			return answers, err
		}
		body, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if err != nil || string(body) != "here" {
			return answers, fmt.Errorf("%q: %w", body, err)
		}
		answers++
		if resp.Close {
			return answers, nil
		}
	}
	return answers, nil
}

// run serves until stop is called, which returns how long stopping took.
func run(t *testing.T, s *Server, h http.HandlerFunc) (stop func() time.Duration) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- s.Serve(ctx, h) }()
	return sync.OnceValue(func() time.Duration {
		begun := time.Now()
		cancel()
		if err := <-served; err != nil {
			t.Error(err)
		}
		return time.Since(begun)
	})
}

func here(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "here") }

func TestServe_StopUnderLoadAnswersAllRequests(t *testing.T) {
	for range restarts {
		s, err := listen(t, "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		stop := run(t, s, here)
		wait := load(t, s.Addrs()[0].String(), nil, true)
		time.Sleep(20 * time.Millisecond) // under load
		if took := stop(); took > drainTime {
			t.Errorf("stopping took %v", took)
		}
		if wait() == 0 {
			t.Error("no request was answered before the stop")
		}
	}
}

func TestServe_RestartOnInheritedSocketLosesNoConnection(t *testing.T) {
	manager, err := net.Listen("tcp", "127.0.0.1:0") // keeps the socket open, as systemd does
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = manager.Close() }()
	end := make(chan struct{})
	wait := load(t, manager.Addr().String(), end, false)
	for range restarts {
		stop := run(t, inherit(t, manager), here)
		time.Sleep(20 * time.Millisecond) // under load
		if took := stop(); took > drainTime {
			t.Errorf("stopping took %v", took)
		}
	}
	stop := run(t, inherit(t, manager), here) // for connections in the backlog
	close(end)
	if wait() == 0 {
		t.Error("no request was answered")
	}
	stop()
}

// inherit makes a server of a duplicate of a socket.
func inherit(t *testing.T, manager net.Listener) *Server {
	t.Helper()
	f, err := manager.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	l, err := net.FileListener(f)
	if err != nil {
		t.Fatal(err)
	}
	s, err := Listen(t.Context(), slog.New(slog.DiscardHandler), nil, l)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestServe_StopRefusesConnectionsAndEndsOpenOnes(t *testing.T) {
	s, err := listen(t, "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := s.Addrs()[0].String()
	started, release := make(chan struct{}), make(chan struct{})
	stop := run(t, s, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			close(started)
			<-release
		}
		here(w, r)
	})
	slow, idle := dial(t, address), dial(t, address)
	_, _ = io.WriteString(slow, "GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
	<-started
	closes := func(c net.Conn) bool {
		_, _ = io.WriteString(c, newRequest)
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
		return resp.Close
	}
	if closes(idle) {
		t.Error("an answer before the stop ends the connection")
	}
	stopped := make(chan time.Duration, 1)
	go func() { stopped <- stop() }()
	refused := func() bool {
		c, err := net.Dial("tcp", address)
		if err == nil {
			_ = c.Close()
		}
		return err != nil
	}
	for !refused() { // at once: the listener is closed first
		time.Sleep(time.Millisecond)
	}
	if !closes(idle) {
		t.Error("an answer during the stop leaves the connection open")
	}
	close(release)
	if resp, err := http.ReadResponse(bufio.NewReader(slow), nil); err != nil || resp.StatusCode != http.StatusOK {
		t.Errorf("a request from before the stop: %v, %v", resp, err)
	} else {
		_ = resp.Body.Close()
	}
	if took := <-stopped; took > drainTime {
		t.Errorf("stopping took %v", took)
	}
}

func TestServe_StopWithoutConnectionsDoesNotWait(t *testing.T) {
	s, err := listen(t, "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	stop := run(t, s, here)
	if _, err := session(s.Addrs()[0].String(), 1, nil); err != nil {
		t.Fatal(err)
	}
	time.Sleep(20 * time.Millisecond) // the server sees the end of the connection
	if took := stop(); took >= graceTime {
		t.Errorf("stopping took %v", took)
	}
}

func TestServe_FailedListenerIsTheError(t *testing.T) {
	s, err := listen(t, "127.0.0.1:0", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = s.listeners[1].Close()
	if err := s.Serve(t.Context(), http.HandlerFunc(here)); !errors.Is(err, net.ErrClosed) {
		t.Errorf("got %v", err)
	}
}
