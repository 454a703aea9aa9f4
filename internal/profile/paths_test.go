package profile

import (
	"errors"
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"testing"

	"mock-ec2-metadata/internal/testutil"
)

func TestExpand_ReplacesHomeAndVariables(t *testing.T) {
	root, err := user.LookupId("0")
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("HOME", "/home/u")
	t.Setenv("XVAR", "v")
	for _, tt := range []struct{ path, want string }{
		{"/a/b", "/a/b"},
		{"a/b", "a/b"},
		{"", ""},
		{"~", "/home/u"},
		{"~/x", "/home/u/x"},
		{"$HOME/x", "/home/u/x"},
		{"${HOME}/x", "/home/u/x"},
		{"$HOME", "/home/u"},
		{"/a/$XVAR/${XVAR}c", "/a/v/vc"},
		{"~" + root.Username + "/x", root.HomeDir + "/x"},
		{"~nobody-of-this-name/x", "~nobody-of-this-name/x"},
		{"/a/~/x", "/a/~/x"},
		{"a~", "a~"},
		{"$UNSET_OF_THIS_NAME/x", "$UNSET_OF_THIS_NAME/x"},
		{"${UNSET_OF_THIS_NAME}/x", "${UNSET_OF_THIS_NAME}/x"},
		{"$", "$"},
		{"${", "${"},
		{"/a$/b", "/a$/b"},
		{`"~/x"`, `"~/x"`},
		{"~ü/x", "~ü/x"},
	} {
		t.Run(tt.path, func(t *testing.T) {
			if got := Expand(tt.path); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

func TestExpand_FollowsHOME(t *testing.T) {
	for _, home := range []string{"/root", "/home/u"} { // after root was dropped
		t.Setenv("HOME", home)
		if got := Expand("~/x"); got != home+"/x" {
			t.Errorf("got %s", got)
		}
	}
	if err := os.Unsetenv("HOME"); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"~/x", "$HOME/x"} {
		if got := Expand(path); !filepath.IsAbs(got) {
			t.Errorf("without HOME, %s is %s", path, got)
		}
	}
}

func TestFiles_AreExpanded(t *testing.T) {
	dir := testutil.IsolateHome(t)
	if ConfigFile() != filepath.Join(dir, ".aws", "config") || CredentialsFile() != filepath.Join(dir, ".aws", "credentials") {
		t.Errorf("got %s and %s", ConfigFile(), CredentialsFile())
	}
	t.Setenv("AWS_CONFIG_FILE", "~/c")
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", "${HOME}/k")
	if ConfigFile() != dir+"/c" || CredentialsFile() != dir+"/k" {
		t.Errorf("got %s and %s", ConfigFile(), CredentialsFile())
	}
	testutil.Write(t, filepath.Join(dir, "c"), "[profile w]\nrole_arn = r\nweb_identity_token_file = ~/token\n")
	if got := outcome(t, dir, "w"); got != "role(r <- token "+dir+"/token)" {
		t.Error(got)
	}
}

// The files are looked at by root, too, which can read all.
func TestLoad_NamesAFileThatCannotBeRead(t *testing.T) {
	dir := home(t, "", "[work]\n"+key("AK1")+"[region]\nregion = x\n")
	if err := os.Mkdir(filepath.Join(dir, "config"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"work":  "AK1",
		"other": `profile "other" cannot be found: DIR/config cannot be read: is a directory`,
	} {
		if got := outcome(t, dir, name); got != want {
			t.Errorf("%s: got %s", name, got)
		}
	}
	files, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	p, err := files.Profile("region")
	if err != nil {
		t.Fatal(err)
	}
	want := `profile "region" has no credentials as far as can be read: DIR/config cannot be read: is a directory`
	unread, ok := errors.AsType[*UnreadError](p.NoSource())
	if !ok || strings.ReplaceAll(unread.Error(), dir, "DIR") != want {
		t.Errorf("got %v", p.NoSource())
	}
}

func TestLoad_RefusesAHugeFile(t *testing.T) {
	dir := home(t, "[default]\n", "")
	if err := os.Truncate(filepath.Join(dir, "config"), maxSize+1); err != nil {
		t.Fatal(err)
	}
	if got := outcome(t, dir, "default"); got != `profile "default" cannot be found: DIR/config cannot be read: file too large` {
		t.Error(got)
	}
}
