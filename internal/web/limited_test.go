package web

import (
	"net"
	"testing"
)

// TestLimitConnections_FurtherOnesWait opens more than are accepted. Further ones wait for room.
func TestLimitConnections_FurtherOnesWait(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	few := LimitConnections(l, 2).(*limited)
	accepted := make(chan net.Conn)
	ended := make(chan error)
	go func() {
		for {
			c, err := few.Accept()
			if err != nil {
				ended <- err
				return
			}
			accepted <- c
		}
	}()
	var clients []net.Conn
	for range 3 {
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		clients = append(clients, c)
	}
	first, second := <-accepted, <-accepted
	select {
	case <-accepted:
		t.Error("a third one is accepted")
	default:
	}
	if len(few.open) != 2 {
		t.Errorf("%d are open", len(few.open))
	}
	_, _ = first.Close(), first.Close()
	third := <-accepted
	_ = few.Close()
	_ = few.Close()
	if err := <-ended; err == nil {
		t.Error("no error after Close")
	}
	for _, c := range append(clients, second, third) {
		_ = c.Close()
	}
}
