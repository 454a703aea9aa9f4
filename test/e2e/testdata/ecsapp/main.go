// Prints as JSON what the AWS SDK for Go v2 gets as credentials in a container, what task metadata says of the container and its
// task, and what EKS Pod Identity answers to a request without a token.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"

	"github.com/aws/aws-sdk-go-v2/config"
)

func main() {
	seen, err := ask(context.Background())
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(seen)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func ask(ctx context.Context) (map[string]any, error) {
	cfg, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return nil, err
	}
	c, err := cfg.Credentials.Retrieve(ctx)
	if err != nil {
		return nil, err
	}
	metadata := os.Getenv("ECS_CONTAINER_METADATA_URI_V4")
	seen := map[string]any{
		"source":      c.Source,
		"credentials": map[string]string{"AccessKeyId": c.AccessKeyID, "SecretAccessKey": c.SecretAccessKey, "Token": c.SessionToken},
	}
	for name, url := range map[string]string{
		"container": metadata, "task": metadata + "/task", "podIdentity": "http://169.254.170.23/v1/credentials",
	} {
		if seen[name], err = get(ctx, url); err != nil {
			return nil, err
		}
	}
	return seen, nil
}

// get returns the status and the body.
func get(ctx context.Context, url string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	return fmt.Sprintf("%d %s", resp.StatusCode, body), err
}
