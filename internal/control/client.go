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
	maxAnswer     = 16 << 20         // bytes; the status of 10,000 identities has 6 MB
)

// Client sends requests to the daemon behind a control socket.
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

// call sends in as JSON, nil for no body, and reads the answer into out. It fails with an *UnreachableError when no daemon
// answers, otherwise with the daemon's own words.
func (c *Client) call(ctx context.Context, method, path string, in, out any) error {
	var body io.Reader
	if in != nil {
		text, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://control"+path, body)
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	client := &http.Client{Timeout: clientTimeout, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{Timeout: dialTimeout}).DialContext(ctx, "unix", c.socket)
		},
	}}
	resp, err := client.Do(req)
	if err != nil {
		return c.unreachable(err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return c.unreachable(err)
	}
	if resp.StatusCode != http.StatusOK {
		var refusal api.Error
		if json.Unmarshal(text, &refusal) == nil && refusal.Error != "" {
			return errors.New(refusal.Error)
		}
		return fmt.Errorf("%s answers %s", c.socket, resp.Status)
	}
	if err := json.Unmarshal(text, out); err != nil {
		return fmt.Errorf("%s does not answer as mock-ec2-metadata does: %w", c.socket, err)
	}
	return nil
}

// unreachable explains why a request got no answer.
func (c *Client) unreachable(err error) error {
	switch {
	case errors.Is(err, fs.ErrPermission):
		return &UnreachableError{fmt.Sprintf("%s is only for the daemon's user; run this as that user, or as root", c.socket)}
	case errors.Is(err, fs.ErrNotExist):
		return &UnreachableError{fmt.Sprintf("%s does not exist; run this where the daemon runs (docker exec mock-ec2-metadata /mock-ec2-metadata ...)", c.socket)}
	default:
		return &UnreachableError{fmt.Sprintf("nothing answers at %s: %v", c.socket, errors.Unwrap(err))}
	}
}
