package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

const (
	// tokenSeconds is how long a session token is valid: longer than an import takes.
	tokenSeconds = "60"
	// answerTime bounds one request.
	answerTime = 5 * time.Second
	// maxTries is how often a request is sent that fails for a moment.
	maxTries = 3
	maxToken = 4 << 10 // bytes
)

// imdsClient asks a metadata service with session tokens (IMDSv2). It follows no redirect and uses no proxy: what is asked for is of an
// instance alone.
type imdsClient struct {
	base   *url.URL
	http   *http.Client
	limits crawlLimits
	token  string
	last   time.Time // of the last request
}

func newIMDSClient(base *url.URL, limits crawlLimits, dial dialFunc) *imdsClient {
	if dial == nil {
		dial = (&net.Dialer{Timeout: answerTime}).DialContext
	}
	return &imdsClient{base: base, limits: limits, http: &http.Client{
		Timeout:       answerTime,
		Transport:     &http.Transport{DialContext: dial, DisableCompression: true, MaxIdleConns: 1, MaxResponseHeaderBytes: 64 << 10},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// newToken gets a session token.
func (c *imdsClient) newToken(ctx context.Context) error {
	status, body, err := c.try(ctx, http.MethodPut, "api/token", maxToken)
	host := c.base.Host
	none := fmt.Errorf("%s: what it gives as a session token is none; it is no metadata service of EC2 with IMDSv2", host)
	if _, long := errors.AsType[*tooLongError](err); long {
		return none
	}
	switch {
	case err != nil && ctx.Err() == nil && !errors.Is(err, errNoAnswer):
		return fmt.Errorf("%s: cannot be asked: %w; run it on the instance, or name the service: --from-imds http://HOST:PORT/", host, err)
	case err != nil && ctx.Err() == nil:
		return fmt.Errorf("%s: no session token: %w; is the hop limit too low? run it on the instance itself, not in a container", host, err)
	case err != nil:
		return err
	case status == http.StatusForbidden:
		return fmt.Errorf("%s: refuses a session token (403); the metadata service is disabled, or does not allow this client", host)
	case status != http.StatusOK:
		return fmt.Errorf("%s: has no session tokens (%d); it is no metadata service of EC2 with IMDSv2", host, status)
	}
	token := string(body)
	if token == "" || strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return none
	}
	c.token = token
	return nil
}

// get returns the answer at a path below the version; found is false for 404. A token that has expired is replaced once.
func (c *imdsClient) get(ctx context.Context, path string) (body []byte, found bool, err error) {
	for again := true; ; again = false {
		status, body, err := c.try(ctx, http.MethodGet, path, c.limits.bytes)
		switch {
		case err != nil && ctx.Err() == nil:
			return nil, false, fmt.Errorf("%s: %s: %w", c.base.Host, path, err)
		case err != nil:
			return nil, false, err
		case status == http.StatusUnauthorized && again:
			if err := c.newToken(ctx); err != nil {
				return nil, false, err
			}
			continue
		case status == http.StatusNotFound:
			return nil, false, nil
		case status >= 300 && status < 400:
			return nil, false, fmt.Errorf("%s: %s: redirects (%d), which no metadata service of EC2 does", c.base.Host, path, status)
		case status != http.StatusOK:
			return nil, false, fmt.Errorf("%s: %s: answers %d; try again later", c.base.Host, path, status)
		}
		return body, true, nil
	}
}

// try sends a request, and up to twice more if it fails for a moment: 429, 503, or a connection that breaks.
func (c *imdsClient) try(ctx context.Context, method, path string, most int64) (status int, body []byte, err error) {
	for tries := 1; ; tries++ {
		status, body, err = c.once(ctx, method, path, most)
		passing := status == http.StatusServiceUnavailable || status == http.StatusTooManyRequests
		if tooLong := (*tooLongError)(nil); err != nil {
			passing = !errors.As(err, &tooLong)
		}
		if !passing || tries == maxTries || ctx.Err() != nil {
			return status, body, err
		}
		if err := pause(ctx, time.Duration(tries)*c.limits.retry); err != nil {
			return 0, nil, err
		}
	}
}

// tooLongError says that an answer is longer than any of EC2's.
type tooLongError struct{ most int64 }

func (e *tooLongError) Error() string {
	return fmt.Sprintf("more than %d bytes; no value of EC2 is", e.most)
}

// once sends one request, not sooner than the pause after the one before.
func (c *imdsClient) once(ctx context.Context, method, path string, most int64) (status int, body []byte, err error) {
	if wait := c.limits.pause - time.Since(c.last); !c.last.IsZero() && wait > 0 {
		if err := pause(ctx, wait); err != nil {
			return 0, nil, err
		}
	}
	c.last = time.Now()
	target := *c.base
	target.Path = "/latest/" + path
	req, err := http.NewRequestWithContext(ctx, method, target.String(), nil)
	if err != nil {
		return 0, nil, err
	}
	if method == http.MethodPut {
		req.Header.Set("X-aws-ec2-metadata-token-ttl-seconds", tokenSeconds)
	} else {
		req.Header.Set("X-aws-ec2-metadata-token", c.token)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return 0, nil, plainError(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err = io.ReadAll(io.LimitReader(resp.Body, most+1))
	if int64(len(body)) > most && resp.StatusCode == http.StatusOK {
		return 0, nil, &tooLongError{most}
	}
	return resp.StatusCode, body, plainError(err)
}

var errNoAnswer = fmt.Errorf("no answer within %s", answerTime)

// plainError is an error of package http without the URL, and without what it says of its own time-out.
func plainError(err error) error {
	failed, ok := errors.AsType[*url.Error](err)
	switch {
	case ok && failed.Timeout(), errors.Is(err, context.DeadlineExceeded):
		return errNoAnswer
	case ok:
		return failed.Err
	default:
		return err
	}
}

// pause waits, or returns the error of the context.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
