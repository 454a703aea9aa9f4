//go:build e2e && linux

package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"mock-ec2-metadata/internal/testutil"
	"mock-ec2-metadata/test/stsfake"
)

// sameFiles are a home with both of AWS's files, for the AWS CLI and for us. In the files, KEY(NAME) stands for the two lines
// of a user's key, ROLE(NAME) for a role's lines, TOOL for the path of a credential_process and SPACED for one with a blank,
// HOME for the home. TOOL prints the key of the user "process" if its arguments are "plain" and "with spaces # x".
type sameFiles struct {
	name                string
	profile             string // "work" unless given
	config, credentials string
	want                string // user, or role:NAME; "" for a refusal of both
	// ours is our identity where it differs from the CLI's, and why that is so; see docs/credentials.md.
	ours, why   string
	environment []string // HOME stands for the home
	says        string   // part of our refusal
}

const (
	permissionSet = "sso_account_id = 123456789012\nsso_role_name = PowerUser\n"
	ssoKeys       = "sso_region = " + stsfake.SSORegion + "\nsso_start_url = " + stsfake.SSOStartURL + "\n"
)

var sameFilesCases = []sameFiles{
	{name: "plain", config: "[profile work]\nKEY(a)\n", want: "a"},
	{name: "single quotes", profile: "my work", config: "[profile 'my work']\nKEY(a)\n", want: "a"},
	{name: "double quotes", profile: "my work", config: "[profile \"my work\"]\nKEY(a)\n", want: "a"},
	{name: "needless quotes", config: "[default]\nKEY(b)\n[profile \"work\"]\nKEY(a)\n", want: "a"},
	{name: "quote in the name", profile: "it's me", config: "[profile 'it'\"'\"'s me']\nKEY(a)\n", want: "a"},
	{name: "backslash", profile: "my work", config: "[profile my\\ work]\nKEY(a)\n", want: "a"},
	{name: "text behind", config: "[default]\nKEY(b)\n[profile work] text # x\nKEY(a)\n", want: "a"},
	{name: "text behind another", profile: "default", config: "[default]\nKEY(b)\n[profile work] text\nKEY(a)\n", want: "b"},
	{name: "tabs and blanks", config: "[profile\t work ]\t\n", credentials: "[work]\t# x\nKEY(a)\n", want: "a"},
	{name: "CRLF", config: "[profile work]\r\nregion = eu-west-1\r\n", credentials: "[work]\r\nKEY(a)\r\n", want: "a"},
	{name: "blank in the credentials file", profile: "my work", credentials: "[my work]\nKEY(a)\n", want: "a"},
	{name: "later spelling", config: "[profile work]\nKEY(a)\n[profile 'work']\nKEY(b)\n", want: "b"},
	{name: "DEFAULT", config: "[DEFAULT]\nKEY(a)\n[profile work]\nregion = x\n", want: "a"},
	{name: "indented", config: "  [profile work]\n  region = x\n", credentials: "  [work]\n  KEY(a)\n", want: "a"},
	{name: "comment in a value", config: "[profile work]\nregion = eu-west-1 # Ireland\nKEY(a)\n", want: "a"},

	{name: "blank without quotes", profile: "my work", config: "[default]\nKEY(b)\n[profile my work]\nKEY(a)\n", says: "config:4: the heading [profile my work] names no profile; write [profile 'my work']"},
	{name: "quotes in the credentials file", profile: "my work", credentials: "['my work']\nKEY(a)\n", says: "credentials:1: "},
	{name: "upper case", config: "[Profile work]\nKEY(a)\n", says: "config:1: "},
	{name: "without the word", config: "[work]\nKEY(a)\n", says: "config:1: "},
	{name: "bracket behind", config: "[default]\nKEY(b)\n[profile work] [x]\nKEY(a)\n", says: "config:4: "},
	{name: "unclosed", config: "[default]\nKEY(b)\n[profile work\nKEY(a)\n", says: "config:4: the heading has no closing bracket"},
	{name: "garbage elsewhere", config: "[profile work]\nKEY(a)\n[profile x]\ngarbage\n", says: "config:5: "},
	{name: "heading twice", config: "[profile work]\nKEY(a)\n[profile work]\nregion = x\n", says: "config:4: "},
	{name: "key twice", config: "[profile work]\nKEY(a)\nregion = x\nregion = y\n", says: "config:5: "},
	{name: "not UTF-8", config: "# caf\xe9\n[profile work]\nKEY(a)\n", says: "config:1: "},
	{name: "lone quote", config: "[profile work]\naws_access_key_id = \"\naws_secret_access_key = \"\n", says: "config:2"},
	{name: "key in quotes", config: "[profile work]\naws_access_key_id = \"AKIA\"\naws_secret_access_key = x\n", says: "config:2"},
	{name: "half a key", config: "[profile work]\naws_access_key_id = AKIA\n", says: "config:2"},
	{name: "none", config: "[profile other]\nKEY(a)\n", says: "is in neither of"},

	{name: "byte order mark", config: "\ufeff[profile work]\nKEY(a)\n", ours: "a", why: "Windows editors write it"},
	{name: "byte order mark and comment", credentials: "\ufeff# c\r\n[work]\r\nKEY(a)\r\n", ours: "a", why: "Windows editors write it"},

	{name: "process", config: "[profile work]\ncredential_process = TOOL plain \"with spaces # x\"\n", want: "process"},
	{name: "process in double quotes", config: "[profile work]\ncredential_process = \"TOOL\" plain \"with spaces # x\"\n", want: "process"},
	{name: "process, all in quotes", config: "[profile work]\ncredential_process = \"TOOL\" \"plain\" \"with spaces # x\"\n", want: "process"},
	{name: "process in single quotes", config: "[profile work]\ncredential_process = 'TOOL' 'plain' 'with spaces # x'\n", want: "process"},
	{name: "process with a blank in its path", config: "[profile work]\ncredential_process = \"SPACED\" plain 'with spaces # x'\n", want: "process"},
	{name: "process with backslashes", config: "[profile work]\ncredential_process = TOOL plain with\\ spaces\\ #\\ x\n", want: "process"},
	{name: "process over lines", config: "[profile work]\ncredential_process = TOOL\n  plain\n  # c\n  'with spaces # x'\n", want: "process"},
	{name: "process without quotes", config: "[profile work]\ncredential_process = TOOL plain with spaces # x\n"},
	{name: "process without a shell", config: "[profile work]\ncredential_process = TOOL plain 'with spaces # x' | cat\n"},
	{name: "process with a variable", config: "[profile work]\ncredential_process = $HOME/bin/tool plain 'with spaces # x'\n"},
	{name: "process with an open quote", config: "[profile work]\ncredential_process = \"TOOL plain\n", says: "a quote is not closed"},
	{name: "process before keys", config: "[profile work]\nKEY(a)\ncredential_process = TOOL plain \"with spaces # x\"\n", want: "process"},
	{name: "keys of the credentials file before process", config: "[profile work]\ncredential_process = TOOL\n", credentials: "[work]\nKEY(a)\n", want: "a"},

	{name: "chain", config: "[profile work]\nROLE(one)\nsource_profile = my base\n[profile 'my base']\nregion = x\n", credentials: "[my base]\nKEY(a)\n", want: "role:one"},
	{name: "chain of three", config: "[profile work]\nROLE(one)\nsource_profile = b\n[profile b]\nROLE(two)\nsource_profile = c\n[profile c]\nKEY(a)\n", want: "role:one"},
	{name: "itself", config: "[profile work]\nROLE(one)\nsource_profile = work\n", credentials: "[work]\nKEY(a)\n", want: "role:one"},
	{name: "source_profile without a role", profile: "base", config: "[profile base]\nsource_profile = base\n", credentials: "[base]\nKEY(a)\n", want: "a"},
	{name: "source_profile of a member without a role", config: "[profile work]\nROLE(one)\nsource_profile = base\n[profile base]\nsource_profile = base\n", credentials: "[base]\nKEY(a)\n", want: "role:one"},
	{name: "source_profile of another without a role", config: "[profile work]\nsource_profile = b\n[profile b]\nKEY(a)\n", says: "config:2"},
	{name: "role alone", config: "[profile work]\nROLE(one)\nKEY(a)\n", says: "config:2"},
	{name: "ring", config: "[profile work]\nROLE(one)\nsource_profile = b\n[profile b]\nROLE(two)\nsource_profile = c\n[profile c]\nROLE(three)\nsource_profile = work\n", says: "forms a ring, work → b → c → work"},
	{name: "ring with keys in it", config: "[profile work]\nROLE(one)\nsource_profile = b\n[profile b]\nROLE(two)\nsource_profile = work\nKEY(a)\n", want: "role:one"},
	{name: "missing member", config: "[profile work]\nROLE(one)\nsource_profile = b\n[profile b]\nROLE(two)\nsource_profile = nope\n", says: `profile "b" has source_profile "nope"`},
	{name: "both sources", config: "[profile work]\nROLE(one)\nsource_profile = work\ncredential_source = Environment\nKEY(a)\n", says: "config:5"},

	{name: "SSO", config: "[profile work]\nsso_session = my corp\n" + permissionSet + "[sso-session 'my corp']\n" + ssoKeys, want: "sso"},
	{name: "SSO before keys", config: "[profile work]\nKEY(a)\nsso_session = my corp\n" + permissionSet + "[sso-session \"my corp\"] text\n" + ssoKeys, want: "sso"},
	{name: "SSO without quotes", config: "[profile work]\nsso_session = my corp\n" + permissionSet + "[sso-session my corp]\n" + ssoKeys, says: "write [sso-session 'my corp']"},
	{name: "SSO session missing", config: "[profile work]\nsso_session = none\n" + permissionSet, says: "there is no section [sso-session none]"},

	{name: "~ in the variables", environment: []string{"AWS_CONFIG_FILE=~/.aws/config", "AWS_SHARED_CREDENTIALS_FILE=~/.aws/credentials"}, config: "[profile work]\n", credentials: "[work]\nKEY(a)\n", want: "a"},
	{name: "$HOME in the variables", environment: []string{"AWS_CONFIG_FILE=${HOME}/.aws/config", "AWS_SHARED_CREDENTIALS_FILE=$HOME/.aws/credentials"}, config: "[profile work]\n", credentials: "[work]\nKEY(a)\n", want: "a"},
	{name: "devices in the variables", environment: []string{"AWS_CONFIG_FILE=/dev/null"}, config: "garbage", credentials: "[work]\nKEY(a)\n", want: "a"},
}

