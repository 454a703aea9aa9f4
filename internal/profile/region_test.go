package profile

import (
	"path/filepath"
	"testing"

	"mock-ec2-metadata/internal/testutil"
)

// home points the two files at a new directory and writes those that have a content.
func home(t *testing.T, config, credentials string) (dir string) {
	t.Helper()
	testutil.IsolateHome(t)
	dir = t.TempDir()
	for name, f := range map[string][2]string{
		"config": {"AWS_CONFIG_FILE", config}, "credentials": {"AWS_SHARED_CREDENTIALS_FILE", credentials},
	} {
		path := filepath.Join(dir, name)
		t.Setenv(f[0], path)
		if f[1] != "" {
			testutil.Write(t, path, f[1])
		}
	}
	return dir
}

func TestRegion_IsTheOneOfTheProfileInUse(t *testing.T) {
	const config = "[default]\nregion = eu-west-1\n[profile 'my work']\nregion = us-gov-west-1\n[profile both]\nregion = eu-west-2\n" +
		"[profile via]\nsource_profile = default\n"
	for _, tt := range []struct {
		name        string
		profile     string
		environment map[string]string
		config      string
		want        string
	}{
		{name: "default", config: config, want: "eu-west-1"},
		{name: "quoted heading", profile: "my work", config: config, want: "us-gov-west-1"},
		{name: "AWS_PROFILE", environment: map[string]string{"AWS_PROFILE": "my work"}, config: config, want: "us-gov-west-1"},
		{name: "AWS_DEFAULT_PROFILE", environment: map[string]string{"AWS_DEFAULT_PROFILE": "my work"}, config: config, want: "us-gov-west-1"},
		{name: "a named profile wins over AWS_PROFILE", profile: "default", environment: map[string]string{"AWS_PROFILE": "my work"}, config: config, want: "eu-west-1"},
		{name: "credentials file wins", profile: "both", config: config, want: "eu-west-3"},
		{name: "not of the source_profile", profile: "via", config: config},
		{name: "no such profile", profile: "none", config: config},
		{name: "unreadable file", config: config + "garbage\n"},
		{name: "no file"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			home(t, tt.config, "[both]\nregion = eu-west-3\n")
			for name, value := range tt.environment {
				t.Setenv(name, value)
			}
			if got := Region(tt.profile); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}
