package profile

import (
	"strings"
	"testing"
)

// The outcomes of the tables are those of Debian's AWS CLI 2.9.19 and botocore 1.43.11 for the same files.

func TestProfile_HeadingsOfTheConfigFile(t *testing.T) {
	for _, tt := range []struct {
		heading string
		name    string // that the heading means; "" for none
	}{
		{"[profile work]", "work"},
		{"[profile 'my work']", "my work"},
		{`[profile "my work"]`, "my work"},
		{`[profile "work"]`, "work"},
		{"[profile 'work']", "work"},
		{`[profile my\ work]`, "my work"},
		{`[profile wo"r"k]`, "work"},
		{`[profile "wo\"rk"]`, `wo"rk`},
		{"[profile 'it''s']", "its"},
		{`[profile 'it'"'"'s me']`, "it's me"},
		{"[profile 'two  spaces']", "two  spaces"},
		{"[profile 'a]b']", "a]b"},
		{"[profile 'a=b']", "a=b"},
		{`[profile a\\b]`, `a\b`},
		{`[profile a\b]`, "ab"},
		{"[profile  work]", "work"},
		{"[profile\twork]", "work"},
		{"[profile work ]", "work"},
		{"  [profile work]", "work"},
		{"\t[profile work]", "work"},
		{"[profile work] trailing text", "work"},
		{"[profile work] # comment", "work"},
		{"[profile work] ; comment", "work"},
		{"[profile work]# comment", "work"},
		{"[profile work]x=y", "work"},
		{"[profile wo]rk]", "wo]rk"},
		{"[profile wo#rk]", "wo#rk"},
		{"[profile 'wo#rk']", "wo#rk"},
		{"[profile wo;rk]", "wo;rk"},
		{"[profile wörk]", "wörk"},
		{"[profile work@corp.com]", "work@corp.com"},
		{"[profile a/b]", "a/b"},
		{"[profile a:b]", "a:b"},
		{"[profile a%b]", "a%b"},
		{"[profile w$HOME]", "w$HOME"},
		{"[profile-x work]", "work"},
		{"[profiles work]", "work"},
		{"[profile Work]", "Work"},
		{"[profile default]", "default"},
		{`[profile "default"]`, "default"},
		{"[default]", "default"},

		{"[profile my work]", ""},
		{"[profile a b c]", ""},
		{"[profile  two  spaces]", ""},
		{"[profile it's]", ""},
		{`[profile work\]`, ""},
		{`[profile 'a\'b']`, ""},
		{"[ profile work ]", ""},
		{"[ profile work]", ""},
		{"[PROFILE work]", ""},
		{"[Profile work]", ""},
		{"[work]", ""},
		{"[profilework]", ""},
		{"['profile work']", ""},
		{`["profile" work]`, ""},
		{"[profile\u00a0work]", ""},
		{"[[profile work]]", ""},
		{"[profile work] # [x]", ""},
		{"[profile work] [x]", ""},
		{"[profile work] x]", ""},
		{"[profile]", ""},
		{"[ default ]", ""},
		{"[default ]", ""},
		{"['default']", ""},
		{"[Default]", ""},
	} {
		t.Run(tt.heading, func(t *testing.T) {
			home(t, "[profile before]\n"+tt.heading+"\n"+key("AK1"), "")
			files, err := Load()
			if err != nil {
				t.Fatal(err)
			}
			found := ""
			for name, e := range files.profiles {
				if v, _, _ := e.get("aws_access_key_id"); v.text == "AK1" {
					found = name
				}
			}
			if found != tt.name {
				t.Errorf("means profile %q, want %q", found, tt.name)
			}
		})
	}
}

func TestProfile_HeadingsOfTheCredentialsFile(t *testing.T) {
	for _, tt := range []struct{ heading, name string }{
		{"[work]", "work"},
		{"[my work]", "my work"},
		{"['my work']", "'my work'"},
		{`["work"]`, `"work"`},
		{"[profile work]", "profile work"},
		{"[ work ]", " work "},
		{"[two  spaces]", "two  spaces"},
		{"[a\tb]", "a\tb"},
		{"[work] text", "work"},
		{"[work] # c", "work"},
		{"[work] # [x]", "work] # [x"},
		{"[a # b]", "a # b"},
		{"[a]b]", "a]b"},
		{"[it's]", "it's"},
		{"[wo#rk]", "wo#rk"},
		{"[sso-session x]", "sso-session x"},
		{"[profile]", "profile"},
		{"[WORK]", "WORK"},
		{"[default]", "default"},
	} {
		t.Run(tt.heading, func(t *testing.T) {
			dir := home(t, "", tt.heading+"\n"+key("AK1"))
			if got := outcome(t, dir, tt.name); got != "AK1" {
				t.Error(got)
			}
		})
	}
}

