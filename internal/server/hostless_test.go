package server

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// serveOnPort serves a handler on the loopback until the test ends, and returns the address.
func serveOnPort(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	s, err := listen(t, "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- s.Serve(ctx, h) }()
	t.Cleanup(func() {
		stop()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return s.Addrs()[0].String()
}

// describe answers with what the handler sees of a request.
func describe(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	_, _ = fmt.Fprintf(w, "%s %s host=%q body=%q", r.Method, r.URL.Path, r.Host, body)
}

// dial connects, for at most 10 seconds.
func dial(t *testing.T, address string) net.Conn {
	t.Helper()
	c, err := new(net.Dialer).DialContext(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	return c
}

const tokenPUT = "PUT /latest/api/token HTTP/1.1\r\nX-aws-ec2-metadata-token-ttl-seconds: 60\r\n"

// oneHeader is a header of about 4 KiB, as many bytes as net/http reads at once.
var oneHeader = "X-Long: " + strings.Repeat("a", 4050) + "\r\n"

func TestServe_HostIsOptionalInFirstRequest(t *testing.T) {
	address := serveOnPort(t, describe)
	const refused = "400 Bad Request"
	for _, tt := range []struct {
		name    string
		request string
		want    []string // bodies of the answers, or the refusal; then the connection ends
	}{
		{"token as of AWS CRT", tokenPUT + "Connection: keep-alive\r\nContent-Length: 0\r\n\r\n", []string{`PUT /latest/api/token host="" body=""`}},
		{"token, nothing else", "PUT /latest/api/token HTTP/1.1\r\n\r\n", []string{`PUT /latest/api/token host="" body=""`}},
		{"GET", "GET /latest/meta-data/ HTTP/1.1\r\nAccept: */*\r\n\r\n", []string{`GET /latest/meta-data/ host="" body=""`}},
		{"bare LF", "PUT /a HTTP/1.1\nA: b\n\n", []string{`PUT /a host="" body=""`}},
		{"body", "PUT /a HTTP/1.1\r\nContent-Length: 4\r\n\r\nbody", []string{`PUT /a host="" body="body"`}},
		{"chunked body", "PUT /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n", []string{`PUT /a host="" body="body"`}},
		{"Host in the body", "PUT /a HTTP/1.1\r\nContent-Length: 7\r\n\r\nHost: b", []string{`PUT /a host="" body="Host: b"`}},
		{"header named like Host", "PUT /a HTTP/1.1\r\nHostname: b\r\nX-Host: c\r\n\r\n", []string{`PUT /a host="" body=""`}},
		{"absolute form", "PUT http://metadata/a HTTP/1.1\r\n\r\n", []string{`PUT /a host="metadata" body=""`}},
		{"request behind it", tokenPUT + "\r\n" + "GET /b HTTP/1.1\r\nHost: b\r\n\r\n", []string{`PUT /latest/api/token host="" body=""`}},

		{"HTTP/1.0", "PUT /a HTTP/1.0\r\n\r\n", []string{`PUT /a host="" body=""`}},
		{"Host", "PUT /a HTTP/1.1\r\nHost: b\r\nConnection: close\r\n\r\n", []string{`PUT /a host="b" body=""`}},
		{"empty Host", "PUT /a HTTP/1.1\r\nHost:\r\nConnection: close\r\n\r\n", []string{`PUT /a host="" body=""`}},
		{"Host in another case", "PUT /a HTTP/1.1\r\nA: b\r\nhOST: b\r\nConnection: close\r\n\r\n", []string{`PUT /a host="b" body=""`}},
		{"pipelined", "GET /a HTTP/1.1\r\nHost: a\r\n\r\nGET /b HTTP/1.1\r\nHost: b\r\nConnection: close\r\n\r\n", []string{`GET /a host="a" body=""`, `GET /b host="b" body=""`}},
		{"second request without Host", "GET /a HTTP/1.1\r\nHost: a\r\n\r\nGET /b HTTP/1.1\r\n\r\n", []string{`GET /a host="a" body=""`, refused}},

		{"two Hosts", "PUT /a HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", []string{refused}},
		{"blank before the colon", "PUT /a HTTP/1.1\r\nHost : a\r\n\r\n", []string{refused}},
		{"folded Host", "PUT /a HTTP/1.1\r\nA: b\r\n Host: a\r\n\r\n", []string{refused}},
		{"folded line first", "PUT /a HTTP/1.1\r\n\tA: b\r\n\r\n", []string{refused}},
		{"blank before Host", "PUT /a HTTP/1.1\r\n Host: a\r\n\r\n", []string{refused}},
		{"no colon", "PUT /a HTTP/1.1\r\nHost\r\n\r\n", []string{refused}},
		{"CR in the header", "PUT /a HTTP/1.1\r\nA: b\r\r\n\r\n", []string{refused}},
		{"two lengths", "PUT /a HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", []string{refused}},
		{"no path", "PUT HTTP/1.1\r\n\r\n", []string{refused}},
		{"blank line first", "\r\nPUT /a HTTP/1.1\r\n\r\n", []string{refused}},
		{"more than one Read", "PUT /a HTTP/1.1\r\n" + oneHeader + "\r\n", []string{refused}},
		{"more than one Read with Host", "PUT /a HTTP/1.1\r\n" + oneHeader + "Host: b\r\nConnection: close\r\n\r\n", []string{`PUT /a host="b" body=""`}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := dial(t, address)
			if _, err := io.WriteString(c, tt.request); err != nil {
				t.Fatal(err)
			}
			wantAnswers(t, c, tt.want)
		})
	}
}

// wantAnswers compares all answers of a connection, which must end with the last.
func wantAnswers(t *testing.T, c net.Conn, want []string) {
	t.Helper()
	r := bufio.NewReader(c)
	for _, w := range want {
		resp, err := http.ReadResponse(r, nil)
		if err != nil {
			t.Fatalf("%v instead of %s", err, w)
		}
		body, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		got := string(body)
		if resp.StatusCode != http.StatusOK {
			got = fmt.Sprintf("%.15s", resp.Status)
		}
		if err != nil || got != w {
			t.Errorf("got %s (%v), want %s", got, err, w)
		}
	}
	if rest, _ := io.ReadAll(r); len(rest) > 0 {
		t.Errorf("the connection goes on with %q", rest)
	}
}

func TestServe_HeaderWithoutHostMayComeInPieces(t *testing.T) {
	address := serveOnPort(t, describe)
	const request = "PUT /a HTTP/1.1\r\nX: y\r\nContent-Length: 1\r\n\r\nb"
	for cut := range len(request) {
		c := dial(t, address)
		for _, part := range []string{request[:cut], request[cut:]} {
			if _, err := io.WriteString(c, part); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Millisecond) // two packets: TCP may still join them, then the case is the whole request
		}
		wantAnswers(t, c, []string{`PUT /a host="" body="b"`})
	}
}

func TestServe_ConnectionWithHostStaysOpen(t *testing.T) {
	c := dial(t, serveOnPort(t, describe))
	r := bufio.NewReader(c)
	for i := range 3 {
		if _, err := io.WriteString(c, "PUT /a HTTP/1.1\r\nHost: b\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		resp, err := http.ReadResponse(r, nil)
		if err != nil {
			t.Fatalf("request %d: %v", i, err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
		if resp.Close {
			t.Errorf("answer %d closes the connection", i)
		}
	}
}

// FuzzHeaderOf requires that a header is changed only if net/http finds no Host in it, and that its body stays the same.
func FuzzHeaderOf(f *testing.F) {
	for _, seed := range []string{
		tokenPUT + "\r\n", "PUT / HTTP/1.1\nhost: a\n\n", "GET / HTTP/1.1\r\nA: b\r\n Host: c\r\n\r\n", "GET / HTTP/1.1\r\nHost : b\r\n\r\n",
		"POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc", "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, sent string) {
		if headerOf([]byte(sent)) != withoutHost {
			return
		}
		p := make([]byte, len(sent)+len(oneRequest))
		n, _ := readFirst(&textConn{text: sent}, p)
		before, err := http.ReadRequest(bufio.NewReader(strings.NewReader(sent)))
		after, changed := http.ReadRequest(bufio.NewReader(strings.NewReader(string(p[:n]))))
		if (err == nil) != (changed == nil) {
			t.Fatalf("%q: %v, changed: %v", sent, err, changed)
		}
		if err != nil {
			return
		}
		if _, ok := before.Header["Host"]; ok || before.Host != before.URL.Host || after.Host != before.Host || !after.Close {
			t.Errorf("%q: host %q became %q, close %v", sent, before.Host, after.Host, after.Close)
		}
		is, err := io.ReadAll(before.Body)
		becomes, changed := io.ReadAll(after.Body)
		if string(is) != string(becomes) || (err == nil) != (changed == nil) || before.ContentLength != after.ContentLength {
			t.Errorf("%q: body %q became %q", sent, is, becomes)
		}
	})
}

// textConn is read once.
type textConn struct {
	net.Conn
	text string
}

func (c *textConn) Read(p []byte) (int, error) { return copy(p, c.text), nil }

// BenchmarkFirstRead is what the first Read of a connection takes beside the socket.
func BenchmarkFirstRead(b *testing.B) {
	p := make([]byte, 4096)
	for _, tt := range []struct{ name, text string }{
		{"with Host", "GET /latest/meta-data/ HTTP/1.1\r\nHost: 169.254.169.254\r\nAccept: */*\r\n\r\n"},
		{"without Host", tokenPUT + "\r\n"},
	} {
		b.Run(tt.name, func(b *testing.B) {
			b.ReportAllocs()
			c := &textConn{text: tt.text}
			for b.Loop() {
				_, _ = readFirst(c, p)
			}
		})
	}
}
