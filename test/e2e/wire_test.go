//go:build e2e && linux

package e2e

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"

	"mock-ec2-metadata/internal/testutil"
)

// attack is what a test sends to a daemon on the loopback, byte for byte, and the answers that it must get.
type attack struct {
	name string
	// text has \n for CRLF and LF for a bare line feed. CREDENTIALS is the path of the credentials, REQUEST a whole request for
	// them, BAD one with an evil host, and LENGTH the length of REQUEST.
	text string
	want string // status codes
	// says must be in the last answer.
	says string
	// waits leaves the connection open, as if more followed.
	waits bool
}

// theHost names hosts in each way that HTTP has.
var theHost = []attack{
	{name: "address", text: "GET CREDENTIALS HTTP/1.1\nHost: 127.0.0.1\n\n", want: "200"},
	{name: "address of IPv6", text: "GET CREDENTIALS HTTP/1.1\nHost: [fd00:ec2::254]\n\n", want: "200"},
	{name: "capitals and dot", text: "GET CREDENTIALS HTTP/1.1\nHost: LocalHost.\n\n", want: "200"},
	{name: "rebound", text: "GET CREDENTIALS HTTP/1.1\nHost: evil.example\n\n", want: "403", says: `Host "evil.example" is not allowed`},
	{name: "wildcard DNS", text: "GET CREDENTIALS HTTP/1.1\nHost: 169.254.169.254.nip.io\n\n", want: "403"},
	{name: "localhost in front", text: "GET CREDENTIALS HTTP/1.1\nHost: localhost.evil.example:80\n\n", want: "403"},
	{name: "user", text: "GET CREDENTIALS HTTP/1.1\nHost: localhost@evil.example\n\n", want: "400"},
	{name: "localhost as the port", text: "GET CREDENTIALS HTTP/1.1\nHost: evil.example:localhost\n\n", want: "403"},
	{name: "two in one", text: "GET CREDENTIALS HTTP/1.1\nHost: localhost,evil.example\n\n", want: "403"},
	{name: "fragment", text: "GET CREDENTIALS HTTP/1.1\nHost: evil.example#.local\n\n", want: "400"},
	{name: "NUL", text: "GET CREDENTIALS HTTP/1.1\nHost: evil.example\x00.local\n\n", want: "400"},
	{name: "percent", text: "GET CREDENTIALS HTTP/1.1\nHost: evil.example%00.local\n\n", want: "403"},
	{name: "beyond ASCII", text: "GET CREDENTIALS HTTP/1.1\nHost: evil。local\n\n", want: "400"},
	{name: "no space", text: "GET CREDENTIALS HTTP/1.1\nhost:evil.example\n\n", want: "403"},
	{name: "space before the colon", text: "GET CREDENTIALS HTTP/1.1\nHost : evil.example\n\n", want: "400"},
	{name: "folded", text: "GET CREDENTIALS HTTP/1.1\nHost: localhost\n evil.example\n\n", want: "400"},
	{name: "two, good first", text: "GET CREDENTIALS HTTP/1.1\nHost: localhost\nHost: evil.example\n\n", want: "400"},
	{name: "two, good last", text: "GET CREDENTIALS HTTP/1.1\nHost: evil.example\nHost: localhost\n\n", want: "400"},
	{name: "none", text: "GET CREDENTIALS HTTP/1.1\n\n", want: "200"}, // as old AWS CRT clients ask
	{name: "none in HTTP/1.0", text: "GET CREDENTIALS HTTP/1.0\n\n", want: "200"},
	{name: "evil in HTTP/1.0", text: "GET CREDENTIALS HTTP/1.0\nHost: evil.example\n\n", want: "403"},
	{name: "absolute form", text: "GET http://evil.example/CREDENTIALS HTTP/1.1\nHost: localhost\n\n", want: "403"},
	{name: "absolute form, as to a proxy", text: "GET http://127.0.0.1CREDENTIALS HTTP/1.1\nHost: 127.0.0.1\n\n", want: "200"},
	{name: "absolute form with user", text: "GET http://localhost@evil.example/CREDENTIALS HTTP/1.1\nHost: localhost\n\n", want: "403"},
	{name: "absolute form of another scheme", text: "GET gopher://evil.example/CREDENTIALS HTTP/1.1\nHost: localhost\n\n", want: "403"},
	{name: "authority form", text: "CONNECT evil.example:80 HTTP/1.1\nHost: localhost\n\n", want: "403"},
	{name: "authority form of its own", text: "CONNECT 127.0.0.1:80 HTTP/1.1\nHost: localhost\n\n", want: "403", says: "CONNECT is not allowed"},
	{name: "authority form for GET", text: "GET evil.example:80 HTTP/1.1\nHost: localhost\n\n", want: "200"}, // of /
	{name: "authority form for GET, evil", text: "GET localhost:80 HTTP/1.1\nHost: evil.example\n\n", want: "403"},
	{name: "network path", text: "GET //evil.exampleCREDENTIALS HTTP/1.1\nHost: localhost\n\n", want: "404"},
}

