package probe

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// maxError bounds the error bodies of the containers' services, in bytes.
const maxError = 64 << 10

// ServesECS tells whether what answers at base hands out credentials as ECS does: a real agent, or an imitation. It asks
// without an id, and so gets no credentials (container-credentials-reference section 3.3).
func ServesECS(ctx context.Context, base *url.URL) bool {
	var body struct {
		Code string `json:"code"`
	}
	return json.Unmarshal(refusal(ctx, base.JoinPath("v2/credentials/")), &body) == nil && body.Code == "NoIdInRequest"
}

// ServesPodIdentity tells whether what answers at base hands out credentials as the agent of EKS Pod Identity does. It asks
// without a token (container-credentials-reference section 5.4).
func ServesPodIdentity(ctx context.Context, base *url.URL) bool {
	return strings.Contains(string(refusal(ctx, base.JoinPath("v1/credentials"))), "Service account token cannot be empty")
}

// refusal returns the body of an answer with the status 400; nil if the answer is none.
func refusal(ctx context.Context, page *url.URL) []byte {
	resp, err := request(ctx, http.MethodGet, page.String(), nil)
	if err != nil {
		return nil
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusBadRequest {
		return nil
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxError))
	if err != nil {
		return nil
	}
	return body
}