// TestProfileFiles_SameIdentityAsTheCLI gives the same files to Debian's AWS CLI and to us. Both must call the fake STS as the
// same user or role, or both must refuse.
func TestProfileFiles_SameIdentityAsTheCLI(t *testing.T) {
	needClients(t)
	fake := stsfake.Start(t)
	fake.AddRole(roleARN)
	users := map[string]stsfake.Key{}
	for _, name := range []string{"a", "b", "process"} {
		users[name] = fake.AddUser(name)
	}
	for _, name := range []string{"one", "two", "three"} {
		fake.AddRole("arn:aws:iam::123456789012:role/" + name)
	}
	fake.AddPermissionSet("123456789012", "PowerUser")
	login := fake.LoginSSO("alice")
	models := modelsOf(t, fake.URL())

	for _, tt := range sameFilesCases {
		t.Run(tt.name, func(t *testing.T) {
			home := t.TempDir()
			tools(t, home, users["process"])
			if _, err := login.WriteSession(filepath.Join(home, ".aws", "sso", "cache"), "my corp"); err != nil {
				t.Fatal(err)
			}
			fill := strings.NewReplacer("TOOL", home+"/bin/tool", "SPACED", home+"/my tools/tool",
				"KEY(a)", keyLines(users["a"]), "KEY(b)", keyLines(users["b"]),
				"ROLE(one)", roleLines("one"), "ROLE(two)", roleLines("two"), "ROLE(three)", roleLines("three"))
			for name, content := range map[string]string{"config": tt.config, "credentials": tt.credentials} {
				if content != "" {
					testutil.Write(t, filepath.Join(home, ".aws", name), fill.Replace(content))
				}
			}
			profile := tt.profile
			if profile == "" {
				profile = "work"
			}
			environment := append([]string{"PATH=" + systemPath, "HOME=" + home, "LC_ALL=C.UTF-8", "AWS_EC2_METADATA_DISABLED=true"}, tt.environment...)

			cli, cliErr := callerOf(t, fake, "GetCallerIdentity", append(environment, "AWS_DATA_PATH="+models),
				awsCLI, "sts", "get-caller-identity", "--profile", profile, "--region", region)
			if cli != tt.want {
				t.Errorf("the AWS CLI is %q, want %q\n%v", cli, tt.want, cliErr)
			}
			want := tt.want
			if tt.why != "" {
				want = tt.ours
			}
			us, err := callerOf(t, fake, "AssumeRole", append(environment, "AWS_ENDPOINT_URL_STS="+fake.URL(), "AWS_ENDPOINT_URL_SSO="+fake.URL(), "AWS_ENDPOINT_URL_SSO_OIDC="+fake.URL()),
				buildDaemon(t), "check", "--credentials", "--set", "credentials.source_profile="+profile, "--set", "credentials.iam_role="+roleARN, "--set", "aws.region="+region)
			if us != want {
				t.Errorf("we are %q, want %q\n%v", us, want, err)
			}
			switch text := fmt.Sprint(err); {
			case err != nil && !strings.Contains(text, tt.says):
				t.Errorf("no %q in %s", tt.says, text)
			case strings.Contains(text, "panic"), strings.Contains(text, users["a"].SecretAccessKey):
				t.Error(text)
			case strings.Contains(text, "is in neither of") && tt.says == "":
				t.Errorf("not true: %s", text)
			}
		})
	}
}

