package tokenreview

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"mock-ec2-metadata/internal/podidentity"
)

// oneToken is an HTTP transport that acts as an API server which knows one token, and repeats others in its error.
type oneToken struct{}

func (oneToken) RoundTrip(r *http.Request) (*http.Response, error) {
	var asked review
	if err := json.NewDecoder(r.Body).Decode(&asked); err != nil {
		return nil, err
	}
	rec := httptest.NewRecorder()
	if asked.Spec.Token == podToken() {
		accept(nil)(rec, r)
	} else {
		reply(http.StatusCreated, fmt.Sprintf(`{"kind":"TokenReview","status":{"error":"bad token %s"}}`, strings.Trim(asked.Spec.Token, `\"`)))(rec, r)
	}
	resp := rec.Result()
	resp.Body = io.NopCloser(rec.Body)
	return resp, nil
}

// service is a podidentity.Selector of all pods.
type service struct{ verifier podidentity.Verifier }

func (s service) Select(*http.Request) (*podidentity.Service, error) {
	return &podidentity.Service{Verifier: s.verifier, Associations: s, Cluster: "local", Now: func() time.Time { return expiry.Add(-time.Hour) }}, nil
}

func (s service) Find(*http.Request, *podidentity.Claims) (podidentity.CredentialSource, error) {
	return s, nil
}

func (service) Credentials(context.Context) (*podidentity.Credentials, error) {
	return podidentity.NewCredentials("a", "b", "c", "d", expiry), nil
}

// FuzzHandler sends any token through the handler. Only the one that the API server knows may get credentials.
func FuzzHandler(f *testing.F) {
	f.Add(podToken())
	f.Add("Bearer " + podToken())
	f.Add(podToken() + "x")
	f.Add("eyJhbGciOiJub25lIn0.e30.")
	f.Add("eyJhbGciOiJub25lIn0.eyJleHAiOjJ9.x")
	verifier := verifierWith(oneToken{})
	h := podidentity.NewHandler(slog.New(slog.DiscardHandler), service{verifier})
	f.Fuzz(func(t *testing.T, token string) {
		rec := httptest.NewRecorder()
		r := httptest.NewRequest(http.MethodGet, "/v1/credentials", nil)
		r.Header["Authorization"] = []string{token}
		h(rec, r)
		switch body := rec.Body.String(); {
		case rec.Code == http.StatusOK:
			if token != podToken() {
				t.Errorf("200 for %q", token)
			}
		case rec.Code != http.StatusBadRequest && rec.Code != http.StatusServiceUnavailable:
			t.Errorf("%d for %q", rec.Code, token)
		case len(token) > 30 && strings.Contains(body, token):
			t.Errorf("%q shows the token", body)
		}
	})
}
