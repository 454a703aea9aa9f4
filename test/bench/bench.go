// Package bench says which requests are measured, and what a bare net/http server answers in our place. Package run beside
// it measures the built daemon, the benchmarks of cmd/mock-ec2-metadata its handler alone.
package bench

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"strings"
	"time"
)

// Role is the name of the embedded default's role.
const Role = "mock-role"

// Case is one request that is measured.
type Case struct {
	Name         string // of letters, digits and hyphens, as in the names of benchmarks
	What         string // in words
	Method, Path string
	WithToken    bool
}

// Cases are all of them, the plain GET first.
func Cases() []Case {
	const leaf = "/latest/meta-data/instance-id"
	return []Case{
		{"leaf-v1", "IMDSv1 GET of a leaf", http.MethodGet, leaf, false},
		{"leaf-v2", "IMDSv2 GET of a leaf with a token", http.MethodGet, leaf, true},
		{"credentials", "credentials document with a token", http.MethodGet, "/latest/meta-data/iam/security-credentials/" + Role, true},
		{"listing", "listing `/latest/meta-data/`", http.MethodGet, "/latest/meta-data/", false},
		{"token", "PUT token", http.MethodPut, "/latest/api/token", false},
	}
}

// Header is what the request carries; token is one that is valid.
func (c Case) Header(token string) http.Header {
	h := http.Header{}
	if c.WithToken {
		h.Set("X-aws-ec2-metadata-token", token)
	}
	if c.Method == http.MethodPut {
		h.Set("X-aws-ec2-metadata-token-ttl-seconds", "21600")
	}
	return h
}

// Ask makes the request once, of a server at url, which has no slash at the end.
func (c Case) Ask(client *http.Client, url, token string) (*Answer, error) {
	req, err := http.NewRequest(c.Method, url+c.Path, nil)
	if err != nil {
		return nil, err
	}
	req.Header = c.Header(token)
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	a := &Answer{Status: resp.StatusCode, Header: resp.Header}
	if a.Body, err = io.ReadAll(resp.Body); err != nil {
		return nil, fmt.Errorf("%s %s: %w", c.Method, c.Path, err)
	}
	a.Header.Del("Date") // net/http's own
	return a, nil
}

// Answer is what the daemon has answered, and a bare server answers again.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// Save writes an answer to a file.
func (a *Answer) Save(file string) error {
	data, err := json.Marshal(a)
	if err != nil {
		return err
	}
	return os.WriteFile(file, data, 0o600)
}

// LoadAnswer reads it back.
func LoadAnswer(file string) (*Answer, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	a := &Answer{}
	if err := json.Unmarshal(data, a); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return a, nil
}

// Server is the bare server, with internal/server's settings: each timeout is a call that net/http makes for a request.
func Server(address string, handler http.Handler) *http.Server {
	return &http.Server{
		Addr:                         address,
		Handler:                      handler,
		ReadHeaderTimeout:            5 * time.Second,
		ReadTimeout:                  10 * time.Second,
		WriteTimeout:                 10 * time.Second,
		IdleTimeout:                  2 * time.Minute,
		MaxHeaderBytes:               32 << 10,
		DisableGeneralOptionsHandler: true,
	}
}

// ServeHTTP answers whatever is asked, with nothing made for one request that could be made before.
func (a *Answer) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	maps.Copy(w.Header(), a.Header)
	w.WriteHeader(a.Status)
	_, _ = w.Write(a.Body)
}

// Differ says in what two answers differ, "" if in nothing. The seconds that a token has left do not count.
func (a *Answer) Differ(b *Answer) string {
	const left = "X-Aws-Ec2-Metadata-Token-Ttl-Seconds"
	var wrong []string
	if a.Status != b.Status {
		wrong = append(wrong, fmt.Sprintf("status %d and %d", a.Status, b.Status))
	}
	for name := range a.Header {
		if x, y := strings.Join(a.Header[name], ", "), strings.Join(b.Header[name], ", "); x != y && (name != left || y == "") {
			wrong = append(wrong, fmt.Sprintf("%s: %q and %q", name, x, y))
		}
	}
	for name := range b.Header {
		if a.Header[name] == nil {
			wrong = append(wrong, fmt.Sprintf("%s: %q and %q", name, "", strings.Join(b.Header[name], ", ")))
		}
	}
	if string(a.Body) != string(b.Body) {
		wrong = append(wrong, "other bodies")
	}
	return strings.Join(wrong, "; ")
}
