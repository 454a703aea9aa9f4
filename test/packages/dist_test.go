//go:build packages && linux

package packages

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const (
	repository = "../.."
	dist       = repository + "/dist"
	program    = "mock-ec2-metadata"
)

// run runs a command and returns what it prints. It must succeed.
func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := try(t, name, args...)
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return out
}

// try runs a command and returns what it prints, stdout and stderr.
func try(t *testing.T, name string, args ...string) (string, error) {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		t.Fatalf("%s is not installed; CONTRIBUTING.md says what make dist-test needs", name)
	}
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8", "VERSION=", "DIST=", "SNAPSHOT=", "MAKEFLAGS=", "MAKELEVEL=")
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// made returns the only file of dist/ that fits a pattern, as an absolute path.
func made(t *testing.T, pattern string) string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dist, pattern))
	if err != nil || len(found) != 1 {
		t.Fatalf("dist/%s: %d files, %v; run make dist first", pattern, len(found), err)
	}
	path, err := filepath.Abs(found[0])
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// arch is Debian's name of this machine's architecture.
func arch(t *testing.T) string { return strings.TrimSpace(run(t, "dpkg", "--print-architecture")) }

func read(t *testing.T, path string) []byte {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// unpacked are folders with the files of the deb, the rpm, the apk and the two archives of this machine.
func unpacked(t *testing.T) map[string]string {
	t.Helper()
	dir, a := t.TempDir(), arch(t)
	folders := map[string]string{}
	for _, kind := range []string{"deb", "rpm", "apk", "archive", "archive-kube"} {
		folders[kind] = filepath.Join(dir, kind)
		if err := os.Mkdir(folders[kind], 0o755); err != nil {
			t.Fatal(err)
		}
	}
	run(t, "dpkg-deb", "-x", made(t, program+"_*_"+a+".deb"), folders["deb"])
	run(t, "rpm", "--root", folders["rpm"], "--nodeps", "--noscripts", "--install", made(t, program+"_*_"+a+".rpm"))
	run(t, "tar", "-xzf", made(t, program+"_*_"+a+".apk"), "-C", folders["apk"], "--warning=no-unknown-keyword")
	run(t, "tar", "-xJf", made(t, program+"_*_linux_"+a+".tar.xz"), "-C", folders["archive"], "--strip-components=1")
	run(t, "tar", "-xJf", made(t, program+"-kube_*_linux_"+a+".tar.xz"), "-C", folders["archive-kube"], "--strip-components=1")
	return folders
}

func TestPackages_OneBinaryInAllForms(t *testing.T) {
	folders := unpacked(t)
	for name, archive := range map[string]string{program: folders["archive"], program + "-kube": folders["archive-kube"]} {
		want := read(t, filepath.Join(folders["deb"], "usr/bin", name))
		for _, path := range []string{filepath.Join(folders["rpm"], "usr/bin", name), filepath.Join(folders["apk"], "usr/bin", name), filepath.Join(archive, name)} {
			if !bytes.Equal(want, read(t, path)) {
				t.Errorf("%s is another one than the deb's", path)
			}
		}
	}
}

// files lists the files below a folder, in words that are the same for all packages. It checks who may do what with them.
func files(t *testing.T, dir string) map[string]bool {
	t.Helper()
	all := map[string]bool{}
	same := strings.NewReplacer("vendor-completions", "site-functions")
	for line := range strings.Lines(run(t, "find", dir, "-path", "*/root/.rpmdb", "-prune", "-o", "-mindepth", "1", "(", "-type", "f", "-o", "-type", "d", ")", "-printf", "%y %u:%g %m %P\n")) {
		access, path := strings.TrimSpace(line[:strings.LastIndex(line, " ")]), strings.TrimSpace(line[strings.LastIndex(line, " "):])
		want := "f root:root 644"
		switch {
		case strings.HasPrefix(path, "."), path == "root", path == "var", strings.HasPrefix(path, "var/"): // of apk and rpm themselves
			continue
		case strings.HasPrefix(access, "d "):
			want = "d root:root 755"
		case strings.HasPrefix(path, "usr/bin/"), strings.HasPrefix(path, "etc/init.d/"):
			want = "f root:root 755"
		}
		if access != want {
			t.Errorf("%s/%s is %s; want %s", filepath.Base(dir), path, access, want)
		}
		if access[0] == 'f' && !regexp.MustCompile(`^usr/share/(doc|licenses|lintian)/|systemd|^etc/(init|conf)\.d/`).MatchString(path) {
			all[same.Replace(path)] = true
		}
	}
	return all
}

func TestPackages_HaveTheSameFiles(t *testing.T) {
	folders := unpacked(t)
	want := files(t, folders["deb"])
	if len(want) < 100 {
		t.Errorf("%d files in the deb; want its manual pages, too", len(want))
	}
	for _, kind := range []string{"rpm", "apk"} {
		got := files(t, folders[kind])
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("files (-deb +%s):\n%s", kind, diff)
		}
	}
	run(t, "sh", "-n", filepath.Join(folders["apk"], "etc/init.d", program))
}

