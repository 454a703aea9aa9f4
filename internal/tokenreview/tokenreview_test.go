package tokenreview

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"mock-ec2-metadata/internal/podidentity"
)

func TestVerify_AsksTheAPIServer(t *testing.T) {
	s := newAPIServer(t)
	v := verifierOf(t, s)
	got, err := v.Verify(t.Context(), podToken())
	if err != nil {
		t.Fatal(err)
	}
	got.Expires = got.Expires.UTC()
	want := &podidentity.Claims{
		Namespace: "shop", ServiceAccount: "web", ServiceAccountUID: "sa-1", PodName: "web-0", PodUID: "pod-1", Expires: expiry,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("claims (-want +got):\n%s", diff)
	}
	if s.method != http.MethodPost || s.path != "/apis/authentication.k8s.io/v1/tokenreviews" {
		t.Errorf("asked %s %s", s.method, s.path)
	}
	if s.header.Get("Authorization") != "Bearer "+ownToken || s.header.Get("Content-Type") != "application/json" {
		t.Errorf("headers %v", s.header)
	}
	body := map[string]any{
		"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview",
		"spec": map[string]any{"token": podToken(), "audiences": []any{audience}},
	}
	if diff := cmp.Diff(body, s.body); diff != "" {
		t.Errorf("body (-want +got):\n%s", diff)
	}
}

func TestVerify_AcceptsATokenWithoutAPod(t *testing.T) {
	s := newAPIServer(t)
	s.answer = accept(func(status map[string]any) { delete(status["user"].(map[string]any), "extra") })
	got, err := verifierOf(t, s).Verify(t.Context(), podToken())
	if err != nil || got.PodName != "" || got.PodUID != "" || got.ServiceAccount != "web" {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestVerify_RefusesWhatTheAPIServerRefuses(t *testing.T) {
	const fix = "; use a current token of a running pod, with the audience pods.eks.amazonaws.com"
	user := func(name string) func(map[string]any) {
		return func(status map[string]any) { status["user"].(map[string]any)["username"] = name }
	}
	failed := func(text string) func(http.ResponseWriter, *http.Request) {
		return reply(http.StatusCreated, fmt.Sprintf(`{"kind":"TokenReview","status":{"user":{},"error":%q}}`, text))
	}
	for _, tt := range []struct {
		name   string
		answer func(http.ResponseWriter, *http.Request)
		want   string
	}{
		{"expired", failed("[invalid bearer token, service account token has expired]"), "the API server says that the token is not valid ([invalid bearer token, service account token has expired])" + fix},
		{"no reason", reply(201, `{"kind":"TokenReview","status":{"user":{}}}`), "the API server says that the token is not valid (no reason given)" + fix},
		{"a reason with the token", failed("bad\ntoken " + podToken()), "the API server says that the token is not valid (bad token …)" + fix},
		{"a reason with its signature", failed("bad " + podToken()[strings.LastIndex(podToken(), ".")+1:]), "the API server says that the token is not valid (bad …)" + fix},
		{"a long reason", failed(strings.Repeat("x", 1000)), "the API server says that the token is not valid (" + strings.Repeat("x", 300) + "…)" + fix},
		{"other audience", accept(func(s map[string]any) { s["audiences"] = []string{"vault"} }), "the API server does not say that the token has the audience pods.eks.amazonaws.com; project the token with that audience"},
		{"no audiences", accept(func(s map[string]any) { delete(s, "audiences") }), "the API server does not say that the token has the audience pods.eks.amazonaws.com; project the token with that audience"},
		{"a person", accept(user("admin")), "the token is not the one of a service account; use the token of a pod"},
		{"a node", accept(user("system:node:node1")), "the token is not the one of a service account; use the token of a pod"},
		{"a strange name", accept(user("system:serviceaccount:shop:web:x")), "the token is not the one of a service account; use the token of a pod"},
		{"a strange pod", accept(func(s map[string]any) {
			s["user"].(map[string]any)["extra"] = map[string][]string{"authentication.kubernetes.io/pod-name": {"a\nb"}}
		}), "the API server gives a name or UID that Kubernetes does not allow; check its authentication webhooks"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newAPIServer(t)
			s.answer = tt.answer
			got, err := verifierOf(t, s).Verify(t.Context(), podToken())
			if _, is := errors.AsType[*podidentity.Refusal](err); !is || got != nil {
				t.Fatalf("got %+v, %v", got, err)
			}
			if err.Error() != tt.want {
				t.Errorf("got  %s\nwant %s", err, tt.want)
			}
			if holdsToken(err.Error()) {
				t.Errorf("%s shows the token", err)
			}
		})
	}
}

func TestVerify_RefusesATokenThatNeverExpires(t *testing.T) {
	s := newAPIServer(t)
	for _, token := range []string{"e30.e30.", "opaque"} {
		_, err := verifierOf(t, s).Verify(t.Context(), token)
		if _, is := errors.AsType[*podidentity.Refusal](err); !is {
			t.Errorf("%s: got %v", token, err)
		}
	}
}

func TestVerify_SaysWhyTheAPIServerDoesNotHelp(t *testing.T) {
	const noReview = "it does not answer with a TokenReview; check that the server of the kubeconfig is a Kubernetes API server"
	for _, tt := range []struct {
		name   string
		answer func(http.ResponseWriter, *http.Request)
		want   string
	}{
		{"401", reply(401, `{"kind":"Status"}`), "it does not accept the daemon's own credentials (401); renew the credentials of the kubeconfig; kubectl create token SERVICEACCOUNT makes a token"},
		{"403", reply(403, `{"kind":"Status"}`), "it does not let the daemon create tokenreviews (403); bind the ClusterRole system:auth-delegator to the daemon's user: kubectl create clusterrolebinding"},
		{"500", reply(500, podToken()), "it answers 500; check that the server of the kubeconfig is a Kubernetes API server, and works"},
		{"redirect", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
		}, "it answers 307; check that the server of the kubeconfig is a Kubernetes API server, and works"},
		{"HTML", reply(200, "<html>"), noReview},
		{"another kind", reply(200, `{"kind":"Status","status":{"authenticated":true}}`), noReview},
		{"no status", reply(200, `{"kind":"TokenReview"}`), noReview},
		{"status of another type", reply(200, `{"kind":"TokenReview","status":"Failure"}`), noReview},
		{"endless", func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write(bytes.Repeat([]byte(" "), maxAnswerSize+1))
		}, noReview},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newAPIServer(t)
			s.answer = tt.answer
			got, err := verifierOf(t, s).Verify(t.Context(), podToken())
			if _, is := errors.AsType[*podidentity.Refusal](err); is || got != nil || err == nil {
				t.Fatalf("got %+v, %v", got, err)
			}
			if want := "API server " + s.URL + ": " + tt.want; err.Error() != want {
				t.Errorf("got  %s\nwant %s", err, want)
			}
			if s.asked != 1 {
				t.Errorf("asked %d times", s.asked)
			}
		})
	}
}