// thePage has the headers of browsers.
var thePage = []attack{
	{name: "page", text: "GET CREDENTIALS HTTP/1.1\nHost: localhost\nOrigin: http://evil.example\n\n", want: "403", says: `(Origin: "http://evil.example")`},
	{name: "in small letters", text: "GET CREDENTIALS HTTP/1.1\nhost: localhost\norigin: null\n\n", want: "403"},
	{name: "folded", text: "GET CREDENTIALS HTTP/1.1\nHost: localhost\nOrigin:\n http://evil.example\n\n", want: "403"},
	{name: "space before the colon", text: "GET CREDENTIALS HTTP/1.1\nHost: localhost\nOrigin : http://evil.example\n\n", want: "400"},
	{name: "preflight", text: "OPTIONS CREDENTIALS HTTP/1.1\nHost: localhost\nOrigin: http://evil.example\nAccess-Control-Request-Method: PUT\n\n", want: "403"},
	{name: "picture", text: "GET CREDENTIALS HTTP/1.1\nHost: localhost\nSec-Fetch-Site: cross-site\nSec-Fetch-Mode: no-cors\n\n", want: "403"},
	{name: "neighbour", text: "GET CREDENTIALS HTTP/1.1\nHost: localhost\nSec-Fetch-Site: same-site\n\n", want: "403"},
	{name: "typed", text: "GET CREDENTIALS HTTP/1.1\nHost: localhost\nSec-Fetch-Site: none\n\n", want: "200"},
	{name: "link", text: "GET CREDENTIALS HTTP/1.1\nHost: localhost\nReferer: http://evil.example/?secret\n\n", want: "403", says: `(Referer: "http://evil.example")`},
	{name: "own link", text: "GET CREDENTIALS HTTP/1.1\nHost: localhost\nReferer: http://localhost/latest/\n\n", want: "200"},
	{name: "websocket", text: "GET CREDENTIALS HTTP/1.1\nHost: localhost\nOrigin: http://evil.example\nConnection: Upgrade\nUpgrade: websocket\n\n", want: "403"},
	{name: "status", text: "GET /status HTTP/1.1\nHost: localhost\nOrigin: http://evil.example\n\n", want: "403"},
	{name: "form", text: "POST /latest/api/token HTTP/1.1\nHost: localhost\nOrigin: http://evil.example\nContent-Length: 3\n\na=b", want: "403"},
}

