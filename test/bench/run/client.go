package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"time"

	shared "mock-ec2-metadata/test/bench"
)

// client asks a daemon over one connection from an address of its own, as wrk cannot. It allocates nothing for a request.
type client struct {
	member  shared.Member
	host    string
	token   string
	conn    net.Conn
	reader  *bufio.Reader
	body    []byte // of the last answer
	request []byte // what ask sends: a GET of the credentials with a token, unless it is changed
	varies  bool   // each answer is another one
}

// dial connects a client and gets it a session token.
func dial(ctx context.Context, addr string, m shared.Member) (*client, error) {
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: m.Address.AsSlice()}}
	conn, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	c := &client{member: m, host: addr, conn: conn, reader: bufio.NewReaderSize(conn, 8<<10)}
	status, err := c.do(requestBytes(http.MethodPut, "/latest/api/token", addr, "X-aws-ec2-metadata-token-ttl-seconds", "21600"))
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("no token: %d %q", status, c.body)
	}
	if err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("%s: %w", m.Address, err)
	}
	c.token = string(c.body)
	c.request = requestBytes(http.MethodGet, "/latest/meta-data/iam/security-credentials/"+m.Role, addr, "X-aws-ec2-metadata-token", c.token)
	return c, nil
}

func requestBytes(method, path, host, header, value string) []byte {
	return fmt.Appendf(nil, "%s %s HTTP/1.1\r\nHost: %s\r\n%s: %s\r\n\r\n", method, path, host, header, value)
}

func (c *client) close() { _ = c.conn.Close() }

// ask sends the request once.
func (c *client) ask() (status int, err error) { return c.do(c.request) }

// do sends a request and reads the answer.
func (c *client) do(request []byte) (status int, err error) {
	if err := c.conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		return 0, err
	}
	if _, err := c.conn.Write(request); err != nil {
		return 0, err
	}
	status, c.body, err = readAnswer(c.reader, c.body[:0])
	return status, err
}

var contentLength = []byte("Content-Length: ")

// readAnswer reads one answer, and appends its body to room. It wants what the daemon writes: a Content-Length.
func readAnswer(r *bufio.Reader, room []byte) (status int, body []byte, err error) {
	line, err := r.ReadSlice('\n')
	if err != nil {
		return 0, room, err
	}
	if len(line) < len("HTTP/1.1 200") {
		return 0, room, fmt.Errorf("an answer begins with %q", line)
	}
	if status, err = strconv.Atoi(string(line[9:12])); err != nil {
		return 0, room, fmt.Errorf("an answer begins with %q", line)
	}
	length := -1
	for {
		if line, err = r.ReadSlice('\n'); err != nil {
			return 0, room, err
		}
		line = bytes.TrimRight(line, "\r\n")
		if len(line) == 0 {
			break
		}
		if value, ok := bytes.CutPrefix(line, contentLength); ok {
			if length, err = strconv.Atoi(string(value)); err != nil {
				return 0, room, err
			}
		}
	}
	if length < 0 {
		return 0, room, errors.New("an answer has no Content-Length")
	}
	for len(room) < length {
		part, err := r.Peek(min(length-len(room), r.Size()))
		if err != nil {
			return 0, room, err
		}
		room = append(room, part...)
		_, _ = r.Discard(len(part))
	}
	return status, room, nil
}

// keyOf returns the access key id of a credentials document; "" if it is none.
func keyOf(document []byte) string {
	var d struct{ Code, AccessKeyID string }
	if json.Unmarshal(document, &d) != nil || d.Code != "Success" {
		return ""
	}
	return d.AccessKeyID
}
