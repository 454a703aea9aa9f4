//go:build kube && linux

package kube

import (
	"encoding/json"
	"io"
	"net/http"
	"path"
	"testing"
	"time"

	"mock-ec2-metadata/internal/testutil"
)

const (
	metadata = "http://169.254.169.254/latest/meta-data/"
	// rolesPath lists a client's role, and has its credentials below.
	rolesPath = metadata + "iam/security-credentials/"
)

// An answer is what a client has got. status is 0 if there was none.
type answer struct {
	status int
	body   string
	header http.Header
	err    error
}

// ask sends a GET on a client, with pairs of header names and values.
func ask(t *testing.T, client *http.Client, url string, header ...string) answer {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	response, err := client.Do(request)
	if err != nil {
		return answer{err: err}
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	return answer{response.StatusCode, string(text), response.Header, err}
}

// get asks once from inside a machine, on a connection of its own.
func (m machine) get(t *testing.T, url string, header ...string) answer {
	t.Helper()
	return ask(t, m.client(t, false), url, header...)
}

// want checks the status of an answer and returns its body.
func (a answer) want(t *testing.T, status int) string {
	t.Helper()
	if a.status != status || a.err != nil {
		t.Errorf("status %d, error %v, body %q; want %d", a.status, a.err, a.body, status)
	}
	return a.body
}

// wantGets checks that a machine gets credentials of a role, and is told no other.
func (p *product) wantGets(t *testing.T, m machine, role string) {
	t.Helper()
	name := path.Base(role)
	if got := m.get(t, rolesPath).want(t, http.StatusOK); got != name {
		t.Errorf("the role is %q, want %q", got, name)
		return
	}
	p.laptop.wantRole(t, m.get(t, rolesPath+name).want(t, http.StatusOK), role)
}

// wantSoonGets waits until a machine is told a role, and checks its credentials. The watch of the daemon may lag by a moment.
func (p *product) wantSoonGets(t *testing.T, m machine, role string) {
	t.Helper()
	testutil.EventuallyWithin(t, 10*time.Second, "role "+role, func() bool { return m.get(t, rolesPath).body == path.Base(role) })
	p.wantGets(t, m, role)
}

// wantNone checks that a machine has no role.
func (p *product) wantNone(t *testing.T, m machine) {
	t.Helper()
	m.get(t, metadata+"iam/").want(t, http.StatusNotFound)
}

// code is Code of a credentials document, and message its Message.
func code(t *testing.T, document string) (code, message string) {
	t.Helper()
	var d struct{ Code, Message string }
	if err := json.Unmarshal([]byte(document), &d); err != nil {
		t.Errorf("no document: %v: %s", err, document)
	}
	return d.Code, d.Message
}