// hanging is an HTTP transport that never answers.
type hanging struct{}

func (hanging) RoundTrip(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}

func TestVerify_EndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := verifierWith(hanging{})
		began := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		_, err := v.Verify(ctx, podToken())
		const want = "API server https://c:6443: no answer in time; check that it runs and is reachable from this machine"
		if err == nil || err.Error() != want {
			t.Errorf("got %v", err)
		}
		if took := time.Since(began); took != 3*time.Second {
			t.Errorf("took %s", took)
		}
	})
}

func TestVerify_ExplainsAServerThatIsGone(t *testing.T) {
	s := newAPIServer(t)
	v := verifierOf(t, s)
	s.Close()
	_, err := v.Verify(t.Context(), podToken())
	if err == nil || !strings.Contains(err.Error(), "cannot be reached: dial tcp ") || !strings.HasSuffix(err.Error(), "; check that it runs, and the server and certificate-authority of the kubeconfig") {
		t.Errorf("got %v", err)
	}
}

func TestVerify_ReadsTheKubeconfigAnewAfterAFailure(t *testing.T) {
	first, second := newAPIServer(t), newAPIServer(t)
	configOf := func(s *apiServer) string {
		return config("server: "+s.URL+", certificate-authority-data: "+encoded(s.ca()), "token: "+ownToken)
	}
	dir := t.TempDir()
	file := write(t, dir, "config", configOf(first))
	now := expiry.Add(-time.Hour)
	v, err := New(Options{Kubeconfig: file, Audience: audience, Getenv: noEnv, Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	verify := func(want *apiServer, ok bool) {
		t.Helper()
		if _, err := v.Verify(t.Context(), podToken()); (err == nil) != ok {
			t.Errorf("got %v", err)
		}
		if v.Server() != want.URL {
			t.Errorf("the next server is %s, want %s", v.Server(), want.URL)
		}
	}
	write(t, dir, "config", configOf(second))
	verify(first, true) // no reason to read it
	first.answer = reply(401, "")
	verify(second, false)
	verify(second, true)

	second.answer = reply(500, "")
	write(t, dir, "config", configOf(first))
	now = now.Add(renewPause - 1)
	verify(second, false)
	write(t, dir, "config", "")
	now = now.Add(1)
	verify(second, false) // a broken file changes nothing
	write(t, dir, "config", configOf(first))
	first.answer = accept(nil)
	now = now.Add(renewPause)
	verify(first, false)
	verify(first, true)
}

func TestVerifier_RedactsItself(t *testing.T) {
	s := newAPIServer(t)
	v := verifierOf(t, s)
	var out bytes.Buffer
	slog.New(slog.NewTextHandler(&out, nil)).Info("x", "verifier", v)
	slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "verifier", v)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
		fmt.Fprintf(&out, verb, v)
	}
	if holdsToken(out.String()) || v.Server() != s.URL {
		t.Errorf("shown: %s, server %s", out.String(), v.Server())
	}
}
