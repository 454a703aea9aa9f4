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

// counting is one end of a pipe that counts the deadlines it is given.
type counting struct {
	net.Conn
	reads, writes int
}

func (c *counting) SetReadDeadline(t time.Time) error {
	c.reads++
	return c.Conn.SetReadDeadline(t)
}

func (c *counting) SetWriteDeadline(t time.Time) error {
	c.writes++
	return c.Conn.SetWriteDeadline(t)
}
func (*counting) SyscallConn() (syscall.RawConn, error) { return nil, errors.ErrUnsupported }
func (*counting) ReadFrom(io.Reader) (int64, error)     { return 0, errors.ErrUnsupported }
func (*counting) CloseWrite() error                     { return nil }

// lazily runs a test in a bubble, with a connection and what is at its ends.
func lazily(t *testing.T, test func(c *lazyConn, below *counting, peer net.Conn)) {
	t.Helper()
	synctest.Test(t, func(*testing.T) {
		end, peer := net.Pipe()
		below := &counting{Conn: end}
		test(&lazyConn{socket: below}, below, peer)
		_ = end.Close()
		_ = peer.Close()
	})
}

func after(d time.Duration) time.Time { return time.Now().Add(d) }

func TestReadDeadline(t *testing.T) {
	lazily(t, func(c *lazyConn, below *counting, peer net.Conn) {
		byteOf := make([]byte, 1)
		// A hundred requests in less than slack, with what net/http asks for.
		for range 100 {
			_ = c.SetReadDeadline(after(2 * time.Minute))
			go func() { _, _ = peer.Write([]byte("x")) }()
			if _, err := c.Read(byteOf); err != nil {
				t.Fatal(err)
			}
			_ = c.SetReadDeadline(after(5 * time.Second))
			_ = c.SetReadDeadline(after(10 * time.Second))
			_ = c.SetReadDeadline(time.Unix(1, 0))
			if _, err := c.Read(byteOf); !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Fatal(err)
			}
			_ = c.SetReadDeadline(time.Time{})
			time.Sleep(slack / 101)
		}
		if below.reads != 1 {
			t.Errorf("%d deadlines for reading were set, want 1", below.reads)
		}
		for _, d := range []time.Duration{time.Second, 5 * time.Second, 5*time.Second + slack/2, 2 * time.Minute, 3 * time.Second} {
			began := time.Now()
			_ = c.SetReadDeadline(after(d))
			_, err := c.Read(byteOf)
			if took := time.Since(began); !errors.Is(err, os.ErrDeadlineExceeded) || took < d || took > d+slack {
				t.Errorf("a deadline of %v: %v after %v", d, err, took)
			}
		}
	})
}

// TestReadDeadlineMeanwhile changes the deadline while a Read waits.
func TestReadDeadlineMeanwhile(t *testing.T) {
	for _, tt := range []struct {
		name        string
		first, then time.Duration // 0 for none, below that long ago
		want        time.Duration // 0 for never
	}{
		{"sooner", time.Hour, time.Minute, time.Minute},
		{"later", time.Minute, time.Hour, time.Hour},
		{"at last", 0, time.Hour, time.Hour},
		{"at once", time.Hour, -1, 1},
		{"none", time.Minute, 0, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			lazily(t, func(c *lazyConn, _ *counting, peer net.Conn) {
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
				set(tt.first)
				began, ended := time.Now(), make(chan error, 1)
				go func() { _, err := c.Read(make([]byte, 1)); ended <- err }()
				synctest.Wait()
				set(tt.then)
				never := time.AfterFunc(24*time.Hour, func() { _, _ = peer.Write([]byte("x")) })
				err, took := <-ended, time.Since(began)
				never.Stop()
				switch {
				case tt.want == 0 && err != nil:
					t.Errorf("%v after %v", err, took)
				case tt.want > 0 && (!errors.Is(err, os.ErrDeadlineExceeded) || took < tt.want-1 || took > tt.want+slack):
					t.Errorf("%v after %v, want it after %v", err, took, tt.want)
				}
			})
		})
	}
}

// TestConnectionsAreLazy has a listener of the server's own and an inherited one.
func TestConnectionsAreLazy(t *testing.T) {
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
		if _, ok := c.(*lazyConn); !ok {
			t.Errorf("a connection to %s is a %T", l.Addr(), c)
		}
		_, _ = c.Close(), client.Close()
	}
}

func TestWriteDeadline(t *testing.T) {
	lazily(t, func(c *lazyConn, below *counting, peer net.Conn) {
		go func() { _, _ = io.Copy(io.Discard, peer) }()
		for range 100 {
			_ = c.SetWriteDeadline(after(10 * time.Second))
			if _, err := c.Write([]byte("x")); err != nil {
				t.Fatal(err)
			}
			_ = c.SetWriteDeadline(time.Time{})
			time.Sleep(slack / 101)
		}
		if below.writes != 1 {
			t.Errorf("%d deadlines for writing were set, want 1", below.writes)
		}
		time.Sleep(time.Hour) // what was in force has passed
		_ = c.SetDeadline(after(10 * time.Second))
		if _, err := c.Write([]byte("x")); err != nil {
			t.Error(err)
		}
	})
	lazily(t, func(c *lazyConn, _ *counting, _ net.Conn) {
		began := time.Now()
		_ = c.SetDeadline(after(10 * time.Second))
		_, err := c.Write([]byte("x")) // which nobody reads
		if took := time.Since(began); !errors.Is(err, os.ErrDeadlineExceeded) || took < 10*time.Second || took > 10*time.Second+slack {
			t.Errorf("%v after %v", err, took)
		}
	})
}
