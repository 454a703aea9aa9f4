//go:build packages && linux

package packages

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestDeb_LintianIsSilent(t *testing.T) {
	out, err := try(t, "lintian", "--allow-root", "--tag-display-limit", "0", made(t, program+"_*_"+arch(t)+".deb"))
	if err != nil || strings.TrimSpace(out) != "" {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestRPM_RpmlintIsSilent(t *testing.T) {
	out, err := try(t, "rpmlint", "-c", repository+"/packaging/rpmlint.toml", made(t, program+"_*_"+arch(t)+".rpm"))
	if err != nil || !strings.Contains(out, " 0 errors, 0 warnings,") {
		t.Errorf("%v\n%s", err, out)
	}
}

// TestRPM_InstallsVerifiesAndKeepsAnEditedConfiguration uses a root without a shell, so no script runs there.
func TestRPM_InstallsVerifiesAndKeepsAnEditedConfiguration(t *testing.T) {
	root, rpm := t.TempDir(), made(t, program+"_*_"+arch(t)+".rpm")
	command := func(args ...string) (string, error) {
		return try(t, "rpm", append([]string{"--root", root, "--nodeps", "--noscripts"}, args...)...)
	}
	must := func(args ...string) string {
		t.Helper()
		out, err := command(args...)
		if err != nil {
			t.Fatalf("rpm %s: %v\n%s", strings.Join(args, " "), err, out)
		}
		return out
	}
	must("--install", rpm)
	if out := must("--verify", program); out != "" {
		t.Errorf("rpm --verify right after the installation:\n%s", out)
	}
	const path = "/etc/mock-ec2-metadata/config.yaml"
	if flags := run(t, "rpm", "-qp", "--queryformat", "[%{FILENAMES} %{FILEFLAGS:fflags}\n]", rpm); !strings.Contains(flags, path+" cn\n") { // config(noreplace)
		t.Errorf("an upgrade replaces an edited %s:\n%s", path, flags)
	}
	config := filepath.Join(root, path)
	if err := os.WriteFile(config, append(read(t, config), "# mine\n"...), 0o644); err != nil {
		t.Fatal(err)
	}
	must("--install", "--replacepkgs", rpm)
	if !strings.HasSuffix(string(read(t, config)), "# mine\n") {
		t.Error("the configuration was replaced")
	}
	must("--erase", program)
	if left := run(t, "find", root, "-name", "mock-ec2*", "-not", "-path", filepath.Dir(config)); left != "" {
		t.Errorf("left:\n%s", left)
	}
	if _, err := os.Stat(config + ".rpmsave"); err != nil {
		t.Error(err)
	}
}

func TestRPM_ScriptsAreQuietWithoutSystemd(t *testing.T) {
	for _, script := range []string{"rpm-post.sh", "rpm-preun.sh", "rpm-postun.sh", "apk-post-install.sh", "apk-post-upgrade.sh", "apk-pre-deinstall.sh"} {
		for _, shell := range []string{"dash", "bash"} {
			for _, count := range []string{"0", "1", "2"} {
				// In a root of links to this machine's, with no /run/systemd, /run/openrc nor /etc.
				out, err := try(t, "unshare", "--mount", "sh", "-c", `mount -t tmpfs tmpfs /run && mount -t tmpfs tmpfs /etc && exec "$0" "$1" "$2"`,
					shell, repository+"/packaging/scripts/"+script, count)
				if err != nil || out != "" {
					t.Errorf("%s %s %s: %v\n%s", shell, script, count, err, out)
				}
			}
		}
	}
}

func TestManPages_GroffIsSilent(t *testing.T) {
	dir := filepath.Join(unpacked(t)["deb"], "usr/share/man")
	out, err := try(t, "bash", "-c", `shopt -s globstar; for page in "$0"/**/*.gz; do zcat "$page" | groff -ww -t -man -Tutf8 -z || echo "$page"; done`, dir)
	if err != nil || out != "" {
		t.Errorf("%v\n%s", err, out)
	}
	if out := run(t, "man", "-l", filepath.Join(dir, "man5", program+".5.gz")); !regexp.MustCompile(`(?m)^ +credentials\.iam_role$`).MatchString(out) {
		t.Error("man 5 shows no credentials.iam_role")
	}
}

// commandsOf lists a program and the commands that its help names, as their pages are called.
func commandsOf(t *testing.T, path string, words ...string) []string {
	t.Helper()
	all := []string{strings.Join(append([]string{filepath.Base(path)}, words...), "-") + ".1.gz"}
	help := run(t, path, append(words, "--help")...)
	_, list, _ := strings.Cut(help, "\nAvailable Commands:\n")
	list, _, _ = strings.Cut(list, "\n\n")
	for line := range strings.Lines(list) {
		if word := strings.Fields(line)[0]; word != "help" {
			all = append(all, commandsOf(t, path, append(slices.Clone(words), word)...)...)
		}
	}
	return all
}

func TestManPages_AreOfEveryCommand(t *testing.T) {
	root := unpacked(t)["deb"]
	var want []string
	for _, name := range []string{program, program + "-kube"} {
		want = append(want, commandsOf(t, filepath.Join(root, "usr/bin", name))...)
	}
	slices.Sort(want)
	got := strings.Fields(run(t, "ls", filepath.Join(root, "usr/share/man/man1")))
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" || len(want) < 40 {
		t.Errorf("pages (-of the help, +in the deb):\n%s", diff)
	}
}

func TestCompletions_LoadInThreeShells(t *testing.T) {
	root := unpacked(t)["deb"]
	path := "PATH=" + filepath.Join(root, "usr/bin") + ":" + os.Getenv("PATH")
	share := filepath.Join(root, "usr/share")
	for shell, line := range map[string]string{
		"bash": `source /usr/share/bash-completion/bash_completion; source "SHARE/bash-completion/completions/PROGRAM"; ` +
			`COMP_LINE="PROGRAM he" COMP_WORDS=(PROGRAM he) COMP_CWORD=1; COMP_POINT=${#COMP_LINE}; __start_PROGRAM; printf "%s\n" "${COMPREPLY[@]}"`,
		"zsh":  `fpath=("SHARE/zsh/vendor-completions" $fpath); autoload -U compinit; compinit -D -u; echo $_comps[PROGRAM]; PROGRAM __complete he`,
		"fish": `source SHARE/fish/vendor_completions.d/PROGRAM.fish; complete --do-complete "PROGRAM he"`,
	} {
		for _, name := range []string{program, program + "-kube"} {
			t.Run(shell+" "+name, func(t *testing.T) {
				line := strings.NewReplacer("SHARE", share, "PROGRAM", name).Replace(line)
				out := run(t, "env", path, "HOME="+t.TempDir(), shell, "-c", line)
				if !strings.Contains(out, "healthcheck") || shell == "zsh" && !strings.Contains(out, "_"+name+"\n") {
					t.Errorf("it prints\n%s", out)
				}
			})
		}
	}
}
