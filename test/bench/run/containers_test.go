package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	shared "mock-ec2-metadata/test/bench"
	"mock-ec2-metadata/test/stsfake"
)

func TestIDOf(t *testing.T) {
	const status = `{"identities": [{"role": "jobs", "credentials_id": "1"}, {"role": "web", "identity": "clients[0]"}, {"role": "web", "credentials_id": "2"}]}`
	for _, tt := range []struct{ name, status, role, want, err string }{
		{name: "found", status: status, role: "web", want: "2"},
		{name: "no such role", status: status, role: "other", err: "/status has no id of the role other"},
		{name: "no status", status: "<html>", role: "web", err: "/status: invalid character '<' looking for beginning of value"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/status" {
					_, _ = w.Write([]byte(tt.status))
				}
			}))
			defer s.Close()
			got, err := idOf(&server{addr: strings.TrimPrefix(s.URL, "http://")}, tt.role)
			if got != tt.want || text(err) != tt.err {
				t.Errorf("%q, %q", got, text(err))
			}
		})
	}
}

func TestCheckDocument(t *testing.T) {
	const keys = `"AccessKeyId":"ASIA1","SecretAccessKey":"s","Token":"t","Expiration":"2030-01-01T00:00:00Z"}`
	for _, tt := range []struct {
		name, body string
		status     int
		bad        bool
	}{
		{name: "of a container", status: 200, body: `{"RoleArn":"arn:aws:iam::123456789012:role/web",` + keys},
		{name: "of a pod", status: 200, body: `{"AccountId":"123456789012",` + keys},
		{name: "of another role", status: 200, body: `{"RoleArn":"arn:aws:iam::123456789012:role/jobs",` + keys, bad: true},
		{name: "of another account", status: 200, body: `{"AccountId":"210987654321",` + keys, bad: true},
		{name: "without a token", status: 200, body: strings.Replace(`{"AccountId":"123456789012",`+keys, `"Token":"t",`, "", 1), bad: true},
		{name: "no JSON", status: 200, body: "ok", bad: true},
		{name: "refused", status: 400, body: `{"AccountId":"123456789012",` + keys, bad: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := checkDocument(&shared.Answer{Status: tt.status, Body: []byte(tt.body)})
			if (err != nil) != tt.bad || strings.Contains(text(err), "ASIA1") {
				t.Errorf("%v", err)
			}
		})
	}
}

// TestAskContainer_RefusesCredentialsOfAnotherRole checks what finds wrong answers.
func TestAskContainer_RefusesCredentialsOfAnotherRole(t *testing.T) {
	w := &world{sts: stsfake.New()}
	for _, tt := range []struct {
		name   string
		status int
		want   string
	}{
		{name: "issued by nobody", status: 200, want: `wrong answer: 200 with credentials of "", not of arn:aws:iam::123456789012:role/web`},
		{name: "refused", status: 400, want: `wrong answer: 400 with credentials of "", not of arn:aws:iam::123456789012:role/web`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(tt.status)
				_, _ = w.Write([]byte(`{"AccessKeyId":"ASIA1"}`))
			}))
			defer s.Close()
			container, _ := shared.ContainerCases("id", "token")
			err := w.askContainer(t.Context(), target{&server{addr: strings.TrimPrefix(s.URL, "http://")}, container})
			if text(err) != tt.want {
				t.Errorf("%q\nwant %q", text(err), tt.want)
			}
		})
	}
}

func TestContainerRows(t *testing.T) {
	ours := []load{{5000, 2 * time.Millisecond, 20 * time.Microsecond}, {4000, 2 * time.Millisecond, 22 * time.Microsecond}}
	theirs := []load{{100, 30 * time.Millisecond, 400 * time.Microsecond}, {100, 32 * time.Millisecond, 420 * time.Microsecond}}
	container, _ := shared.ContainerCases("id", "token")
	var b strings.Builder
	printTable(&b, []row{
		coldContainersRow(&cold{calls: 1, last: 40 * time.Millisecond}, nil),
		coldContainersRow(&cold{calls: 2, last: 40 * time.Millisecond}, &cold{calls: 100, last: 90 * time.Millisecond}),
		ofPeer(container, 16, ours, theirs),
	})
	const want = `| 100 cold clients of one role, STS takes 20 ms: calls of STS | 1 | 1 | ok | half of them containers, half pods; the last has credentials after 40 ms |
| 100 cold clients of one role, STS takes 20 ms: calls of STS | 1 | 2 | short | half of them containers, half pods; the last has credentials after 40 ms; ecs-local, containers only: 100 calls, 90 ms |
` + "| `GET /v2/credentials/<id>`, 16 connections, STS takes 20 ms: requests a second, of ecs-local's | ≥ 50 | 45 | short | 40–50; 4,500, ecs-local 100; 21.0 µs of processor time a request, ecs-local 410.0 µs; p99 2.0 ms and 31.0 ms |\n"
	if _, got, _ := strings.Cut(b.String(), "|---|---|---|---|---|\n"); got != want {
		t.Errorf("(-want +got):\n%s", cmp.Diff(want, got))
	}
}
