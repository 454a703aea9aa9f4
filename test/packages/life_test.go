//go:build packages && linux

package packages

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// debian is a small Debian with an init, systemd or openrc, made once by debootstrap.
func debian(t *testing.T, init string) string {
	t.Helper()
	root, err := filepath.Abs(repository + "/bin/debian-bookworm")
	if err != nil {
		t.Fatal(err)
	}
	if path := os.Getenv("PACKAGES_DEBIAN"); path != "" {
		root = path
	}
	packages := "systemd,systemd-sysv"
	if init == "openrc" {
		root, packages = root+"-openrc", "openrc"
	}
	if _, err := os.Stat(root); err == nil {
		return root
	}
	if err := os.MkdirAll(filepath.Dir(root), 0o755); err != nil {
		t.Fatal(err)
	}
	making := root + ".new" // of a run that was stopped, perhaps
	run(t, "rm", "-rf", "--one-file-system", making)
	run(t, "debootstrap", "--variant=minbase", "--include="+packages+",curl,iproute2", "bookworm", making, "http://deb.debian.org/debian")
	if err := os.Rename(making, root); err != nil {
		t.Fatal(err)
	}
	return root
}

// debs is a folder with the walks, the deb that was made as current.deb, and others of other versions; the configuration of changed.deb
// differs, too.
func debs(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	run(t, "bash", "-c", `cp testdata/* "$0" && cp "$1" "$0/current.deb"`, dir, made(t, program+"_*_"+arch(t)+".deb"))
	for name, version := range map[string]string{"older": "0.0.0~alpha.1-1", "newer": "9.0.0-1", "changed": "9.0.1-1"} {
		run(t, "testdata/rework.sh", filepath.Join(dir, "current.deb"), filepath.Join(dir, name+".deb"), version)
	}
	return dir
}

func wantTranscript(t *testing.T, file, got string) {
	t.Helper()
	var kept strings.Builder
	for line := range strings.Lines(got) { // what dpkg prints is too, but for empty lines
		if strings.TrimSpace(line) != "" {
			kept.WriteString(line)
		}
	}
	if diff := cmp.Diff(string(read(t, file)), kept.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// The network of the walk has no route: each call of the daemon's would be refused, and it would say so.
func TestDeb_LivesWithoutSystemd(t *testing.T) {
	out, err := try(t, "testdata/chroot.sh", debian(t, "systemd"), debs(t), "deb-walk.sh")
	if err != nil {
		t.Errorf("%v", err)
	}
	wantTranscript(t, "testdata/deb-walk.txt", out)
}

func TestDeb_BootsAndServes(t *testing.T) {
	dir, unit := debs(t), filepath.Join(t.TempDir(), "walk.service")
	text := "[Unit]\nRequires=basic.target\n[Service]\nType=oneshot\nExecStart=/bin/bash /files/boot-walk.sh\n" +
		"ExecStopPost=systemctl poweroff --force --force --quiet\nStandardOutput=append:/files/log\nStandardError=inherit\n"
	if err := os.WriteFile(unit, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	out, err := try(t, "timeout", "--signal=KILL", "600", "systemd-nspawn", "--quiet", "--register=no", "--keep-unit", "--private-network", "--volatile=overlay",
		"--directory="+debian(t, "systemd"), "--bind="+dir+":/files", "--bind-ro="+unit+":/etc/systemd/system/walk.service", "--boot", "--", "--unit=walk.service")
	log, readErr := os.ReadFile(filepath.Join(dir, "log"))
	if readErr != nil {
		t.Fatalf("%v, %v\n%s", readErr, err, out)
	}
	wantTranscript(t, "testdata/boot-walk.txt", string(log))
}

// No apk runs here: the walk unpacks the package, and runs its scripts as apk would.
func TestAPK_LivesWithOpenRC(t *testing.T) {
	dir := t.TempDir()
	run(t, "cp", "testdata/openrc-walk.sh", dir)
	run(t, "cp", made(t, program+"_*_"+arch(t)+".apk"), filepath.Join(dir, "current.apk"))
	out, err := try(t, "testdata/chroot.sh", debian(t, "openrc"), dir, "openrc-walk.sh")
	if err != nil {
		t.Errorf("%v", err)
	}
	wantTranscript(t, "testdata/openrc-walk.txt", out)
}
