package config

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"unicode/utf8"
)

const (
	// fileVariable names the configuration file.
	fileVariable = "MOCK_EC2_METADATA_CONFIG"
	// variablePrefix starts the variables that override a key. Its two underscores distinguish them from those that
	// Kubernetes sets for a Service called mock-ec2-metadata.
	variablePrefix = "MOCK_EC2_METADATA__"
	// maxFileSize, in bytes, bounds the time and memory that a load takes.
	maxFileSize = 16 << 20
)

// Sources are the sources of a configuration. Later ones win: default < file < environment < --set < options.
type Sources struct {
	File    string   // path; "" = DefaultFile if it exists, else the embedded default
	Text    []byte   // in place of a file; nil: none. A Reload reads it again
	Environ []string // "KEY=value", as os.Environ gives
	Set     []string // "key.path=value"; later ones win
	Options []Option // flags with a name of their own
	// Profile reads a profile of ~/.aws, "" for the SDK's choice, as the value of server.user or, without it, the user that the
	// process becomes. Each load calls it that needs a region. It may be nil.
	Profile func(profile, user string) Profile
	// Node returns what the Kubernetes API says of a node, and the zero Node while that is not known. Each load calls it that has
	// kubernetes.enabled and the node's name. It may be nil.
	Node func(node string) Node
	// Home returns the home directory for ~ and $HOME in paths, of the user that a process started as root will become, given
	// server.user. nil: this process's home.
	Home func(user string) string
}

// Option is a flag that sets one key: --log-level sets log.level.
type Option struct {
	Flag  string // as it is typed, for messages
	Path  string
	Value string // as for --set
}

// Path returns the file that Load would read now: File, the one that MOCK_EC2_METADATA_CONFIG names, or DefaultFile if it
// exists. It returns "" for the embedded default.
func (s Sources) Path() string {
	if file := cmp.Or(s.File, s.variable(fileVariable)); file != "" {
		return file
	}
	// Lstat: a broken link is an error to report, not a reason to use the embedded default.
	if _, err := os.Lstat(DefaultFile); errors.Is(err, fs.ErrNotExist) {
		return ""
	}
	return DefaultFile
}

// variable returns the value of an environment variable, or "". The last one of a name wins.
func (s Sources) variable(name string) string {
	value := ""
	for _, e := range s.Environ {
		if v, ok := strings.CutPrefix(e, name+"="); ok {
			value = v
		}
	}
	return value
}

// errNoFile replaces fs.ErrNotExist in messages.
var errNoFile = errors.New("no such file")

// readConfig reads a configuration file. Its errors start with the path.
func readConfig(path string) ([]byte, error) {
	data, err := readFile(path, maxFileSize, "larger than 16 MiB; this is not a configuration file")
	switch {
	case errors.Is(err, errNoFile):
		return nil, fmt.Errorf("%w; copy conf/sample-config.yaml there and change it, or name another file with --config or %s", err, fileVariable)
	case err != nil:
		return nil, err
	case !utf8.Valid(data):
		return nil, fmt.Errorf("%s: not UTF-8 text", oneLine(path))
	}
	return data, nil
}

// readFile reads a file of at most so many bytes. tooLarge is the message for a larger one. Its errors start with the path.
func readFile(path string, most int64, tooLarge string) ([]byte, error) {
	f, err := os.Open(path) //nolint:gosec // the user names the file
	if err != nil {
		return nil, readError(path, err)
	}
	defer func() { _ = f.Close() }()
	if info, err := f.Stat(); err == nil && info.IsDir() {
		return nil, fmt.Errorf("%s: is a directory; name a file in it", oneLine(path))
	}
	data, err := io.ReadAll(io.LimitReader(f, most+1))
	switch {
	case err != nil:
		return nil, readError(path, err)
	case int64(len(data)) > most:
		return nil, fmt.Errorf("%s: %s", oneLine(path), tooLarge)
	}
	return data, nil
}

// readError puts the path first in an error of package os.
func readError(path string, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s: %w", oneLine(path), errNoFile)
	}
	if pathErr, ok := errors.AsType[*fs.PathError](err); ok {
		err = pathErr.Err
	}
	return fmt.Errorf("%s: cannot be read: %w", oneLine(path), err)
}
