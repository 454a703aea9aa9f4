package imds

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
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/google/go-cmp/cmp"

	"mock-ec2-metadata/internal/config"
	"mock-ec2-metadata/internal/instance"
	"mock-ec2-metadata/internal/tree"
	"mock-ec2-metadata/internal/web"
)

var (
	launch  = time.Date(2026, 5, 5, 10, 11, 12, 0, time.UTC)
	renewed = time.Date(2026, 5, 5, 11, 0, 0, 0, time.UTC)
	sample  = instance.New(&config.Instance{
		Credentials: config.Credentials{IAMRole: "arn:aws:iam::123456789012:role/myrole"},
		AWS:         config.AWS{AccountID: "123456789012", Region: "us-east-1", AvailabilityZone: "us-east-1a"},
		EC2: config.EC2{
			LocalIPv4: "10.0.0.10", InstanceID: "i-0123456789abcdef0", ImageID: "ami-0abcdef1234567890", InstanceType: "t3.nano",
			Architecture: "x86_64", LifeCycle: "on-demand", Monitoring: "disabled", PendingTime: "2026-05-05T10:11:12Z",
			Tags: map[string]string{"Name": ""}, MetadataOptions: config.MetadataOptions{InstanceMetadataTags: "enabled"},
		},
	}, []byte("\x00binary\xff\n"))
)

const credentialsDocument = `{
  "Code" : "Success",
  "LastUpdated" : "2026-05-05T11:00:00Z",
  "Type" : "AWS-HMAC",
  "AccessKeyId" : "ASIAIOSFODNN7EXAMPLE",
  "SecretAccessKey" : "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
  "Token" : "IQoJb3JpZ2lu+/==",
  "Expiration" : "2026-05-05T12:00:00Z"
}`

const topListing = "ami-id\nami-launch-index\nami-manifest-path\nblock-device-mapping/\nevents/\nhostname\niam/\nidentity-credentials/\n" +
	"instance-action\ninstance-id\ninstance-life-cycle\ninstance-type\nlocal-hostname\nlocal-ipv4\nmac\nmetrics/\nnetwork/\n" +
	"placement/\nprofile\nreservation-id\nsecurity-groups\nservices/\nsystem\ntags/"

type fixedSource struct{ err error }