func TestProfile_LaterOfTwoSpellingsHolds(t *testing.T) {
	for _, tt := range []struct{ name, config, want string }{
		{"default twice", "[default]\n" + key("AK1") + "[profile default]\n" + key("AK2"), "AK2"},
		{"default last", "[profile default]\n" + key("AK2") + "[default]\n" + key("AK1"), "AK1"},
		{"nothing is merged", "[profile default]\n" + key("AK2") + "[default]\nregion = x\n", "none"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := home(t, tt.config, "")
			if got := outcome(t, dir, "default"); got != tt.want {
				t.Error(got)
			}
		})
	}
}

func TestProfile_KeysOfDEFAULTAreInAllSections(t *testing.T) {
	dir := home(t, "[DEFAULT]\n"+key("AK1")+"[profile work]\nregion = x\n[profile own]\naws_access_key_id = AK2\n", "")
	for name, want := range map[string]string{
		"work": "AK1", "own": "AK2",
		"default": `profile "default" cannot be found: DIR/config:1: the heading [DEFAULT] names no profile; write [default]`,
	} {
		if got := outcome(t, dir, name); got != want {
			t.Errorf("%s: got %s", name, got)
		}
	}
}

// A heading that cannot be read begins a section of its own: its keys are never those of the section before.
func TestProfile_KeysNeverFallIntoTheSectionBefore(t *testing.T) {
	for _, heading := range []string{
		"[profile 'work']", "[profile work] text", "[work", "[profile work", "[]", "[ ]", "[profile it's]", "[profile work] # [x]", "\ufeff[profile work]", "profile work]",
		"  [profile work]", "\t[work] # x", "\u00a0[profile work]",
	} {
		t.Run(heading, func(t *testing.T) {
			dir := home(t, "[default]\nregion = eu-west-1\n"+heading+"\n"+key("AKwork"), "")
			if got := outcome(t, dir, "default"); strings.Contains(got, "AKwork") {
				t.Error(got)
			}
		})
	}
}

func TestProfile_HeadingThatMayBeMeantIsNamed(t *testing.T) {
	for _, tt := range []struct{ name, profile, config, credentials, want string }{
		{"blank without quotes", "my work", "[profile my work]\n", "", `profile "my work" cannot be found: DIR/config:1: the heading [profile my work] names no profile; write [profile 'my work']`},
		{"quote", "it's", "[profile it's]\n", "", `profile "it's" cannot be found: DIR/config:1: the heading [profile it's] names no profile; write [profile 'it'"'"'s']`},
		{"no word before", "work", "[default]\n[work]\n", "", `profile "work" cannot be found: DIR/config:2: the heading [work] names no profile; write [profile work]`},
		{"upper case", "work", "[Profile work]\n", "", `profile "work" cannot be found: DIR/config:1: the heading [Profile work] names no profile; write [profile work]`},
		{"bracket behind", "work", "[profile work] # [x]\n", "", `profile "work" cannot be found: DIR/config:1: the heading [profile work] # [x] names no profile; write [profile work]`},
		{"other case", "work", "[profile Work]\n", "", `profile "work" cannot be found: DIR/config:1: the heading [profile Work] means profile "Work"; use one name in both places`},
		{"config's form in the credentials file", "work", "", "[profile work]\n", `profile "work" cannot be found: DIR/credentials:1: the heading [profile work] means profile "profile work"; use one name in both places`},
		{"quotes in the credentials file", "my work", "", "['my work']\n", `profile "my work" cannot be found: DIR/credentials:1: the heading ['my work'] means profile "'my work'"; use one name in both places`},
		{"none", "work", "[profile other]\n", "", `profile "work" is in neither of DIR/config, DIR/credentials; create it (aws configure --profile work) or name another one in credentials.source_profile`},
		{"none, with a blank", "my work", "", "", `profile "my work" is in neither of DIR/config, DIR/credentials; create it (aws configure --profile 'my work') or name another one in credentials.source_profile`},
		{"control characters", "a", "[ profile\x1b[2Ja ]\n[profile a \x07]\n", "", `profile "a" is in neither of DIR/config, DIR/credentials; create it (aws configure --profile a) or name another one in credentials.source_profile`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := home(t, tt.config, tt.credentials)
			if got := outcome(t, dir, tt.profile); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}
