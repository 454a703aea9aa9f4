package podidentity

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"mock-ec2-metadata/internal/web"
)

const get = "GET /v1/credentials"

// with is a request with a token.
func with(token string) string { return get + "\nAuthorization: " + token }

func TestHandler_ServesTheDocumentOfAPod(t *testing.T) {
	token := good()
	runRequests(t, newWorld(t), []requestTest{
		{name: "token", request: with(token), status: ok, body: document},
		{name: "HEAD", request: "HEAD /v1/credentials\nAuthorization: " + token, status: ok, body: document},
		{name: "a query", request: "GET /v1/credentials?a=%zz&id=1\nAuthorization: " + token, status: ok, body: document},
		{name: "double slashes", request: "GET //v1//credentials\nAuthorization: " + token, status: ok, body: document},
		{name: "blanks around, which HTTP strips", request: get + "\nauthorization:   " + token + "  ", status: ok, body: document},
		{name: "absolute form", request: "GET http://169.254.170.23/v1/credentials\nAuthorization: " + token, status: ok, body: document},
		{name: "no kubernetes.io", request: with(good("kubernetes.io", nil)), status: ok, body: document},
		{name: "the audience as a text", request: with(good("aud", audience)), status: ok, body: document},
		{name: "two audiences", request: with(good("aud", []string{"vault", audience})), status: ok, body: document},
	})
}

func TestHandler_AnswersOtherPathsAndMethods(t *testing.T) {
	token := "\nAuthorization: " + good()
	allow := http.Header{"Allow": {"GET, HEAD"}}
	const no = "Method Not Allowed\n"
	runRequests(t, newWorld(t), []requestTest{
		{name: "root", request: "GET /" + token, status: absent, body: absentPage},
		{name: "slash at the end", request: "GET /v1/credentials/" + token, status: absent, body: absentPage},
		{name: "IMDS", request: "GET /latest/meta-data/" + token, status: absent, body: absentPage},
		{name: "ECS", request: "GET /v2/credentials/x" + token, status: absent, body: absentPage},
		{name: "longer", request: "GET /v1/credentials/x" + token, status: absent, body: absentPage},
		{name: "capitals", request: "GET /V1/credentials" + token, status: absent, body: absentPage},
		{name: "HEAD", request: "HEAD /" + token, status: absent, body: absentPage},
		{name: "POST elsewhere", request: "POST /" + token, status: absent, body: absentPage},
		{name: "POST", request: "POST /v1/credentials" + token, status: "405 Method Not Allowed", body: no, header: allow},
		{name: "PUT without a token", request: "PUT /v1/credentials", status: "405 Method Not Allowed", body: no, header: allow},
		{name: "unknown method", request: "get /v1/credentials" + token, status: "405 Method Not Allowed", body: no, header: allow},
	})
}

func TestHandler_DeniesProxies(t *testing.T) {
	const page = "credentials are denied to proxies (X-Forwarded-For, Forwarded, Via)\n"
	token := "\nAuthorization: " + good()
	runRequests(t, newWorld(t), []requestTest{
		{name: "X-Forwarded-For", request: get + token + "\nX-Forwarded-For: 127.0.0.1", status: forbidden, body: page},
		{name: "empty", request: get + token + "\nX-Forwarded-For:", status: forbidden, body: page},
		{name: "lower case", request: get + token + "\nforwarded: for=127.0.0.1", status: forbidden, body: page},
		{name: "Via, without a token", request: get + "\nVia:", status: forbidden, body: page},
		{name: "HEAD", request: "HEAD /v1/credentials\nVia: 1.1 x" + token, status: forbidden, body: page},
		{name: "other headers", request: get + token + "\nX-Real-Ip: 127.0.0.1", status: ok, body: document},
	})
}