func (s *fixedSource) Credentials(context.Context) (*Credentials, error) {
	if s.err != nil {
		return nil, s.err
	}
	return NewCredentials("ASIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "IQoJb3JpZ2lu+/==", "123456789012", renewed.Add(time.Hour), renewed), nil
}

const extendedDocument = `{
  "Code" : "Success",
  "LastUpdated" : "2026-05-05T11:00:00Z",
  "Type" : "AWS-HMAC",
  "AccessKeyId" : "ASIAIOSFODNN7EXAMPLE",
  "SecretAccessKey" : "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
  "Token" : "IQoJb3JpZ2lu+/==",
  "Expiration" : "2026-05-05T12:00:00Z",
  "AccountId" : "123456789012"
}`

var servedVersions = []string{
	"1.0", "2007-01-19", "2007-03-01", "2007-08-29", "2007-10-10", "2007-12-15", "2008-02-01", "2008-09-01", "2009-04-04",
	"2011-01-01", "2011-05-01", "2012-01-12", "2014-02-25", "2014-11-05", "2015-10-20", "2016-04-19", "2016-06-30", "2016-09-02",
	"2018-03-28", "2018-08-17", "2018-09-24", "2019-10-01", "2020-10-27", "2021-01-03", "2021-03-23", "2021-07-15", "2022-09-24",
	"2024-04-11", "latest",
}

type fixedSignature struct{}

func (fixedSignature) Signature(_ context.Context, name string) ([]byte, error) {
	return []byte("signed: " + name), nil
}

// selector selects one target for all requests, with the path that web.CleanPath has stored.
type selector struct {
	target *Target
	err    error
}

func (s *selector) Select(r *http.Request) (*Target, string, error) {
	return s.target, chi.RouteContext(r.Context()).RoutePath, s.err
}

func newTarget() *Target {
	snapshot, err := tree.New(sample, nil)
	if err != nil {
		panic(err)
	}
	return &Target{
		Tree: snapshot, Modified: LastModified(launch), Tokens: NewTokens([]byte("s"), sample.ID, time.Now),
		Credentials: &fixedSource{}, Signatures: fixedSignature{},
	}
}

// newRouter serves a selector's target as the daemon does.
func newRouter(s Selector, isOwn func(*http.Request) bool) http.Handler {
	return newGuestRouter(slog.New(slog.DiscardHandler), s, isOwn, never)
}

// newGuestRouter is newRouter for clients that may be guests.
func newGuestRouter(log *slog.Logger, s Selector, isOwn, isGuest func(*http.Request) bool) http.Handler {
	r := chi.NewRouter()
	r.Use(web.CleanPath)
	r.HandleFunc("/status", http.NotFound) // without a route chi skips CleanPath
	r.NotFound(NewHandler(log, s, isOwn, isGuest, Hooks{}))
	return r
}

func never(*http.Request) bool { return false }

func start(t *testing.T, target *Target) (addr string) {
	t.Helper()
	return startHandler(t, newRouter(&selector{target: target}, never))
}

func startHandler(t *testing.T, h http.Handler) (addr string) {
	t.Helper()
	srv := httptest.NewServer(h)
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
	if !strings.Contains(line, " HTTP/") {
		line += " HTTP/1.1"
	}
	raw := line + "\nHost: 169.254.169.254\nConnection: close\n" + rest
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

// data returns the headers of values and listings (imds-reference section 3.4; the daemon adds Server).
func data(length int) http.Header {
	return http.Header{
		"Content-Type": {"text/plain"}, "Accept-Ranges": {"none"},
		"Last-Modified": {"Tue, 05 May 2026 10:11:12 GMT"}, "Content-Length": {fmt.Sprint(length)},
	}
}

func with(h http.Header, key, value string) http.Header {
	h = h.Clone()
	h.Set(key, value)
	return h
}

var (
	empty    = http.Header{"Content-Type": {"text/plain"}, "Content-Length": {"0"}}
	notFound = http.Header{"Content-Type": {"text/html"}, "Content-Length": {"339"}}
)

// requestTest is one request and its whole answer.
type requestTest struct {
	name    string
	request string // TOKEN is a valid token, FOREIGN that of another instance
	status  string
	header  http.Header
	body    string
}

func runRequests(t *testing.T, tests []requestTest) {
	t.Helper()
	target := newTarget()
	addr := start(t, target)
	tokens := strings.NewReplacer(
		"TOKEN", string(target.Tokens.Issue(100)),
		"FOREIGN", string(NewTokens([]byte("s"), "i-other", time.Now).Issue(100)),
	)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			status, header, body := ask(t, addr, tokens.Replace(tt.request))
			if status != tt.status {
				t.Errorf("status %q, want %q", status, tt.status)
			}
			if ttl := header.Get(ttlHeader); ttl == "99" {
				header.Set(ttlHeader, "100") // a second has passed
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

const ok, absent = "200 OK", "404 Not Found"

func TestHandler_ServesValuesAndListings(t *testing.T) {
	const id = "i-0123456789abcdef0"
	document := string(sample.IdentityDocument())
	userData := with(data(9), "Content-Type", "application/octet-stream")
	runRequests(t, []requestTest{
		{name: "value", request: "GET /latest/meta-data/instance-id", status: ok, header: data(19), body: id},
		{name: "value of an older version", request: "GET /2009-04-04/meta-data/instance-id", status: ok, header: data(19), body: id},
		{name: "HEAD", request: "HEAD /latest/meta-data/instance-id", status: ok, header: data(19)},
		{name: "HTTP/1.0", request: "GET /latest/meta-data/instance-id HTTP/1.0", status: ok, header: data(19), body: id},
		{name: "Range is ignored", request: "GET /latest/meta-data/instance-id\nRange: bytes=0-1", status: ok, header: data(19), body: id},
		{
			name:    "If-Modified-Since is ignored",
			request: "GET /latest/meta-data/instance-id\nIf-Modified-Since: Tue, 05 May 2026 10:11:12 GMT",
			status:  ok, header: data(19), body: id,
		},
		{name: "empty value", request: "GET /latest/meta-data/tags/instance/Name", status: ok, header: data(0)},
		{name: "listing", request: "GET /latest/meta-data/", status: ok, header: data(len(topListing)), body: topListing},
		{name: "versions", request: "GET /", status: ok, header: data(307), body: strings.Join(servedVersions, "\n")},
		{name: "one version", request: "GET /2024-04-11/", status: ok, header: data(27), body: "dynamic\nmeta-data\nuser-data"},
		{name: "user data", request: "GET /latest/user-data", status: ok, header: userData, body: "\x00binary\xff\n"},
		{name: "user data with slash", request: "GET /latest/user-data/", status: ok, header: userData, body: "\x00binary\xff\n"},
		{name: "document", request: "GET /latest/dynamic/instance-identity/document", status: ok, header: data(len(document)), body: document},
		{name: "signature", request: "GET /latest/dynamic/instance-identity/pkcs7", status: ok, header: data(13), body: "signed: pkcs7"},
	})
}

func TestHandler_NormalisesPaths(t *testing.T) {
	const id = "i-0123456789abcdef0"
	runRequests(t, []requestTest{
		{name: "slash at the end", request: "GET /latest/meta-data/instance-id/", status: ok, header: data(19), body: id},
		{name: "double slashes", request: "GET //latest//meta-data///instance-id", status: ok, header: data(19), body: id},
		{name: "listing without slash", request: "GET /latest/meta-data", status: ok, header: data(len(topListing)), body: topListing},
		{name: "query is ignored", request: "GET /latest/meta-data/instance-id?a=/b/../c", status: ok, header: data(19), body: id},
		{name: "decoded once", request: "GET /latest/meta-data/instance%2Did", status: ok, header: data(19), body: id},
		{name: "not decoded twice", request: "GET /latest/meta-data/instance%252Did", status: absent, header: notFound, body: notFoundPage},
		{name: "escape in a tag's key", request: "GET /latest/meta-data/tags/instance/N%61me", status: ok, header: data(0)},
		{name: "absolute form", request: "GET http://169.254.169.254/latest/meta-data/instance-id", status: ok, header: data(19), body: id},
	})
}

func TestHandler_AbsentPathsGetPageOfService(t *testing.T) {
	get := func(name, path string) requestTest {
		return requestTest{name: name, request: "GET " + path, status: absent, header: notFound, body: notFoundPage}
	}
	runRequests(t, []requestTest{
		get("absent", "/latest/meta-data/ami"),
		{name: "HEAD", request: "HEAD /latest/meta-data/ami", status: absent, header: notFound},
		get("unknown version", "/2099-01-01/meta-data/instance-id"),
		get("dot segments", "/latest/user-data/../meta-data/instance-id"),
		get("encoded NUL", "/latest/meta-data/instance-id%00"),
		get("api", "/latest/api"),
		get("other role", "/latest/meta-data/iam/security-credentials/other"),
		get("extended credentials in a version before them", "/2022-09-24/meta-data/iam/security-credentials-extended/"),
		get("no instance default role", "/latest/meta-data/identity-credentials/ec2/security-credentials/ec2-instance"),
	})
}

func TestHandler_ServesCredentials(t *testing.T) {
	const role = "/latest/meta-data/iam/security-credentials"
	header := func(document string) http.Header {
		return with(data(len(document)), "Last-Modified", "Tue, 05 May 2026 11:00:00 GMT")
	}
	runRequests(t, []requestTest{
		{name: "role", request: "GET " + role, status: ok, header: data(6), body: "myrole"},
		{name: "role with slash", request: "GET " + role + "/", status: ok, header: data(6), body: "myrole"},
		{name: "document", request: "GET " + role + "/myrole", status: ok, header: header(credentialsDocument), body: credentialsDocument},
		{name: "document with slash", request: "GET " + role + "/myrole/", status: ok, header: header(credentialsDocument), body: credentialsDocument},
		{name: "extended role", request: "GET " + role + "-extended/", status: ok, header: data(6), body: "myrole"},
		{
			name: "extended document", request: "GET " + role + "-extended/myrole",
			status: ok, header: header(extendedDocument), body: extendedDocument,
		},
	})
}

func TestHandler_ChecksTokens(t *testing.T) {
	const id = "i-0123456789abcdef0"
	const get, header = "GET /latest/meta-data/instance-id", "\nX-aws-ec2-metadata-token: "
	const denied = "401 Unauthorized"
	runRequests(t, []requestTest{
		{name: "valid", request: get + header + "TOKEN", status: ok, header: with(data(19), ttlHeader, "100"), body: id},
		{name: "old one beside a valid one", request: get + header + "old" + header + "TOKEN", status: ok, header: with(data(19), ttlHeader, "100"), body: id},
		{name: "invalid", request: get + header + "nonsense", status: denied, header: empty},
		{name: "empty", request: get + "\nX-aws-ec2-metadata-token:", status: denied, header: empty},
		{name: "of another instance", request: get + header + "FOREIGN", status: denied, header: empty},
		{
			name: "valid, for an absent path", request: "GET /latest/x" + header + "TOKEN",
			status: absent, header: with(notFound, ttlHeader, "100"), body: notFoundPage,
		},
		{name: "invalid, for an absent path", request: "GET /latest/x" + header + "nonsense", status: denied, header: empty},
	})
}

func TestHandler_RefusesOtherMethods(t *testing.T) {
	const refused = "405 Method Not Allowed"
	metadata, token := with(empty, "Allow", "OPTIONS, GET, HEAD"), with(empty, "Allow", "OPTIONS, PUT")
	runRequests(t, []requestTest{
		{name: "OPTIONS", request: "OPTIONS /latest/meta-data/instance-id", status: ok, header: metadata},
		{name: "POST", request: "POST /latest/meta-data/instance-id\nContent-Length: 0", status: refused, header: metadata},
		{name: "DELETE", request: "DELETE /latest/meta-data/instance-id", status: refused, header: metadata},
		{name: "unknown method", request: "BREW /latest/meta-data/instance-id", status: refused, header: metadata},
		{name: "CONNECT", request: "CONNECT 169.254.169.254:80", status: refused, header: metadata},
		{name: "OPTIONS token", request: "OPTIONS /latest/api/token", status: ok, header: token},
		{name: "GET token", request: "GET /latest/api/token", status: refused, header: token},
		{name: "HEAD token", request: "HEAD /latest/api/token", status: refused, header: token},
		{name: "POST token", request: "POST /latest/api/token\nContent-Length: 0", status: refused, header: token},
		{name: "unknown method on token", request: "BREW /latest/api/token", status: refused, header: token},
	})
}

func TestHandler_TokenPathExistsUnderLatestAlone(t *testing.T) {
	const ttl = "\nX-aws-ec2-metadata-token-ttl-seconds: 60"
	runRequests(t, []requestTest{
		{name: "dated version", request: "PUT /2021-03-23/api/token" + ttl, status: "403 Forbidden", header: empty},
		{
			name: "unknown version", request: "PUT /2099-01-01/api/token" + ttl,
			status: "405 Method Not Allowed", header: with(empty, "Allow", "OPTIONS, GET, HEAD"),
		},
	})
}

func TestToken_ReplyRepeatsValidTTL(t *testing.T) {
	target := newTarget()
	addr := start(t, target)
	for _, tt := range []struct{ sent, want string }{
		{"1", "1"},
		{"5", "5"},
		{"21600", "21600"},
		{"0060", "60"},
		{" 60 ", "60"},
	} {
		t.Run(tt.sent, func(t *testing.T) {
			status, header, body := ask(t, addr, "PUT /latest/api/token\nX-aws-ec2-metadata-token-ttl-seconds: "+tt.sent)
			want := http.Header{"Content-Type": {"text/plain"}, "Content-Length": {"56"}, ttlHeader: {tt.want}}
			if diff := cmp.Diff(want, header); status != ok || diff != "" {
				t.Errorf("%s, headers (-want +got):\n%s", status, diff)
			}
			if target.Tokens.Verify(body, time.Time{}) == 0 {
				t.Errorf("token %q is not valid", body)
			}
		})
	}
}

func TestToken_InvalidTTLGets400(t *testing.T) {
	tests := []requestTest{{name: "none", request: "PUT /latest/api/token", status: "400 Bad Request", header: empty}}
	for _, ttl := range []string{"", "0", "21601", "-1", "+60", "1.5", "abc", "6 0", "0x10", "99999999999999999999", "６０"} {
		request := "PUT /latest/api/token\nX-aws-ec2-metadata-token-ttl-seconds: " + ttl
		tests = append(tests, requestTest{name: fmt.Sprintf("%q", ttl), request: request, status: "400 Bad Request", header: empty})
	}
	runRequests(t, tests)
}

func TestToken_RequestMayVary(t *testing.T) {
	addr := start(t, newTarget())
	for _, tt := range []struct{ name, request string }{
		{"first of several TTLs counts", "PUT /latest/api/token\nX-aws-ec2-metadata-token-ttl-seconds: 60\nX-aws-ec2-metadata-token-ttl-seconds: x"},
		{"slash at the end, other spelling", "PUT /latest/api/token/\nx-AWS-ec2-metadata-TOKEN-ttl-seconds: 60"},
		{"double slash, query, empty body", "PUT //latest/api/token?x\nX-aws-ec2-metadata-token-ttl-seconds: 60\nContent-Length: 0"},
		{"chunked body", "PUT /latest/api/token\nX-aws-ec2-metadata-token-ttl-seconds: 60\nTransfer-Encoding: chunked\n\n0\n"},
		{"expired token", "PUT /latest/api/token\nX-aws-ec2-metadata-token-ttl-seconds: 60\nX-aws-ec2-metadata-token: expired"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if status, header, _ := ask(t, addr, tt.request); status != ok || header.Get(ttlHeader) != "60" {
				t.Errorf("%s %v", status, header)
			}
		})
	}
}

func TestHandler_RequiredTokenIsChecked(t *testing.T) {
	target := newTarget()
	target.TokensRequired = true
	addr := start(t, target)
	for _, path := range []string{"/", "/latest", "/latest/meta-data/instance-id", "/nowhere"} {
		t.Run(path, func(t *testing.T) {
			if status, _, body := ask(t, addr, "GET "+path); status != "401 Unauthorized" || body != "" {
				t.Errorf("without token: %s %q", status, body)
			}
		})
	}
	_, _, token := ask(t, addr, "PUT /latest/api/token\nX-aws-ec2-metadata-token-ttl-seconds: 60")
	if status, _, body := ask(t, addr, "GET /latest/meta-data/instance-id\nX-aws-ec2-metadata-token: "+token); status != ok || body != sample.ID {
		t.Errorf("with token: %s %q", status, body)
	}
}

func TestHandler_DisabledServiceGets403(t *testing.T) {
	target := newTarget()
	target.Disabled = true
	addr := start(t, target)
	for _, request := range []string{
		"GET /", "GET /latest/meta-data/instance-id", "GET /nowhere", "POST /latest", "OPTIONS /latest/api/token",
		"PUT /latest/api/token\nX-aws-ec2-metadata-token-ttl-seconds: 60",
	} {
		t.Run(request, func(t *testing.T) {
			if status, header, body := ask(t, addr, request); status != "403 Forbidden" || body != "" || !cmp.Equal(header, empty) {
				t.Errorf("%s %v %q, want an empty 403", status, header, body)
			}
		})
	}
}

func TestHandler_ErrorOfSelectorIsTheStatus(t *testing.T) {
	for _, tt := range []struct {
		name string
		err  error
		want string
	}{
		{"unknown client", &web.Error{Status: http.StatusServiceUnavailable}, "503 Service Unavailable"},
		{"other error", errors.New("broken"), "500 Internal Server Error"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			addr := startHandler(t, newRouter(&selector{err: tt.err}, never))
			for _, request := range []string{"GET /latest/meta-data/", "PUT /latest/api/token"} {
				if status, header, body := ask(t, addr, request); status != tt.want || body != "" || !cmp.Equal(header, empty) {
					t.Errorf("%s: %s %v %q, want an empty %s", request, status, header, body, tt.want)
				}
			}
		})
	}
}

func TestHandler_OwnRequestsGet508(t *testing.T) {
	isOwn := func(r *http.Request) bool { return r.Header.Get("Own") != "" }
	addr := startHandler(t, newRouter(&selector{target: newTarget()}, isOwn))
	for _, request := range []string{"GET /latest/meta-data/", "PUT /latest/api/token"} {
		if status, header, body := ask(t, addr, request+"\nOwn: yes"); status != "508 Loop Detected" || body != "" || !cmp.Equal(header, empty) {
			t.Errorf("%s: %s %v %q, want an empty 508", request, status, header, body)
		}
	}
}

func TestCredentialError_IsAnsweredAsDocument(t *testing.T) {
	const want = `{
  "Code" : "AssumeRoleUnauthorizedAccess",
  "Message" : "profile \"default\" may not",
  "LastUpdated" : "2026-05-05T11:00:00Z"
}`
	for _, tt := range []struct {
		name      string
		temporary bool
		status    string
	}{
		{"permanent", false, "200 OK"},
		{"temporary", true, "503 Service Unavailable"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			target := newTarget()
			target.Credentials = &fixedSource{err: &CredentialError{
				Code: "AssumeRoleUnauthorizedAccess", Message: `profile "default" may not`, LastUpdated: renewed, Temporary: tt.temporary,
			}}
			got, header, body := ask(t, start(t, target), "GET /latest/meta-data/iam/security-credentials/myrole")
			if got != tt.status || header.Get("Content-Type") != "text/plain" || body != want {
				t.Errorf("%s %v\n%s", got, header, body)
			}
		})
	}
}

func TestVersion_IsV2ForTokensAndPUT(t *testing.T) {
	for _, tt := range []struct {
		method string
		token  bool
		want   string
	}{
		{http.MethodGet, false, "v1"},
		{http.MethodHead, false, "v1"},
		{http.MethodGet, true, "v2"},
		{http.MethodPut, false, "v2"},
	} {
		t.Run(fmt.Sprintf("%s, token %v", tt.method, tt.token), func(t *testing.T) {
			r := httptest.NewRequest(tt.method, "/", nil)
			if tt.token {
				r.Header.Set(tokenHeader, "any")
			}
			if got := Version(r); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

// FuzzPath requires the status that the tree has for a path.
func FuzzPath(f *testing.F) {
	target := newTarget()
	h := newRouter(&selector{target: target}, never)
	for _, path := range target.Tree.Paths() {
		f.Add(path)
	}
	f.Add("/latest/meta-data/../dynamic")
	f.Add("//latest/./meta-data%2f")
	f.Fuzz(func(t *testing.T, path string) {
		req := &http.Request{Method: http.MethodGet, URL: &url.URL{Path: path}, Header: http.Header{}}
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, req)
		resp := rec.Result()
		want := http.StatusNotFound
		if target.Tree.Lookup(web.Clean(path)) != nil {
			want = http.StatusOK
		}
		if web.Clean(path) == tokenPath {
			want = http.StatusMethodNotAllowed
		}
		if resp.StatusCode != want {
			t.Errorf("%q: %d, want %d", path, resp.StatusCode, want)
		}
	})
}