// theToken requests tokens as a proxy does, with each spelling of the path.
var theToken = []attack{
	{name: "proxy", text: "PUT /latest/api/token HTTP/1.1\nHost: localhost\nX-aws-ec2-metadata-token-ttl-seconds: 60\nX-Forwarded-For: 10.0.0.1\n\n", want: "403"},
	{name: "slashes", text: "PUT //latest/api//token/ HTTP/1.1\nHost: localhost\nX-aws-ec2-metadata-token-ttl-seconds: 60\nX-Forwarded-For: 10.0.0.1\n\n", want: "403"},
	{name: "encoded", text: "PUT /latest/api/%74oken HTTP/1.1\nHost: localhost\nX-aws-ec2-metadata-token-ttl-seconds: 60\nX-Forwarded-For: 10.0.0.1\n\n", want: "403"},
	{name: "encoded slash", text: "PUT /latest%2fapi%2ftoken HTTP/1.1\nHost: localhost\nX-aws-ec2-metadata-token-ttl-seconds: 60\nX-Forwarded-For: 10.0.0.1\n\n", want: "403"},
	{name: "absolute form", text: "PUT http://localhost/latest/api/token HTTP/1.1\nHost: x\nX-aws-ec2-metadata-token-ttl-seconds: 60\nX-Forwarded-For:\n\n", want: "403"},
	{name: "query", text: "PUT /latest/api/token?x HTTP/1.1\nHost: localhost\nX-aws-ec2-metadata-token-ttl-seconds: 60\nX-Forwarded-For: 10.0.0.1\n\n", want: "403"},
	{name: "parameter", text: "PUT /latest/api/token;x HTTP/1.1\nHost: localhost\nX-aws-ec2-metadata-token-ttl-seconds: 60\nX-Forwarded-For: 10.0.0.1\n\n", want: "405"},
	{name: "dated", text: "PUT /2021-07-15/api/token HTTP/1.1\nHost: localhost\nX-aws-ec2-metadata-token-ttl-seconds: 60\n\n", want: "403"},
	{name: "override", text: "GET /latest/api/token HTTP/1.1\nHost: localhost\nX-HTTP-Method-Override: PUT\nX-aws-ec2-metadata-token-ttl-seconds: 60\n\n", want: "405"},
	{name: "by GET", text: "GET /latest/api/token HTTP/1.1\nHost: localhost\nX-aws-ec2-metadata-token-ttl-seconds: 60\n\n", want: "405"},
	{name: "empty", text: "GET CREDENTIALS HTTP/1.1\nHost: localhost\nX-aws-ec2-metadata-token:\n\n", want: "401"},
	{name: "s3fs", text: "PUT /latest/api/token HTTP/1.1\nHost: localhost\nX-aws-ec2-metadata-token-ttl-seconds: 60\nContent-Length: 0\nExpect: 100-continue\n\n", want: "200"},
	{name: "curl -T", text: "PUT /latest/api/token HTTP/1.1\nHost: localhost\nX-aws-ec2-metadata-token-ttl-seconds: 60\nTransfer-Encoding: chunked\nExpect: 100-continue\n\n0\n\n", want: "100 200"},
	{name: "an unknown expectation", text: "GET CREDENTIALS HTTP/1.1\nHost: localhost\nExpect: credentials\n\n", want: "417"},
}

