//go:build e2e && linux

package e2e

import (
	"bytes"
	"debug/buildinfo"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mock-ec2-metadata/internal/testutil"
)

const stamped = "1.2.3-test"

// TestBuild_OneCommitGivesOneBinary builds one commit twice by the Makefile: from an archive with this machine's build cache, and
// from a clone in another directory with an empty cache.
func TestBuild_OneCommitGivesOneBinary(t *testing.T) {
	archive, clone := archiveHead(t), cloneHead(t)
	mustMake(t, archive, nil, "build", "VERSION="+stamped)
	mustMake(t, clone, []string{"GOCACHE=" + t.TempDir()}, "build", "VERSION="+stamped)

	t.Run("same bytes", func(t *testing.T) {
		one, other := readBinary(t, archive), readBinary(t, clone)
		if !bytes.Equal(one, other) {
			t.Errorf("two builds of one commit differ; their build information:\n%s", cmp.Diff(builtOf(t, archive), builtOf(t, clone)))
		}
		if bytes.Contains(one, []byte(archive)) {
			t.Error("the binary holds the directory that it was built in")
		}
	})
	t.Run("version", func(t *testing.T) {
		want := fmt.Sprintf("mock-ec2-metadata %s %s %s/%s\n", stamped, runtime.Version(), runtime.GOOS, runtime.GOARCH)
		if got := mustScript(t, archive, nil, "bin/mock-ec2-metadata", "version"); got != want {
			t.Errorf("version prints %q; want %q", got, want)
		}
		testVersionOfCommit(t, clone)
	})
	t.Run("sbom", func(t *testing.T) { testSBOM(t, archive) })
	t.Run("vuln", func(t *testing.T) { testVuln(t, archive) })
}

// testVersionOfCommit checks that the version follows tags and changes.
func testVersionOfCommit(t *testing.T, clone string) {
	git := func(args ...string) string {
		return strings.TrimSpace(mustScript(t, clone, nil, append([]string{"git"}, args...)...))
	}
	want := func(version string) {
		t.Helper()
		line := mustMake(t, clone, nil, "--dry-run", "build")
		if !strings.Contains(line, "-X main.version="+version+"'") {
			t.Errorf("a build is not stamped %s:\n%s", version, line)
		}
	}
	for tag := range strings.FieldsSeq(git("tag", "--list")) {
		git("tag", "--delete", tag)
	}
	want(git("rev-parse", "HEAD")[:12])
	git("tag", "v9.8.7")
	want("v9.8.7")
	testutil.Write(t, filepath.Join(clone, "LICENSE"), "changed")
	want("v9.8.7-dirty")
}

// testSBOM compares the bill of materials with what the binary itself says.
func testSBOM(t *testing.T, dir string) {
	file := filepath.Join(dir, "bin/mock-ec2-metadata.cdx.json")
	var first []byte
	for range 2 {
		mustMake(t, dir, nil, "sbom", "VERSION="+stamped)
		written, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if first != nil && !bytes.Equal(first, written) {
			t.Errorf("a second make sbom writes something else:\n%s", cmp.Diff(string(first), string(written)))
		}
		first = written
	}
	type component struct{ Name, Version string }
	var bom struct {
		BOMFormat    string
		SerialNumber string
		Metadata     struct {
			Timestamp string
			Component component
		}
		Components []component
	}
	if err := json.Unmarshal(first, &bom); err != nil {
		t.Fatal(err)
	}
	if bom.BOMFormat != "CycloneDX" || bom.SerialNumber != "" || bom.Metadata.Timestamp != "" {
		t.Errorf("format %q, serial number %q, timestamp %q; want CycloneDX and neither", bom.BOMFormat, bom.SerialNumber, bom.Metadata.Timestamp)
	}
	if want := (component{"mock-ec2-metadata", stamped}); bom.Metadata.Component != want {
		t.Errorf("it is of %v; want %v", bom.Metadata.Component, want)
	}
	built := builtOf(t, dir)
	want := []component{{"std", built.GoVersion}}
	for _, module := range built.Deps {
		want = append(want, component{module.Path, module.Version})
	}
	byName := func(a, b component) int { return strings.Compare(a.Name, b.Name) }
	slices.SortFunc(want, byName)
	slices.SortFunc(bom.Components, byName)
	if diff := cmp.Diff(want, bom.Components); diff != "" || len(want) < 10 {
		t.Errorf("components (- of the binary, + of the SBOM):\n%s", diff)
	}
}

