package cli

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"mock-ec2-metadata/internal/api"
	"mock-ec2-metadata/internal/config"
	"mock-ec2-metadata/internal/podidentity"
	"mock-ec2-metadata/internal/sdkenv"
)

// A daemon that is not the user's own could name any file of the user's.
func TestAuthorization_IsWhatTheUsersConfigurationSays(t *testing.T) {
	s := &api.Status{ECS: &api.ECS{Authorization: true}}
	own := &config.Loaded{Config: &config.Config{ECS: config.ECS{AuthorizationFile: "/own"}}}
	inline := &config.Loaded{Config: &config.Config{}, Authorization: "s3cret"}
	for _, tt := range []struct {
		name    string
		loaded  *config.Loaded
		want    sdkenv.Authorization
		missing bool
	}{
		{"file", own, sdkenv.Authorization{File: "/own"}, false},
		{"inline", inline, sdkenv.Authorization{Value: "s3cret"}, false},
		{"none", &config.Loaded{Config: &config.Config{}}, sdkenv.Authorization{}, true},
		{"no configuration", nil, sdkenv.Authorization{}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := authorizationOf(tt.loaded); got != tt.want {
				t.Error("another authorization")
			}
			if missing := noAuthorization(s, tt.loaded) != ""; missing != tt.missing {
				t.Errorf("missing: %v", missing)
			}
		})
	}
	if got := noAuthorization(&api.Status{ECS: &api.ECS{}}, nil); got != "" {
		t.Errorf("the daemon wants none: %s", got)
	}
}

func TestPlaces_RefuseAStatusThatNoShellShouldGet(t *testing.T) {
	const odd = `x" & calc & rem "`
	good := api.Identity{Role: "web", ID: "6f1e2d3c-0b1a-4c5d-8e9f-a0b1c2d3e4f5", Region: "eu-west-1"}
	region, id := good, good
	region.Region, id.ID = odd, odd
	for _, identity := range []api.Identity{region, id} {
		if _, err := placeOf(t.Context(), &api.Status{Identities: []api.Identity{identity}, Config: api.Config{File: "x"}}, "web", "127.0.0.1:9", nil); err == nil ||
			err.Error() != "the daemon at http://127.0.0.1:9/ has an id or a region in its status that no daemon of this program has; check what listens there" {
			t.Errorf("%v: %v", identity, err)
		}
	}
	for _, ecs := range []api.ECS{
		{Region: odd, Containers: []api.ECSContainer{{}}},
		{LaunchType: odd, Containers: []api.ECSContainer{{}}},
		{Containers: []api.ECSContainer{{EndpointID: odd}}},
		{Containers: []api.ECSContainer{{CredentialsID: odd}}},
	} {
		if _, err := taskOf(t.Context(), &api.Status{ECS: &ecs}, "", "127.0.0.1:9", nil); err == nil ||
			err.Error() != "the daemon at http://127.0.0.1:9/ has an id or a region in its status that no daemon of this program has; check what listens there" {
			t.Errorf("%v: %v", ecs, err)
		}
	}
}

func TestWriteToken_IsPrivateWhateverIsInTheWay(t *testing.T) {
	dir := t.TempDir()
	signer, err := podidentity.OpenSigner(dir)
	if err != nil {
		t.Fatal(err)
	}
	file, victim := filepath.Join(dir, "token"), filepath.Join(dir, "victim")
	token := podidentity.Token{Namespace: "shop", ServiceAccount: "web", Issuer: "i", Audience: "a", IssuedAt: time.Now(), Lifetime: time.Hour}
	for _, inTheWay := range []func() error{
		func() error { return nil },
		func() error { return os.WriteFile(file, nil, 0o644) },
		func() error { return os.Symlink(victim, file) },
	} {
		_ = os.Remove(file)
		if err := inTheWay(); err != nil {
			t.Fatal(err)
		}
		if err := writeToken(file, signer, token); err != nil {
			t.Fatal(err)
		}
		if info, err := os.Lstat(file); err != nil || info.Mode() != 0o600 {
			t.Errorf("mode %v, %v", info.Mode(), err)
		}
	}
	if _, err := os.Stat(victim); err == nil {
		t.Error("the token was written through a link")
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 2 { // the token, and the signer's key
		t.Errorf("left behind: %v", entries)
	}
}