// theFraming has requests whose end two servers could see at different places.
var theFraming = []attack{
	{name: "length and chunks", text: "GET CREDENTIALS HTTP/1.1\nHost: localhost\nContent-Length: 5\nTransfer-Encoding: chunked\n\n0\n\nBAD", want: "200 403"},
	{name: "chunks and length", text: "GET CREDENTIALS HTTP/1.1\nHost: localhost\nTransfer-Encoding: chunked\nContent-Length: 500\n\n0\n\nBAD", want: "200 403"},
	{name: "request in a body", text: "POST /latest/ HTTP/1.1\nHost: localhost\nContent-Length: LENGTH\n\nREQUEST", want: "405"},
	{name: "request in a body of one refused", text: "GET / HTTP/1.1\nHost: evil.example\nContent-Length: 5\n\nREQUEST", want: "403"},
	{name: "two lengths", text: "GET CREDENTIALS HTTP/1.1\nHost: localhost\nContent-Length: 5\nContent-Length: 6\n\n12345REQUEST", want: "400"},
	{name: "two lengths in one", text: "GET CREDENTIALS HTTP/1.1\nHost: localhost\nContent-Length: 5, 6\n\n12345REQUEST", want: "400"},
	{name: "signed length", text: "GET CREDENTIALS HTTP/1.1\nHost: localhost\nContent-Length: +5\n\n12345REQUEST", want: "400"},
	{name: "negative length", text: "GET CREDENTIALS HTTP/1.1\nHost: localhost\nContent-Length: -1\n\n", want: "400"},
	{name: "length beyond numbers", text: "GET CREDENTIALS HTTP/1.1\nHost: localhost\nContent-Length: 99999999999999999999\n\n", want: "400"},
	{name: "unknown encoding", text: "GET CREDENTIALS HTTP/1.1\nHost: localhost\nTransfer-Encoding: xchunked\n\n0\n\nREQUEST", want: "501"},
	{name: "two encodings", text: "GET CREDENTIALS HTTP/1.1\nHost: localhost\nTransfer-Encoding: chunked\nTransfer-Encoding: identity\n\n0\n\nREQUEST", want: "501"},
	{name: "space before the colon", text: "GET CREDENTIALS HTTP/1.1\nHost: localhost\nTransfer-Encoding : chunked\n\n0\n\nREQUEST", want: "400"},
	{name: "folded encoding", text: "GET CREDENTIALS HTTP/1.1\nHost: localhost\nTransfer-Encoding:\n chunked\n\n0\n\nBAD", want: "200 403"},
	{name: "chunk of nonsense", text: "GET CREDENTIALS HTTP/1.1\nHost: localhost\nTransfer-Encoding: chunked\n\nnonsense\nREQUEST", want: "400"},
	{name: "chunk beyond numbers", text: "GET CREDENTIALS HTTP/1.1\nHost: localhost\nTransfer-Encoding: chunked\n\nfffffffffffffffff\nREQUEST", want: "400"},
	{name: "chunk without end", text: "GET CREDENTIALS HTTP/1.1\nHost: localhost\nTransfer-Encoding: chunked\n\n5\n123", want: "400"},
	{name: "bare line feeds", text: "GET CREDENTIALS HTTP/1.1LFHost: localhostLFLF", want: "200"},
	{name: "bare line feeds, evil", text: "GET CREDENTIALS HTTP/1.1LFHost: evil.exampleLFLF", want: "403"},
	{name: "line feed in a header", text: "GET CREDENTIALS HTTP/1.1\nHost: localhostLFOrigin: http://evil.example\n\n", want: "403"},
	{name: "carriage return in a header", text: "GET CREDENTIALS HTTP/1.1\nHost: localhost\nA: b\rOrigin: http://evil.example\n\n", want: "400"},
	{name: "NUL in a header", text: "GET CREDENTIALS HTTP/1.1\nHost: localhost\nA: b\x00c\n\n", want: "400"},
	{name: "NUL in a name", text: "GET CREDENTIALS HTTP/1.1\nHost: localhost\nA\x00: b\n\n", want: "400"},
	{name: "no colon", text: "GET CREDENTIALS HTTP/1.1\nHost: localhost\nnonsense\n\n", want: "400"},
	{name: "empty name", text: "GET CREDENTIALS HTTP/1.1\nHost: localhost\n: b\n\n", want: "400"},
	{name: "folded at the start", text: "GET CREDENTIALS HTTP/1.1\n Host: localhost\n\n", want: "400"},
	{name: "next one bad", text: "REQUESTBADREQUEST", want: "200 403"},
	{name: "next one nonsense", text: "REQUESTnonsense\n\nREQUEST", want: "200 400"},
	{name: "next ones good", text: "REQUESTREQUESTREQUEST", want: "200 200 200"},
	{name: "HTTP/2", text: "PRI * HTTP/2.0\n\nSM\n\n\x00\x00\x00\x04\x00\x00\x00\x00\x00", want: "405"},
	{name: "HTTP/2 by upgrade", text: "GET CREDENTIALS HTTP/1.1\nHost: localhost\nConnection: Upgrade, HTTP2-Settings\nUpgrade: h2c\nHTTP2-Settings: AAMAAABkAAQAAP__\n\n", want: "200"},
	{name: "HTTP/0.9", text: "GET CREDENTIALS\n\n", want: "400"},
	{name: "HTTP/3", text: "GET CREDENTIALS HTTP/3.0\nHost: localhost\n\n", want: "505"},
	{name: "TLS", text: "\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00\n\n", want: "400"},
	{name: "TRACE", text: "TRACE CREDENTIALS HTTP/1.1\nHost: localhost\nCookie: echo\n\n", want: "405"},
	{name: "all of it", text: "OPTIONS * HTTP/1.1\nHost: localhost\n\n", want: "200"},
	{name: "all of it, evil", text: "OPTIONS * HTTP/1.1\nHost: evil.example\n\n", want: "403"},
	{name: "method of many letters", text: "GETGETGETGET CREDENTIALS HTTP/1.1\nHost: localhost\n\n", want: "405"},
	{name: "method of small ones", text: "get CREDENTIALS HTTP/1.1\nHost: localhost\n\n", want: "405"},
	{name: "method with a colon", text: "GET: CREDENTIALS HTTP/1.1\nHost: localhost\n\n", want: "400"},
}

