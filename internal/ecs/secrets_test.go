package ecs

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"mock-ec2-metadata/internal/web"
)

func TestLogPath_LeavesOutIDs(t *testing.T) {
	for _, tt := range []struct{ name, target, want string }{
		{"version 2", "/v2/credentials/" + id, "/v2/credentials/…"},
		{"version 1", "/v1/credentials?id=" + id, "/v1/credentials"},
		{"double slashes", "//v2//credentials//" + id, "/v2/credentials/…"},
		{"slash at the end", "/v2/credentials/" + id + "/", "/v2/credentials/…"},
		{"escapes", "/v2%2Fcredentials%2F" + id, "/v2/credentials/…"},
		{"a client that appends a path", "/v2/credentials/" + id + "/latest/meta-data", "/v2/credentials/…"},
		{"a client with a prefix", "/prefix/v2/credentials/" + id, "/prefix/v2/credentials/…"},
		{"before it", "/" + id + "/v2/credentials/x", "/…/v2/credentials/…"},
		{"task metadata", "/v4/" + id + "/task", "/v4/…/task"},
		{"task metadata of version 2", "/v2/metadata/" + id, "/v2/metadata/…"},
		{"by path", "/role-arn/arn:aws:iam::123456789012:role/p/web", "/role-arn/arn:aws:iam::123456789012:role/p/web"},
		{"no id", "/v2/credentials/", "/v2/credentials/"},
		{"another surface", "/latest/meta-data/iam/security-credentials/web", "/latest/meta-data/iam/security-credentials/web"},
		{"another version", "/v3/credentials/" + id, "/v3/credentials/…"},
		{"mistyped", "/v2/credential-x/" + id + "/y", "/v2/credential-x/…/y"},
		{"capitals", "/V2/" + strings.ToUpper(id), "/V2/…"},
		{"twice", "/" + id + id, "/……"},
		{"shorter", "/" + id[1:], "/" + id[1:]},
		{"as it was sent", "//latest//meta-data/", "//latest//meta-data/"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := LogPath(httptest.NewRequest(http.MethodGet, tt.target, nil)); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// logged runs requests through the access log and the handler, and returns all that is logged.
func logged(s Selector, requests ...*http.Request) string {
	var out bytes.Buffer
	access := &web.AccessLog{
		Out: &out, Enabled: func() bool { return true }, Version: func(*http.Request) string { return "" }, LogPath: LogPath,
	}
	h := access.Wrap(NewHandler(slog.New(slog.NewTextHandler(&out, nil)), s))
	for _, r := range requests {
		h.ServeHTTP(httptest.NewRecorder(), r)
	}
	return out.String()
}

func TestLog_HoldsNoID(t *testing.T) {
	for _, tt := range []struct {
		name     string
		selector *byID
		header   http.Header
		want     string
	}{
		{"success", only(valid()), nil, "status=200"},
		{"unknown", &byID{}, nil, "the id is unknown"},
		{"proxy", only(valid()), http.Header{"Via": {id}}, "a proxy has forwarded the request"},
		{"unknown client", &byID{err: errors.New("nothing runs there")}, nil, `reason="nothing runs there"`},
		{"no credentials", only(&source{err: &CredentialError{Code: "Failed", Message: "no"}}), nil, "status=403"},
		{"panic", &byID{panics: "oops"}, nil, "panic=oops"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var requests []*http.Request
			for _, target := range []string{"/v2/credentials/" + id, "/v1/credentials?id=" + id, "/v2/credentials/" + id + "/"} {
				r := httptest.NewRequest(http.MethodGet, target, nil)
				r.Header = tt.header
				requests = append(requests, r)
			}
			got := logged(tt.selector, requests...)
			if strings.Contains(got, id) || !strings.Contains(got, tt.want) {
				t.Errorf("logged %s, want %s", got, tt.want)
			}
		})
	}
}

func TestLog_NamesRefusalsOnceAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		h := NewHandler(slog.New(slog.NewTextHandler(&out, nil)), &byID{})
		ask := func() string {
			out.Reset()
			r := httptest.NewRequest(http.MethodGet, "/v2/credentials/"+id, nil)
			r.RemoteAddr = "172.17.0.2:40000"
			h(httptest.NewRecorder(), r)
			_, line, _ := strings.Cut(strings.TrimSpace(out.String()), " ")
			return line
		}
		const want = `level=WARN msg="container credentials refused" client=172.17.0.2:40000 ` +
			`reason="the id is unknown, or this client may not have its role" ` +
			`hint="ids change with the names of roles and containers; this machine finds the current ones in /status"`
		if got := ask(); got != want {
			t.Errorf("logged %s\nwant %s", got, want)
		}
		time.Sleep(time.Minute - time.Nanosecond)
		if got := ask(); got != "" {
			t.Errorf("logged %s within a minute", got)
		}
		time.Sleep(time.Nanosecond)
		if got := ask(); got != want {
			t.Errorf("logged %q after a minute", got)
		}
	})
}

func TestCredentials_RedactThemselves(t *testing.T) {
	c := valid().c
	var out bytes.Buffer
	slog.New(slog.NewTextHandler(&out, nil)).Info("x", "credentials", c)
	slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "credentials", c)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%q"} {
		fmt.Fprintf(&out, verb, c)
		fmt.Fprintf(&out, verb, *c)
	}
	for _, secret := range []string{"wJalr", "IQoJ", "ASIA", "774a616c", "119 74 97", "0x77, 0x4a", document[:20]} {
		if strings.Contains(out.String(), secret) {
			t.Errorf("%q is shown", secret)
		}
	}
}
