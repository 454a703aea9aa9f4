//go:build packages && linux

package packages

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// sums are those of SHA256SUMS, by file.
func sums(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	for line := range strings.Lines(string(read(t, filepath.Join(dist, "SHA256SUMS")))) {
		sum, file, found := strings.Cut(strings.TrimSpace(line), "  ")
		if !found {
			t.Fatalf("SHA256SUMS: %q", line)
		}
		all[file] = sum
	}
	return all
}

// A pre-release, which a snapshot is too, is older than its release.
func TestVersions_PreReleaseIsOlder(t *testing.T) {
	pattern := program + "_*_" + arch(t)
	version := strings.Split(filepath.Base(made(t, pattern+".deb")), "_")[1]
	release, pre, isPre := strings.Cut(version, "-")
	word, number, _ := strings.Cut(pre, ".")
	deb, rpm, apk := release+"-1", release, release+"-r1"
	if isPre {
		deb, rpm, apk = release+"~"+pre+"-1", release+"~"+pre, release+"_"+word+number+"-r1" // as apk-tools' own test of versions has it
		run(t, "dpkg", "--compare-versions", deb, "lt", release+"-1")
		if got := strings.TrimSpace(run(t, "rpm", "--eval", `%{lua:print(rpm.vercmp("`+rpm+`", "`+release+`"))}`)); got != "-1" {
			t.Errorf("rpm.vercmp is %s; want -1", got)
		}
	}
	if got := strings.TrimSpace(run(t, "dpkg-deb", "-f", made(t, pattern+".deb"), "Version")); got != deb {
		t.Errorf("the deb has version %s; want %s", got, deb)
	}
	if got := run(t, "rpm", "-qp", "--queryformat", "%{VERSION}", made(t, pattern+".rpm")); got != rpm {
		t.Errorf("the rpm has version %s; want %s", got, rpm)
	}
	if info := run(t, "tar", "-xzOf", made(t, pattern+".apk"), ".PKGINFO"); !strings.Contains(info, "\npkgver = "+apk+"\n") {
		t.Errorf("the apk has another version than %s:\n%s", apk, info)
	}
}

// only skips the test of what make dist makes for all platforms together.
func only(t *testing.T, file string) string {
	t.Helper()
	path := filepath.Join(dist, file)
	if _, err := os.Stat(path); err != nil {
		t.Skipf("no dist/%s, which make dist DIST=all makes", file)
	}
	return path
}

func TestFormula_IsRubyWithTheSumsOfTheArchives(t *testing.T) {
	path := only(t, program+".rb")
	if out := run(t, "ruby", "-c", path); !strings.Contains(out, "Syntax OK") {
		t.Error(out)
	}
	found := regexp.MustCompile(`url "\S*/([^/"]+)"\s+sha256 "(\w+)"`).FindAllStringSubmatch(string(read(t, path)), -1)
	if len(found) != 4 {
		t.Errorf("%d archives; want 4", len(found))
	}
	for _, m := range found {
		if want := sums(t)[m[1]]; m[2] != want || want == "" {
			t.Errorf("%s: %s; want %q", m[1], m[2], want)
		}
	}
}

func TestScoop_HasTheSumsOfTheArchives(t *testing.T) {
	var manifest struct {
		Architecture map[string]struct{ URL, Hash string }
	}
	if err := json.Unmarshal(read(t, only(t, program+".json")), &manifest); err != nil {
		t.Fatal(err)
	}
	if len(manifest.Architecture) != 2 {
		t.Errorf("%d architectures; want 2", len(manifest.Architecture))
	}
	for name, a := range manifest.Architecture {
		if want := sums(t)[filepath.Base(a.URL)]; a.Hash != want || want == "" {
			t.Errorf("%s: %s; want %q", name, a.Hash, want)
		}
	}
}

