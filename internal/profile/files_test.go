package profile

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
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

// outcome is what a profile of the files means: the key id of its credentials, role(NAME <- SOURCE), sso(…), process[…] and so
// on, "none", or the error. DIR stands for the directory of the files.
func outcome(t *testing.T, dir, name string) string {
	t.Helper()
	files, err := Load()
	if err == nil {
		var p *Profile
		if p, err = files.Profile(name); err == nil {
			return source(t, p)
		}
	}
	return strings.ReplaceAll(err.Error(), dir, "DIR")
}

func source(t *testing.T, p *Profile) string {
	t.Helper()
	text := "none"
	switch {
	case p.Source != nil:
		text = source(t, p.Source)
	case p.Keys != nil:
		text = p.Keys.AccessKeyID
	case p.SSO != nil:
		text = fmt.Sprintf("sso(%s: %s %s %s %s)", p.SSO.Session, p.SSO.RoleName, p.SSO.AccountID, p.SSO.StartURL, p.SSO.Region)
	case p.Login != "":
		text = "login(" + p.Login + ")"
	case p.Process != "":
		words, err := p.Command()
		if err != nil {
			t.Fatal(err)
		}
		text = fmt.Sprintf("process%q", words)
	case p.WebIdentityTokenFile != "":
		text = "token " + p.WebIdentityTokenFile
	case p.CredentialSource != "":
		text = p.CredentialSource
	}
	if p.Role != nil {
		text = fmt.Sprintf("role(%s <- %s)", p.Role.ARN, text)
	}
	return text
}

// key is an access key, with which a section is recognised.
func key(id string) string { return "aws_access_key_id = " + id + "\naws_secret_access_key = S\n" }

func TestReadPlace_RegionIsTheOneOfTheProfileInUse(t *testing.T) {
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
			if got := ReadPlace(tt.profile, os.Getenv("HOME")).Region; got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}
