//go:build e2e && linux

package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mock-ec2-metadata/internal/testutil"
)

const units = "../../deploy/systemd"

// TestSystemd_UnitsServeFromTheFirstRequest boots a systemd in namespaces and installs the units there.
func TestSystemd_UnitsServeFromTheFirstRequest(t *testing.T) {
	needTools(t)
	for tool, debian := range map[string]string{"systemd-analyze": "systemd", "unshare": "util-linux", "findmnt": "util-linux", "useradd": "passwd", "ps": "procps"} {
		findTool(t, tool, debian)
	}
	dir := t.TempDir()
	install := func(from, to string, mode os.FileMode) {
		t.Helper()
		content, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		testutil.Write(t, filepath.Join(dir, to), string(content))
		if err := os.Chmod(filepath.Join(dir, to), mode); err != nil {
			t.Fatal(err)
		}
	}
	const etc = "root/etc/systemd/system/"
	install(buildDaemon(t), "root/usr/local/bin/mock-ec2-metadata", 0o755)
	for _, unit := range []string{"mock-ec2-metadata.service", "mock-ec2-metadata.socket", "mock-ec2-metadata-address.service"} {
		install(filepath.Join(units, unit), etc+unit, 0o644)
	}
	install(filepath.Join(units, "as-user.conf"), "as-user.conf", 0o644)
	install("testdata/systemd-walk.sh", "walk.sh", 0o644)
	build := exec.CommandContext(t.Context(), "go", "build", "-o", filepath.Join(dir, "stsfake"), "../stsfake/cmd/stsfake")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	testutil.Write(t, filepath.Join(dir, etc+"mock-ec2-metadata.service.d/sts.conf"), "[Service]\nEnvironment=AWS_ENDPOINT_URL_STS=http://127.0.0.1:4999\n")
	testutil.Write(t, filepath.Join(dir, "root/etc/mock-ec2-metadata/config.yaml"), "credentials: {source_profile: default, iam_role: '"+roleARN+"'}\nec2: {hostname: one}\n")
	for _, path := range []string{"root/etc/mock-ec2-metadata", "root/etc/mock-ec2-metadata/config.yaml"} {
		if err := os.Chmod(filepath.Join(dir, path), 0o755); err != nil {
			t.Fatal(err)
		}
	}

	boot := exec.CommandContext(t.Context(), "testdata/systemd-boot.sh", dir)
	boot.Env = []string{"PATH=" + systemPath}
	if out, err := boot.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	got, err := os.ReadFile(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	printed := untilTime.ReplaceAllString(string(got), "until TIME")
	printed = checkExposure(t, printed)
	if diff := cmp.Diff(systemdTranscript, printed); diff != "" {
		journal, _ := os.ReadFile(filepath.Join(dir, "journal"))
		t.Errorf("(-want +got):\n%s\n%s", diff, journal)
	}
}

// checkExposure checks the figures of systemd-analyze security and removes them: they differ between versions of systemd.
func checkExposure(t *testing.T, printed string) string {
	t.Helper()
	version := regexp.MustCompile(`(?m)^systemd (\d+).*\n`)
	figure := regexp.MustCompile(`(\.service: )(\d+\.\d) .*`)
	v, figures := version.FindStringSubmatch(printed), figure.FindAllStringSubmatch(printed, -1)
	if v == nil || len(figures) != 2 {
		t.Fatalf("no figures in\n%s", printed)
	}
	for _, f := range figures {
		if value, err := strconv.ParseFloat(f[2], 64); err != nil || value > 1.9 {
			t.Errorf("%s", f[0])
		}
	}
	comment, err := os.ReadFile(filepath.Join(units, "mock-ec2-metadata.service"))
	if err != nil {
		t.Fatal(err)
	}
	if want := "says " + figures[0][2] + " OK"; v[1] == "252" && !strings.Contains(string(comment), want) {
		t.Errorf("the unit's comment does not quote systemd-analyze security: it %s", want)
	}
	return figure.ReplaceAllString(version.ReplaceAllString(printed, ""), "${1}FIGURE")
}

// systemdTranscript is what testdata/systemd-walk.sh prints.
const systemdTranscript = `-- verify
mock-ec2-metadata.service: FIGURE
mock-ec2-metadata-address.service: FIGURE
-- address
active exited
active listening
inactive dead
169.254.169.254/32
-- first request
i-0123456789abcdef0
active running
serves i-0123456789abcdef0 with role myrole, credentials valid until TIME
  "Code" : "Success",
ok
-- rights
CapInh: 0000000000000000
CapPrm: 0000000000000000
CapEff: 0000000000000000
CapBnd: 0000000000000000
CapAmb: 0000000000000000
NoNewPrivs: 1
Seccomp: 2
/var/lib/private/mock-ec2-metadata 700
/run/mock-ec2-metadata 700
5
identity.pem
session-tokens.key
-- control
/run/mock-ec2-metadata/80.sock 600
    "socket": "/run/mock-ec2-metadata/80.sock"
mock-ec2-metadata: no MFA code is wanted now
reloaded /etc/mock-ec2-metadata/config.yaml
mock-ec2-metadata: no running daemon was found in /tmp/mock-ec2-metadata-65534 or /run/user/65534/mock-ec2-metadata or /run/mock-ec2-metadata; start it (mock-ec2-metadata serve), or name its socket with --control or its address with --listen
-- reload
two
active running
-- containers
169.254.169.254/32 169.254.170.2/32 169.254.170.23/32
{"code":"NoIdInRequest","message":"CredentialsV2Request: No Credential ID in the request","HTTPErrorCode":400}
404 page not found
active running
-- as a user
serves i-0123456789abcdef0 with role myrole, credentials valid until TIME
  "Code" : "Success",
you
/run/mock-ec2-metadata 700 you
/run/mock-ec2-metadata/80.sock 600 you
    "socket": "/run/mock-ec2-metadata/80.sock"
  touch: cannot touch '/home/you/.aws/written': Read-only file system
  .aws
answer
home
written
-- stop
inactive dead
inactive dead
Device "mock-imds" does not exist.
ls: cannot access '/run/mock-ec2-metadata': No such file or directory
`
