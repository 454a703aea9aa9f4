//go:build kube && linux

package kube

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"
)

// A client talks JSON with an API server as one user: thousands of objects a minute, which kubectl cannot make.
type client struct {
	url   string
	token string // "" if the transport has a certificate
	http  *http.Client
}

// certified is a transport that trusts an authority and, if identity is not "", shows the certificate of identity.crt and .key.
func certified(authority, identity string) (*http.Transport, error) {
	pem, err := os.ReadFile(authority)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s: no certificate", authority)
	}
	config := &tls.Config{RootCAs: pool}
	if identity != "" {
		pair, err := tls.LoadX509KeyPair(identity+".crt", identity+".key")
		if err != nil {
			return nil, err
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return &http.Transport{TLSClientConfig: config, MaxIdleConnsPerHost: 16}, nil
}

// as is the same client with another user's token.
func (c *client) as(token string) *client {
	other := *c
	other.token = token
	transport := c.http.Transport.(*http.Transport).Clone()
	transport.TLSClientConfig.Certificates = nil
	other.http = &http.Client{Transport: transport}
	return &other
}

// open sends a request and returns the response, whatever its status. body is nil, or becomes JSON.
func (c *client) open(ctx context.Context, method, path string, body any) (*http.Response, error) {
	var content io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		content = bytes.NewReader(text)
	}
	request, err := http.NewRequestWithContext(ctx, method, c.url+path, content)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/json")
	if method == http.MethodPatch {
		request.Header.Set("Content-Type", "application/merge-patch+json")
	}
	if c.token != "" {
		request.Header.Set("Authorization", "Bearer "+c.token)
	}
	return c.http.Do(request)
}

// try sends a request and decodes the answer into out, unless that is nil. A status of 400 or more is no error.
func (c *client) try(ctx context.Context, method, path string, body, out any) (int, error) {
	response, err := c.open(ctx, method, path, body)
	if err != nil {
		return 0, err
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil || out == nil || response.StatusCode >= http.StatusBadRequest {
		return response.StatusCode, err
	}
	return response.StatusCode, json.Unmarshal(text, out)
}

// do is try, and fails the test at a status of 400 or more.
func (c *client) do(t *testing.T, method, path string, body, out any) {
	t.Helper()
	status, err := c.try(t.Context(), method, path, body, out)
	if err != nil || status >= http.StatusBadRequest {
		t.Fatalf("%s %s: status %d, error %v", method, path, status, err)
	}
}

// namespace makes a namespace with the annotations and returns its name.
func (c *client) namespace(t *testing.T, annotations map[string]string) string {
	t.Helper()
	name := "test-" + strings.ToLower(rand.Text()[:8])
	c.do(t, http.MethodPost, "/api/v1/namespaces", object{"metadata": object{"name": name, "annotations": annotations}}, nil)
	return name
}

// object is JSON.
type object = map[string]any

// event is one line of a watch.
type event struct {
	Type   string
	Object json.RawMessage
}

// exists is a condition for waitFor: any object does.
func exists(json.RawMessage) bool { return true }

// waitFor watches the named object of a collection, such as /api/v1/namespaces/default/pods, until it is there and ok says true.
func (c *client) waitFor(t *testing.T, collection, name string, limit time.Duration, ok func(json.RawMessage) bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	query := url.Values{"watch": {"1"}, "fieldSelector": {"metadata.name=" + name}}
	response, err := c.open(ctx, http.MethodGet, collection+"?"+query.Encode(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		t.Fatalf("watch of %s: status %d", collection, response.StatusCode)
	}
	last := "none"
	for lines := json.NewDecoder(response.Body); ; {
		var e event
		if err := lines.Decode(&e); err != nil {
			t.Fatalf("%s %s is not as wanted within %v (%v): %s", collection, name, limit, errors.Join(err, ctx.Err()), last)
		}
		if last = e.Type + " " + string(e.Object); e.Type != "DELETED" && e.Type != "ERROR" && ok(e.Object) {
			return
		}
	}
}
