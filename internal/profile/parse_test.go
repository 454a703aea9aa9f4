package profile

import (
	"errors"
	"strings"
	"testing"
	"time"

	"mock-ec2-metadata/internal/testutil"
)

// The outcomes are those of Debian's AWS CLI 2.9.19 for the same files, except where the table says so.
func TestLoad_RefusesWhatTheCLIRefuses(t *testing.T) {
	for _, tt := range []struct{ name, config, want string }{
		{"garbage", "[default]\ngarbage\n", "DIR/config:2: the line is no heading, no comment and no key = value; fix or remove it"},
		{"REM", "[default]\nREM region\n", "DIR/config:2: the line is no heading, no comment and no key = value; fix or remove it"},
		{"slashes", "[default]\n// region\n", "DIR/config:2: the line is no heading, no comment and no key = value; fix or remove it"},
		{"unclosed heading", "[profile work\n" + key("AK1"), "DIR/config:1: the heading has no closing bracket; add it"},
		{"unclosed heading later", "[default]\n[profile work\n", "DIR/config:2: the heading has no closing bracket; add it"},
		{"unopened heading", "profile work]\n" + key("AK1"), "DIR/config:1: the line belongs to no profile; put a heading in brackets above it"},
		{"empty heading", "[default]\n[]\n", "DIR/config:2: the heading has no closing bracket; add it"},
		{"key before the first heading", "region = x\n[default]\n", "DIR/config:1: the line belongs to no profile; put a heading in brackets above it"},
		{"empty key", "[default]\n = x\n", "DIR/config:2: the key before the = is missing; add it, or remove the line"},
		{"section twice", "[profile a]\n[default]\n[profile a]\n", "DIR/config:3: the heading [profile a] is in the file already, in line 1; merge the two sections"},
		{"key twice", "[default]\nregion = x\n\nREGION : y\n", "DIR/config:4: region is in the section already, in line 2; remove one"},
		{"key twice in two DEFAULTs", "[DEFAULT]\nregion = x\n[DEFAULT]\nregion = y\n", "DIR/config:4: region is in the section already, in line 2; remove one"},
		{"nested line without =", "[default]\ns3 =\n  garbage\n", "DIR/config:2: a line below s3 is no key = value; fix or remove it"},
		{"Latin-1", "[default]\n# caf\xe9\n", "DIR/config:2: the line is not UTF-8; save the file as UTF-8"},
		{"UTF-16", "\xff\xfe[\x00d\x00", "DIR/config:1: the file is in UTF-16; save it as UTF-8"},
		{"BOM in the midst", "[default]\n\ufeff[profile work]\n", "DIR/config:2: the line is no heading, no comment and no key = value; fix or remove it"},
		// The CLI adds the heading to the value, and the keys below to the section before.
		{"indented heading", "[default]\nregion = x\n  [profile work]\n" + key("AK1"), "DIR/config:3: the heading [profile work] is indented, so that it continues the value of region in line 2; remove the blanks before it"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := home(t, tt.config, "[work]\n"+key("AK1"))
			_, err := Load()
			if _, ok := errors.AsType[*SyntaxError](err); !ok || strings.ReplaceAll(err.Error(), dir, "DIR") != tt.want {
				t.Errorf("got  %v\nwant %s", err, tt.want)
			}
		})
	}
}

func TestLoad_RefusesTheCredentialsFileToo(t *testing.T) {
	dir := home(t, "[profile work]\n"+key("AK1"), "\n[work]\n"+key("AK2")+"[work]\n")
	if got := outcome(t, dir, "work"); got != "DIR/credentials:5: the heading [work] is in the file already, in line 2; merge the two sections" {
		t.Error(got)
	}
}

func TestLoad_ReadsForms(t *testing.T) {
	for _, tt := range []struct{ name, config, key, want string }{
		{"plain", "[default]\nregion = x\n", "region", "x"},
		{"without blanks", "[default]\nregion=x\n", "region", "x"},
		{"colon", "[default]\nregion : x\n", "region", "x"},
		{"colon and =", "[default]\nregion :=x\n", "region", "=x"},
		{"= in the value", "[default]\nregion = =x=y:z\n", "region", "=x=y:z"},
		{"upper case", "[default]\nREGION = X\n", "region", "X"},
		{"blanks at the end", "[default]\nregion = x \t\n", "region", "x"},
		{"no-break spaces", "[default]\n\u00a0region\u00a0=\u00a0x\u00a0\n", "region", "x"},
		{"all lines indented alike", "[default]\n  output = y\n  region = x\n", "region", "x"},
		{"tabs", "[default]\n\tregion\t=\tx\n", "region", "x"},
		{"no line end", "[default]\nregion = x", "region", "x"},
		{"CRLF", "[default]\r\nregion = x\r\n", "region", "x"},
		{"CR", "[default]\rregion = x\r", "region", "x"},
		{"BOM", "\ufeff[default]\nregion = x\n", "region", "x"},
		{"BOM and a comment", "\ufeff# c\n[default]\nregion = x\n", "region", "x"},
		{"BOM and CRLF", "\ufeff[default]\r\nregion = x\r\n", "region", "x"},
		{"percent sign", "[default]\nregion = %(x)s\n", "region", "%(x)s"},
		{"quotes stay", "[default]\nregion = \"x\"\n", "region", `"x"`},
		{"lone quote", "[default]\nregion = \"\n", "region", `"`},
		{"no comment behind a value", "[default]\nregion = x # Ireland\n", "region", "x # Ireland"},
		{"comments of their own", "# c\n; c\n[default]\n  # region = y\nregion = x\n;c\n", "region", "x"},
		{"continuation", "[default]\nregion = x\n  y = z\n", "region", "x\ny = z"},
		{"comment in a continuation", "[default]\nregion = x\n# c\n  #c\n  y\n", "region", "x\ny"},
		{"empty", "[default]\nregion =\noutput = y\n", "region", ""},
		{"nested", "[default]\ns3 =\n  addressing_style = path\n\n  x=y\nregion = x\n", "region", "x"},
		{"nested is no value", "[default]\nregion =\n  a = b\n", "region", ""},
		{"NUL", "[default]\nregion = x\x00\n", "region", "x\x00"},
		{"long", "[default]\nregion = " + strings.Repeat("y", 1<<20) + "\n", "region", strings.Repeat("y", 1<<20)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			home(t, tt.config, "")
			files, err := Load()
			if err != nil {
				t.Fatal(err)
			}
			p, err := files.Profile("default")
			if err != nil {
				t.Fatal(err)
			}
			if got := p.Setting(tt.key); got != tt.want {
				t.Errorf("got %.80q, want %.80q", got, tt.want)
			}
		})
	}
}

