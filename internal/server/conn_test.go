package server

import (
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// pipe is one end of a net.Pipe, with the methods of a TCP connection.
type pipe struct{ net.Conn }

func (pipe) SyscallConn() (syscall.RawConn, error) { return nil, errors.ErrUnsupported }
func (pipe) ReadFrom(io.Reader) (int64, error)     { return 0, errors.ErrUnsupported }
func (pipe) CloseWrite() error                     { return nil }

// connected runs a test in a bubble, with a connection and its peer.
func connected(t *testing.T, test func(c *conn, peer net.Conn)) {
	t.Helper()
	synctest.Test(t, func(*testing.T) {
		end, peer := net.Pipe()
		c := &conn{socket: pipe{end}}
		test(c, peer)
		_ = c.Close()
		_ = peer.Close()
	})
}

func after(d time.Duration) time.Time { return time.Now().Add(d) }

// TestRequests makes some as net/http does, and then one too few.
func TestRequests(t *testing.T) {
	for _, pause := range []time.Duration{0, time.Second, 7 * time.Second, time.Minute} {
		connected(t, func(c *conn, peer net.Conn) {
			request := make([]byte, 100)
			go func() { _, _ = io.Copy(io.Discard, peer) }()
			for range 20 {
				_ = c.SetReadDeadline(after(2 * time.Minute))
				time.AfterFunc(pause, func() { _, _ = peer.Write([]byte("GET / HTTP/1.1")) })
				if _, err := c.Read(request); err != nil {
					t.Fatalf("reading after %v: %v", pause, err)
				}
				_ = c.SetReadDeadline(time.Time{})
				_ = c.SetReadDeadline(after(5 * time.Second))
				_ = c.SetReadDeadline(after(10 * time.Second))
				_ = c.SetWriteDeadline(after(10 * time.Second))
				_ = c.SetReadDeadline(time.Time{})
				watch := make(chan error, 1)
				go func() { _, err := c.Read(make([]byte, 1)); watch <- err }()
				if _, err := c.Write([]byte("HTTP/1.1 200 OK")); err != nil {
					t.Fatalf("answering: %v", err)
				}
				_ = c.SetReadDeadline(time.Unix(1, 0))
				if err := <-watch; !errors.Is(err, os.ErrDeadlineExceeded) {
					t.Fatalf("the read that looks for a client that hangs up: %v", err)
				}
				_ = c.SetReadDeadline(time.Time{})
				_ = c.SetWriteDeadline(time.Time{})
			}
			began := time.Now()
			_ = c.SetReadDeadline(after(2 * time.Minute))
			if _, err := c.Read(request); !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(began) != 2*time.Minute {
				t.Errorf("%v after %v", err, time.Since(began))
			}
		})
	}
}

// TestTimerIsLeftAlone by requests that follow one another: it goes off when the first one's header would be late.
func TestTimerIsLeftAlone(t *testing.T) {
	connected(t, func(c *conn, _ net.Conn) {
		_ = c.SetReadDeadline(after(5 * time.Second))
		first := c.rings
		for range 100 {
			time.Sleep(time.Millisecond)
			_ = c.SetReadDeadline(after(2 * time.Minute))
			_ = c.SetReadDeadline(time.Time{})
			_ = c.SetReadDeadline(after(5 * time.Second))
			_ = c.SetWriteDeadline(after(10 * time.Second))
			_ = c.SetReadDeadline(longAgo)
			_ = c.SetReadDeadline(time.Time{})
			_ = c.SetWriteDeadline(time.Time{})
		}
		if !c.rings.Equal(first) {
			t.Errorf("the timer was set anew, to go off after %v", c.rings.Sub(first))
		}
	})
}

// TestReadDeadline sets one before or while a Read waits, in the place of another.
func TestReadDeadline(t *testing.T) {
	for _, tt := range []struct {
		name        string
		first, then time.Duration // 0 for none, below that long ago
		want        time.Duration // 0 for never
	}{
		{"sooner", time.Hour, time.Minute, time.Minute},
		{"later", time.Minute, time.Hour, time.Hour},
		{"a little later", time.Minute, time.Minute + 1, time.Minute + 1},
		{"at last", 0, time.Hour, time.Hour},
		{"at once", time.Hour, -1, 1},
		{"not at once after all", -1, time.Hour, time.Hour},
		{"none", time.Minute, 0, 0},
		{"none, not at once after all", -1, 0, 0},
		{"the same", time.Minute, time.Minute, time.Minute},
	} {
		for _, while := range []bool{false, true} {
			if while && tt.first < 0 {
				continue // the Read ends
			}
			connected(t, func(c *conn, peer net.Conn) {
				set := func(d time.Duration) {
					switch {
					case d == 0:
						_ = c.SetReadDeadline(time.Time{})
					case d < 0:
						_ = c.SetReadDeadline(time.Unix(1, 0))
					default:
						_ = c.SetReadDeadline(after(d))
					}
				}
				began, ended := time.Now(), make(chan error, 1)
				read := func() { _, err := c.Read(make([]byte, 1)); ended <- err }
				set(tt.first)
				if while {
					go read()
					synctest.Wait()
				}
				set(tt.then)
				if !while {
					go read()
				}
				never := time.AfterFunc(24*time.Hour, func() { _, _ = peer.Write([]byte("x")) })
				err, took := <-ended, time.Since(began)
				never.Stop()
				switch {
				case tt.want == 0 && err != nil:
					t.Errorf("%s, while a Read waits %v: %v after %v", tt.name, while, err, took)
				case tt.want > 0 && (!errors.Is(err, os.ErrDeadlineExceeded) || took > tt.want || tt.want > 1 && took < tt.want):
					t.Errorf("%s, while a Read waits %v: %v after %v, want it after %v", tt.name, while, err, took, tt.want)
				}
			})
		}
	}
}

func TestWriteDeadline(t *testing.T) {
	connected(t, func(c *conn, _ net.Conn) {
		for _, set := range []func(time.Time) error{c.SetWriteDeadline, c.SetDeadline} {
			began := time.Now()
			_ = set(after(time.Hour))
			_ = set(after(10 * time.Second))
			_, err := c.Write([]byte("x")) // which nobody reads
			if took := time.Since(began); !errors.Is(err, os.ErrDeadlineExceeded) || took != 10*time.Second {
				t.Errorf("%v after %v", err, took)
			}
		}
		if _, err := c.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("reading after SetDeadline has passed: %v", err)
		}
	})
}

// TestClose leaves no timer behind, which would keep the connection in memory.
func TestClose(t *testing.T) {
	connected(t, func(c *conn, _ net.Conn) {
		_ = c.SetDeadline(after(time.Hour))
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		for range 2 {
			_ = c.SetDeadline(after(time.Second))
			if c.timer.Stop() {
				t.Error("the timer was left")
			}
			c.ring() // it has gone off, and has waited for Close
		}
		if _, err := c.Read(make([]byte, 1)); !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("reading after Close: %v", err)
		}
	})
}

// TestListeners has a listener of the server's own and an inherited one.
func TestListeners(t *testing.T) {
	var lc net.ListenConfig
	inherited, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s, err := Listen(t.Context(), slog.New(slog.DiscardHandler), []string{"127.0.0.1:0"}, inherited)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for _, l := range s.listeners {
		var dialer net.Dialer
		client, err := dialer.DialContext(t.Context(), "tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		c, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := c.(*conn); !ok {
			t.Errorf("a connection to %s is a %T", l.Addr(), c)
		}
		_, _ = c.Close(), client.Close()
	}
}