// thePath has spellings of paths that do not exist. %2d is a hyphen: a path is decoded once.
var thePath = []attack{
	{name: "plain", text: "GET CREDENTIALS HTTP/1.1\nHost: localhost\n\n", want: "200"},
	{name: "decoded once", text: "GET /latest/meta%2ddata/instance-id HTTP/1.1\nHost: localhost\n\n", want: "200"},
	{name: "not twice", text: "GET /latest/meta%252ddata/instance-id HTTP/1.1\nHost: localhost\n\n", want: "404"},
	{name: "dots", text: "GET /latest/dynamic/../meta-data/instance-id HTTP/1.1\nHost: localhost\n\n", want: "404"},
	{name: "dots, encoded", text: "GET /latest/dynamic/%2e%2e/meta-data/instance-id HTTP/1.1\nHost: localhost\n\n", want: "404"},
	{name: "dots above all", text: "GET /../../../../etc/passwd HTTP/1.1\nHost: localhost\n\n", want: "404"},
	{name: "NUL", text: "GET CREDENTIALS%00 HTTP/1.1\nHost: localhost\n\n", want: "404"},
	{name: "NUL, raw", text: "GET CREDENTIALS\x00 HTTP/1.1\nHost: localhost\n\n", want: "400"},
	{name: "overlong slash", text: "GET /latest%c0%afmeta-data/instance-id HTTP/1.1\nHost: localhost\n\n", want: "404"},
	{name: "overlong dots", text: "GET /latest/dynamic/%c0%ae%c0%ae/meta-data/instance-id HTTP/1.1\nHost: localhost\n\n", want: "404"},
	{name: "parameter", text: "GET /latest/meta-data/instance-id;a=b HTTP/1.1\nHost: localhost\n\n", want: "404"},
	{name: "backslashes", text: `GET /latest\meta-data\instance-id HTTP/1.1` + "\nHost: localhost\n\n", want: "404"},
	{name: "line feed", text: "GET /latest/meta-data/instance-id%0aX HTTP/1.1\nHost: localhost\n\n", want: "404"},
	{name: "space", text: "GET /latest/meta data/ HTTP/1.1\nHost: localhost\n\n", want: "400"},
	{name: "bad escape", text: "GET /latest/%zz HTTP/1.1\nHost: localhost\n\n", want: "400"},
	{name: "fragment", text: "GET CREDENTIALS#x HTTP/1.1\nHost: localhost\n\n", want: "404"},
	{name: "capitals", text: "GET /latest/META-DATA/instance-id HTTP/1.1\nHost: localhost\n\n", want: "404"},
	{name: "full width", text: "GET /latest/meta-data/%EF%BD%89nstance-id HTTP/1.1\nHost: localhost\n\n", want: "404"},
	{name: "part of a role's name", text: "GET /latest/meta-data/iam/security-credentials/myrol HTTP/1.1\nHost: localhost\n\n", want: "404"},
	{name: "below a role", text: "GET CREDENTIALS/x HTTP/1.1\nHost: localhost\n\n", want: "404"},
}

