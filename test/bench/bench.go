// Package bench defines the requests that are measured and the answer that a bare net/http server gives in the daemon's
// place. Package run measures the built daemon; the benchmarks of internal/app measure its handler alone.
package bench

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"strings"
)

// Role is the name of the embedded default's role.
const Role = "mock-role"

// Case is one request that is measured.
type Case struct {
	Name         string // letters, digits and hyphens, as in the names of benchmarks
	What         string // for the report
	Method, Path string
	WithToken    bool
	// Authorization is that header; "" for none.
	Authorization string
}

// Cases returns all requests of metadata that are measured; the plain GET comes first.
func Cases() []Case {
	const leaf = "/latest/meta-data/instance-id"
	return []Case{
		{Name: "leaf-v1", What: "IMDSv1 GET of a leaf", Method: http.MethodGet, Path: leaf},
		{Name: "leaf-v2", What: "IMDSv2 GET of a leaf with a token", Method: http.MethodGet, Path: leaf, WithToken: true},
		{
			Name: "credentials", What: "credentials document with a token",
			Method: http.MethodGet, Path: "/latest/meta-data/iam/security-credentials/" + Role, WithToken: true,
		},
		{Name: "listing", What: "listing `/latest/meta-data/`", Method: http.MethodGet, Path: "/latest/meta-data/"},
		{Name: "token", What: "PUT token", Method: http.MethodPut, Path: "/latest/api/token"},
	}
}

// Header returns the request's headers; token is a valid session token.
func (c Case) Header(token string) http.Header {
	h := http.Header{}
	if c.WithToken {
		h.Set("X-aws-ec2-metadata-token", token)
	}
	if c.Method == http.MethodPut {
		h.Set("X-aws-ec2-metadata-token-ttl-seconds", "21600")
	}
	if c.Authorization != "" {
		h.Set("Authorization", c.Authorization)
	}
	return h
}

// Ask sends the request once. url is the server's, without a slash at the end.
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
	a.Header.Del("Date") // net/http sets it
	return a, nil
}

// Answer is an answer of the daemon, which the bare server repeats.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// Save writes the answer to a file.
func (a *Answer) Save(file string) error {
	data, err := json.Marshal(a)
	if err != nil {
		return err
	}
	return os.WriteFile(file, data, 0o600)
}

// LoadAnswer reads an answer that Save has written.
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

// ServeHTTP writes the answer to any request. It makes nothing that could be made before.
func (a *Answer) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	maps.Copy(w.Header(), a.Header)
	w.WriteHeader(a.Status)
	_, _ = w.Write(a.Body)
}

// Differ describes the differences between two answers; "" means none. It ignores the value of a token's remaining seconds.
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
