package console

import (
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
)

// unprotected serves what the console might be without its protections: a cookie, CORS for everybody, no policy, no look at Origin
// or Host. changes counts the requests that would change something.
func unprotected(t *testing.T) (server *httptest.Server, changes func() int64) {
	t.Helper()
	var n atomic.Int64
	server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		if from := r.Header.Get("Origin"); from != "" {
			h.Set("Access-Control-Allow-Origin", from)
			h.Set("Access-Control-Allow-Credentials", "true")
			h.Set("Access-Control-Allow-Headers", "Authorization, Content-Type")
			h.Set("Access-Control-Allow-Methods", "POST, PUT, DELETE")
		}
		switch {
		case r.Header.Get("Upgrade") == "websocket":
			upgrade(w, r)
			return
		case r.Method == http.MethodOptions:
			return
		case r.Method != http.MethodGet:
			n.Add(1)
		}
		switch {
		case r.URL.Path == "/login":
			http.SetCookie(w, &http.Cookie{Name: "session", Value: "secret", Path: "/"})
			fallthrough
		case r.URL.Path == "/":
			h.Set("Content-Type", "text/html")
			fmt.Fprint(w, "<!doctype html><title>bare</title><link rel=icon href=data:,><script>parent.postMessage('framed', '*')</script>")
		case strings.HasSuffix(r.URL.Path, ".svg"):
			h.Set("Content-Type", "image/svg+xml")
			fmt.Fprint(w, `<svg xmlns="http://www.w3.org/2000/svg" width="1" height="1"></svg>`)
		default:
			h.Set("Content-Type", "text/javascript")
			fmt.Fprint(w, "[]")
		}
	}))
	t.Cleanup(server.Close)
	return server, n.Load
}

// upgrade accepts a WebSocket, and closes it.
func upgrade(w http.ResponseWriter, r *http.Request) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer func() { _ = conn.Close() }()
	// RFC 6455 section 4.2.2.
	sum := sha1.Sum([]byte(r.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	fmt.Fprintf(conn, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n",
		base64.StdEncoding.EncodeToString(sum[:]))
}