// The texts are those of the agent, byte for byte (container-credentials-reference section 5.4).
func TestHandler_RefusesWhatIsNoTokenWithTheTextsOfTheAgent(t *testing.T) {
	const (
		parse  = "Service account token cannot be parsed: "
		claims = "Service account token failed basic claim validations: "
	)
	runRequests(t, newWorld(t), []requestTest{
		{name: "no header", request: get, status: bad, body: "Service account token cannot be empty\n"},
		{name: "empty header", request: get + "\nAuthorization:", status: bad, body: "Service account token cannot be empty\n"},
		{
			name: "nonsense", request: with("nonsense"), status: bad,
			body: parse + "token is malformed: token contains an invalid number of segments\n",
		},
		{
			name: "too many segments", request: with(good() + ".x"), status: bad,
			body: parse + "token is malformed: token contains an invalid number of segments\n",
		},
		{
			name: "Bearer", request: with("Bearer " + good()), status: bad,
			body: parse + "token is malformed: could not base64 decode header: illegal base64 data at input byte 6\n",
		},
		{
			name: "no algorithm", request: with("e30.e30."), status: bad,
			body: parse + "token is unverifiable: signing method (alg) is unspecified\n",
		},
		{
			name: "no base64 of claims", request: with("e30.!."), status: bad,
			body: parse + "token is malformed: could not base64 decode claim: illegal base64 data at input byte 0\n",
		},
		{
			name: "no base64 of a signature, which the agent passes on", request: with(good() + "!"), status: bad,
			body: "(InvalidTokenException): the claims or the signature of the token cannot be read; use the token of a service account, fault: client\n",
		},
		{
			name: "expired", request: with(good("exp", start.Unix())), status: bad,
			body: claims + "token is expired\n",
		},
		{
			name: "not valid yet", request: with(good("nbf", start.Unix()+1)), status: bad,
			body: claims + "token is not valid yet\n",
		},
		{
			name: "both", request: with(good("exp", start.Unix(), "nbf", start.Unix()+1)), status: bad,
			body: claims + "token is expired, token is not valid yet\n",
		},
		{
			name: "expired, and not signed", request: with(sign(noneMethod, noneKey, nil, claimsOf("exp", 1))), status: bad,
			body: claims + "token is expired\n",
		},
		{name: "HEAD", request: "HEAD /v1/credentials", status: bad, body: "Service account token cannot be empty\n"},
	})
}

func TestHandler_SaysWhichAssociationIsMissing(t *testing.T) {
	const text = "(ResourceNotFoundException): no association in cluster local for namespace %s and service account %s; " +
		"add it to pod_identity.associations, fault: client\n"
	other := func(namespace, name string) string {
		return with(good("sub", "system:serviceaccount:"+namespace+":"+name, "kubernetes.io", nil))
	}
	runRequests(t, newWorld(t), []requestTest{
		{name: "longer", request: other("shop", "web2"), status: absent, body: fmt.Sprintf(text, "shop", "web2")},
		{name: "capital", request: other("Shop", "web"), status: absent, body: fmt.Sprintf(text, "Shop", "web")},
		{name: "other namespace", request: other("shop2", "web"), status: absent, body: fmt.Sprintf(text, "shop2", "web")},
		{name: "names exchanged", request: other("web", "shop"), status: absent, body: fmt.Sprintf(text, "web", "shop")},
	})
}

