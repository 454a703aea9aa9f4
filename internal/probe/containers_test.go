package probe

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"

	"mock-ec2-metadata/internal/testutil"
)

// answerAt answers one path, and 404 at others. It returns the base URL.
func answerAt(t *testing.T, path string, code int, body string) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.RequestURI() != path || r.Method != http.MethodGet || r.Header.Get("Authorization") != "" {
			http.NotFound(w, r)
			return
		}
		w.WriteHeader(code)
		_, _ = w.Write([]byte(body))
	}))
	t.Cleanup(s.Close)
	return s.URL + "/"
}

func TestServes_TellsContainerServicesApart(t *testing.T) {
	const noID = `{"code":"NoIdInRequest","message":"CredentialsV2Request: No Credential ID in the request","HTTPErrorCode":400}`
	const noToken = "Service account token cannot be empty\n"
	for _, tt := range []struct {
		name             string
		url              string
		ecs, podIdentity bool
	}{
		{name: "nothing", url: "http://" + testutil.FreeAddr(t) + "/"},
		{name: "ECS", url: answerAt(t, "/v2/credentials/", http.StatusBadRequest, noID), ecs: true},
		{name: "another code", url: answerAt(t, "/v2/credentials/", http.StatusBadRequest, `{"code":"InvalidIdInRequest"}`)},
		{name: "another status", url: answerAt(t, "/v2/credentials/", http.StatusOK, noID)},
		{name: "no JSON", url: answerAt(t, "/v2/credentials/", http.StatusBadRequest, "NoIdInRequest")},
		{name: "Pod Identity", url: answerAt(t, "/v1/credentials", http.StatusBadRequest, noToken), podIdentity: true},
		{name: "a page with its text", url: answerAt(t, "/v1/credentials", http.StatusOK, noToken)},
		{name: "no web server", url: silent(t)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			base, err := url.Parse(tt.url)
			if err != nil {
				t.Fatal(err)
			}
			if got := ServesECS(t.Context(), base); got != tt.ecs {
				t.Errorf("ECS: %v, want %v", got, tt.ecs)
			}
			if got := ServesPodIdentity(t.Context(), base); got != tt.podIdentity {
				t.Errorf("Pod Identity: %v, want %v", got, tt.podIdentity)
			}
		})
	}
}
