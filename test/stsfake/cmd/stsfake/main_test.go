package main

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

func TestRun_ServesTheUserAndTheRoles(t *testing.T) {
	for _, name := range []string{
		"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_REGION", "AWS_DEFAULT_REGION",
		"AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_STS",
	} {
		t.Setenv(name, "")
	}
	profile := filepath.Join(t.TempDir(), "credentials")
	if err := os.WriteFile(profile, []byte("old"), 0o644); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	stdout, printed := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		err := run(ctx, []string{
			"-user", "dev", "-profile-file", profile, "-region", "eu-west-3",
			"-role", "arn:aws:iam::123456789012:role/a", "-role", "arn:aws:iam::123456789012:role/b",
		}, printed, io.Discard)
		_ = printed.CloseWithError(err)
		ended <- err
	}()
	url, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(profile)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode() != 0o600 {
		t.Errorf("mode %v, want 0600", info.Mode())
	}

	cfg, err := config.LoadDefaultConfig(t.Context(),
		config.WithSharedCredentialsFiles([]string{profile}), config.WithSharedConfigFiles([]string{}),
		config.WithSharedConfigProfile("default"), config.WithBaseEndpoint(strings.TrimSpace(url)))
	if err != nil {
		t.Fatal(err)
	}
	if cfg.Region != "eu-west-3" {
		t.Errorf("region %q", cfg.Region)
	}
	for _, role := range []string{"a", "b"} {
		_, err := sts.NewFromConfig(cfg).AssumeRole(t.Context(), &sts.AssumeRoleInput{
			RoleArn: aws.String("arn:aws:iam::123456789012:role/" + role), RoleSessionName: aws.String("test"),
		})
		if err != nil {
			t.Error(err)
		}
	}
	stop()
	if err := <-ended; err != nil {
		t.Errorf("run: %v", err)
	}
}

func TestRun_WrongArgumentsAreErrors(t *testing.T) {
	for name, args := range map[string][]string{
		"malformed role":       {"-role", "app"},
		"malformed address":    {"-listen", "nowhere"},
		"argument":             {"extra"},
		"no directory of file": {"-profile-file", filepath.Join(t.TempDir(), "missing", "credentials")},
	} {
		t.Run(name, func(t *testing.T) {
			var stdout bytes.Buffer
			if err := run(t.Context(), args, &stdout, io.Discard); err == nil || stdout.Len() > 0 {
				t.Errorf("error %v, stdout %q", err, stdout.String())
			}
		})
	}
}