// 2 MB of continuation lines take milliseconds, not minutes.
func TestLoad_IsLinear(t *testing.T) {
	home(t, "[default]\nregion = x\n"+strings.Repeat(" y\n", 700_000)+"output = z\n", "")
	began := time.Now()
	files, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	p, err := files.Profile("default")
	if took := time.Since(began); err != nil || p.Setting("output") != "z" || took > 10*time.Second {
		t.Errorf("%v, after %v", err, took)
	}
}

func TestServices_AreThoseOfTheNamedSection(t *testing.T) {
	home(t, "[default]\nservices = my loc\n[services 'my loc']\nsts =\n  endpoint_url = http://127.0.0.1:9\n", "")
	files, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	p, err := files.Profile("default")
	if err != nil {
		t.Fatal(err)
	}
	if got := p.Services()["sts"]["endpoint_url"]; got != "http://127.0.0.1:9" {
		t.Errorf("got %q", got)
	}
}

func TestSplit_IsShlexSplit(t *testing.T) {
	for _, tt := range []struct {
		text string
		want string // joined by |; "!" for an error
	}{
		{`/opt/tool plain`, "/opt/tool|plain"},
		{`"/opt/tool" plain "with spaces"`, "/opt/tool|plain|with spaces"},
		{`"/opt/my tools/tool" plain`, "/opt/my tools/tool|plain"},
		{`'/opt/my tools/tool' 'a' "b"`, "/opt/my tools/tool|a|b"},
		{`/opt/my\ tools/tool a`, "/opt/my tools/tool|a"},
		{`tool "a # b" c#d # e`, "tool|a # b|c#d|#|e"},
		{`tool "" ''`, "tool||"},
		{`tool a"b c"d`, "tool|ab cd"},
		{`tool "a\"b" 'c\d' "\e" "\\"`, `tool|a"b|c\d|\e|\`},
		{`tool $HOME ~ | > && *`, "tool|$HOME|~|||>|&&|*"},
		{"tool\ta\n b\r\n", "tool|a|b"},
		{`tool ä`, "tool|ä"},
		{``, ""},
		{`tool "a`, "!"},
		{`tool 'a`, "!"},
		{`"`, "!"},
		{`tool a\`, "!"},
	} {
		t.Run(tt.text, func(t *testing.T) {
			words, err := split(tt.text)
			got := strings.Join(words, "|")
			if err != nil {
				got = "!"
			}
			if got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

func TestQuote_KeepsTheWordOne(t *testing.T) {
	for word, want := range map[string]string{
		"work": "work", "my work": "'my work'", "it's": `'it'"'"'s'`, "": "''", "$HOME": "'$HOME'", "a;b": "'a;b'", "ü": "'ü'", "a@b.c": "a@b.c",
	} {
		got := Quote(word)
		if words, err := split(got); got != want || err != nil || len(words) != 1 || words[0] != word {
			t.Errorf("%s: got %s, want %s; %q, %v", word, got, want, words, err)
		}
	}
}

// Whatever the bytes, nothing panics, values stay below their headings, and an error is one line that quotes no value.
func FuzzLoad(f *testing.F) {
	for _, seed := range []string{
		"[default]\naws_access_key_id = AK\naws_secret_access_key = hunter2\n", "[profile 'a b'] x\nrole_arn = r\nsource_profile = a b\n",
		"\ufeff[default]\n\"\n", "[profile a]\nsource_profile = \"\n", "[default]\ns3 =\n a = b\n\n c\n", "[sso-session \"x\"]\n[profile x]\nsso_session = x\nsso_role_name=y\n",
		"\xff\xfe[\x00", "[a]\rb:c\r [d]", "=\n", "[", "]", "[]", "[default]\ncredential_process = \\",
	} {
		f.Add(seed, seed)
	}
	dir := f.TempDir()
	f.Setenv("AWS_CONFIG_FILE", dir+"/config")
	f.Setenv("AWS_SHARED_CREDENTIALS_FILE", dir+"/credentials")
	f.Fuzz(func(t *testing.T, config, credentials string) {
		testutil.Write(t, dir+"/config", config)
		testutil.Write(t, dir+"/credentials", credentials)
		oneLine := func(err error) {
			if err != nil && strings.ContainsAny(err.Error(), "\n\r\x00\x1b") {
				t.Errorf("%q", err)
			}
		}
		files, err := Load()
		if oneLine(err); err != nil {
			return
		}
		for name := range files.profiles {
			p, err := files.Profile(name)
			if oneLine(err); err == nil {
				_, _ = p.NoSource(), p.Services()
			}
		}
		_, err = files.Profile("none")
		oneLine(err)
	})
}
