package metrics

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"testing"
	"time"
)

// TestServer_ClientsThatKeepConnectionsMakeRoom opens more connections than there may be: half of them have been answered, and half
// have sent a part of a request.
func TestServer_ClientsThatKeepConnectionsMakeRoom(t *testing.T) {
	d := start(t)
	var kept []net.Conn
	for i := range 2 * maxConnections {
		c, err := net.Dial("tcp", d.metrics.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = c.Close() }()
		kept = append(kept, c)
		request := "GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n"
		if i%2 == 0 {
			request += "\r\n"
		}
		if _, err := io.WriteString(c, request); err != nil {
			t.Fatal(err)
		}
		if i%2 != 0 {
			continue
		}
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatalf("connection %d: %v", i, err)
		}
		_ = resp.Body.Close()
	}
	client := &http.Client{Timeout: 3 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get(d.base + "/healthz")
	if err != nil {
		t.Fatal(err)
	}
	if _ = resp.Body.Close(); resp.StatusCode != http.StatusOK {
		t.Errorf("got %d", resp.StatusCode)
	}
	_ = kept[0].SetReadDeadline(time.Now().Add(3 * time.Second))
	if _, err := kept[0].Read(make([]byte, 1)); err != io.EOF { //nolint:errorlint // as io.Reader documents
		t.Errorf("the oldest is open: %v", err)
	}
}
