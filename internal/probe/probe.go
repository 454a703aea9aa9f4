// Package probe finds out what answers at an address: this daemon, another one, a real EC2 or something else.
package probe

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"mock-ec2-metadata/internal/api"
)

const (
	requestTimeout = 7 * time.Second // /status may wait for 5
	// dialTimeout is plenty for this machine's own addresses. It bounds the wait for an address that leads nowhere.
	dialTimeout = time.Second
	maxStatus   = 16 << 20 // bytes; with 10,000 identities it has 6 MB
	// maxAgain bounds how often Status asks once more, each time after a second at most. A pod was known 5 s after its first request at
	// the latest, on a busy machine.
	maxAgain = 10
)

// First returns the first of the listen addresses where a daemon answers, and its status. Otherwise it returns the first
// address and what is wrong there.
func First(ctx context.Context, addresses []string) (listen string, s *api.Status, err error) {
	for i, address := range addresses {
		s, addressErr := Status(ctx, api.StatusPage(address))
		if addressErr == nil {
			return address, s, nil
		}
		if i == 0 {
			err = addressErr
		}
	}
	return addresses[0], nil, err
}

// StrangerError says that something other than the daemon answers at an address.
type StrangerError struct {
	page   string
	answer string // e.g. 404 Not Found; "" without an HTTP answer
	server string // the Server header, "" without
	err    error  // instead of an answer
}

func (e *StrangerError) Error() string {
	switch {
	case e.answer == "":
		return fmt.Sprintf("what listens at %s does not answer as mock-ec2-metadata does: %v", e.page, e.err)
	case e.server == "":
		return fmt.Sprintf("%s answers %s, but not as mock-ec2-metadata does", e.page, e.answer)
	default:
		return fmt.Sprintf("%s answers %s, but not as mock-ec2-metadata does (it is %q)", e.page, e.answer, e.server)
	}
}

// Status reads the /status page at a URL. It fails with a *StrangerError if something else answers there.
//
// A daemon of a cluster answers 503 with Retry-After while it does not know yet which pod asks. So Status asks again then, up to 10 times.
func Status(ctx context.Context, page string) (*api.Status, error) {
	for range maxAgain {
		s, again, err := statusOnce(ctx, page)
		if again < 0 {
			return s, err
		}
		select {
		case <-ctx.Done():
			return nil, err
		case <-time.After(again):
		}
	}
	s, _, err := statusOnce(ctx, page)
	return s, err
}

// statusOnce asks once. again is how long the daemon wants the client to wait before it asks again, at most a second; negative if not.
func statusOnce(ctx context.Context, page string) (s *api.Status, again time.Duration, err error) {
	again = -1
	resp, err := request(ctx, http.MethodGet, page, http.Header{"User-Agent": {api.StatusAgent}})
	if _, malformed := errors.AsType[*url.Error](err); malformed {
		return nil, again, err
	}
	if err != nil {
		if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "dial" || ctx.Err() != nil {
			return nil, again, fmt.Errorf("nothing answers at %s: %w", page, err)
		}
		return nil, again, &StrangerError{page: page, err: err}
	}
	defer func() { _ = resp.Body.Close() }()
	if seconds, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil && resp.StatusCode == http.StatusServiceUnavailable && seconds >= 0 {
		again = time.Duration(min(seconds, 1)) * time.Second
	}
	s = &api.Status{}
	err = json.NewDecoder(io.LimitReader(resp.Body, maxStatus)).Decode(s)
	if err != nil || resp.StatusCode != http.StatusOK || s.Status == "" || s.InstanceID == "" {
		return nil, again, &StrangerError{page: page, answer: resp.Status, server: resp.Header.Get("Server")}
	}
	return s, -1, nil
}

// IsEC2 tells whether a stranger at base looks like the real service: it has EC2's name, no /status, and issues session
// tokens.
func IsEC2(ctx context.Context, base *url.URL, stranger *StrangerError) bool {
	if stranger.server != "EC2ws" {
		return false
	}
	resp, err := request(ctx, http.MethodPut, base.JoinPath("latest/api/token").String(), http.Header{"X-Aws-Ec2-Metadata-Token-Ttl-Seconds": {"60"}})
	if err != nil {
		return false
	}
	_ = resp.Body.Close()
	return resp.StatusCode == http.StatusOK && resp.Header.Get("X-Aws-Ec2-Metadata-Token-Ttl-Seconds") == "60"
}

// request makes one request and follows no redirect. It ignores proxy settings: they are for the network outside.
func request(ctx context.Context, method, address string, header http.Header) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, address, nil)
	if err != nil {
		return nil, err
	}
	req.Header = header
	client := &http.Client{
		Timeout:       requestTimeout,
		Transport:     &http.Transport{DisableKeepAlives: true, DialContext: (&net.Dialer{Timeout: dialTimeout}).DialContext},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	resp, err := client.Do(req)
	if u, ok := errors.AsType[*url.Error](err); ok {
		return nil, u.Err
	}
	return resp, err
}
