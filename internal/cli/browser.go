package cli

import (
	"context"
	"errors"
	"fmt"
	"html"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"time"

	"mock-ec2-metadata/internal/control"
)

// browserWait is how long the program that opens the browser may take to say that it cannot. Some run for as long as the browser.
const browserWait = 3 * time.Second

// openBrowser has the browser open a URL. The URL has a secret, and all users see a program's arguments: the browser gets a file of this
// user's that leads there. The code in the file is worthless after a minute; the next call removes the file. It waits so long for the
// browser to fail.
func openBrowser(ctx context.Context, to string, wait time.Duration) error {
	name, err := forwardingFile(to)
	if err != nil {
		return err
	}
	program := browserProgram(runtime.GOOS, name)
	cmd := exec.Command(program[0], program[1:]...) //nolint:gosec,noctx // the browser outlives the command
	if err := cmd.Start(); err != nil {
		if e, ok := errors.AsType[*exec.Error](err); ok {
			err = e.Err
		}
		return errors.Join(fmt.Errorf("%s: %w", program[0], err), os.Remove(name))
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case err := <-ended:
		if err != nil {
			return errors.Join(fmt.Errorf("%s: %w", program[0], err), os.Remove(name))
		}
		return nil
	case <-time.After(wait):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// browserProgram is the command of a system that opens a file in the program for it.
func browserProgram(system, file string) []string {
	switch system {
	case "darwin":
		return []string{"open", file}
	case "windows":
		return []string{"cmd", "/c", "start", "", file}
	default:
		return []string{"xdg-open", file}
	}
}

// forwardingFile writes a page that leads to a URL into the private directory of the control sockets.
func forwardingFile(to string) (string, error) {
	dir, err := control.PrivateDirectory()
	if err != nil {
		return "", err
	}
	old, _ := filepath.Glob(filepath.Join(dir, control.PagePattern)) // the pattern is right
	for _, name := range old {
		_ = os.Remove(name)
	}
	f, err := os.CreateTemp(dir, control.PagePattern) // of mode 0600
	if err != nil {
		return "", err
	}
	// A script that replaces the page leaves it out of the tab's history.
	_, err = fmt.Fprintf(f, `<!doctype html>
<meta charset="utf-8">
<meta name="referrer" content="no-referrer">
<title>mock-ec2-metadata</title>
<p><a rel="noreferrer" href="%s">Open the console</a></p>
<script>location.replace(document.links[0].href)</script>
`, html.EscapeString(to))
	if err := errors.Join(err, f.Close()); err != nil {
		return "", errors.Join(err, os.Remove(f.Name()))
	}
	return f.Name(), nil
}
