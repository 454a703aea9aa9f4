package app

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mock-ec2-metadata/internal/control"
	"mock-ec2-metadata/internal/testutil"
)

// controlled is a daemon with a control socket. Its clients can come from other addresses than the loopback's; see masks.
type controlled struct {
	*daemon
	t      *testing.T
	socket string
	client *http.Client // of the socket
}

// masks has the addresses that clients seem to have that connect from an address of the loopback.
var masks = map[string]string{
	"127.0.0.9": "192.168.1.9", "127.0.0.10": "10.1.1.1", "127.0.0.11": "2001:db8::9", "127.0.0.12": "10.1.1.2", "127.0.0.14": "10.1.1.4", "127.0.0.17": "172.17.0.5",
}

// masked is a listener whose connections have the addresses of masks.
type masked struct{ *net.TCPListener }

func (m masked) Accept() (net.Conn, error) {
	c, err := m.AcceptTCP()
	if err != nil {
		return nil, err
	}
	return maskedConn{c}, nil
}

type maskedConn struct{ *net.TCPConn }

func (c maskedConn) RemoteAddr() net.Addr {
	at := c.TCPConn.RemoteAddr().(*net.TCPAddr)
	if mask := masks[at.IP.String()]; mask != "" {
		return &net.TCPAddr{IP: net.ParseIP(mask), Port: at.Port}
	}
	return at
}

// maskOf is the address of the loopback that seems to be a client's.
func maskOf(client string) string {
	for from, to := range masks {
		if to == client {
			return from
		}
	}
	return client
}

// controlledBy runs a daemon with a configuration and a control socket until the test ends. The home is isolated.
func controlledBy(t *testing.T, yaml string, change ...func(*Options)) *controlled {
	t.Helper()
	testutil.Write(t, "conf/config.yaml", yaml)
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &controlled{t: t, socket: filepath.Join(shortDir(t), "c.sock")}
	opt := options(load(t, "conf/config.yaml"))
	opt.Listen, opt.Listeners = nil, []net.Listener{masked{l.(*net.TCPListener)}}
	opt.Control = func(a *App) (Control, error) {
		return control.Listen(c.socket, "", "", a, slog.New(slog.DiscardHandler))
	}
	for _, edit := range change {
		edit(&opt)
	}
	c.daemon = startWith(t, opt)
	c.client = &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", c.socket)
	}}}
	t.Cleanup(c.client.CloseIdleConnections)
	return c
}

// shortDir makes a directory whose path leaves room for a socket's.
func shortDir(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if len(dir) > 80 {
		t.Fatalf("%s is too long for a socket", dir)
	}
	return dir
}

// call sends a request to the socket.
func (c *controlled) call(method, path, body string) (status int, answer string) {
	c.t.Helper()
	var in io.Reader
	if body != "" {
		in = strings.NewReader(body)
	}
	r, err := http.NewRequestWithContext(c.t.Context(), method, "http://control"+path, in)
	if err != nil {
		c.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	resp, err := c.client.Do(r)
	if err != nil {
		c.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

// ask reads a document of the socket, which must answer 200 or 202.
func ask[T any](c *controlled, method, path, body string) T {
	c.t.Helper()
	var document T
	status, text := c.call(method, path, body)
	if err := json.Unmarshal([]byte(text), &document); err != nil || status != http.StatusOK && status != http.StatusAccepted {
		c.t.Fatalf("%s %s: %d %s %v", method, path, status, text, err)
	}
	return document
}

// wantRefusal expects an error of the socket, word by word.
func (c *controlled) wantRefusal(method, path, body string, status int, field, text string) {
	c.t.Helper()
	var got struct{ Error, Field string }
	code, answer := c.call(method, path, body)
	if err := json.Unmarshal([]byte(answer), &got); err != nil || code != status || got.Error != text || got.Field != field {
		c.t.Errorf("%s %s: %d %s\nwant %d %s: %s", method, path, code, answer, status, field, text)
	}
}

// dial connects to the metadata service as a client.
func (c *controlled) dial(client string) net.Conn {
	c.t.Helper()
	return c.dialAt(c.Addrs()[0].String(), client)
}

func (c *controlled) dialAt(listener, client string) net.Conn {
	c.t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(maskOf(client))}}
	conn, err := d.DialContext(c.t.Context(), "tcp", listener)
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	return conn
}

// wire is an answer of the metadata service; status is 0 for a connection that it has closed without one.
type wire struct {
	status int
	body   string
	header http.Header
}

// raw sends the text of a request as a client.
func (c *controlled) raw(client, request string) wire {
	c.t.Helper()
	return c.rawAt(c.Addrs()[0].String(), client, request)
}

// rawAt is raw at another listener.
func (c *controlled) rawAt(listener, client, request string) wire {
	c.t.Helper()
	conn := c.dialAt(listener, client)
	defer func() { _ = conn.Close() }()
	_, _ = io.WriteString(conn, request) // a refused one need not be read to its end
	method, _, _ := strings.Cut(request, " ")
	resp, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: method})
	if err != nil {
		return wire{}
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	return wire{resp.StatusCode, string(body), resp.Header}
}

// plain is the text of a GET with more headers, each of which ends with \r\n.
func plainGet(path, host, headers string) string {
	return "GET " + path + " HTTP/1.1\r\nHost: " + host + "\r\n" + headers + "\r\n"
}

// settings writes a configuration and has it read.
func (c *controlled) settings(yaml string) {
	c.t.Helper()
	testutil.Write(c.t, "conf/config.yaml", yaml)
	if err := c.Reload("a test"); err != nil {
		c.t.Fatal(err)
	}
}