// TestImages_LabelsSayWhichSourceTheyAreOf runs build-docker.sh in a clone, with a docker that prints what it is asked.
func TestImages_LabelsSayWhichSourceTheyAreOf(t *testing.T) {
	clone, bin := filepath.Join(t.TempDir(), "clone"), t.TempDir()
	run(t, "git", "clone", "--quiet", "--no-tags", repository, clone)
	run(t, "cp", repository+"/build-docker.sh", clone)
	run(t, "git", "-C", clone, "-c", "user.name=t", "-c", "user.email=t@example.com", "commit", "--quiet", "--allow-empty", "--all", "--message=test")
	if err := os.WriteFile(filepath.Join(bin, "docker"), []byte("#!/bin/sh\nif [ \"$1\" = build ]; then printf '%s\\n' \"$@\"; else echo 1; fi\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	asked := func(args ...string) string {
		t.Helper()
		env := []string{"PATH=" + bin + ":" + os.Getenv("PATH"), "VERSION=v1.2.0", "HOMEPAGE=https://example.com/x", "TZ=Asia/Tokyo"}
		return run(t, "env", append(append(env, filepath.Join(clone, "build-docker.sh")), args...)...)
	}
	revision := strings.TrimSpace(run(t, "git", "-C", clone, "rev-parse", "HEAD"))
	created := strings.TrimSpace(run(t, "date", "--utc", "--date=@"+strings.TrimSpace(run(t, "git", "-C", clone, "log", "-1", "--format=%ct")), "+%Y-%m-%dT%H:%M:%SZ"))
	for _, args := range [][]string{nil, {"kube"}} {
		got := asked(args...)
		for _, want := range []string{
			"VERSION=v1.2.0", "org.opencontainers.image.revision=" + revision, "org.opencontainers.image.created=" + created,
			"org.opencontainers.image.source=https://example.com/x",
		} {
			if !strings.Contains(got, "\n"+want+"\n") {
				t.Errorf("%v: no %s in\n%s", args, want, got)
			}
		}
	}
	if err := os.WriteFile(filepath.Join(clone, "LICENSE"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if got := asked("--pull"); !strings.Contains(got, "revision="+revision+"-dirty\n") || !strings.Contains(got, "\n--pull\n") {
		t.Errorf("a changed tree:\n%s", got)
	}
	run(t, "rm", "-rf", filepath.Join(clone, ".git"))
	if got := asked(); strings.Contains(got, "revision=") || strings.Contains(got, "created=") {
		t.Errorf("without git:\n%s", got)
	}
	dockerfile := string(read(t, repository+"/Dockerfile"))
	for _, label := range []string{"licenses=\"MIT\"", "version=\"${VERSION}\"", "title=\"${PROGRAM}\""} {
		if !strings.Contains(dockerfile, "org.opencontainers.image."+label) {
			t.Errorf("the Dockerfile has no label %s", label)
		}
	}
}

// TestDist_RefusesWhatIsNoRelease runs dist.sh in a clone. It refuses before it builds anything.
func TestDist_RefusesWhatIsNoRelease(t *testing.T) {
	clone := filepath.Join(t.TempDir(), "a repository's clone")
	run(t, "git", "clone", "--quiet", "--no-tags", repository, clone)
	script := filepath.Join(clone, "packaging/dist.sh")
	refuses := func(want string, env ...string) {
		t.Helper()
		out, err := try(t, "env", append(env, script)...)
		if err == nil || !strings.Contains(out, "make dist: "+want) {
			t.Errorf("%v: %v\n%s\nwant: %s", env, err, out, want)
		}
	}
	refuses("the commit has no tag; tag it, or make dist VERSION=v1.2.0, or make dist SNAPSHOT=1")
	refuses("1.2 is no version; write it as v1.2.0 or v1.2.0-rc.1", "VERSION=1.2")
	refuses(`CHANGELOG.md has no heading "## 9.8.7"; rename "## Unreleased"`, "VERSION=v9.8.7")
	refuses("SIGNING_KEY: cannot read /no/key; name a private key of ssh-keygen", "SNAPSHOT=1", "SIGNING_KEY=/no/key")
	refuses("DIST: plan9/amd64 is none of ", "SNAPSHOT=1", "DIST=plan9/amd64")
	if err := os.WriteFile(filepath.Join(clone, "new"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	refuses("the tree has changes; commit or remove them:\n?? new", "VERSION=v9.8.7")
}
