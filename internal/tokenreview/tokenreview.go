// Package tokenreview verifies tokens of pods by the API server of their cluster, with a TokenReview. Unlike keys of the cluster, it
// notices that a pod is gone.
package tokenreview

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"mock-ec2-metadata/internal/podidentity"
)

const (
	reviewPath    = "/apis/authentication.k8s.io/v1/tokenreviews"
	maxAnswerSize = 1 << 20 // bytes
	// renewPause is the minimum time between two readings of the kubeconfig after failures.
	renewPause = 10 * time.Second
)

// Options select the API server. Audience is required.
type Options struct {
	// Kubeconfig is a file. Without it the files of $KUBECONFIG count, and without those the service account of the daemon's own pod.
	Kubeconfig string
	Context    string // of the kubeconfig; "" is its current one
	Audience   string // a token must be for it, maybe among others
	// Now is time.Now if nil, Getenv os.Getenv, and ServiceAccountDir where a pod has its own token. Tests set them.
	Now               func() time.Time
	Getenv            func(string) string
	ServiceAccountDir string
}

// Verifier asks the API server about tokens. It remembers nothing: podidentity.Remember does.
type Verifier struct {
	opt    Options
	server atomic.Pointer[server]

	mu      sync.Mutex // guards renewed, so that one request at a time reads the kubeconfig
	renewed time.Time  // the last reading after a failure
}

var _ podidentity.Verifier = (*Verifier)(nil)

// New reads the kubeconfig and the files that it names. It does not ask the server. Its error names the file, the entry and the fix.
func New(opt Options) (*Verifier, error) {
	if opt.Now == nil {
		opt.Now = time.Now
	}
	s, err := findServer(opt)
	if err != nil {
		return nil, err
	}
	v := &Verifier{opt: opt}
	v.server.Store(s)
	return v, nil
}

// Server returns the URL of the API server, for messages.
func (v *Verifier) Server() string { return v.server.Load().url }

// Format redacts the credentials under every verb.
func (v *Verifier) Format(f fmt.State, _ rune) {
	_, _ = io.WriteString(f, "token reviews by "+v.Server()+" [redacted]")
}

// review is a TokenReview of authentication.k8s.io/v1.
type review struct {
	APIVersion string        `json:"apiVersion"`
	Kind       string        `json:"kind"`
	Spec       *reviewSpec   `json:"spec,omitempty"`
	Status     *reviewStatus `json:"status,omitempty"`
}

type reviewSpec struct {
	Token     string   `json:"token"`
	Audiences []string `json:"audiences"`
}

type reviewStatus struct {
	Authenticated bool     `json:"authenticated"`
	Audiences     []string `json:"audiences"`
	Error         string   `json:"error"`
	User          struct {
		Username string              `json:"username"`
		UID      string              `json:"uid"`
		Extra    map[string][]string `json:"extra"`
	} `json:"user"`
}

// Verify implements podidentity.Verifier. ctx bounds it, waiting for a connection included.
func (v *Verifier) Verify(ctx context.Context, token string) (*podidentity.Claims, error) {
	s := v.server.Load()
	status, err := s.review(ctx, token, v.opt.Audience)
	if err != nil {
		v.renew(s)
		return nil, err
	}
	return v.claims(status, token)
}

// renew reads the kubeconfig anew for the next request, after a server has failed: a cluster that was made again has another port
// or other certificates.
func (v *Verifier) renew(failed *server) {
	v.mu.Lock()
	defer v.mu.Unlock()
	now := v.opt.Now()
	if v.server.Load() != failed || (!v.renewed.IsZero() && now.Sub(v.renewed) < renewPause) {
		return
	}
	v.renewed = now
	if s, err := findServer(v.opt); err == nil {
		v.server.Store(s)
		failed.client.CloseIdleConnections()
	}
}