// testVuln runs govulncheck with databases of the test's own, so that it does not depend on known vulnerabilities.
func testVuln(t *testing.T, dir string) {
	const finding = `{"id": "GO-9999-0001", "modified": "2026-01-01T00:00:00Z", "published": "2026-01-01T00:00:00Z", "details": "made up",
		"affected": [{"package": {"name": "github.com/go-chi/chi/v5", "ecosystem": "Go"},
			"ranges": [{"type": "SEMVER", "events": [{"introduced": "0"}]}],
			"ecosystem_specific": {"imports": [{"path": "github.com/go-chi/chi/v5", "symbols": ["NewRouter"]}]}}]}`
	const index = `[{"path": "github.com/go-chi/chi/v5", "vulns": [{"id": "GO-9999-0001", "modified": "2026-01-01T00:00:00Z"}]}]`
	database := func(modules string) string {
		db := t.TempDir()
		testutil.Write(t, filepath.Join(db, "index/db.json"), `{"modified": "2026-01-01T00:00:00Z"}`)
		testutil.Write(t, filepath.Join(db, "index/modules.json"), modules)
		testutil.Write(t, filepath.Join(db, "ID/GO-9999-0001.json"), finding)
		return "ARGS=-db file://" + db
	}
	nowhere := "https_proxy=http://" + testutil.FreeAddr(t)
	for _, tt := range []struct {
		name, args string
		fails      bool
		prints     string
	}{
		{name: "no finding", args: database("[]"), prints: "No vulnerabilities found.\n"},
		{name: "one finding", args: database(index), fails: true, prints: "Vulnerability #1: GO-9999-0001\n"},
		{name: "unreachable", args: "ARGS=", prints: "\nNOT CHECKED for vulnerabilities: their database cannot be reached, see above.\n"},
		{name: "no database", args: "ARGS=-db file:///nowhere", fails: true, prints: "stat /nowhere: no such file or directory\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := runMake(t, dir, []string{nowhere, "HTTPS_PROXY=", "no_proxy=", "NO_PROXY="}, "vuln", tt.args)
			if (r.code != 0) != tt.fails || !strings.Contains(r.stdout, tt.prints) {
				t.Errorf("exit %d; fails should be %v, with %q in\n%s%s", r.code, tt.fails, tt.prints, r.stdout, r.stderr)
			}
			if tt.name != "unreachable" && strings.Contains(r.stdout, "NOT CHECKED") {
				t.Errorf("it says that it has not checked:\n%s", r.stdout)
			}
		})
	}
}

