package control

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"time"

	"mock-ec2-metadata/internal/api"
)

const (
	// dialTimeout bounds connecting to a socket, which a living daemon accepts at once.
	dialTimeout   = time.Second
	clientTimeout = 75 * time.Second // an MFA code may take 70
	// margin is how much longer than the daemon the client waits in a long poll.
	margin    = 15 * time.Second
	maxAnswer = 16 << 20 // bytes; the status of 10,000 identities has 6 MB
)

// Client sends requests to the daemon behind a control socket. Its errors are an *UnreachableError when no daemon answers, and an
// *api.Refusal when the daemon does not do what it is asked. When its context ends, the error is the context's.
type Client struct{ socket string }

// NewClient makes a client of a socket. It does not connect.
func NewClient(socket string) *Client { return &Client{socket} }

// UnreachableError says that no daemon answers at a socket, and why.
type UnreachableError struct{ text string }

func (e *UnreachableError) Error() string { return e.text }

// Status reads the daemon's status document.
func (c *Client) Status(ctx context.Context) (*api.Status, error) {
	var s api.Status
	return &s, c.call(ctx, http.MethodGet, "/v1/status", nil, &s)
}

// Reload has the daemon read its configuration again. Its error has one line per problem.
func (c *Client) Reload(ctx context.Context) (api.Config, error) {
	var config api.Config
	return config, c.call(ctx, http.MethodPost, "/v1/reload", nil, &config)
}

// MFA gives the daemon an MFA code for the credentials of a role; "" is the first that wait for one. It returns whose credentials
// the code gave, in words.
func (c *Client) MFA(ctx context.Context, role, code string) (string, error) {
	var result api.MFAResult
	err := c.call(ctx, http.MethodPost, "/v1/mfa", api.MFACode{Role: role, Code: code}, &result)
	return result.Result, err
}

// call sends in as JSON, nil for no body, and reads the answer into out.
func (c *Client) call(ctx context.Context, method, path string, in, out any) error {
	_, err := c.send(ctx, clientTimeout, method, path, in, out)
	return err
}

// send is call with a timeout. It returns the status of an answer that is no refusal.
func (c *Client) send(ctx context.Context, timeout time.Duration, method, path string, in, out any) (status int, err error) {
	var body io.Reader
	if raw, ok := in.(json.RawMessage); ok {
		body = bytes.NewReader(raw) // the daemon judges it
	} else if in != nil {
		text, err := json.Marshal(in)
		if err != nil {
			return 0, err
		}
		body = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://control"+path, body)
	if err != nil {
		return 0, err
	}
	req.Header.Set("Content-Type", "application/json")
	client := &http.Client{Timeout: timeout, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{Timeout: dialTimeout}).DialContext(ctx, "unix", c.socket)
		},
	}}
	resp, err := client.Do(req)
	if err != nil && ctx.Err() != nil {
		return 0, ctx.Err()
	}
	if err != nil {
		return 0, c.unreachable(err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return 0, c.unreachable(err)
	}
	switch resp.StatusCode {
	case http.StatusNoContent:
		return resp.StatusCode, nil
	case http.StatusOK, http.StatusCreated:
		if err := json.Unmarshal(text, out); err != nil {
			return 0, fmt.Errorf("%s does not answer as mock-ec2-metadata does: %w", c.socket, err)
		}
		return resp.StatusCode, nil
	}
	refusal := &api.Refusal{Status: resp.StatusCode}
	if json.Unmarshal(text, refusal) == nil && refusal.Text != "" {
		return 0, refusal
	}
	return 0, fmt.Errorf("%s answers %s", c.socket, resp.Status)
}

// unreachable explains why a request got no answer.
func (c *Client) unreachable(err error) error {
	switch {
	case errors.Is(err, fs.ErrPermission):
		return &UnreachableError{fmt.Sprintf("%s is only for the daemon's user; run this as that user, or as root", c.socket)}
	case errors.Is(err, fs.ErrNotExist):
		return &UnreachableError{fmt.Sprintf("%s does not exist; run this where the daemon runs (docker exec mock-ec2-metadata /mock-ec2-metadata ...)", c.socket)}
	default:
		if inner := errors.Unwrap(err); inner != nil {
			err = inner // without the URL, which has no host
		}
		return &UnreachableError{fmt.Sprintf("nothing answers at %s: %v", c.socket, err)}
	}
}
