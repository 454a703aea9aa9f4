package cli

import (
	"context"
	"errors"
	"os"
	"os/user"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"mock-ec2-metadata/internal/testutil"
)

// me is this user before the name of a host.
func me() string {
	if u, err := user.Current(); err == nil && u.Username != "" {
		return u.Username + "@"
	}
	return ""
}

// fakeBrowser puts a program into PATH, as the only one beside the shell, in place of the one that opens files.
func fakeBrowser(t *testing.T, script string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "xdg-open"), []byte("#!/bin/sh\nPATH=/usr/bin:/bin\n"+script), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir)
	t.Setenv("OUT", dir)
	return dir
}

// pages are the files that lead a browser to the console.
func pages(t *testing.T) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(os.Getenv("XDG_RUNTIME_DIR"), "mock-ec2-metadata", "console-*.html"))
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// TestConsole_OpenGivesTheBrowserAPrivateFile looks at what the browser gets, and at what all users see of a process.
func TestConsole_OpenGivesTheBrowserAPrivateFile(t *testing.T) {
	isolate(t)
	d := start(t, "--set", "credentials.mock=true")
	dir := fakeBrowser(t, `
tr '\0' '\n' < /proc/$$/cmdline > "$OUT/arguments"
env > "$OUT/environment"
stat -c %a "$1" "${1%/*}" > "$OUT/modes"
cat "$1" > "$OUT/page"
`)
	if got := d.run(t, "console", "--open"); got != (ran{stdout: "the page opens in your browser\n"}) {
		t.Fatalf("%+v", got)
	}
	read := func(name string) string {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	link := regexp.MustCompile(`<a rel="noreferrer" href="http://(127\.0\.0\.1:[0-9]+)/#k=([A-Za-z0-9_-]{43})">`).FindStringSubmatch(read("page"))
	if link == nil || !strings.Contains(read("page"), "<script>location.replace(document.links[0].href)</script>") {
		t.Fatal("the page does not lead to the console")
	}
	if modes := read("modes"); modes != "600\n700\n" {
		t.Errorf("modes of the page and its directory: %s", modes)
	}
	arguments := strings.Split(strings.TrimSpace(read("arguments")), "\n")
	left := pages(t)
	if len(left) != 1 || len(arguments) != 3 || arguments[2] != left[0] {
		t.Errorf("arguments %q, pages %q", arguments, left)
	}
	for _, name := range []string{"arguments", "environment"} {
		if strings.Contains(read(name), link[2]) {
			t.Errorf("the code is among the %s", name)
		}
	}
	signIn(t, link[1], link[2])
	if got := d.run(t, "console", "--open"); got.code != 0 || len(pages(t)) != 1 || pages(t)[0] == left[0] {
		t.Errorf("a second time: %+v, pages %q", got, pages(t))
	}
	another := start(t, "--set", "credentials.mock=true")
	if another.stop(); len(pages(t)) != 1 {
		t.Errorf("after the end of another daemon: %q", pages(t))
	}
	if d.stop(); len(pages(t)) > 0 || d.log.Contains(link[2]) {
		t.Errorf("after the daemon's end: %q, or the log has the code", pages(t))
	}
}

// TestConsole_OpenFollowsNoLink has links at the places of pages. Only this user could put them there.
func TestConsole_OpenFollowsNoLink(t *testing.T) {
	isolate(t)
	d := start(t, "--set", "credentials.mock=true")
	fakeBrowser(t, "test -f \"$1\" && ! test -h \"$1\"\n")
	victim := testutil.WriteTemp(t, "victim", "content")
	link := filepath.Join(os.Getenv("XDG_RUNTIME_DIR"), "mock-ec2-metadata", "console-1.html")
	if err := os.Symlink(victim, link); err != nil {
		t.Fatal(err)
	}
	if got := d.run(t, "console", "--open"); got.code != 0 {
		t.Errorf("%+v", got)
	}
	if text, err := os.ReadFile(victim); err != nil || string(text) != "content" {
		t.Errorf("the file behind the link: %q, %v", text, err)
	}
	if _, err := os.Lstat(link); !os.IsNotExist(err) {
		t.Errorf("the link is left: %v", err)
	}
}

// TestConsole_OpenWithoutABrowserSaysWhatToDo leaves no file behind.
func TestConsole_OpenWithoutABrowserSaysWhatToDo(t *testing.T) {
	isolate(t)
	d := start(t, "--set", "credentials.mock=true")
	const fix = "; run console without --open, and open the URL yourself\n"
	fakeBrowser(t, "exit 3\n")
	if got := d.run(t, "console", "--open"); got != (ran{code: exitFailure, stderr: "mock-ec2-metadata: no browser was opened: xdg-open: exit status 3" + fix}) {
		t.Errorf("a browser that fails: %+v", got)
	}
	if left := pages(t); len(left) > 0 {
		t.Errorf("left behind by a browser that fails: %q", left)
	}
	t.Setenv("PATH", t.TempDir())
	if got := d.run(t, "console", "--open"); got != (ran{code: exitFailure, stderr: "mock-ec2-metadata: no browser was opened: xdg-open: executable file not found in $PATH" + fix}) {
		t.Errorf("none: %+v", got)
	}
	if left := pages(t); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}

// TestOpenBrowser_OneThatStaysIsNotWaitedFor has a program that runs for as long as the browser.
func TestOpenBrowser_OneThatStaysIsNotWaitedFor(t *testing.T) {
	isolate(t)
	fakeBrowser(t, "sleep 5\nexit 1\n")
	if err := openBrowser(t.Context(), "http://127.0.0.1:1/", time.Millisecond); err != nil {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := openBrowser(ctx, "http://127.0.0.1:1/", time.Hour); !errors.Is(err, context.Canceled) {
		t.Errorf("after Ctrl-C: %v", err)
	}
	if n := len(pages(t)); n != 1 {
		t.Errorf("%d pages", n)
	}
}

func TestBrowserProgram_GetsTheFileOnly(t *testing.T) {
	for system, want := range map[string]string{
		"linux": "xdg-open /f", "freebsd": "xdg-open /f", "darwin": "open /f", "windows": "cmd /c start  /f",
	} {
		if got := strings.Join(browserProgram(system, "/f"), " "); got != want {
			t.Errorf("%s: %s, want %s", system, got, want)
		}
	}
}

// TestForwardingFile_EscapesTheURL has a URL of a daemon that is none of ours.
func TestForwardingFile_EscapesTheURL(t *testing.T) {
	isolate(t)
	name, err := forwardingFile(`http://x/"><script>alert(1)</script>`)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(name)
	if err != nil || strings.Contains(string(text), "alert(1)</script>") {
		t.Errorf("%s, %v", text, err)
	}
}
