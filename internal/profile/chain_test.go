package profile

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

const (
	roleA   = "role_arn = A\n"
	roleB   = "role_arn = B\n"
	roleC   = "role_arn = C\n"
	ssoRole = "sso_account_id = 1\nsso_role_name = R\n"
	legacy  = ssoRole + "sso_region = x\nsso_start_url = u\n"
	corp    = "sso_region = x\nsso_start_url = u\n"
)

// The outcomes are those of Debian's AWS CLI 2.9.19 for the same files; the errors say the same in other words.

func TestProfile_FirstSourceCounts(t *testing.T) {
	for _, tt := range []struct{ name, config, credentials, want string }{
		{"keys of the config file", key("AK1"), "", "AK1"},
		{"keys of the credentials file before those", key("AK1"), key("AK2"), "AK2"},
		{"credentials file alone", "", key("AK2"), "AK2"},
		{"secret of the other file does not count", "aws_secret_access_key = S\n", key("AK2"), "AK2"},
		{"half a key before a whole one", key("AK1"), "aws_access_key_id = AK2\n", `profile "work" cannot be used: partial credentials: aws_secret_access_key is missing; fix it in DIR/credentials:2`},
		{"half a key", "aws_access_key_id = AK1\n", "", `profile "work" cannot be used: partial credentials: aws_secret_access_key is missing; fix it in DIR/config:2`},
		{"comment behind a key", "aws_access_key_id = AK1 # c\naws_secret_access_key = hunter2\n", "", `profile "work" cannot be used: aws_access_key_id is empty, or has blanks or quotes in it; quotes do not belong there, and a comment needs a line of its own; fix it in DIR/config:2`},
		{"quotes around a secret", "aws_access_key_id = AK1\naws_secret_access_key = \"hunter2\"\n", "", `profile "work" cannot be used: aws_secret_access_key is empty, or has blanks or quotes in it; quotes do not belong there, and a comment needs a line of its own; fix it in DIR/config:3`},
		{"empty token", key("AK1") + "aws_session_token =\n", "", "AK1"},
		{"process before the config file's keys", key("AK1") + "credential_process = tool a\n", "", `process["tool" "a"]`},
		{"credentials file's keys before process", "credential_process = tool a\n", key("AK2"), "AK2"},
		{"login", "login_session = L\n" + key("AK1"), "", "login(L)"},
		{"SSO before keys", legacy + key("AK1"), key("AK2"), "sso(: R 1 u x)"},
		{"web identity before SSO", roleA + "web_identity_token_file = /t\n" + legacy, "", "role(A <- token /t)"},
		{"web identity before source_profile", roleA + "web_identity_token_file = /t\nsource_profile = none\n", "", "role(A <- token /t)"},
		{"role before SSO", roleA + "source_profile = b\n" + legacy + "[profile b]\n" + key("AKb"), "", "role(A <- AKb)"},
		{"credential_source", roleA + "credential_source = Environment\n", "", "role(A <- Environment)"},
		{"unknown credential_source", roleA + "credential_source = environment\n", "", `profile "work" cannot be used: credential_source values must be EcsContainer, Ec2InstanceMetadata, or Environment; fix it in DIR/config:3`},
		{"both sources of a role", roleA + "credential_source = Environment\nsource_profile = work\n", "", `profile "work" cannot be used: it has both source_profile and credential_source; fix it in DIR/config:3`},
		{"role without a source", roleA + key("AK1"), "", `profile "work" cannot be used: role_arn needs source_profile or credential_source, the credentials to assume the role with; fix it in DIR/config:2`},
		{"web identity without a role", "web_identity_token_file = /t\n", "", `profile "work" cannot be used: web_identity_token_file needs role_arn; fix it in DIR/config:2`},
		{"nothing", "region = x\n", "", "none"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			credentials := ""
			if tt.credentials != "" {
				credentials = "[work]\n" + tt.credentials
			}
			dir := home(t, "[profile work]\n"+tt.config, credentials)
			if got := outcome(t, dir, "work"); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

func TestProfile_SSOSessions(t *testing.T) {
	for _, tt := range []struct{ name, config, want string }{
		{"plain", "sso_session = corp\n" + ssoRole + "[sso-session corp]\n" + corp, "sso(corp: R 1 u x)"},
		{"single quotes", "sso_session = my corp\n" + ssoRole + "[sso-session 'my corp']\n" + corp, "sso(my corp: R 1 u x)"},
		{"double quotes", "sso_session = corp\n" + ssoRole + "[sso-session \"corp\"]\n" + corp, "sso(corp: R 1 u x)"},
		{"text behind", "sso_session = corp\n" + ssoRole + "[sso-session corp] text\n" + corp, "sso(corp: R 1 u x)"},
		{"keys of both", "sso_session = corp\nsso_region = x\n" + ssoRole + "[sso-session corp]\n" + corp, "sso(corp: R 1 u x)"},
		{"keys that differ", "sso_session = corp\nsso_region = y\n" + ssoRole + "[sso-session corp]\n" + corp, `profile "work" cannot be used: sso_region differs from that of [sso-session corp]; fix it in DIR/config:3`},
		{"missing", "sso_session = my corp\n" + ssoRole, `profile "work" cannot be used: there is no section [sso-session 'my corp']; fix it in DIR/config:2`},
		{"quotes in the profile", "sso_session = 'my corp'\n" + ssoRole + "[sso-session corp]\n", `profile "work" cannot be used: there is no section [sso-session ''"'"'my corp'"'"'']; fix it in DIR/config:2`},
		{"blank without quotes", "sso_session = my corp\n" + ssoRole + "[sso-session my corp]\n" + corp, `profile "work" cannot be used: DIR/config:5: the heading [sso-session my corp] names no sso-session; write [sso-session 'my corp']`},
		{"without a region", "sso_session = corp\n" + ssoRole + "[sso-session corp]\nsso_start_url = u\n", `profile "work" cannot be used: it is configured to use SSO but is missing required configuration: sso_region; fix it in DIR/config:2`},
		{"missing, with keys and no account", "sso_session = corp\n" + key("AK1"), "AK1"},
		{"no account, keys", "sso_session = corp\n" + key("AK1") + "[sso-session corp]\n" + corp, "AK1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := home(t, "[profile work]\n"+tt.config, "")
			if got := outcome(t, dir, "work"); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

func TestProfile_Chains(t *testing.T) {
	for _, tt := range []struct{ name, config, credentials, want string }{
		{"keys of the credentials file", "[profile a]\n" + roleA + "source_profile = b\n", "[b]\n" + key("AKb"), "role(A <- AKb)"},
		{"quoted heading", "[profile a]\n" + roleA + "source_profile = my base\n[profile 'my base']\nregion = x\n", "[my base]\n" + key("AKb"), "role(A <- AKb)"},
		{"three", "[profile a]\n" + roleA + "source_profile = b\n[profile b]\n" + roleB + "source_profile = c\n[profile c]\n" + key("AKc"), "", "role(A <- role(B <- AKc))"},
		{"keys of a member end it", "[profile a]\n" + roleA + "source_profile = b\n[profile b]\n" + roleB + "source_profile = c\n" + key("AKb"), "", "role(A <- AKb)"},
		{"process of a member", "[profile a]\n" + roleA + "source_profile = b\n[profile b]\ncredential_process = tool\n", "", `role(A <- process["tool"])`},
		{"SSO of a member", "[profile a]\n" + roleA + "source_profile = b\n[profile b]\n" + legacy, "", "role(A <- sso(: R 1 u x))"},
		{"token of a member", "[profile a]\n" + roleA + "source_profile = b\n[profile b]\n" + roleB + "web_identity_token_file = /t\n", "", "role(A <- role(B <- token /t))"},
		{"itself with keys", "[profile a]\n" + roleA + "source_profile = a\n", "[a]\n" + key("AKa"), "role(A <- AKa)"},
		{"source_profile without role_arn, keys of the same name", "[profile base]\nsource_profile = base\n[profile a]\n" + roleA + "source_profile = base\n", "[base]\n" + key("AKb"), "role(A <- AKb)"},
		{"ring with keys in a later member", "[profile a]\n" + roleA + "source_profile = b\n[profile b]\n" + roleB + "source_profile = a\n" + key("AKb"), "", "role(A <- AKb)"},

		{
			"ring of three", "[profile a]\n" + roleA + "source_profile = b\n[profile b]\n" + roleB + "source_profile = c\n[profile c]\n" + roleC + "source_profile = a\n", "",
			`profile "c" cannot be used: source_profile forms a ring, a → b → c → a; fix it in DIR/config:9`,
		},
		{
			"ring with keys in the first member", "[profile a]\n" + roleA + "source_profile = b\n[profile b]\n" + roleB + "source_profile = a\n", "[a]\n" + key("AKa"),
			`profile "b" cannot be used: source_profile forms a ring, a → b → a; fix it in DIR/config:6`,
		},
		{
			"ring behind the first", "[profile a]\n" + roleA + "source_profile = b\n[profile b]\n" + roleB + "source_profile = c\n[profile c]\n" + roleC + "source_profile = b\n", "",
			`profile "c" cannot be used: source_profile forms a ring, b → c → b; fix it in DIR/config:9`,
		},
		{
			"itself without keys", "[profile a]\n" + roleA + "source_profile = a\n", "",
			`profile "a" cannot be used: source_profile forms a ring, a → a, and the profile has no keys of its own; fix it in DIR/config:3`,
		},
		{
			"missing", "[profile a]\n" + roleA + "source_profile = none\n", "",
			`profile "a" has source_profile "none" (DIR/config:3), which is in neither of DIR/config, DIR/credentials; create it (aws configure --profile none) or fix that line`,
		},
		{
			"missing of a member", "[profile a]\n" + roleA + "source_profile = b\n[profile b]\n" + roleB + "source_profile = my keys\n", "",
			`profile "b" has source_profile "my keys" (DIR/config:6), which is in neither of DIR/config, DIR/credentials; create it (aws configure --profile 'my keys') or fix that line`,
		},
		{
			"missing, but for its heading", "[profile a]\n" + roleA + "source_profile = my keys\n[profile my keys]\n" + key("AKb"), "",
			`profile "a" has source_profile "my keys" (DIR/config:3), which cannot be found: DIR/config:4: the heading [profile my keys] names no profile; write [profile 'my keys']`,
		},
		{
			"comment behind the name", "[profile a]\n" + roleA + "source_profile = b # x\n[profile b]\n" + key("AKb"), "",
			`profile "a" has source_profile "b # x" (DIR/config:3), which is in neither of DIR/config, DIR/credentials; create it (aws configure --profile 'b # x') or fix that line`,
		},
		{
			"member without credentials", "[profile a]\n" + roleA + "source_profile = b\n[profile b]\nregion = x\n", "",
			`profile "a" cannot be used: source_profile "b" has no credentials; fix it in DIR/config:3`,
		},
		{
			"member with source_profile alone", "[profile a]\n" + roleA + "source_profile = b\n[profile b]\nsource_profile = c\n[profile c]\n" + key("AKc"), "",
			`profile "b" cannot be used: source_profile has no effect without role_arn; fix it in DIR/config:5`,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := home(t, tt.config, tt.credentials)
			if got := outcome(t, dir, "a"); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

func TestNoSource_SaysWhatLooksLikeOne(t *testing.T) {
	for _, tt := range []struct{ name, config, want string }{
		{"nothing", "region = x\n", ""},
		{"source_profile alone", "source_profile = b\n", `profile "work" cannot be used: source_profile has no effect without role_arn; fix it in DIR/config:2`},
		{"credential_source alone", "credential_source = Environment\n", `profile "work" cannot be used: credential_source has no effect without role_arn; fix it in DIR/config:2`},
		{"secret alone", "aws_secret_access_key = hunter2\n", `profile "work" cannot be used: partial credentials: aws_access_key_id is missing; fix it in DIR/config:2`},
		{"SSO without an account", "sso_start_url = u\n", `profile "work" cannot be used: it is configured to use SSO but is missing required configuration: sso_region, sso_account_id, sso_role_name; fix it in DIR/config:2`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := home(t, "[profile work]\n"+tt.config, "")
			files, err := Load()
			if err != nil {
				t.Fatal(err)
			}
			p, err := files.Profile("work")
			if err != nil {
				t.Fatal(err)
			}
			got := ""
			if err := p.NoSource(); err != nil {
				got = strings.ReplaceAll(err.Error(), dir, "DIR")
			}
			if got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

func TestRole_ParametersAreThoseOfTheProfile(t *testing.T) {
	for _, tt := range []struct {
		seconds string
		want    time.Duration
	}{
		{"7200", 2 * time.Hour}, {"900", 15 * time.Minute}, {"0x384", 0}, {"1h", 0}, {"900 # s", 0}, {"0", 0}, {"", 0},
	} {
		t.Run(tt.seconds, func(t *testing.T) {
			home(t, "[profile a]\n"+roleA+"source_profile = a\nexternal_id = e\nmfa_serial = m\nrole_session_name = s\nduration_seconds = "+tt.seconds+"\n", "[a]\n"+key("AKa"))
			files, err := Load()
			if err != nil {
				t.Fatal(err)
			}
			p, err := files.Profile("a")
			if err != nil {
				t.Fatal(err)
			}
			if want := (Role{ARN: "A", ExternalID: "e", MFASerial: "m", SessionName: "s", Duration: tt.want}); *p.Role != want {
				t.Errorf("got %+v, want %+v", *p.Role, want)
			}
		})
	}
}

func TestProfile_ShowsNoSecret(t *testing.T) {
	home(t, "[profile a]\n"+roleA+"source_profile = b\n[profile b]\ncredential_process = tool hunter2\n", "[c]\n"+key("AK")+"aws_session_token = hunter2\n")
	files, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a", "b", "c"} {
		p, err := files.Profile(name)
		if err != nil {
			t.Fatal(err)
		}
		if text := fmt.Sprintf("%v %+v %#v %v %+v %#v", p, *p, *p, p.Keys, p.Source, p.Source); strings.Contains(text, "hunter2") {
			t.Error(text)
		}
	}
}