// TestDockerfile_BuildsAsTheMakefileDoes compares the two build commands, so that the image holds what the tests test.
func TestDockerfile_BuildsAsTheMakefileDoes(t *testing.T) {
	dockerfile, err := os.ReadFile("../../Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	text := strings.ReplaceAll(string(dockerfile), "\\\n", " ")
	command := regexp.MustCompile(`(CGO_ENABLED=0 go build .*-o )"/rootfs/(\S+)" (\S+)`).FindStringSubmatch(text)
	if command == nil {
		t.Fatal("no go build of /rootfs in the Dockerfile")
	}
	environment := regexp.MustCompile(`ENV .*\bGOFLAGS=(\S+)`).FindStringSubmatch(text)
	if environment == nil {
		t.Fatal("no ENV with GOFLAGS in the Dockerfile")
	}
	words := func(line string) []string {
		w := strings.Fields(line)
		slices.Sort(w)
		return w
	}
	for target, program := range map[string]string{"build": "mock-ec2-metadata", "kube": "mock-ec2-metadata-kube"} {
		image := command[1] + command[2] + " " + strings.Trim(command[3], `"`) + " " + environment[1]
		image = strings.NewReplacer("${VERSION}", stamped, "${PROGRAM}", program, `"`, "'").Replace(image)
		made := strings.Replace(mustMake(t, "../..", nil, "--dry-run", target, "VERSION="+stamped), "-o bin/", "-o ", 1)
		if diff := cmp.Diff(words(made), words(image)); diff != "" {
			t.Errorf("words of the build commands (- make %s, + Dockerfile):\n%s", target, diff)
		}
	}
}

// testImageBinary compares the binary in the image, built of repo with the version e2e, with the one that make build makes.
func testImageBinary(t *testing.T, docker dockerCLI, repo string) {
	id, err := docker("create", "mock-ec2-metadata:latest")
	if err != nil {
		t.Fatal(id, err)
	}
	defer func() { _, _ = docker("rm", id) }()
	file := filepath.Join(t.TempDir(), "mock-ec2-metadata")
	if out, err := docker("cp", id+":/mock-ec2-metadata", file); err != nil {
		t.Fatal(out, err)
	}
	image, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	licences := filepath.Join(t.TempDir(), "licences")
	if out, err := docker("cp", id+":/usr/share/licenses/mock-ec2-metadata", licences); err != nil {
		t.Fatal(out, err)
	}
	for name, want := range map[string]string{"LICENSE": "MIT License", "THIRD-PARTY-LICENSES": "github.com/aws/aws-sdk-go-v2 v"} {
		if text, err := os.ReadFile(filepath.Join(licences, name)); err != nil || !strings.Contains(string(text), want) {
			t.Errorf("%s in the image: %v, has no %q", name, err, want)
		}
	}
	mustMake(t, repo, nil, "build", "VERSION=e2e")
	if !bytes.Equal(image, readBinary(t, repo)) {
		t.Error("the image's binary differs from the one that make build makes of the same files")
	}
}

// archiveHead returns a directory with the last commit's files, without a repository.
func archiveHead(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	mustScript(t, "../..", nil, "bash", "-o", "pipefail", "-c", `git archive HEAD | tar -x -C "$0"`, dir)
	return dir
}

// cloneHead returns a clone of the repository at the last commit.
func cloneHead(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "a repository's clone")
	head := strings.TrimSpace(mustScript(t, "../..", nil, "git", "rev-parse", "HEAD"))
	mustScript(t, "../..", nil, "git", "clone", "--quiet", "--no-checkout", ".", dir)
	mustScript(t, dir, nil, "git", "checkout", "--quiet", "--detach", head)
	return dir
}

// runMake runs make without the variables of another make, which may run this test. GOFLAGS are Go's defaults.
func runMake(t *testing.T, dir string, env []string, args ...string) result {
	t.Helper()
	if _, err := exec.LookPath("make"); err != nil {
		t.Fatal("make is not installed (apt-get install make)")
	}
	return script(t, dir, env, append([]string{"env", "-u", "VERSION", "-u", "ARGS", "-u", "MAKEFLAGS", "-u", "MAKELEVEL", "GOFLAGS=-buildvcs=auto", "make"}, args...)...)
}

func mustMake(t *testing.T, dir string, env []string, args ...string) string {
	t.Helper()
	r := runMake(t, dir, env, args...)
	if r.code != 0 {
		t.Fatalf("make %s: exit %d\n%s%s", strings.Join(args, " "), r.code, r.stdout, r.stderr)
	}
	return r.stdout
}

func readBinary(t *testing.T, dir string) []byte {
	t.Helper()
	binary, err := os.ReadFile(filepath.Join(dir, "bin/mock-ec2-metadata"))
	if err != nil {
		t.Fatal(err)
	}
	return binary
}

func builtOf(t *testing.T, dir string) *buildinfo.BuildInfo {
	t.Helper()
	built, err := buildinfo.ReadFile(filepath.Join(dir, "bin/mock-ec2-metadata"))
	if err != nil {
		t.Fatal(err)
	}
	return built
}
