package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"mock-ec2-metadata/internal/config"
)

var tested = release{version: "1.2.3", date: time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)}

// inRepository makes the top of the repository the working directory.
func inRepository(t *testing.T) { t.Chdir("../..") }

func read(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

func TestWrite_TwiceGivesTheSameBytes(t *testing.T) {
	inRepository(t)
	contents := func() map[string]string {
		dir := t.TempDir()
		if err := write(dir, tested); err != nil {
			t.Fatal(err)
		}
		all := map[string]string{}
		err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
			if err == nil && !d.IsDir() {
				name, _ := filepath.Rel(dir, path)
				all[name] = read(t, path)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return all
	}
	if diff := cmp.Diff(contents(), contents()); diff != "" {
		t.Error(diff)
	}
}

// Escapes of roff, and what Markdown makes of a character.
var roffEscapes = strings.NewReplacer(`\fB`, "", `\fI`, "", `\fP`, "", `\fR`, "", `\-`, "-", `\\`, `\`, `\&`, "", `\[u2026]`, "…")

// TestPages_HoldEveryWordOfTheHelp shows that no text is lost on its way through Markdown and roff.
func TestPages_HoldEveryWordOfTheHelp(t *testing.T) {
	inRepository(t)
	dir := t.TempDir()
	for _, root := range programs(tested.version) {
		if err := writeCommandPages(root, dir, tested); err != nil {
			t.Fatal(err)
		}
	}
	var check func(cmd *cobra.Command)
	check = func(cmd *cobra.Command) {
		source := read(t, filepath.Join(dir, strings.ReplaceAll(cmd.CommandPath(), " ", "-")+".1"))
		if _, also, _ := strings.Cut(source, "\n.SH SEE ALSO\n"); !strings.HasSuffix(also, `(1)\fP, \fBmock-ec2-metadata(5)\fP`+"\n") || strings.Count(also, "\n") != 1 {
			t.Errorf("the page of %s ends with %q", cmd.CommandPath(), also)
		}
		page := roffEscapes.Replace(source)
		texts := cmd.Short + "\n" + cmd.Long
		cmd.LocalFlags().VisitAll(func(f *pflag.Flag) { texts += "\n--" + f.Name + " " + strings.ReplaceAll(f.Usage, "`", "") })
		for word := range strings.FieldsSeq(texts) {
			if word != "####" && !strings.Contains(page, word) { // a heading, in texts of cobra's
				t.Errorf("the page of %s has no %s", cmd.CommandPath(), word)
			}
		}
		for _, child := range cmd.Commands() {
			if child.IsAvailableCommand() && !child.IsAdditionalHelpTopicCommand() {
				check(child)
			}
		}
	}
	for _, root := range programs(tested.version) {
		check(root)
	}
}

func TestConfigurationPage_HasEveryKey(t *testing.T) {
	inRepository(t)
	markdown := read(t, reference)
	page := roffEscapes.Replace(string(configurationPage(markdown, tested)))
	keys := regexp.MustCompile("(?m)^\\| `([^`]+)` \\|").FindAllStringSubmatch(markdown, -1)
	if len(keys) < 200 {
		t.Fatalf("%d keys in %s; want at least 200", len(keys), reference)
	}
	for _, key := range keys {
		if !strings.Contains(page, "\n.TP\n"+key[1]+"\n") {
			t.Errorf("no term %s", key[1])
		}
	}
	for _, wrong := range []string{"](", "<br>", "| `", ".TS"} {
		if strings.Contains(page, wrong) {
			t.Errorf("the page has %q", wrong)
		}
	}
}

func TestPackagedConfig_IsMockRoleAlone(t *testing.T) {
	inRepository(t)
	text, err := packagedConfig(read(t, sample))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	loaded, err := config.Load(config.Sources{File: path})
	if err != nil {
		t.Fatal(err)
	}
	if len(loaded.Warnings) > 0 {
		t.Errorf("warnings: %q", loaded.Warnings)
	}
	c := loaded.Config.Credentials
	if !c.Mock || c.SourceProfile != "" {
		t.Errorf("mock %v, source_profile %q; want true and none", c.Mock, c.SourceProfile)
	}
	if want := "arn:aws:iam::123456789012:role/mock-role"; c.IAMRole != want {
		t.Errorf("iam_role %q; want %q", c.IAMRole, want)
	}
}

func TestPackagedConfig_SampleThatChangedIsRefused(t *testing.T) {
	_, err := packagedConfig("credentials:\n  source_profile: default\n")
	if err == nil || !strings.Contains(err.Error(), "is not there once; correct packagedEdits") {
		t.Errorf("error %v", err)
	}
}

func TestPackagedUnit_RunsThePackagedProgram(t *testing.T) {
	inRepository(t)
	dir := t.TempDir()
	if err := writeUnits(dir); err != nil {
		t.Fatal(err)
	}
	for _, unit := range []string{"mock-ec2-metadata.service", "mock-ec2-metadata.socket", "mock-ec2-metadata-address.service"} {
		text := read(t, filepath.Join(dir, unit))
		if strings.Contains(text, "/usr/local") || strings.Contains(text, "install -m") {
			t.Errorf("%s is one to install by hand:\n%s", unit, text)
		}
	}
	if service := read(t, filepath.Join(dir, "mock-ec2-metadata.service")); !strings.Contains(service, packagedBlock) || !strings.Contains(service, "\nExecStart=/usr/bin/mock-ec2-metadata serve\n") {
		t.Errorf("how to enable it, or ExecStart, is missing:\n%s", service)
	}
}
