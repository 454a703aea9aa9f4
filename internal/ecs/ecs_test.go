package ecs

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mock-ec2-metadata/internal/web"
)

const (
	ok, bad, absent = "200 OK", "400 Bad Request", "404 Not Found"
	denied, away    = "403 Forbidden", "503 Service Unavailable"

	id       = "6f1e2d3c-0b1a-4c5d-8e9f-a0b1c2d3e4f5"
	document = `{"RoleArn":"arn:aws:iam::123456789012:role/team/web","AccessKeyId":"ASIAIOSFODNN7EXAMPLE",` +
		`"SecretAccessKey":"wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY","Token":"IQoJb3JpZ2lu+/==","Expiration":"2030-01-01T00:00:00Z"}`

	noID          = `{"code":"NoIdInRequest","message":"CredentialsV%dRequest: No Credential ID in the request","HTTPErrorCode":400}`
	unknownID     = `{"code":"InvalidIdInRequest","message":"CredentialsV%dRequest: Credentials not found","HTTPErrorCode":400}`
	uninitialized = `{"code":"CredentialsUninitialized","message":"CredentialsV%dRequest: Credentials uninitialized for ID","HTTPErrorCode":503}`
	absentPage    = "404 page not found\n"
	proxiesPage   = "credentials are denied to proxies (X-Forwarded-For, Forwarded, Via)\n"
)

// textOf is the text of a version.
func textOf(n int, format string) string { return fmt.Sprintf(format, n) }

// source is what Credentials returns.
type source struct {
	c   *Credentials
	err error
}

func (s *source) Credentials(context.Context) (*Credentials, error) { return s.c, s.err }

func valid() *source {
	return &source{c: NewCredentials("arn:aws:iam::123456789012:role/team/web", "ASIAIOSFODNN7EXAMPLE",
		"wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "IQoJb3JpZ2lu+/==", time.Date(2030, 1, 1, 2, 0, 0, 999, time.FixedZone("", 2*60*60)))}
}

// byID finds the source of an id, and fails or panics if told so.
type byID struct {
	sources map[string]CredentialSource
	err     error
	panics  any
}

func (s *byID) Select(*http.Request) (*Service, error) { return &Service{Finder: s}, nil }

func (s *byID) ByID(_ *http.Request, id string) (CredentialSource, error) {
	if s.panics != nil {
		panic(s.panics)
	}
	return s.sources[id], s.err
}

func (*byID) Own(*http.Request) (CredentialSource, error) { panic("asked without ByPath") }

func (*byID) ByName(*http.Request, string) (CredentialSource, error) { panic("asked without ByPath") }

func (*byID) ByARN(*http.Request, string) (CredentialSource, error) { panic("asked without ByPath") }

func only(s CredentialSource) *byID { return &byID{sources: map[string]CredentialSource{id: s}} }

// serve serves the handler as the daemon does: it sets the header Server, and normalises paths for its routes.
func serve(t *testing.T, log *slog.Logger, s Selector) (addr string) {
	t.Helper()
	handler := NewHandler(log, s)
	srv := httptest.NewServer(web.CleanPath(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header()["Server"] = []string{"EC2ws"}
		handler(w, r)
	})))
	t.Cleanup(srv.Close)
	return strings.TrimPrefix(srv.URL, "http://")
}

// ask sends a request without a client library, which would change it.
func ask(t *testing.T, addr, request string) (status string, header http.Header, body string) {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	line, rest, _ := strings.Cut(request, "\n")
	raw := line + " HTTP/1.1\nHost: 127.0.0.1\nConnection: close\n" + rest
	fmt.Fprint(conn, strings.ReplaceAll(strings.TrimRight(raw, "\n"), "\n", "\r\n")+"\r\n\r\n")
	method, _, _ := strings.Cut(line, " ")
	resp, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: method})
	if err != nil {
		t.Fatalf("%q: %v", request, err)
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("%q: %v", request, err)
	}
	resp.Header.Del("Date")
	resp.Header.Del("Connection")
	return resp.Status, resp.Header, string(b)
}

// jsonOf and pageOf are the headers of the two kinds of answers, all but Date and Connection.
func jsonOf(body string) http.Header {
	return http.Header{"Content-Type": {"application/json"}, "Content-Length": {fmt.Sprint(len(body))}}
}

// retryOf is jsonOf for answers with status 503.
func retryOf(body string) http.Header {
	h := jsonOf(body)
	h["Retry-After"] = []string{"1"}
	return h
}

func pageOf(body string) http.Header {
	return http.Header{
		"Content-Type": {"text/plain; charset=utf-8"}, "Content-Length": {fmt.Sprint(len(body))}, "X-Content-Type-Options": {"nosniff"},
	}
}