// theSize has requests above the limits. The daemon reads them no further than it needs to see that.
var theSize = []attack{
	{name: "URL", text: "GET /" + strings.Repeat("a", 3000) + " HTTP/1.1\nHost: localhost\n\n", want: "414", says: "server.limits.url_bytes allows 2048"},
	{name: "longer URL", text: "GET /" + strings.Repeat("a", 100_000) + " HTTP/1.1\nHost: localhost\n\n", want: "431", waits: true},
	{name: "query", text: "GET CREDENTIALS?" + strings.Repeat("a", 3000) + " HTTP/1.1\nHost: localhost\n\n", want: "414"},
	{name: "2,000 headers of few bytes", text: "GET CREDENTIALS HTTP/1.1\nHost: localhost\n" + strings.Repeat("A: b\n", 2000) + "\n", want: "200"},
	{name: "2,000 headers", text: "GET CREDENTIALS HTTP/1.1\nHost: localhost\n" + strings.Repeat("Header: b\n", 2000) + "\n", want: "431", says: "server.limits.header_bytes allows 16384"},
	{name: "2,000 larger headers", text: "GET CREDENTIALS HTTP/1.1\nHost: localhost\n" + strings.Repeat("Header: "+strings.Repeat("b", 90)+"\n", 2000) + "\n", want: "431", waits: true},
	{name: "header", text: "GET CREDENTIALS HTTP/1.1\nHost: localhost\nA: " + strings.Repeat("b", 17<<10) + "\n\n", want: "431", says: "server.limits.header_bytes allows 16384"},
	{name: "header of 1 MiB", text: "GET CREDENTIALS HTTP/1.1\nHost: localhost\nA: " + strings.Repeat("b", 1<<20) + "\n\n", want: "431", waits: true},
	{name: "header of 1 MiB without end", text: "GET CREDENTIALS HTTP/1.1\nHost: localhost\nA: " + strings.Repeat("b", 1<<20), want: "431", waits: true},
	{name: "body to come of 1 GiB", text: "PUT /latest/api/token HTTP/1.1\nHost: localhost\nContent-Length: 1073741824\n\n", want: "413", says: "server.limits.body_bytes allows", waits: true},
	{name: "body of 1 MiB", text: "PUT /latest/api/token HTTP/1.1\nHost: localhost\nContent-Length: 1048576\n\n" + strings.Repeat("b", 1<<20), want: "413", waits: true},
	{name: "body in chunks", text: "PUT /latest/api/token HTTP/1.1\nHost: localhost\nTransfer-Encoding: chunked\n\n" + strings.Repeat("400\n"+strings.Repeat("b", 1024)+"\n", 1000), want: "413", waits: true},
	{name: "body in small chunks", text: "PUT /latest/api/token HTTP/1.1\nHost: localhost\nTransfer-Encoding: chunked\n\n" + strings.Repeat("1\nb\n", 100_000), want: "413", waits: true},
	{name: "chunk extension", text: "GET CREDENTIALS HTTP/1.1\nHost: localhost\nTransfer-Encoding: chunked\n\n1;" + strings.Repeat("b", 100_000) + "\nb\n", want: "400", waits: true},
	{name: "trailers", text: "GET CREDENTIALS HTTP/1.1\nHost: localhost\nTransfer-Encoding: chunked\n\n0\n" + strings.Repeat("A: b\n", 100_000) + "\n", want: "400", waits: true},
	{name: "body to come of one refused", text: "GET CREDENTIALS HTTP/1.1\nHost: evil.example\nContent-Length: 4000\n\n", want: "403", waits: true},
	{name: "body to come in chunks, of one refused", text: "GET CREDENTIALS HTTP/1.1\nHost: evil.example\nTransfer-Encoding: chunked\n\n", want: "403", waits: true},
}

var allAttacks = map[string][]attack{
	"host": theHost, "page": thePage, "token": theToken, "framing": theFraming, "path": thePath, "size": theSize,
}

// bytes are the text with its words replaced.
func (a *attack) bytes() string {
	const request = "GET CREDENTIALS HTTP/1.1\nHost: localhost\n\n"
	bad := strings.Replace(request, "localhost", "evil.example", 1)
	length := fmt.Sprint(len(request) + len(credentialsPath) - len("CREDENTIALS") + strings.Count(request, "\n"))
	text := strings.NewReplacer("REQUEST", request, "BAD", bad, "LENGTH", length).Replace(a.text)
	return strings.NewReplacer("/CREDENTIALS", credentialsPath, "CREDENTIALS", credentialsPath, "\n", "\r\n", "LF", "\n").Replace(text)
}