// callerOf runs a program and says who called action last: the name of a user, role:NAME, sso, or "" with the error if nobody did.
func callerOf(t *testing.T, fake *stsfake.Server, action string, env []string, name string, args ...string) (string, error) {
	t.Helper()
	before := len(fake.Requests())
	_, err := client(t, env, name, args...)
	if err != nil {
		return "", err
	}
	caller := ""
	for _, r := range fake.Requests()[before:] {
		if r.Action == action && (action != "AssumeRole" || r.Form.Get("RoleArn") == roleARN) {
			caller = r.CallerARN
		}
	}
	switch _, resource, _ := strings.Cut(caller, "123456789012:"); {
	case strings.Contains(resource, "AWSReservedSSO_"):
		return "sso", nil
	case strings.HasPrefix(resource, "user/"):
		return strings.TrimPrefix(resource, "user/"), nil
	default:
		role, _, _ := strings.Cut(strings.TrimPrefix(resource, "assumed-role/"), "/")
		return "role:" + role, nil
	}
}

func keyLines(k stsfake.Key) string {
	return "aws_access_key_id = " + k.AccessKeyID + "\naws_secret_access_key = " + k.SecretAccessKey
}

func roleLines(name string) string {
	return "role_arn = arn:aws:iam::123456789012:role/" + name + "\nrole_session_name = " + name
}

