package sts

import (
	"encoding/pem"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mock-ec2-metadata/internal/credentials"
	"mock-ec2-metadata/internal/testutil"
	"mock-ec2-metadata/test/stsfake"
)

// The SDK's own reader gives these profiles the credentials of another, or none.
func TestRetrieve_ReadsTheFilesAsTheCLIDoes(t *testing.T) {
	for _, tt := range []struct {
		name, profile       string
		config, credentials string // KEYS stands for the user's key, OTHER for another user's
		want                []string
	}{
		{
			name: "quoted heading", profile: "my work",
			config: "[default]\nOTHER[profile 'my work']\nKEYS",
			want:   []string{"AssumeRole " + userARN},
		},
		{
			name: "text after the heading", profile: "default",
			config: "[default]\nKEYS[profile work] text\nOTHER",
			want:   []string{"AssumeRole " + userARN},
		},
		{
			name: "byte order mark", profile: "work",
			config: "\ufeff[profile work]\nregion = x\n", credentials: "\ufeff[work]\nKEYS",
			want: []string{"AssumeRole " + userARN},
		},
		{
			name: "source_profile without role_arn", profile: "work",
			config:      "[profile work]\n" + assumesBase + "source_profile = my base\n[profile 'my base']\nsource_profile = my base\n",
			credentials: "[my base]\nKEYS",
			want:        []string{"AssumeRole " + userARN, "AssumeRole " + sessions + "base/base"},
		},
		{
			name: "quoted SSO session", profile: "work",
			config: "[profile work]\nKEYSsso_session = corp\n" + ssoRole + "[sso-session \"corp\"] text\n" + strings.SplitAfterN(ssoSessionCorp, "\n", 2)[1],
			want:   []string{"GetRoleCredentials", "AssumeRole " + ssoARN},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newSources(t)
			w.loggedIn(t)
			lines := func(k stsfake.Key) string { return strings.SplitAfterN(keys("x", k), "\n", 2)[1] }
			fill := strings.NewReplacer("KEYS", lines(w.key), "OTHER", lines(w.AddUser("other")))
			w.config(t, fill.Replace(tt.config))
			w.write(t, "credentials", fill.Replace(tt.credentials))
			spec := roleSpec()
			spec.Profile = tt.profile
			if _, err := provider(spec).Retrieve(t.Context()); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, w.calls()); diff != "" {
				t.Errorf("calls (-want +got):\n%s", diff)
			}
		})
	}
}