func TestHandler_SaysWhyThereAreNoCredentials(t *testing.T) {
	failing := func(err error) *world { w := newWorld(t); w.source = &source{err: err}; return w }
	verifying := func(err error) *world {
		w := newWorld(t)
		w.verifier = verifierFunc(func(context.Context, string) (*Claims, error) { return nil, err })
		return w
	}
	change := func(f func(*world)) *world { w := newWorld(t); f(w); return w }
	const (
		notYet = "(ServiceUnavailableException): the credentials are not available yet; try again, fault: server\n"
		server = "500 Internal Server Error"
	)
	for _, tt := range []struct {
		name         string
		world        *world
		status, body string
	}{
		{"refused by STS", failing(&CredentialError{Code: "AccessDenied", Message: "it may not;\nallow it"}), bad, "(AccessDeniedException): it may not; allow it, fault: client\n"},
		{"refused, wrapped", failing(fmt.Errorf("web: %w", &CredentialError{Code: "AccessDeniedException", Message: "no"})), bad, "(AccessDeniedException): no, fault: client\n"},
		{"profile refused", failing(&CredentialError{Code: "ExpiredToken", Message: "log in"}), bad, "(AccessDeniedException): ExpiredToken: log in, fault: client\n"},
		{"policy", failing(&CredentialError{Code: "MalformedPolicyDocument", Message: "no"}), bad, "(InvalidParameterException): MalformedPolicyDocument: no, fault: client\n"},
		{"STS not reachable", failing(&CredentialError{Code: "Failed", Message: "timeout", Temporary: true}), away, notYet},
		{"deadline", failing(context.DeadlineExceeded), away, notYet},
		{"verifier refuses", verifying(fmt.Errorf("x: %w", &Refusal{"it is bad; fix it"})), bad, "(InvalidTokenException): it is bad; fix it, fault: client\n"},
		{"verifier not reachable", verifying(errors.New("API server down")), away, "(ServiceUnavailableException): the token cannot be verified now; try again, fault: server\n"},
		{"unknown client", change(func(w *world) { w.err = errors.New("nothing there") }), away, "(ServiceUnavailableException): the client cannot be identified now; try again, fault: server\n"},
		{"client denied", change(func(w *world) { w.err = &web.Error{Status: 403} }), forbidden, "Forbidden\n"},
		{"client not ready", change(func(w *world) { w.err = &web.Error{Status: 503} }), away, notYet},
		{"role not served", change(func(w *world) { w.findErr = errors.New("no keeper") }), away, "(ServiceUnavailableException): the role cannot be served now; try again, fault: server\n"},
		{"role decided", change(func(w *world) { w.findErr = &web.Error{Status: 500} }), server, "(InternalServerException): internal server error, fault: server\n"},
		{"panic", change(func(w *world) { w.panics = "oops" }), server, "(InternalServerException): internal server error, fault: server\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			runRequests(t, tt.world, []requestTest{
				{name: "GET", request: with(good()), status: tt.status, body: tt.body},
				{name: "HEAD", request: "HEAD /v1/credentials\nAuthorization: " + good(), status: tt.status, body: tt.body},
			})
		})
	}
}

func TestHandler_WaitsAtMost900ms(t *testing.T) {
	hang := verifierFunc(func(ctx context.Context, _ string) (*Claims, error) { <-ctx.Done(); return nil, ctx.Err() })
	for _, tt := range []struct {
		name  string
		world func() *world
	}{
		{"verifier", func() *world { return &world{verifier: hang, source: valid(), now: atStart} }},
		{"remembering verifier", func() *world {
			return &world{verifier: Remember(hang, MemoryOptions{Now: atStart}), source: valid(), now: atStart}
		}},
		{"verifier and credentials", func() *world {
			slow := verifierFunc(func(context.Context, string) (*Claims, error) {
				time.Sleep(800 * time.Millisecond)
				return &Claims{Namespace: "shop", ServiceAccount: "web", Expires: start.Add(time.Hour)}, nil
			})
			return &world{verifier: slow, source: hangingSource{}, now: atStart}
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			token := good()
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				w := httptest.NewRecorder()
				r := httptest.NewRequest(http.MethodGet, "/v1/credentials", nil)
				r.Header.Set("Authorization", token)
				NewHandler(discard(), tt.world())(w, r)
				if took := time.Since(began); w.Code != http.StatusServiceUnavailable || took != 900*time.Millisecond {
					t.Errorf("status %d after %s: %s", w.Code, took, strings.TrimSpace(w.Body.String()))
				}
			})
		})
	}
}

type hangingSource struct{}

func (hangingSource) Credentials(ctx context.Context) (*Credentials, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}