// requestTest is one request and its whole answer.
type requestTest struct {
	name, request, status string
	header                http.Header
	body                  string
}

func runRequests(t *testing.T, s Selector, tests []requestTest) {
	t.Helper()
	addr := serve(t, slog.New(slog.DiscardHandler), s)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			status, header, body := ask(t, addr, tt.request)
			if status != tt.status {
				t.Errorf("status %q, want %q", status, tt.status)
			}
			if diff := cmp.Diff(tt.header, header); diff != "" {
				t.Errorf("headers (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.body, body); diff != "" {
				t.Errorf("body (-want +got):\n%s", diff)
			}
		})
	}
}

func jsonTest(name, request, status, body string) requestTest {
	return requestTest{name, request, status, jsonOf(body), body}
}

func pageTest(name, request, status, body string) requestTest {
	return requestTest{name, request, status, pageOf(body), body}
}

func TestHandler_ServesTheDocumentOfAnID(t *testing.T) {
	runRequests(t, only(valid()), []requestTest{
		jsonTest("version 2", "GET /v2/credentials/"+id, ok, document),
		jsonTest("version 1", "GET /v1/credentials?id="+id, ok, document),
		{"HEAD", "HEAD /v2/credentials/" + id, ok, jsonOf(document), ""},
		{"HEAD of version 1", "HEAD /v1/credentials?id=" + id, ok, jsonOf(document), ""},
		jsonTest("a query", "GET /v2/credentials/"+id+"?id=other&a=%zz", ok, document),
		jsonTest("other parameters", "GET /v1/credentials?a=b;c&id="+id+"&id=other", ok, document),
		jsonTest("double slashes", "GET //v2//credentials//"+id, ok, document),
		jsonTest("double slashes of version 1", "GET //v1//credentials?id="+id, ok, document),
		jsonTest("escapes", "GET /v2%2Fcredentials/%36"+id[1:], ok, document),
		jsonTest("absolute form", "GET http://169.254.170.2/v2/credentials/"+id, ok, document),
		jsonTest("Authorization", "GET /v2/credentials/"+id+"\nAuthorization: x", ok, document),
		jsonTest("a body", "GET /v2/credentials/"+id+"\nContent-Length: 1\n\nx", ok, document),
	})
}

func TestHandler_RefusesUnknownIDs(t *testing.T) {
	runRequests(t, only(valid()), []requestTest{
		jsonTest("unknown", "GET /v2/credentials/nobody", bad, textOf(2, unknownID)),
		jsonTest("unknown to version 1", "GET /v1/credentials?id=nobody", bad, textOf(1, unknownID)),
		{"HEAD", "HEAD /v2/credentials/nobody", bad, jsonOf(textOf(2, unknownID)), ""},
		jsonTest("slash at the end", "GET /v2/credentials/"+id+"/", bad, textOf(2, unknownID)),
		jsonTest("slashes at the end", "GET /v2/credentials/"+id+"//", bad, textOf(2, unknownID)),
		jsonTest("path below", "GET /v2/credentials/"+id+"/x", bad, textOf(2, unknownID)),
		jsonTest("upper case", "GET /v2/credentials/"+strings.ToUpper(id), bad, textOf(2, unknownID)),
		jsonTest("blank", "GET /v2/credentials/"+id+"%20", bad, textOf(2, unknownID)),
		jsonTest("dot segments", "GET /v2/credentials/x/../"+id, bad, textOf(2, unknownID)),
		jsonTest("none", "GET /v2/credentials/", bad, textOf(2, noID)),
		jsonTest("none, many slashes", "GET /v2/credentials//", bad, textOf(2, noID)),
		jsonTest("none in version 1", "GET /v1/credentials", bad, textOf(1, noID)),
		jsonTest("empty in version 1", "GET /v1/credentials?id=", bad, textOf(1, noID)),
		jsonTest("other parameter", "GET /v1/credentials?ID="+id, bad, textOf(1, noID)),
		jsonTest("query of version 1 in version 2", "GET /v2/credentials/?id="+id, bad, textOf(2, noID)),
	})
}