// review asks the API server. Its errors mean that the token may be valid.
func (s *server) review(ctx context.Context, token, audience string) (*reviewStatus, error) {
	body, err := json.Marshal(review{
		APIVersion: "authentication.k8s.io/v1", Kind: "TokenReview",
		Spec: &reviewSpec{Token: token, Audiences: []string{audience}},
	})
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url+reviewPath, bytes.NewReader(body))
	if err != nil {
		return nil, s.away("it cannot be asked", "correct the server of the kubeconfig")
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json")
	own, err := s.token()
	if err != nil {
		return nil, err
	}
	if own != "" {
		req.Header.Set("Authorization", "Bearer "+own)
	}
	resp, err := s.client.Do(req)
	if err != nil {
		return nil, s.unreachable(err)
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswerSize))
	if err != nil {
		return nil, s.unreachable(err)
	}
	switch resp.StatusCode {
	case http.StatusOK, http.StatusCreated:
	case http.StatusUnauthorized:
		return nil, s.away("it does not accept the daemon's own credentials (401)",
			"renew the credentials of the kubeconfig; kubectl create token SERVICEACCOUNT makes a token")
	case http.StatusForbidden:
		return nil, s.away("it does not let the daemon create tokenreviews (403)",
			"bind the ClusterRole system:auth-delegator to the daemon's user: kubectl create clusterrolebinding")
	default:
		return nil, s.away(fmt.Sprintf("it answers %d", resp.StatusCode), "check that the server of the kubeconfig is a Kubernetes API server, and works")
	}
	var r review
	if err := json.Unmarshal(answer, &r); err != nil || r.Kind != "TokenReview" || r.Status == nil {
		return nil, s.away("it does not answer with a TokenReview", "check that the server of the kubeconfig is a Kubernetes API server")
	}
	return r.Status, nil
}

// claims returns what a review says.
func (v *Verifier) claims(status *reviewStatus, token string) (*podidentity.Claims, error) {
	refuse := func(format string, args ...any) error {
		return &podidentity.Refusal{Message: fmt.Sprintf(format, args...)}
	}
	if !status.Authenticated {
		reason := withoutToken(status.Error, token)
		if reason == "" {
			reason = "no reason given"
		}
		return nil, refuse("the API server says that the token is not valid (%s); use a current token of a running pod, with the audience %s", reason, v.opt.Audience)
	}
	// A server that does not know audiences returns none, and has not checked them.
	if !slices.Contains(status.Audiences, v.opt.Audience) {
		return nil, refuse("the API server does not say that the token has the audience %s; project the token with that audience", v.opt.Audience)
	}
	user := &status.User
	namespace, name, ok := podidentity.ParseSubject(user.Username)
	if !ok {
		return nil, refuse("the token is not the one of a service account; use the token of a pod")
	}
	expires, ok := podidentity.Expiry(token)
	if !ok {
		return nil, refuse("the token has no claim exp; use a projected token, not the one of a Secret")
	}
	pod := &podidentity.Claims{
		Namespace: namespace, ServiceAccount: name, ServiceAccountUID: user.UID,
		PodName: only(user.Extra["authentication.kubernetes.io/pod-name"]),
		PodUID:  only(user.Extra["authentication.kubernetes.io/pod-uid"]),
		Expires: expires,
	}
	if !podidentity.IsPod(pod.PodName, pod.PodUID) || !podidentity.IsPod("", pod.ServiceAccountUID) {
		return nil, refuse("the API server gives a name or UID that Kubernetes does not allow; check its authentication webhooks")
	}
	return pod, nil
}

// only returns the value of a list of one; "" for any other.
func only(list []string) string {
	if len(list) != 1 {
		return ""
	}
	return list[0]
}

// withoutToken returns a text of the API server as one bounded line, without the token and its parts.
func withoutToken(text, token string) string {
	text = strings.ReplaceAll(text, token, "…")
	for part := range strings.SplitSeq(token, ".") {
		if len(part) >= 8 {
			text = strings.ReplaceAll(text, part, "…")
		}
	}
	text = strings.Join(strings.Fields(strings.ToValidUTF8(text, "")), " ")
	const limit = 300
	if len(text) > limit {
		text = strings.ToValidUTF8(text[:limit], "") + "…"
	}
	return text
}

func (s *server) away(problem, fix string) error {
	return fmt.Errorf("API server %s: %s; %s", s.url, problem, fix)
}

// unreachable explains an error of the HTTP client, which holds the URL but no token.
func (s *server) unreachable(err error) error {
	if e, ok := errors.AsType[*url.Error](err); ok {
		err = e.Err
	}
	if e, ok := errors.AsType[net.Error](err); (ok && e.Timeout()) || errors.Is(err, context.DeadlineExceeded) {
		return s.away("no answer in time", "check that it runs and is reachable from this machine")
	}
	return s.away("cannot be reached: "+err.Error(), "check that it runs, and the server and certificate-authority of the kubeconfig")
}