// TestWire_AttacksGetNoCredentials sends requests that no client sends. Only answers with 200 may hold credentials.
func TestWire_AttacksGetNoCredentials(t *testing.T) {
	d := startLocal(t, mockHome(t, ""), "")
	address := d.address()
	secrets := secretsOf(t, http.DefaultClient, d.url)
	for group, attacks := range allAttacks {
		for _, a := range attacks {
			t.Run(group+"/"+a.name, func(t *testing.T) {
				t.Parallel()
				conn, err := net.Dial("tcp", address)
				if err != nil {
					t.Fatal(err)
				}
				answers, err := exchange(conn, a.bytes(), a.waits)
				if err != nil {
					t.Error(err)
				}
				if got := statuses(answers); got != a.want {
					t.Errorf("%s, want %s", got, a.want)
				}
				for _, got := range answers {
					if got.status != 200 {
						noSecret(t, got, secrets)
					}
				}
				if n := len(answers); n > 0 && !strings.Contains(answers[n-1].body, a.says) {
					t.Errorf("it says %q, want %q", answers[n-1].body, a.says)
				}
			})
		}
	}
}

// TestTokens_ForgedOnesAreRefused sends forged tokens, each of which must get 401.
func TestTokens_ForgedOnesAreRefused(t *testing.T) {
	home := mockHome(t, "")
	d := startLocal(t, home, "")
	other := startLocal(t, mockHome(t, ""), "")
	token, short, foreign := newToken(t, d.url, 300), newToken(t, d.url, 1), newToken(t, other.url, 300)
	secrets := secretsOf(t, http.DefaultClient, d.url)
	ask := func(tokens ...string) answer {
		req, err := http.NewRequest(http.MethodGet, d.url+credentialsPath[1:], nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header["X-Aws-Ec2-Metadata-Token"] = tokens
		client := &http.Client{Transport: sender(func() (*http.Response, error) { return http.DefaultTransport.RoundTrip(req) })}
		return get(client, d.url)
	}
	forged := map[string]string{
		"empty": "", "of another process": foreign, "longer": token + "A", "shorter": token[:55], "without padding": strings.TrimRight(token, "="),
		"twice": token + token, "quoted": `"` + token + `"`, "a list": token + ", " + token, "in small letters": strings.ToLower(token),
		"of the other alphabet": strings.NewReplacer("-", "+", "_", "/").Replace(token) + "x", "percent": "%41" + token[1:], "the answer itself": "AQAEA" + strings.Repeat("A", 49) + "==",
	}
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	for i := range 53 {
		next := alphabet[(strings.IndexByte(alphabet, token[i])+1)%len(alphabet)]
		forged[fmt.Sprintf("changed at %d", i)] = token[:i] + string(next) + token[i+1:]
	}
	for name, f := range forged {
		t.Run(name, func(t *testing.T) {
			got := ask(f)
			if got.status != 401 || got.body != "" {
				t.Errorf("%d %q, want 401 without a body", got.status, got.body)
			}
			noSecret(t, got, secrets)
		})
	}
	for name, tt := range map[string]struct {
		tokens []string
		want   int
	}{
		"one":                        {[]string{token}, 200},
		"old and new":                {[]string{foreign, token}, 200},
		"new and old":                {[]string{token, foreign}, 200},
		"two bad ones":               {[]string{foreign, token[:55]}, 401},
		"halves of one":              {[]string{token[:28], token[28:]}, 401},
		"2 good ones among many bad": {[]string{"", "x", token, foreign, token}, 200},
	} {
		t.Run(name, func(t *testing.T) {
			if got := ask(tt.tokens...); got.status != tt.want {
				t.Errorf("%d, want %d", got.status, tt.want)
			}
		})
	}
	testutil.Eventually(t, "a token of one second has expired", func() bool { return ask(short).status == 401 })
	if got := ask(token); got.status != 200 {
		t.Errorf("a longer one has expired, too: %d", got.status)
	}
	writeMockConfig(t, home, "ec2: {instance_id: i-0fedcba9876543210}\n")
	testutil.Eventually(t, "a token of another instance is refused", func() bool { return ask(token).status == 401 })
	if got := ask(newToken(t, d.url, 300)); got.status != 200 {
		t.Errorf("the new instance's own token: %d", got.status)
	}
}

// sender sends another request than it is given.
type sender func() (*http.Response, error)

func (s sender) RoundTrip(*http.Request) (*http.Response, error) { return s() }

func newToken(t *testing.T, url string, seconds int) string {
	t.Helper()
	req, err := http.NewRequest(http.MethodPut, url+"latest/api/token", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-aws-ec2-metadata-token-ttl-seconds", fmt.Sprint(seconds))
	got := get(&http.Client{Transport: sender(func() (*http.Response, error) { return http.DefaultTransport.RoundTrip(req) })}, url)
	if got.status != 200 || len(got.body) != 56 {
		t.Fatalf("no token: %d %s", got.status, got.body)
	}
	return got.body
}

// secretsOf are the credentials that a daemon hands out.
func secretsOf(t *testing.T, client *http.Client, url string) []string {
	t.Helper()
	got := get(client, strings.TrimSuffix(url, "/")+credentialsPath)
	var c struct {
		AccessKeyID            string `json:"AccessKeyId"`
		SecretAccessKey, Token string
	}
	if err := json.Unmarshal([]byte(got.body), &c); err != nil || c.AccessKeyID == "" || c.SecretAccessKey == "" || c.Token == "" {
		t.Fatalf("no credentials: %d, %v", got.status, err)
	}
	return []string{c.AccessKeyID, c.SecretAccessKey, c.Token}
}

// noSecret fails the test if an answer holds credentials.
func noSecret(t *testing.T, a answer, secrets []string) {
	t.Helper()
	for name, values := range a.header {
		a.body += name + strings.Join(values, " ")
	}
	for _, secret := range secrets {
		if strings.Contains(a.body, secret) {
			t.Errorf("an answer of %d holds a credential", a.status)
		}
	}
}

// TestPages_OnlyAnAllowedOriginIsAnswered sends what a browser sends for a page of an allowed origin, and of another one.
func TestPages_OnlyAnAllowedOriginIsAnswered(t *testing.T) {
	home := mockHome(t, "server: {allow_origins: [\"http://localhost:3000\"]}\n")
	d := startLocal(t, home, "")
	address := d.address()
	ask := func(text string) answer {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		answers, err := exchange(conn, strings.ReplaceAll(text, "\n", "\r\n"), false)
		if err != nil || len(answers) != 1 {
			t.Fatalf("%v, %d answers", err, len(answers))
		}
		return answers[0]
	}
	for _, tt := range []struct {
		name, text string
		want       string // status, Access-Control-Allow-Origin and -Methods
	}{
		{
			name: "preflight",
			text: "OPTIONS /latest/api/token HTTP/1.1\nHost: localhost:5000\nOrigin: http://localhost:3000\nAccess-Control-Request-Method: PUT\nAccess-Control-Request-Headers: x-aws-ec2-metadata-token-ttl-seconds\n\n",
			want: "200 http://localhost:3000 GET, HEAD, PUT",
		},
		{
			name: "token",
			text: "PUT /latest/api/token HTTP/1.1\nHost: localhost:5000\nOrigin: http://localhost:3000\nX-aws-ec2-metadata-token-ttl-seconds: 60\n\n",
			want: "200 http://localhost:3000",
		},
		{
			name: "unknown path",
			text: "GET /x HTTP/1.1\nHost: localhost:5000\nOrigin: http://localhost:3000\n\n",
			want: "404 http://localhost:3000",
		},
		{
			name: "preflight of another origin",
			text: "OPTIONS /latest/api/token HTTP/1.1\nHost: localhost:5000\nOrigin: http://localhost:3001\nAccess-Control-Request-Method: PUT\n\n",
			want: "403",
		},
		{
			name: "rebound Host",
			text: "GET / HTTP/1.1\nHost: evil.example\nOrigin: http://localhost:3000\n\n",
			want: "403",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := ask(tt.text)
			got := fmt.Sprint(a.status, " ", a.header.Get("Access-Control-Allow-Origin"), " ", a.header.Get("Access-Control-Allow-Methods"))
			if got = strings.TrimSpace(got); got != tt.want {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
}
