//go:build packages && linux

package packages

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestDist_AnotherCloneMakesTheSameBytes makes the files of this machine's platform again, and signs them by a key of its own.
func TestDist_AnotherCloneMakesTheSameBytes(t *testing.T) {
	if changed := run(t, "git", "-C", repository, "status", "--porcelain"); changed != "" {
		t.Skipf("dist/ has changes that a clone lacks; commit them, and make dist again:\n%s", changed)
	}
	key := filepath.Join(t.TempDir(), "key")
	run(t, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key)
	again := makeAgain(t, key)
	t.Run("same bytes", func(t *testing.T) {
		entries, err := os.ReadDir(again)
		if err != nil {
			t.Fatal(err)
		}
		if len(entries) < 10 {
			t.Errorf("%d files; want at least 10", len(entries))
		}
		for _, e := range entries {
			if strings.HasPrefix(e.Name(), "SHA256SUMS") { // dist/ may have other platforms, too
				continue
			}
			if first, err := os.ReadFile(filepath.Join(dist, e.Name())); err != nil || !bytes.Equal(first, read(t, filepath.Join(again, e.Name()))) {
				t.Errorf("%s is another one in dist/ (%v)", e.Name(), err)
			}
		}
	})
	t.Run("signature", func(t *testing.T) { testSignature(t, again, string(read(t, key+".pub"))) })
}

// makeAgain runs make dist in a clone, with settings that must not matter, and returns its dist/.
func makeAgain(t *testing.T, key string) string {
	t.Helper()
	clone := filepath.Join(t.TempDir(), "another clone")
	run(t, "sh", "-c", `umask 077 && git clone --quiet "$0" "$1" && mkdir -p "$1/bin/tools" && cp "$0"/bin/tools/nfpm "$0"/bin/tools/cyclonedx-gomod "$1/bin/tools"`, repository, clone)
	deb := made(t, program+"_*_"+arch(t)+".deb")
	release := "SNAPSHOT=1"
	if version := strings.Split(filepath.Base(deb), "_")[1]; !strings.HasPrefix(version, "0.0.0-alpha.") {
		release = "VERSION=v" + version
	}
	home := t.TempDir()
	env := []string{
		release, "SIGNING_KEY=" + key, "URL=",
		"HOMEPAGE=" + strings.TrimSpace(run(t, "dpkg-deb", "-f", deb, "Homepage")), "MAINTAINER=" + strings.TrimSpace(run(t, "dpkg-deb", "-f", deb, "Maintainer")),
		"HOME=" + home, "XDG_CONFIG_HOME=" + home, "XDG_STATE_HOME=" + home, "XDG_RUNTIME_DIR=" + home, "TMPDIR=" + home,
		"AWS_PROFILE=other", "TZ=Pacific/Auckland", "LC_ALL=C.UTF-8", "SOURCE_DATE_EPOCH=1",
		"GOFLAGS=-tags=pprof", "GOAMD64=v3", "XZ_OPT=-0", "TAR_OPTIONS=--owner=1",
	}
	for _, name := range []string{"GOPATH", "GOCACHE", "GOMODCACHE", "GOPROXY"} {
		env = append(env, name+"="+strings.TrimSpace(run(t, "go", "env", name)))
	}
	run(t, "env", append(env, "sh", "-c", `umask 077 && exec make --silent -C "$0" dist`, clone)...)
	return filepath.Join(clone, "dist")
}

// testSignature runs the commands of docs/installing.md, and changes what they check.
func testSignature(t *testing.T, dir, public string) {
	commands := regexp.MustCompile(`(?m)^\$ (ssh-keygen .*|sha256sum .*)$`).FindAllStringSubmatch(string(read(t, repository+"/docs/installing.md")), -1)
	if len(commands) != 2 {
		t.Fatalf("docs/installing.md has %d commands; want ssh-keygen and sha256sum", len(commands))
	}
	verify := func() (string, error) {
		return try(t, "env", "-C", dir, "bash", "-e", "-c", commands[0][1]+"\n"+commands[1][1])
	}
	write := func(file string, content []byte) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, file), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("allowed", []byte("releases "+public))
	if out, err := verify(); err != nil || !strings.Contains(out, `Good "file" signature for releases with ED25519 key SHA256:`) || !strings.Contains(out, ".deb: OK\n") {
		t.Fatalf("%v\n%s", err, out)
	}
	for file, want := range map[string]string{"SHA256SUMS": "incorrect signature", filepath.Base(made(t, program+"_*_"+arch(t)+".deb")): "FAILED"} {
		content := read(t, filepath.Join(dir, file))
		changed := bytes.Clone(content)
		changed[0] ^= 1
		write(file, changed)
		if out, err := verify(); err == nil || !strings.Contains(out, want) {
			t.Errorf("a changed %s: %v\n%s\nwant: %s", file, err, out, want)
		}
		write(file, content)
	}
	other := filepath.Join(t.TempDir(), "other")
	run(t, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", other)
	write("allowed", append([]byte("releases "), read(t, other+".pub")...))
	if out, err := verify(); err == nil || !strings.Contains(out, "no principal matched") && !strings.Contains(out, "Could not verify") {
		t.Errorf("another's key: %v\n%s", err, out)
	}
}