func TestSums_AreOfAllFilesAndRefuseAFlippedBit(t *testing.T) {
	dir := t.TempDir()
	run(t, "cp", "-r", dist+"/.", dir)
	run(t, "env", "-C", dir, "sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS")
	sums := string(read(t, filepath.Join(dir, "SHA256SUMS")))
	for path := range strings.FieldsSeq(run(t, "ls", dir)) {
		if !strings.HasPrefix(path, "SHA256SUMS") && !strings.Contains(sums, "  "+path+"\n") {
			t.Errorf("SHA256SUMS has no %s", path)
		}
	}
	chart, err := filepath.Glob(filepath.Join(dir, "*chart*.tgz"))
	if err != nil || len(chart) != 1 {
		t.Fatalf("%d charts, %v", len(chart), err)
	}
	content := read(t, chart[0])
	content[len(content)/2] ^= 1
	if err := os.WriteFile(chart[0], content, 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := try(t, "env", "-C", dir, "sha256sum", "--check", "--quiet", "SHA256SUMS"); err == nil {
		t.Errorf("a changed file is accepted:\n%s", out)
	}
}

// modules are those of a program, by path and version, as the program says.
func modules(t *testing.T, path string) [][]string {
	t.Helper()
	all := regexp.MustCompile(`(?m)^\tdep\t(\S+)\t(\S+)`).FindAllStringSubmatch(run(t, "go", "version", "-m", path), -1)
	if len(all) < 10 {
		t.Errorf("%s names %d modules; want at least 10", path, len(all))
	}
	return all
}

func TestSBOM_HasTheModulesOfTheProgram(t *testing.T) {
	folders, a := unpacked(t), arch(t)
	for _, name := range []string{program, program + "-kube"} {
		bom := string(read(t, made(t, name+"_*_linux_"+a+".cdx.json")))
		all := modules(t, filepath.Join(folders["deb"], "usr/bin", name))
		for _, m := range all {
			if !strings.Contains(bom, "pkg:golang/"+m[1]+"@"+m[2]) {
				t.Errorf("%s: no %s %s", name, m[1], m[2])
			}
		}
		if got := strings.Count(bom, `"type": "library"`); got != len(all)+1 { // and the standard library
			t.Errorf("%s: %d libraries; want %d", name, got, len(all)+1)
		}
	}
}

// By itself, cyclonedx-gomod takes all programs for ones of the machine that it runs on.
func TestSBOM_NamesThePlatformOfItsProgram(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(dist, "*.cdx.json"))
	if err != nil || len(files) < 2 {
		t.Fatalf("%d SBOMs, %v", len(files), err)
	}
	for _, file := range files {
		platform := regexp.MustCompile(`_([a-z]+)_([a-z0-9]+)\.cdx\.json$`).FindStringSubmatch(file)
		if platform == nil {
			t.Fatalf("%s names no platform", file)
		}
		bom := string(read(t, file))
		all, right := strings.Count(bom, "goarch="), strings.Count(bom, `goarch=`+platform[2]+`\u0026goos=`+platform[1]+`\u0026`)
		if all == 0 || right != all {
			t.Errorf("%s: %d of %d components are for %s/%s", filepath.Base(file), right, all, platform[1], platform[2])
		}
	}
}

func TestLicenses_AreWithEveryFormOfThePrograms(t *testing.T) {
	folders := unpacked(t)
	const share = "usr/share/licenses/mock-ec2-metadata/THIRD-PARTY-LICENSES"
	texts := map[string]string{
		"deb":          run(t, "zcat", filepath.Join(folders["deb"], "usr/share/doc", program, "THIRD-PARTY-LICENSES.gz")),
		"rpm":          string(read(t, filepath.Join(folders["rpm"], share))),
		"apk":          string(read(t, filepath.Join(folders["apk"], share))),
		"archive":      string(read(t, filepath.Join(folders["archive"], "THIRD-PARTY-LICENSES"))),
		"archive-kube": string(read(t, filepath.Join(folders["archive-kube"], "THIRD-PARTY-LICENSES"))),
	}
	for _, name := range []string{program, program + "-kube"} {
		for _, m := range modules(t, filepath.Join(folders["deb"], "usr/bin", name)) {
			for form, text := range texts {
				if form == "archive" && name != program {
					continue
				}
				if line := m[1] + " " + m[2]; !strings.Contains(text, "\n  "+line+"\n") || !strings.Contains(text, "\n"+line+": ") {
					t.Errorf("%s: no licence of %s", form, line)
				}
			}
		}
	}
	for form, text := range texts {
		if !strings.Contains(text, "The Go Authors. All rights reserved.") {
			t.Errorf("%s: no licence of Go", form)
		}
	}
}