// tools makes the two tools of a home.
func tools(t *testing.T, home string, k stsfake.Key) {
	t.Helper()
	script := fmt.Sprintf("#!/bin/sh\n[ $# = 2 ] && [ \"$1\" = plain ] && [ \"$2\" = 'with spaces # x' ] || exit 1\n"+
		"echo '{\"Version\": 1, \"AccessKeyId\": \"%s\", \"SecretAccessKey\": \"%s\"}'\n", k.AccessKeyID, k.SecretAccessKey)
	for _, dir := range []string{"bin", "my tools"} {
		file := filepath.Join(home, dir, "tool")
		testutil.Write(t, file, script)
		if err := os.Chmod(file, 0o700); err != nil {
			t.Fatal(err)
		}
	}
}

// modelsOf makes a folder for AWS_DATA_PATH that leads the CLI's calls of STS and SSO to an endpoint, also those of its own
// chain of profiles: --endpoint-url is for the command's call only, and Debian's version reads no AWS_ENDPOINT_URL.
func modelsOf(t *testing.T, endpoint string) string {
	t.Helper()
	dir := t.TempDir()
	rules := `{"version": "1.0", "parameters": {
		"Region": {"builtIn": "AWS::Region", "required": false, "type": "String", "documentation": ""},
		"UseDualStack": {"builtIn": "AWS::UseDualStack", "required": true, "default": false, "type": "Boolean", "documentation": ""},
		"UseFIPS": {"builtIn": "AWS::UseFIPS", "required": true, "default": false, "type": "Boolean", "documentation": ""},
		"Endpoint": {"builtIn": "SDK::Endpoint", "required": false, "type": "String", "documentation": ""},
		"UseGlobalEndpoint": {"builtIn": "AWS::STS::UseGlobalEndpoint", "required": true, "default": false, "type": "Boolean", "documentation": ""}},
		"rules": [{"conditions": [], "type": "endpoint", "endpoint": {"url": "` + endpoint + `", "properties": {}, "headers": {}}}]}`
	for _, service := range []string{"sts/2011-06-15", "sso/2019-06-10", "sso-oidc/2019-06-10"} {
		testutil.Write(t, filepath.Join(dir, service, "endpoint-rule-set-1.json"), rules)
	}
	return dir
}

// TestProfileFiles_RunDockerMountsExpandedPaths runs run-docker.sh with a docker that prints its arguments.
func TestProfileFiles_RunDockerMountsExpandedPaths(t *testing.T) {
	home := t.TempDir()
	testutil.Write(t, filepath.Join(home, "bin", "docker"), "#!/bin/sh\nfor a; do echo \"<$a>\"; done\n")
	if err := os.Chmod(filepath.Join(home, "bin", "docker"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"c", "k", "a,b"} {
		testutil.Write(t, filepath.Join(home, "x", name), "")
	}
	cmd := exec.CommandContext(t.Context(), "/bin/bash", "../../run-docker.sh", "it", "true")
	cmd.Env = []string{
		"PATH=" + home + "/bin:" + systemPath, "HOME=" + home, "XDIR=" + home + "/x",
		"AWS_CONFIG_FILE=~/x/c", "AWS_SHARED_CREDENTIALS_FILE=${HOME}/x/k", "AWS_CA_BUNDLE=$XDIR/a,b",
	}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for variable, file := range map[string]string{"config": "c", "credentials": "k", "ca-bundle.pem": "a,b"} {
		if want := fmt.Sprintf("<type=bind,\"source=%s/x/%s\",target=/home/mock/aws/%s,readonly>", home, file, variable); !strings.Contains(string(out), want) {
			t.Errorf("no %s in\n%s", want, out)
		}
	}
}