// The words reach the command as the AWS CLI splits them; no shell sees them.
func TestCredentialProcess_TakesQuotedWords(t *testing.T) {
	const script = "[ \"$1\" = plain ] && [ \"$2\" = 'a # b' ] && [ \"$3\" = '$HOME' ] && [ $# = 3 ] && cat JSON"
	for _, line := range []string{
		`TOOL plain "a # b" $HOME`,
		`"TOOL" plain "a # b" $HOME`,
		`"TOOL" "plain" 'a # b' '$HOME'`,
		`'TOOL' plain a\ #\ b $HOME`,
	} {
		t.Run(line, func(t *testing.T) {
			w := newSources(t)
			_, file, _ := strings.Cut(strings.TrimSpace(w.process(t, script, w.printed(nil))), "/bin/sh ")
			tool := testutil.Write(t, filepath.Join(w.dir, "my tools", "tool"), "#!/bin/sh\n"+read(t, file))
			if err := os.Chmod(tool, 0o700); err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(line, `"TOOL`) && !strings.Contains(line, `'TOOL`) {
				tool = strings.ReplaceAll(tool, " ", `\ `)
			}
			w.config(t, "[default]\ncredential_process = "+strings.ReplaceAll(line, "TOOL", tool)+"\n")
			if _, err := provider(roleSpec()).Retrieve(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestRetrieve_QuotesNamesInCommands(t *testing.T) {
	for _, tt := range []failingSource{
		{
			name: "aws configure", profile: "my work",
			want: failure{credentials.CodeProfile, `profile "my work" is in neither of DIR/config, DIR/credentials; create it (aws configure --profile 'my work') or name another one in credentials.source_profile`, false},
		},
		{
			name: "aws sso login", profile: "my sso",
			prepare: func(t *testing.T, w *sources) {
				w.config(t, "[profile 'my sso']\nsso_session = corp\n"+ssoRole+ssoSessionCorp)
			},
			want: failure{credentials.CodeProfile, `profile "my sso" has no SSO session (CACHE/ee0bfd2552fbd840c02cc48b6e823320543c450f.json: no such file or directory); run: aws sso login --profile 'my sso'`, false},
		},
		{
			name: "aws login of a member",
			prepare: func(t *testing.T, w *sources) {
				w.config(t, "[default]\n"+assumesBase+"source_profile = it's\n[profile \"it's\"]\nlogin_session = arn:aws:iam::123456789012:user/me\n")
			},
			want: failure{credentials.CodeProfile, `the login of profile "default" cannot be used (token file not found); run: aws login --profile 'it'"'"'s'`, false},
		},
		{
			name: "holds no credentials", profile: "my work",
			prepare: func(t *testing.T, w *sources) { w.config(t, "[profile 'my work']\nregion = eu-west-1\n") },
			want:    failure{credentials.CodeProfile, `profile "my work" holds no credentials; add keys (aws configure --profile 'my work'), sso_session, role_arn or credential_process to it. EC2's own metadata service is not asked: it would be this daemon`, false},
		},
	} {
		t.Run(tt.name, tt.run)
	}
}

func TestRetrieve_FileErrors(t *testing.T) {
	for _, tt := range []failingSource{
		{
			name:      "heading of default that is not read",
			prepare:   func(t *testing.T, w *sources) { w.config(t, "[ default ]\n") },
			noProfile: true,
			want:      failure{credentials.CodeProfile, `profile "default" cannot be found: DIR/config:1: the heading [ default ] names no profile; write [default]`, false},
		},
		{
			name:      "file that is not read, without a profile",
			prepare:   func(t *testing.T, w *sources) { w.config(t, "[default]\nhunter2\n") },
			noProfile: true,
			want:      failure{credentials.CodeProfile, `DIR/config:2: the line is no heading, no comment and no key = value; fix or remove it`, false},
		},
		{
			name: "open quote of a process",
			prepare: func(t *testing.T, w *sources) {
				w.config(t, "[default]\ncredential_process = \"tool hunter2\n")
			},
			want: failure{credentials.CodeProfile, `profile "default" cannot be used: a quote is not closed; fix it in DIR/config:2`, false},
		},
		{
			name: "lone quote", // the SDK's reader panics
			prepare: func(t *testing.T, w *sources) {
				w.config(t, "[default]\naws_access_key_id = \"\naws_secret_access_key = \"\n")
			},
			want: failure{credentials.CodeProfile, `profile "default" cannot be used: aws_access_key_id is empty, or has blanks or quotes in it; quotes do not belong there, and a comment needs a line of its own; fix it in DIR/config:2`, false},
		},
		{
			name: "CA bundle that is missing",
			prepare: func(t *testing.T, w *sources) {
				w.write(t, "credentials", keys("default", w.key))
				t.Setenv("AWS_CA_BUNDLE", filepath.Join(w.dir, "none.pem"))
			},
			want: failure{credentials.CodeProfile, `DIR/none.pem (AWS_CA_BUNDLE) cannot be read: no such file or directory`, false},
		},
		{
			name: "CA bundle that is none",
			prepare: func(t *testing.T, w *sources) {
				w.config(t, "[default]\nca_bundle = "+w.write(t, "ca.pem", "hunter2")+"\n")
				w.write(t, "credentials", keys("default", w.key))
			},
			want: failure{credentials.CodeProfile, `DIR/ca.pem (ca_bundle) holds no certificate in PEM form`, false},
		},
	} {
		t.Run(tt.name, tt.run)
	}
}

// Keys of the environment take precedence over a profile that the configuration does not name, also over a broken one.
func TestRetrieve_EnvironmentNeedsNoUsableProfile(t *testing.T) {
	const missing = assumesBase + "source_profile = none\n"
	for _, tt := range []struct {
		name, config string
		awsProfile   string // AWS_PROFILE
	}{
		{name: "no profile"},
		{name: "missing source", config: "[default]\n" + missing},
		{name: "missing source of a source", config: "[default]\n" + assumesBase + "source_profile = via\n[profile via]\n" + missing},
		{name: "missing source of AWS_PROFILE", config: "[profile work]\n" + missing, awsProfile: "work"},
		{name: "ring of AWS_PROFILE", config: "[profile work]\n" + assumesBase + "source_profile = work\n", awsProfile: "work"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newSources(t)
			w.config(t, tt.config)
			w.environment(t)
			t.Setenv("AWS_PROFILE", tt.awsProfile)
			spec := roleSpec()
			spec.Profile = ""
			if _, err := provider(spec).Retrieve(t.Context()); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]string{"AssumeRole " + userARN}, w.calls()); diff != "" {
				t.Errorf("calls (-want +got):\n%s", diff)
			}
		})
	}
}

// The AWS CLI refuses these profiles, whatever else the environment offers.
func TestRetrieve_BrokenRoleIsNotReplacedByTheEnvironment(t *testing.T) {
	const missing = assumesBase + "source_profile = none\n"
	for _, tt := range []struct {
		name, config string
		awsProfile   string // AWS_PROFILE
		want         string
	}{
		{
			name: "missing source", config: "[default]\n" + missing,
			want: `profile "default" has source_profile "none" (DIR/config:4), which is in neither of DIR/config, DIR/credentials; create it (aws configure --profile none) or fix that line`,
		},
		{
			name: "missing source of a source", config: "[default]\n" + assumesBase + "source_profile = via\n[profile via]\n" + missing,
			want: `profile "via" has source_profile "none" (DIR/config:8), which is in neither of DIR/config, DIR/credentials; create it (aws configure --profile none) or fix that line`,
		},
		{
			name: "missing source of AWS_PROFILE", config: "[profile work]\n" + missing, awsProfile: "work",
			want: `profile "work" has source_profile "none" (DIR/config:4), which is in neither of DIR/config, DIR/credentials; create it (aws configure --profile none) or fix that line`,
		},
		{
			name: "source with a wrong heading", config: "[default]\n" + missing + "[none]\n",
			want: `profile "default" has source_profile "none" (DIR/config:4), which cannot be found: DIR/config:5: the heading [none] names no profile; write [profile none]`,
		},
		{
			name: "ring", config: "[default]\n" + assumesBase + "source_profile = default\n",
			want: `profile "default" cannot be used: source_profile forms a ring, default → default, and the profile has no keys of its own; fix it in DIR/config:4`,
		},
		{
			name: "no source", config: "[default]\n" + assumesBase,
			want: `profile "default" cannot be used: role_arn needs source_profile or credential_source, the credentials to assume the role with; fix it in DIR/config:2`,
		},
	} {
		for _, other := range []struct {
			name string
			set  func(*testing.T, *sources)
		}{
			{"nothing else", func(*testing.T, *sources) {}},
			{"a container", func(t *testing.T, w *sources) { w.container(t, nil) }},
			{"a web identity", func(t *testing.T, w *sources) {
				t.Setenv("AWS_WEB_IDENTITY_TOKEN_FILE", w.webFile)
				t.Setenv("AWS_ROLE_ARN", baseRole)
			}},
		} {
			t.Run(tt.name+", "+other.name, func(t *testing.T) {
				failingSource{
					prepare: func(t *testing.T, w *sources) {
						w.config(t, tt.config)
						t.Setenv("AWS_PROFILE", tt.awsProfile)
						other.set(t, w)
					},
					noProfile: true,
					want:      failure{credentials.CodeProfile, tt.want, false},
				}.run(t)
			})
		}
	}
}

func TestRetrieve_ProfileNamesTheEndpoint(t *testing.T) {
	for name, config := range map[string]string{
		"endpoint_url":          "endpoint_url = URL\n",
		"services":              "services = my loc\n[services 'my loc']\nsts =\n  endpoint_url = URL\n",
		"service before all":    "endpoint_url = http://127.0.0.1:9\nservices = loc\n[services loc]\nsts =\n  endpoint_url = URL\n",
		"variable before these": "endpoint_url = http://127.0.0.1:9\n",
	} {
		t.Run(name, func(t *testing.T) {
			sts := stsfake.Start(t)
			sts.AddRole(roleARN)
			home(t, nil, "[default]\n"+strings.ReplaceAll(config, "URL", sts.URL()), keys("default", sts.AddUser("developer")))
			if name == "variable before these" {
				t.Setenv("AWS_ENDPOINT_URL", sts.URL())
			}
			if _, err := provider(roleSpec()).Retrieve(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestRetrieve_IgnoresConfiguredEndpoints(t *testing.T) {
	home(t, nil, "[default]\nendpoint_url = http://127.0.0.1:9\nignore_configured_endpoint_urls = true\n", "")
	t.Setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:8")
	cfg, _, err := provider(ownSpec()).load(t.Context())
	if err != nil || cfg.BaseEndpoint != nil {
		t.Errorf("calls go to %v, %v", cfg.BaseEndpoint, err)
	}
}

// HOME is that of the user that the daemon has become.
func TestRetrieve_ExpandsPaths(t *testing.T) {
	sts := stsfake.New()
	sts.AddRole(roleARN)
	sts.AddRole(baseRole)
	sts.AddWebIdentity("token", baseRole)
	tls := httptest.NewTLSServer(sts)
	t.Cleanup(tls.Close)
	bundle := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: tls.Certificate().Raw}))
	for _, prefix := range []string{"~", "$HOME", "${HOME}"} {
		for _, by := range []string{"profile", "environment"} {
			t.Run(prefix+" "+by, func(t *testing.T) {
				dir := home(t, nil, "", "")
				t.Setenv("AWS_ENDPOINT_URL_STS", tls.URL)
				testutil.Write(t, filepath.Join(dir, "ca.pem"), bundle)
				token := testutil.Write(t, filepath.Join(dir, "token"), "token")
				spec := roleSpec()
				t.Setenv("AWS_CONFIG_FILE", prefix+"/.aws/my-config")
				config := "[default]\n" + assumesBase + "web_identity_token_file = " + prefix + "/.aws/token\nca_bundle = " + prefix + "/.aws/ca.pem\n"
				if by == "environment" {
					config, spec.Profile = "", ""
					t.Setenv("AWS_CA_BUNDLE", prefix+"/.aws/ca.pem")
					t.Setenv("AWS_WEB_IDENTITY_TOKEN_FILE", prefix+"/.aws/token")
					t.Setenv("AWS_ROLE_ARN", baseRole)
				}
				testutil.Write(t, filepath.Join(dir, "my-config"), config)
				if _, err := provider(spec).Retrieve(t.Context()); err != nil {
					t.Error(err)
				}
				if files := Files(t.Context(), spec.Profile); files[0] != filepath.Join(dir, "my-config") || files[len(files)-1] != token {
					t.Errorf("watches %q", files)
				}
			})
		}
	}
}
