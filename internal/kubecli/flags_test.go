package kubecli

import (
	"bytes"
	"io"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"mock-ec2-metadata/internal/cli"
	"mock-ec2-metadata/internal/testutil"
)

// run runs a command line of the program. environ is its environment.
func run(t *testing.T, environ []string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	p := New("test")
	code = cli.Run(t.Context(), cli.Process{
		Args: args, Environ: environ, Stdin: strings.NewReader(""), Stdout: &out, Stderr: &errs, Version: "test", Extension: p,
	})
	return code, out.String(), errs.String()
}

func TestUp_FlagsThatExcludeEachOtherAreRefused(t *testing.T) {
	testutil.IsolateHome(t)
	for line, want := range map[string]string{
		"--credentials disk":                      `--credentials: "disk" is none of relay, mount, secret, mock`,
		"--credentials mount":                     "--credentials mount: the directory is missing; name it with --mount DIRECTORY",
		"--mount /x":                              "--mount is for --credentials mount alone",
		"--allow-long-lived-keys":                 "--allow-long-lived-keys is for --credentials secret alone",
		"--credentials mock --profile work":       "--profile: --credentials mock uses none; leave one of them out",
		"--role=":                                 "--role names no role; write an ARN or own, or leave it out",
		"--credentials mock --role own":           "--role own: made-up credentials are of a role; write --role with an ARN",
		"--image a/b:1 --image-archive image.tar": "--image and --image-archive exclude each other; leave one out",
		"now":       `up takes no arguments, but got "now"`,
		"--config=": "--config names no file; leave it out for conf/config.yaml or the embedded default",
	} {
		code, stdout, stderr := run(t, nil, append([]string{"up"}, strings.Fields(line)...)...)
		if got, _, _ := strings.Cut(stderr, "\n"); code != 2 || got != "mock-ec2-metadata: "+want || stdout != "" {
			t.Errorf("up %s: exit %d, %q, %q", line, code, stdout, stderr)
		}
	}
}

func TestProgram_EachCommandAndFlagIsDocumented(t *testing.T) {
	root := &cobra.Command{Use: "program"}
	root.AddCommand(&cobra.Command{Use: "serve"}, &cobra.Command{Use: "status"})
	New("test").Extend(root, nil)
	var names []string
	for _, cmd := range root.Commands() {
		names = append(names, cmd.Name())
		if cmd.Name() == "serve" {
			continue
		}
		if cmd.Short == "" || strings.HasSuffix(cmd.Short, ".") || cmd.Long == "" && !cmd.Hidden {
			t.Errorf("%s: %q, %q", cmd.Name(), cmd.Short, cmd.Long)
		}
	}
	if got := strings.Join(names, " "); got != "cleanup down image relay serve status up" {
		t.Errorf("commands: %s", got)
	}
	testutil.IsolateHome(t)
	for _, name := range []string{"up", "down", "status", "image", "relay", "cleanup", "serve", "check", "version"} {
		code, stdout, stderr := run(t, nil, "help", name)
		if code != 0 || !strings.Contains(stdout, "Usage:\n  mock-ec2-metadata-kube "+name) || stderr != "" {
			t.Errorf("help %s: exit %d, %q, %q", name, code, stdout, stderr)
		}
		_, flags, _ := strings.Cut(stdout, "Flags:\n")
		for line := range strings.Lines(flags) {
			if flag, about, _ := strings.Cut(strings.TrimSpace(line), "   "); strings.HasPrefix(flag, "--") && strings.TrimSpace(about) == "" {
				t.Errorf("help %s: no text for %s", name, flag)
			}
		}
	}
}

func TestConfirm_OnlyYesIsAYes(t *testing.T) {
	for typed, want := range map[string]bool{"y\n": true, "YES\n": true, " y ": true, "\n": false, "": false, "n\n": false, "yess\n": false} {
		if got, err := confirm(strings.NewReader(typed), io.Discard, "?"); got != want || err != nil {
			t.Errorf("%q: %v, %v", typed, got, err)
		}
	}
}