func TestHandler_AnswersOtherPathsWithAPage(t *testing.T) {
	allow := pageOf("Method Not Allowed\n")
	allow["Allow"] = []string{"GET, HEAD"}
	runRequests(t, only(valid()), []requestTest{
		pageTest("no slash", "GET /v2/credentials", absent, absentPage),
		{"HEAD", "HEAD /v2/credentials", absent, pageOf(absentPage), ""},
		pageTest("POST without slash", "POST /v2/credentials", absent, absentPage),
		pageTest("slash in version 1", "GET /v1/credentials/?id="+id, absent, absentPage),
		pageTest("path in version 1", "GET /v1/credentials/"+id, absent, absentPage),
		pageTest("upper case", "GET /V2/credentials/"+id, absent, absentPage),
		pageTest("longer name", "GET /v2/credentialsx/"+id, absent, absentPage),
		pageTest("root", "GET /", absent, absentPage),
		{"POST", "POST /v2/credentials/" + id, "405 Method Not Allowed", allow, "Method Not Allowed\n"},
		{"PUT", "PUT /v1/credentials?id=" + id, "405 Method Not Allowed", allow, "Method Not Allowed\n"},
		{"DELETE", "DELETE /v2/credentials/nobody", "405 Method Not Allowed", allow, "Method Not Allowed\n"},
		{"OPTIONS", "OPTIONS /v2/credentials/", "405 Method Not Allowed", allow, "Method Not Allowed\n"},
		{"unknown method", "get /v2/credentials/" + id, "405 Method Not Allowed", allow, "Method Not Allowed\n"},
	})
}

func TestHandler_DeniesProxies(t *testing.T) {
	get := "GET /v2/credentials/" + id
	runRequests(t, only(valid()), []requestTest{
		pageTest("X-Forwarded-For", get+"\nX-Forwarded-For: 127.0.0.1", denied, proxiesPage),
		pageTest("empty", get+"\nX-Forwarded-For:", denied, proxiesPage),
		pageTest("lower case", get+"\nx-forwarded-for: 127.0.0.1", denied, proxiesPage),
		pageTest("Forwarded", get+"\nForwarded: for=127.0.0.1", denied, proxiesPage),
		pageTest("Via", get+"\nVia:", denied, proxiesPage),
		pageTest("version 1", "GET /v1/credentials?id="+id+"\nVia: 1.1 x", denied, proxiesPage),
		pageTest("unknown id", "GET /v2/credentials/nobody\nVia: 1.1 x", denied, proxiesPage),
		pageTest("no id", "GET /v2/credentials/\nVia: 1.1 x", denied, proxiesPage),
		{"HEAD", "HEAD /v2/credentials/" + id + "\nVia: 1.1 x", denied, pageOf(proxiesPage), ""},
		jsonTest("other headers", get+"\nX-Real-Ip: 127.0.0.1\nX-Forwarded-Proto: http", ok, document),
	})
}

func TestHandler_SaysWhyThereAreNoCredentials(t *testing.T) {
	const (
		text    = `profile "dev" may not assume it (AccessDenied: User: <you>)`
		refused = `{"code":"AccessDenied","message":"profile \"dev\" may not assume it (AccessDenied: User: \u003cyou\u003e)","HTTPErrorCode":403}`
		broken  = `{"code":"InternalServerError","message":"Internal server error","HTTPErrorCode":500}`
	)
	failing := func(err error) *byID { return only(&source{err: err}) }
	for _, tt := range []struct {
		name     string
		selector *byID
		status   string
		want     string // with the number of the version
	}{
		{"refused by STS", failing(&CredentialError{Code: "AccessDenied", Message: text}), denied, refused},
		{"refused, wrapped", failing(fmt.Errorf("web: %w", &CredentialError{Code: "AccessDenied", Message: text})), denied, refused},
		{"STS not reachable", failing(&CredentialError{Code: "Failed", Message: "timeout", Temporary: true}), away, uninitialized},
		{"client gone", failing(context.Canceled), away, uninitialized},
		{"unknown client", &byID{sources: only(valid()).sources, err: errors.New("no container has this address")}, away, uninitialized},
		{"unknown client, decided", &byID{err: &web.Error{Status: 503}}, away, uninitialized},
		{"panic", &byID{panics: "oops"}, "500 Internal Server Error", broken},
	} {
		t.Run(tt.name, func(t *testing.T) {
			first, second := tt.want, tt.want
			if strings.Contains(tt.want, "%d") {
				first, second = textOf(1, tt.want), textOf(2, tt.want)
			}
			headers := jsonOf
			if tt.status == away {
				headers = retryOf
			}
			runRequests(t, tt.selector, []requestTest{
				{"version 1", "GET /v1/credentials?id=" + id, tt.status, headers(first), first},
				{"version 2", "GET /v2/credentials/" + id, tt.status, headers(second), second},
				{"HEAD", "HEAD /v2/credentials/" + id, tt.status, headers(second), ""},
			})
		})
	}
}

func TestHandler_LetsTheSelectorDecideTheStatus(t *testing.T) {
	const loop = "Loop Detected\n"
	runRequests(t, &byID{err: fmt.Errorf("own request: %w", &web.Error{Status: http.StatusLoopDetected})}, []requestTest{
		pageTest("own request", "GET /v2/credentials/"+id, "508 Loop Detected", loop),
		jsonTest("without an id", "GET /v2/credentials/", bad, textOf(2, noID)),
	})
}
