package imds

import (
	"bufio"
	"context"
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
	sample  = instance.New(&config.Config{
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

func (t *Target) Target(*http.Request) *Target { return t }

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

func start(t *testing.T, target *Target) string {
	t.Helper()
	r := chi.NewRouter()
	r.Use(web.CleanPath)
	Mount(r, slog.New(slog.DiscardHandler), target, func(*http.Request) bool { return false })
	srv := httptest.NewServer(r)
	t.Cleanup(srv.Close)
	return strings.TrimPrefix(srv.URL, "http://")
}

// ask sends a request as it is written, so that no client cleans it up.
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

// data are the headers of every value and listing (imds-reference section 3.4; the daemon adds Server).
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

func TestRequests(t *testing.T) {
	target := newTarget()
	addr := start(t, target)
	token := string(target.Tokens.Issue(100))
	foreign := string(NewTokens([]byte("s"), "i-other", time.Now).Issue(100))
	const id = "i-0123456789abcdef0"
	idData := data(len(id))

	for _, tt := range []struct {
		name    string
		request string // TOKEN is a live token
		status  string
		header  http.Header
		body    string
	}{
		{"leaf", "GET /latest/meta-data/instance-id", "200 OK", idData, id},
		{"leaf with slash", "GET /latest/meta-data/instance-id/", "200 OK", idData, id},
		{"double slashes", "GET //latest//meta-data///instance-id", "200 OK", idData, id},
		{"query ignored", "GET /latest/meta-data/instance-id?a=/b/../c", "200 OK", idData, id},
		{"decoded once", "GET /latest/meta-data/instance%2Did", "200 OK", idData, id},
		{"not decoded twice", "GET /latest/meta-data/instance%252Did", "404 Not Found", notFound, notFoundPage},
		{"absolute form", "GET http://169.254.169.254/latest/meta-data/instance-id", "200 OK", idData, id},
		{"HTTP/1.0", "GET /latest/meta-data/instance-id HTTP/1.0", "200 OK", idData, id},
		{"range ignored", "GET /latest/meta-data/instance-id\nRange: bytes=0-1", "200 OK", idData, id},
		{"condition ignored", "GET /latest/meta-data/instance-id\nIf-Modified-Since: Tue, 05 May 2026 10:11:12 GMT", "200 OK", idData, id},
		{"HEAD", "HEAD /latest/meta-data/instance-id", "200 OK", idData, ""},
		{"older version", "GET /2009-04-04/meta-data/instance-id", "200 OK", idData, id},
		{"listing", "GET /latest/meta-data/", "200 OK", data(len(topListing)), topListing},
		{"listing without slash", "GET /latest/meta-data", "200 OK", data(len(topListing)), topListing},
		{"role", "GET /latest/meta-data/iam/security-credentials", "200 OK", data(6), "myrole"},
		{"role with slash", "GET /latest/meta-data/iam/security-credentials/", "200 OK", data(6), "myrole"},
		{
			"credentials", "GET /latest/meta-data/iam/security-credentials/myrole", "200 OK",
			with(data(len(credentialsDocument)), "Last-Modified", "Tue, 05 May 2026 11:00:00 GMT"), credentialsDocument,
		},
		{
			"credentials with slash", "GET /latest/meta-data/iam/security-credentials/myrole/", "200 OK",
			with(data(len(credentialsDocument)), "Last-Modified", "Tue, 05 May 2026 11:00:00 GMT"), credentialsDocument,
		},
		{
			"extended credentials", "GET /latest/meta-data/iam/security-credentials-extended/myrole", "200 OK",
			with(data(len(extendedDocument)), "Last-Modified", "Tue, 05 May 2026 11:00:00 GMT"), extendedDocument,
		},
		{"extended role", "GET /latest/meta-data/iam/security-credentials-extended/", "200 OK", data(6), "myrole"},
		{"extended, too early", "GET /2022-09-24/meta-data/iam/security-credentials-extended/", "404 Not Found", notFound, notFoundPage},
		{"signature", "GET /latest/dynamic/instance-identity/pkcs7", "200 OK", data(13), "signed: pkcs7"},
		{"user data", "GET /latest/user-data", "200 OK", with(data(9), "Content-Type", "application/octet-stream"), "\x00binary\xff\n"},
		{"user data with slash", "GET /latest/user-data/", "200 OK", with(data(9), "Content-Type", "application/octet-stream"), "\x00binary\xff\n"},
		{"empty value", "GET /latest/meta-data/tags/instance/Name", "200 OK", data(0), ""},
		{"tag key with an escape", "GET /latest/meta-data/tags/instance/N%61me", "200 OK", data(0), ""},
		{"versions", "GET /", "200 OK", data(307), strings.Join(servedVersions, "\n")},
		{"a version", "GET /2024-04-11/", "200 OK", data(27), "dynamic\nmeta-data\nuser-data"},
		{"no instance default role", "GET /latest/meta-data/identity-credentials/ec2/security-credentials/ec2-instance", "404 Not Found", notFound, notFoundPage},
		{"wrong role", "GET /latest/meta-data/iam/security-credentials/other", "404 Not Found", notFound, notFoundPage},
		{
			"document", "GET /latest/dynamic/instance-identity/document", "200 OK",
			data(len(sample.IdentityDocument())), string(sample.IdentityDocument()),
		},
		{"absent", "GET /latest/meta-data/ami", "404 Not Found", notFound, notFoundPage},
		{"absent, HEAD", "HEAD /latest/meta-data/ami", "404 Not Found", notFound, ""},
		{"unknown version", "GET /2099-01-01/meta-data/instance-id", "404 Not Found", notFound, notFoundPage},
		{"dot segments", "GET /latest/user-data/../meta-data/instance-id", "404 Not Found", notFound, notFoundPage},
		{"encoded NUL", "GET /latest/meta-data/instance-id%00", "404 Not Found", notFound, notFoundPage},
		{"api", "GET /latest/api", "404 Not Found", notFound, notFoundPage},

		{"with token", "GET /latest/meta-data/instance-id\nX-aws-ec2-metadata-token: TOKEN", "200 OK", with(idData, ttlHeader, "100"), id},
		{"absent, with token", "GET /latest/x\nX-aws-ec2-metadata-token: TOKEN", "404 Not Found", with(notFound, ttlHeader, "100"), notFoundPage},
		{"bad token", "GET /latest/meta-data/instance-id\nX-aws-ec2-metadata-token: nonsense", "401 Unauthorized", empty, ""},
		{"empty token", "GET /latest/meta-data/instance-id\nX-aws-ec2-metadata-token:", "401 Unauthorized", empty, ""},
		{"401 before 404", "GET /latest/x\nX-aws-ec2-metadata-token: nonsense", "401 Unauthorized", empty, ""},
		{"another instance's token", "GET /latest/x\nX-aws-ec2-metadata-token: " + foreign, "401 Unauthorized", empty, ""},
		{
			"two tokens, one live", "GET /latest/meta-data/instance-id\nX-aws-ec2-metadata-token: old\nX-aws-ec2-metadata-token: TOKEN",
			"200 OK", with(idData, ttlHeader, "100"), id,
		},

		{"OPTIONS", "OPTIONS /latest/meta-data/instance-id", "200 OK", with(empty, "Allow", "OPTIONS, GET, HEAD"), ""},
		{"POST", "POST /latest/meta-data/instance-id\nContent-Length: 0", "405 Method Not Allowed", with(empty, "Allow", "OPTIONS, GET, HEAD"), ""},
		{"DELETE", "DELETE /latest/meta-data/instance-id", "405 Method Not Allowed", with(empty, "Allow", "OPTIONS, GET, HEAD"), ""},
		{"unknown method", "BREW /latest/meta-data/instance-id", "405 Method Not Allowed", with(empty, "Allow", "OPTIONS, GET, HEAD"), ""},
		{"CONNECT", "CONNECT 169.254.169.254:80", "405 Method Not Allowed", with(empty, "Allow", "OPTIONS, GET, HEAD"), ""},

		{"PUT token without TTL", "PUT /latest/api/token", "400 Bad Request", empty, ""},
		{"PUT token of a version", "PUT /2021-03-23/api/token\nX-aws-ec2-metadata-token-ttl-seconds: 60", "403 Forbidden", empty, ""},
		{
			"PUT token of no version", "PUT /2099-01-01/api/token\nX-aws-ec2-metadata-token-ttl-seconds: 60",
			"405 Method Not Allowed", with(empty, "Allow", "OPTIONS, GET, HEAD"), "",
		},
		{"GET token", "GET /latest/api/token", "405 Method Not Allowed", with(empty, "Allow", "OPTIONS, PUT"), ""},
		{"HEAD token", "HEAD /latest/api/token", "405 Method Not Allowed", with(empty, "Allow", "OPTIONS, PUT"), ""},
		{"POST token", "POST /latest/api/token\nContent-Length: 0", "405 Method Not Allowed", with(empty, "Allow", "OPTIONS, PUT"), ""},
		{"unknown method on token", "BREW /latest/api/token", "405 Method Not Allowed", with(empty, "Allow", "OPTIONS, PUT"), ""},
		{"OPTIONS token", "OPTIONS /latest/api/token", "200 OK", with(empty, "Allow", "OPTIONS, PUT"), ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			status, header, body := ask(t, addr, strings.ReplaceAll(tt.request, "TOKEN", token))
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

func TestTokenTTL(t *testing.T) {
	target := newTarget()
	addr := start(t, target)
	for ttl, want := range map[string]string{
		"1": "1", "5": "5", "21600": "21600", "0060": "60", " 60 ": "60",
		"0": "", "21601": "", "-1": "", "+60": "", "1.5": "", "abc": "", "": "", "6 0": "", "0x10": "", "99999999999999999999": "", "６０": "",
	} {
		status, header, body := ask(t, addr, "PUT /latest/api/token\nX-aws-ec2-metadata-token-ttl-seconds: "+ttl)
		if want == "" {
			if status != "400 Bad Request" || body != "" || header.Get(ttlHeader) != "" {
				t.Errorf("TTL %q: %s %v %q, want an empty 400", ttl, status, header, body)
			}
			continue
		}
		if diff := cmp.Diff(http.Header{"Content-Type": {"text/plain"}, "Content-Length": {"56"}, ttlHeader: {want}}, header); status != "200 OK" || diff != "" {
			t.Errorf("TTL %q: %s, headers (-want +got):\n%s", ttl, status, diff)
		}
		if target.Tokens.Verify(body) == 0 {
			t.Errorf("TTL %q: token %q is not valid", ttl, body)
		}
	}
	// The first of several headers counts; a body is ignored, chunked or not; so are a slash at the end and the spelling.
	for _, request := range []string{
		"PUT /latest/api/token\nX-aws-ec2-metadata-token-ttl-seconds: 60\nX-aws-ec2-metadata-token-ttl-seconds: x",
		"PUT /latest/api/token/\nx-AWS-ec2-metadata-TOKEN-ttl-seconds: 60",
		"PUT //latest/api/token?x\nX-aws-ec2-metadata-token-ttl-seconds: 60\nContent-Length: 0",
		"PUT /latest/api/token\nX-aws-ec2-metadata-token-ttl-seconds: 60\nTransfer-Encoding: chunked\n\n0\n",
		"PUT /latest/api/token\nX-aws-ec2-metadata-token-ttl-seconds: 60\nX-aws-ec2-metadata-token: expired",
	} {
		if status, header, _ := ask(t, addr, request); status != "200 OK" || header.Get(ttlHeader) != "60" {
			t.Errorf("%q: %s %v", request, status, header)
		}
	}
}

func TestTokensRequired(t *testing.T) {
	target := newTarget()
	target.TokensRequired = true
	addr := start(t, target)
	for _, path := range []string{"/", "/latest", "/latest/meta-data/instance-id", "/nowhere"} {
		if status, _, body := ask(t, addr, "GET "+path); status != "401 Unauthorized" || body != "" {
			t.Errorf("%s without token: %s %q", path, status, body)
		}
	}
	_, _, token := ask(t, addr, "PUT /latest/api/token\nX-aws-ec2-metadata-token-ttl-seconds: 60")
	if status, _, body := ask(t, addr, "GET /latest/meta-data/instance-id\nX-aws-ec2-metadata-token: "+token); status != "200 OK" || body != sample.ID {
		t.Errorf("with token: %s %q", status, body)
	}
}

func TestDisabled(t *testing.T) {
	target := newTarget()
	target.Disabled = true
	addr := start(t, target)
	for _, request := range []string{
		"GET /", "GET /latest/meta-data/instance-id", "GET /nowhere", "POST /latest", "OPTIONS /latest/api/token",
		"PUT /latest/api/token\nX-aws-ec2-metadata-token-ttl-seconds: 60",
	} {
		if status, header, body := ask(t, addr, request); status != "403 Forbidden" || body != "" || !cmp.Equal(header, empty) {
			t.Errorf("%s: %s %v %q, want an empty 403", request, status, header, body)
		}
	}
}

func TestCredentialErrors(t *testing.T) {
	const want = `{
  "Code" : "AssumeRoleUnauthorizedAccess",
  "Message" : "profile \"default\" may not",
  "LastUpdated" : "2026-05-05T11:00:00Z"
}`
	refused := &CredentialError{Code: "AssumeRoleUnauthorizedAccess", Message: `profile "default" may not`, LastUpdated: renewed}
	for temporary, status := range map[bool]string{false: "200 OK", true: "503 Service Unavailable"} {
		target := newTarget()
		e := *refused
		e.Temporary = temporary
		target.Credentials = &fixedSource{err: &e}
		got, header, body := ask(t, start(t, target), "GET /latest/meta-data/iam/security-credentials/myrole")
		if got != status || header.Get("Content-Type") != "text/plain" || body != want {
			t.Errorf("temporary %v: %s %v\n%s", temporary, got, header, body)
		}
	}
}

// FuzzPath asks for any path: never a 5xx, and never a body that belongs to another path.
func FuzzPath(f *testing.F) {
	target := newTarget()
	r := chi.NewRouter()
	r.Use(web.CleanPath)
	Mount(r, slog.New(slog.DiscardHandler), target, func(*http.Request) bool { return false })
	for _, path := range target.Tree.Paths() {
		f.Add(path)
	}
	f.Add("/latest/meta-data/../dynamic")
	f.Add("//latest/./meta-data%2f")
	f.Fuzz(func(t *testing.T, path string) {
		req := &http.Request{Method: http.MethodGet, URL: &url.URL{Path: path}, Header: http.Header{}}
		rec := httptest.NewRecorder()
		r.ServeHTTP(rec, req)
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
