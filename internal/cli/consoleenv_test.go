package cli

import (
	"encoding/json"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mock-ec2-metadata/internal/api"
	"mock-ec2-metadata/internal/sdkenv"
)

// TestConsole_LinesToCopyAreThoseOfEnv compares the lines of the page with what env prints, and runs them in the shells that are here.
func TestConsole_LinesToCopyAreThoseOfEnv(t *testing.T) {
	isolate(t)
	d := start(t)
	b := newCrawler(t, d.status(t).Control.Socket)
	for _, tt := range []struct {
		shell, ofEnv string
		run          []string
	}{
		{"bash", "posix", []string{"bash", "-euc"}},
		{"fish", "fish", []string{"fish", "--no-config", "-c"}},
		{"powershell", "powershell", []string{"pwsh", "-NoProfile", "-Command"}},
	} {
		t.Run(tt.shell, func(t *testing.T) {
			var lines api.Lines
			if err := json.Unmarshal([]byte(b.ask(t, "GET /v1/env?for=shell&shell="+tt.shell, "")), &lines); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(run(t, "env", "--shell", tt.ofEnv, "--listen", host(d.url)).stdout, lines.Lines); diff != "" {
				t.Fatalf("(-env +page):\n%s", diff)
			}
			program, err := exec.LookPath(tt.run[0])
			if err != nil {
				t.Skipf("no %s here to run them", tt.run[0])
			}
			environ := []string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "AWS_PROFILE=mine", "AWS_ACCESS_KEY_ID=AKIAMINE", "AWS_REGION=eu-west-1"}
			cmd := exec.CommandContext(t.Context(), program, append(tt.run[1:], lines.Lines+"\nenv")...)
			cmd.Env = environ
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			if diff := cmp.Diff(ofAWS(sdkenv.New(d.url, nil).Apply(environ)), ofAWS(strings.Split(string(out), "\n"))); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// ofAWS are the variables that AWS clients read, sorted.
func ofAWS(environ []string) []string {
	environ = slices.DeleteFunc(slices.Clone(environ), func(entry string) bool {
		return !strings.HasPrefix(entry, "AWS_") && !strings.HasPrefix(entry, "ECS_") && !strings.HasPrefix(entry, "BOTO_") && !strings.HasPrefix(entry, "CPL_")
	})
	slices.Sort(environ)
	return environ
}
