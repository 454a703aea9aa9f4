package podidentity

import (
	"bytes"
	"context"
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

// logged runs requests with a token through the access log and the handler, and returns all that is logged.
func logged(s Selector, header http.Header, n int) string {
	var out bytes.Buffer
	access := &web.AccessLog{Out: &out, Enabled: func() bool { return true }, Version: func(*http.Request) string { return "" }}
	h := access.Wrap(NewHandler(slog.New(slog.NewTextHandler(&out, nil)), s))
	for range n {
		r := httptest.NewRequest(http.MethodGet, "/v1/credentials", nil)
		r.Header = header
		h.ServeHTTP(httptest.NewRecorder(), r)
	}
	return out.String()
}

func TestLog_SaysWhyAndHoldsNoToken(t *testing.T) {
	failing := func(err error) *world { w := newWorld(t); w.source = &source{err: err}; return w }
	verifying := func(err error) *world {
		w := newWorld(t)
		w.verifier = verifierFunc(func(context.Context, string) (*Claims, error) { return nil, err })
		return w
	}
	for _, tt := range []struct {
		name  string
		world *world
		token string
		want  string
	}{
		{"success", newWorld(t), good(), "status=200"},
		{"no token", newWorld(t), "", `reason="the header Authorization is absent or empty" hint="set AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE`},
		{"Bearer", newWorld(t), "bearer " + good(), `hint="remove \"Bearer \" from the header Authorization: it must be the token alone"`},
		{"nonsense", newWorld(t), "nonsense", `reason="the service account token cannot be parsed" hint="set AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE`},
		{"a claim of another type", newWorld(t), good("exp", "soon"), `reason="the service account token cannot be parsed"`},
		{"expired", newWorld(t), good("exp", 1), `reason="the service account token is expired" hint="read the token file for each request: the kubelet renews it"`},
		{"not valid yet", newWorld(t), good("nbf", start.Unix()+1), `reason="the service account token is not valid yet" hint="set the clocks`},
		{"wrong signature", newWorld(t), good()[:len(good())-4] + "AAAA", `reason="the signature of the token is wrong;`},
		{"wrong issuer", newWorld(t), good("iss", "x"), `reason="the issuer of the token is \"x\"`},
		{"no association", newWorld(t), good("sub", "system:serviceaccount:shop:web2", "kubernetes.io", nil), `reason="the service account has no association" namespace=shop service_account=web2 hint="add it to pod_identity.associations"`},
		{"STS", failing(&CredentialError{Code: "AccessDenied", Message: "no"}), good(), `reason="AccessDenied: no" namespace=shop service_account=web`},
		{"STS away", failing(&CredentialError{Code: "Failed", Message: "timeout", Temporary: true}), good(), `reason="Failed: timeout"`},
		{"STS hangs", failing(context.DeadlineExceeded), good(), `reason="there are no credentials after 900ms"`},
		{"verifier away", verifying(errors.New("API server x: no answer; fix it")), good(), `reason="API server x: no answer; fix it"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			header := http.Header{}
			if tt.token != "" {
				header.Set("Authorization", tt.token)
			}
			got := logged(tt.world, header, 2)
			if !strings.Contains(got, tt.want) {
				t.Errorf("logged %s, want %s", got, tt.want)
			}
			if lines := strings.Count(got, "pod credentials refused"); lines > 1 {
				t.Errorf("%d lines", lines)
			}
			for part := range strings.FieldsFuncSeq(tt.token, func(c rune) bool { return c == '.' || c == ' ' }) {
				if !strings.EqualFold(part, "bearer") && strings.Contains(got, part) {
					t.Errorf("logged a part of the token: %s", got)
				}
			}
		})
	}
}

func TestLog_IsQuietForAMinuteAfterEachKind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		h := NewHandler(slog.New(slog.NewTextHandler(&out, nil)), &world{now: time.Now})
		lines := func(header http.Header) int {
			out.Reset()
			r := httptest.NewRequest(http.MethodGet, "/v1/credentials", nil)
			r.Header = header
			h(httptest.NewRecorder(), r)
			return strings.Count(out.String(), "\n")
		}
		noToken, proxy := http.Header{}, http.Header{"Via": {""}}
		if lines(noToken) != 1 || lines(proxy) != 1 {
			t.Error("a kind is not logged")
		}
		time.Sleep(quiet - time.Nanosecond)
		if lines(noToken) != 0 {
			t.Error("logged within a minute")
		}
		time.Sleep(time.Nanosecond)
		if lines(noToken) != 1 {
			t.Error("not logged after a minute")
		}
	})
}

func TestSecrets_RedactThemselves(t *testing.T) {
	m := Remember(fixedJWKS(t, atStart), MemoryOptions{Now: atStart})
	token := good()
	if _, err := m.Verify(t.Context(), token); err != nil {
		t.Fatal(err)
	}
	signer := newTestSigner(t)
	c := valid().c
	h := hash(token)
	var out bytes.Buffer
	for _, secret := range []any{c, *c, signer, m} {
		slog.New(slog.NewTextHandler(&out, nil)).Info("x", "secret", secret)
		slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "secret", secret)
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%q", "%d"} {
			fmt.Fprintf(&out, verb, secret)
		}
	}
	for _, secret := range []string{"wJalr", "IQoJ", "ASIA", "774a616c", "119 74 97", rsaKey().D.String(), fmt.Sprintf("%x", h), document[:20]} {
		if strings.Contains(out.String(), secret) {
			t.Errorf("%q is shown", secret)
		}
	}
}
